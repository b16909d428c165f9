package sim_test

import (
	"testing"

	"chatterbox/internal/proof/trace"
)

// TestWhoAcceptedToBeAloneGoesOnByForce: one of two accepted a view without the other
// one, which dies before it accepts that too: it goes on by force.
func TestWhoAcceptedToBeAloneGoesOnByForce(t *testing.T) {
	for name, text := range map[string]string{
		"died before":                 "1080ms a kill\n4s b evict a force\n",
		"promised and died":           "1s b evict a\n1080ms a kill\n4s b evict a force\n",
		"and is told again and again": "1s b evict a\n1080ms a kill\n4s b evict a force\n8s b evict a force\n12s b evict a force\n",
		"and restarts":                "1s b evict a\n1080ms a kill\n2s b kill\n3s b restart\n6s b evict a force\n",
		"and the other comes back":    "1s b evict a\n1080ms a kill\n4s b evict a force\n8s a restart\n",
		"left, and died":              "1s a leave\n1120ms a kill\n4s b evict a force\n",
	} {
		t.Run(name, func(t *testing.T) {
			watch := forcedOf{}
			holds(t, name, "# run: protocol=delta members=2 rates=60,60 seed=5 send=20s grace=60s changes batch=4 delay=50ms journal\n"+text, &watch)
			if watch.views < 2 || watch.since == 0 {
				t.Errorf("b goes by view %d, and settles %d batches since", watch.views, watch.since)
			}
		})
	}
}

// forcedOf counts the views of b, and what it settles after the first change.
type forcedOf struct {
	views uint64
	since int
}

func (f *forcedOf) Tell(e *trace.Event) {
	switch {
	case e.Member != 1:
	case e.Kind == trace.Install:
		f.views = max(f.views, e.Number)
	case e.Kind == trace.Deliver && f.views > 1:
		f.since++
	}
}
