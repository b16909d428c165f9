package delta_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

// play runs one storm to its end and gives the first violation.
func play(seed uint64, w weather) string { return playOut(newStorm(seed, w)) }

// playOut runs a storm to its end and returns the first violation.
func playOut(s *storm) string {
	w := s.weather
	s.run(2*time.Second, true)
	s.heal()
	if w.comes() {
		s.gatherAll()
		s.run(goOnFor, true)
	}
	s.close()
	for range 10 {
		if s.run(time.Second, false); s.done() {
			break
		}
	}
	if w.comes() {
		s.judge.finished(s)
		return s.judge.verdict
	}
	if w.amnesia > 0 || w.crashes > 0 && !w.durable {
		s.judge.gathered(s)
	} else {
		s.judge.finished(s)
	}
	return s.judge.verdict
}

// goOnFor is how long all write on once they are together again.
const goOnFor = 200 * time.Millisecond

// done reports whether all members say so.
func (s *storm) done() bool {
	for _, n := range s.nodes {
		if n.reducer == nil || !n.reducer.Status().Done {
			return false
		}
	}
	return true
}

func playAll(t *testing.T, seeds uint64, weatherOf func(seed uint64) weather) {
	t.Helper()
	for seed := range seeds {
		if verdict := play(seed, weatherOf(seed)); verdict != "" {
			t.Errorf("seed %d, %+v: %s", seed, weatherOf(seed), verdict)
		}
	}
}

func TestStormSettlesEverythingInOneOrder(t *testing.T) {
	playAll(t, 20, func(seed uint64) weather {
		return weather{members: 2 + int(seed%4), loss: float64(seed%5) / 10, cuts: 0.005}
	})
}

func TestRestartsWithDataArePauses(t *testing.T) {
	playAll(t, 12, func(seed uint64) weather {
		return weather{members: 2 + int(seed%4), durable: true, loss: float64(seed%3) / 10, cuts: 0.002, crashes: 0.005}
	})
}

func TestLostDataBreaksNoAgreement(t *testing.T) {
	playAll(t, 12, func(seed uint64) weather {
		return weather{members: 3 + int(seed%3), durable: seed%2 == 0, loss: float64(seed%3) / 10, cuts: 0.002, crashes: 0.002, amnesia: 0.5}
	})
}

func TestConnectionsThatBreakLoseNothing(t *testing.T) {
	playAll(t, 12, func(seed uint64) weather {
		return weather{members: 2 + int(seed%4), reliable: true, durable: seed%2 == 0, cuts: 0.01, crashes: float64(seed%2) * 0.003}
	})
}

// TestTightLimitsOnlySlowDown: windows of two batches, a reorder buffer of one,
// memory for a few.
func TestTightLimitsOnlySlowDown(t *testing.T) {
	playAll(t, 12, func(seed uint64) weather {
		return weather{
			members: 2 + int(seed%3), loss: float64(seed%3) / 10, cuts: 0.002, durable: seed%2 == 0, reliable: seed%3 == 0,
			sizeMax: 1000, window: 2000, message: 1000, ahead: 1000, memory: 20000, sendEvery: 10,
		}
	})
}

// TestWhatIsLostGoesInOrder: after heavy loss most of what a peer lacks was lost,
// some of it twice, and it has room for nothing but what comes next.
func TestWhatIsLostGoesInOrder(t *testing.T) {
	w := weather{members: 2, durable: true, loss: 0.3, cuts: 0.005, sizeMax: 1000, window: 2000, message: 1000, ahead: 1000, memory: 30000}
	for _, seed := range []uint64{1, 88, 272, 1248} {
		if verdict := play(seed, w); verdict != "" {
			t.Errorf("seed %d: %s", seed, verdict)
		}
	}
}

// TestSnapshotGivesBackWhatIsInMemory: of what it stands for, a part may be parked,
// and then nobody holds anything of it.
func TestSnapshotGivesBackWhatIsInMemory(t *testing.T) {
	w := weather{
		members: 4, durable: true, loss: 0.1, cuts: 0.005, crashes: 0.003, amnesia: 0.5,
		sizeMax: 1000, window: 2000, message: 1000, ahead: 1000, memory: 30000,
	}
	for _, seed := range []uint64{15, 265} { // in which an observer with parked batches gets one
		if verdict := play(seed, w); verdict != "" {
			t.Errorf("seed %d: %s", seed, verdict)
		}
	}
}

// TestAnyWeather draws the weather, so that a failure shrinks to the least of
// it that still breaks something.
func TestAnyWeather(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		w := drawnWeather(t)
		w.idle = rapid.IntRange(0, 1).Draw(t, "idle")
		if verdict := play(rapid.Uint64().Draw(t, "seed"), w); verdict != "" {
			t.Fatal(verdict)
		}
	})
}

// drawnWeather draws what any storm has.
func drawnWeather(t *rapid.T) weather {
	w := weather{
		members: rapid.IntRange(2, 5).Draw(t, "members"),
		durable: rapid.Bool().Draw(t, "durable"), reliable: rapid.Bool().Draw(t, "reliable"),
		loss: rapid.SampledFrom([]float64{0, 0.1, 0.3}).Draw(t, "loss"), cuts: rapid.SampledFrom([]float64{0, 0.005}).Draw(t, "cuts"),
		crashes: rapid.SampledFrom([]float64{0, 0.003}).Draw(t, "crashes"), amnesia: rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "amnesia"),
	}
	if rapid.Bool().Draw(t, "tight") {
		w.sizeMax, w.window, w.message, w.ahead, w.memory = 1000, 2000, 1000, 1000, 30000
	}
	return w
}

// TestOneWayRingSettlesEverything: each member is heard by its neighbour alone,
// for ever; that connects all of them.
func TestOneWayRingSettlesEverything(t *testing.T) {
	for seed := range uint64(6) {
		s := newStorm(seed, weather{members: 3 + int(seed%3), loss: float64(seed%2) / 10})
		for i := range s.members {
			for k := range s.members {
				s.setCut(i, k, k != (i+1)%s.members)
			}
		}
		s.end(t, seed)
	}
}

// TestConnectedCoreSettlesThoughTheRestStaysBroken: a ring with a few links
// more in random directions, over connections.
func TestConnectedCoreSettlesThoughTheRestStaysBroken(t *testing.T) {
	for seed := range uint64(6) {
		s := newStorm(seed, weather{members: 4 + int(seed%2), reliable: true, durable: seed%2 == 0})
		for i := range s.members {
			for k := range s.members {
				s.setCut(i, k, k != (i+1)%s.members && s.rng.IntN(3) > 0)
			}
		}
		s.end(t, seed)
	}
}

func (s *storm) end(t *testing.T, seed uint64) {
	t.Helper()
	if verdict := s.finish(); verdict != "" {
		t.Errorf("seed %d: %s", seed, verdict)
	}
}

// finish has the members send for a while over the links as they are, and
// waits for all to be told; it gives the first violation.
func (s *storm) finish() string {
	s.run(time.Second, true)
	s.close()
	for range 20 {
		if s.run(time.Second, false); s.done() {
			break
		}
	}
	s.judge.finished(s)
	return s.judge.verdict
}

// TestHealthyMeshSendsEachBatchOnce: messages overtake each other, but none is
// lost, so nothing needs to be sent twice, pulled or passed on.
func TestHealthyMeshSendsEachBatchOnce(t *testing.T) {
	for _, members := range []int{2, 3, 5} {
		s := newStorm(1, weather{members: members, calm: true, sendEvery: 5, delayMin: 10, delayRange: 3})
		s.end(t, 1)
		for _, n := range s.nodes {
			status := n.reducer.Status()
			if most := status.AppendsIn + status.AppendsIn/20; status.AppendsIn == 0 || status.CopiesIn > most {
				t.Errorf("member %d of %d got %d batches to append %d", n.id, members, status.CopiesIn, status.AppendsIn)
			}
		}
	}
}

// TestTrafficFallsToKeepAlives: once all is told, each member sends each peer a
// sign of life every 100 ms and hardly anything else.
func TestTrafficFallsToKeepAlives(t *testing.T) {
	s := newStorm(1, weather{members: 4, loss: 0.2, cuts: 0.005})
	s.run(time.Second, true)
	s.heal()
	s.end(t, 1)
	s.run(time.Second, false)
	before := s.mails
	s.run(2*time.Second, false)
	if sent, most := s.mails-before, 4*3*22; sent > most {
		t.Errorf("%d messages in 2 s of silence, %d keep everybody alive", sent, most)
	}
}
