package sim_test

import (
	"fmt"
	"testing"

	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// installs counts what a run tells of views.
type installs struct{ views, ends int }

// Tell implements trace.Sink.
func (i *installs) Tell(e *trace.Event) {
	switch e.Kind {
	case trace.Install:
		i.views++
	case trace.Ends:
		i.ends++
	}
}

// TestRunsWithChangesKeepAllPromises is a small share of the runs with changes
// that chatterbox sim --changes is for.
func TestRunsWithChangesKeepAllPromises(t *testing.T) {
	const seeds = 25
	for members := 2; members <= 5; members++ {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			t.Parallel()
			runner, seen := sim.NewRunner(), new(installs)
			for seed := range uint64(seeds) {
				mustHold(t, runner, sim.Config{Seed: seed, Members: members, Changes: true, Sink: seen})
			}
			if seen.views < seeds || seen.ends < seeds {
				t.Errorf("%d views were installed, and %d streams ended: too little to mean anything", seen.views, seen.ends)
			}
		})
	}
}

// TestDeadMemberIsLetGo: one of three that is gone for good stops settling until
// it is let go; then everything that the others wrote settles.
func TestDeadMemberIsLetGo(t *testing.T) {
	for _, journal := range []string{"journal", ""} {
		c, err := sim.ParseCase([]byte("# run: members=3 seed=1 send=3s grace=62s changes rates=20,20,20 "+journal+"\n1s c crash\n2s b evict c\n"), "dead")
		if err != nil {
			t.Fatal(err)
		}
		seen := new(delivered)
		c.Sink = seen
		mustHold(t, sim.NewRunner(), c)
		for member, last := range seen.last[:2] {
			if seen.between > 0 || last < 2 {
				t.Errorf("member %d delivered last at %.1f s; %d batches settled while c was dead and a member", member, last, seen.between)
			}
		}
	}
}

// delivered is when members delivered.
type delivered struct {
	last    [3]float64
	between int // from 1.1 s to 2 s
}

// Tell implements trace.Sink.
func (d *delivered) Tell(e *trace.Event) {
	if e.Kind != trace.Deliver {
		return
	}
	d.last[e.Member] = e.At.Seconds()
	if e.At.Seconds() > 1.1 && e.At.Seconds() < 2 {
		d.between++
	}
}
