package lockstep_test

import (
	"testing"
)

// play runs a shape with many seeds and reports the first that breaks.
func play(t *testing.T, seeds int, s func(seed uint64) shape) {
	t.Helper()
	batches := 0
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		n := newNet(seed, s(seed))
		n.run()
		if n.judge.faults != nil {
			t.Fatalf("seed %d %+v at %v:\n%v", seed, n.shape, n.now, n.judge.faults)
		}
		batches += len(n.judge.order)
	}
	if batches == 0 {
		t.Fatal("nothing was delivered in any run")
	}
	t.Logf("%d runs delivered %d batches", seeds, batches)
}

func TestLossyLinksCostNothing(t *testing.T) {
	play(t, 40, func(seed uint64) shape {
		return shape{members: 3 + int(seed%3), batch: 1 + int(seed%4), datagram: true, drop: 0.2, repeat: 0.1}
	})
}

func TestHealedCutsAgree(t *testing.T) {
	play(t, 60, func(seed uint64) shape {
		return shape{members: 3 + int(seed%3), batch: 1, datagram: seed%2 == 0, drop: 0.05, cuts: true, idle: seed%3 == 0}
	})
}

func TestRestartedWithDataGoesOn(t *testing.T) {
	play(t, 60, func(seed uint64) shape {
		return shape{members: 3 + int(seed%2), batch: 2, datagram: seed%2 == 0, durable: true, drop: 0.1, repeat: 0.1, restarts: true, cuts: seed%3 == 0}
	})
}

func TestOneWayRingCompletes(t *testing.T) {
	play(t, 30, func(seed uint64) shape {
		return shape{members: 3 + int(seed%3), batch: 1, datagram: seed%2 == 0, drop: 0.05, oneWayRing: true}
	})
}

func TestRestartedWithoutDataReadsTheSame(t *testing.T) {
	play(t, 60, func(seed uint64) shape {
		return shape{members: 3 + int(seed%3), batch: 1, datagram: seed%2 == 0, durable: seed%4 < 2, drop: 0.05, restarts: true, losesData: true}
	})
}
