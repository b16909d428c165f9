package sim_test

import (
	"testing"

	"chatterbox/internal/proof/trace"
)

// forces are runs in which a quorum dies, and those who are left go on by force, from all
// that anybody has shown: the same order holds for all, and who comes back later is
// one of them again.
func forces() map[string]string {
	const three = "# run: members=3 rates=60,0,0 "
	const two = "# run: members=2 rates=60,60 "
	const five = "# run: members=5 rates=60,0,0,0,0 "
	return map[string]string{
		"two of three die":            three + "\n1s b,c kill\n4s a evict b force\n",
		"one of them is back":         three + "\n1s b,c kill\n4s a evict b force\n6s b restart\n7s b return\n",
		"both are back":               three + "\n1s b,c kill\n4s a evict b force\n6s b,c restart\n7s b return\n8s c return\n",
		"they were only cut off":      three + "\n1s a <-> * cut\n4s a evict b force\n6s a <-> * heal\n7s b return\n9s c return\n",
		"it restarts before":          three + "\n1s b,c kill\n2s a kill\n3s a restart\n6s a evict b force\n7s b restart\n8s b return\n",
		"a change was under way":      three + "\n1s a evict c\n1005ms b,c kill\n4s a evict b force\n7s b restart\n8s b return\n",
		"one of two dies":             two + "\n1s b kill\n4s a evict b force\n",
		"one of two is back":          two + "\n1s b kill\n4s a evict b force\n6s b restart\n7s b return\n",
		"one of two wrote alone":      two + "\n1s a <-> b cut\n4s a evict b force\n6s a <-> b heal\n7s b return\n",
		"three of five die":           five + "\n1s c,d,e kill\n4s b evict c force\n",
		"three of five are back":      five + "\n1s c,d,e kill\n4s b evict c force\n6s c,d,e restart\n7s c return\n9s d return\n11s e return\n",
		"both are told":               five + "\n1s c,d,e kill\n4s b evict c force\n4s a evict c force\n",
		"a survivor restarts in time": five + "\n1s c,d,e kill\n4s b evict c force\n4002ms a kill\n4500ms a restart\n",
	}
}

func TestSurvivorsGoOnByForce(t *testing.T) {
	for name, text := range forces() {
		for _, kind := range []string{"journal", "journal torn park=4096 segment=1024 history"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				head := "# run: protocol=delta seed=5 send=14s grace=60s changes batch=4 delay=1ms..4ms " + kind + "\n"
				watch := forcing{}
				holds(t, name, head+text, &watch)
				if watch.views < 2 || watch.since == 0 {
					t.Errorf("it goes by view %d, and settles %d batches since", watch.views, watch.since)
				}
			})
		}
	}
}

// forcing counts the views of a, and what it settles after the first change.
type forcing struct {
	views uint64
	since int
}

// Tell implements trace.Sink.
func (f *forcing) Tell(e *trace.Event) {
	switch {
	case e.Member != 0:
	case e.Kind == trace.Install:
		f.views = max(f.views, e.Number)
	case e.Kind == trace.Deliver && f.views > 1:
		f.since++
	}
}
