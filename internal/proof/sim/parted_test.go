package sim_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// histories are by which one each member goes, and what is settled in those that were
// forced.
type histories struct {
	coming, tip map[uint16]uint64
	settled     int
}

func newHistories() *histories {
	return &histories{coming: map[uint16]uint64{}, tip: map[uint16]uint64{}}
}

// Tell implements trace.Sink.
func (h *histories) Tell(e *trace.Event) {
	id := uint16(e.Member)
	switch e.Kind {
	case trace.Start:
		h.tip[id], h.coming[id] = 0, 0
	case trace.Forced:
		h.coming[id] = e.Hash
	case trace.Install:
		h.tip[id], h.coming[id] = h.coming[id], 0
	case trace.Deliver:
		if h.tip[id] != 0 {
			h.settled++
		}
	}
}

// count returns by how many histories members go.
func (h *histories) count() int {
	tips := map[uint64]bool{}
	for _, tip := range h.tip {
		tips[tip] = true
	}
	return len(tips)
}

// TestHistoriesPartLoudly: sides that are no quorum go on by force, each without the
// others, and meet again. No history takes anything of another one, and where members hear
// each other whose histories have parted they say so (parted-say-so).
func TestHistoriesPartLoudly(t *testing.T) {
	seeds := draw.Of(120, 4)
	for members := 2; members <= 5; members++ {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			t.Parallel()
			runner, runs, parted, settled := sim.NewRunner(), 0, 0, 0
			for seed := uint64(0); runs < seeds; seed++ {
				if !sim.Draw(seed, members).Journal {
					continue
				}
				runs++
				seen, length := newHistories(), 6*time.Second
				m := failure.RandomPartings(rand.New(rand.NewPCG(seed, 7)), members, length).Heal(length)
				mustHold(t, runner, sim.Config{Seed: seed, Members: members, Changes: true, SendFor: length, Map: m, Sink: seen})
				if seen.count() > 1 {
					parted++
				}
				settled += seen.settled
			}
			t.Logf("in %d of %d runs histories part, and %d batches settle in those that were forced", parted, runs, settled)
			if parted < runs/4 || settled < runs {
				t.Error("too little parts to mean anything")
			}
		})
	}
}

// TestWhoIsLeftOfAHistoryGoesOn: two of five went on by force, and two others hear them,
// and stay in a history of their own, in which the fifth is gone for good. Those who go by
// another history decide on nothing in this one, so the two may go on by force too.
func TestWhoIsLeftOfAHistoryGoesOn(t *testing.T) {
	for _, shape := range []string{"journal", "journal streams torn"} {
		seen := newHistories()
		holds(t, shape, "# run: protocol=delta members=5 seed=5 send=14s grace=60s changes batch=4 delay=1ms..4ms rates=60,60,60,60,60 "+shape+
			"\n1s e kill\n1s a,b <-> c,d cut\n2s c,d kill\n2500ms c,d restart\n4s a evict c force\n5s a,b <-> c,d heal\n9s c evict a force\n", seen)
		if a, b, c, d := seen.tip[0], seen.tip[1], seen.tip[2], seen.tip[3]; a == 0 || c == 0 || a != b || c != d || a == c {
			t.Errorf("with %s they go by the histories %x", shape, seen.tip)
		}
	}
}
