package sim_test

import (
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/trace"
)

// pace is how long entries take to settle at members that run all the while.
type pace struct {
	written map[[2]uint64]time.Duration // by stream and number
	started [8]time.Duration
	longest time.Duration
	settled int // at each member
	views   int
}

// Tell implements trace.Sink.
func (p *pace) Tell(e *trace.Event) {
	at := [2]uint64{uint64(e.Stream), e.Seq}
	switch e.Kind {
	case trace.Start:
		p.started[e.Member] = e.At
	case trace.Install:
		p.views++
	case trace.Append:
		if _, known := p.written[at]; !known && e.Member == e.Stream {
			p.written[at] = e.At
		}
	case trace.Deliver:
		p.settled++
		p.longest = max(p.longest, e.At-max(p.written[at], p.started[e.Member], time.Second/2))
	}
}

// stops plays a case and returns how long entries took to settle.
func stops(t *testing.T, text string) *pace {
	t.Helper()
	seen := &pace{written: map[[2]uint64]time.Duration{}}
	holds(t, t.Name(), text, seen)
	t.Logf("of %d entries at members the slowest took %v to settle", seen.settled, seen.longest)
	return seen
}

// TestNobodyWaitsForAPlannedStop: while a member is stopped as planned, for however long
// that takes, and when it comes back, what the others write settles, and nobody is let go.
func TestNobodyWaitsForAPlannedStop(t *testing.T) {
	const run3 = "# run: members=3 seed=1 send=14s grace=4s journal holders=2 changes evict-after=2s rates=50,50,50 delay=1ms..10ms"
	const run5 = "# run: members=5 seed=1 send=14s grace=4s journal holders=3 changes evict-after=2s rates=50,50,50,50,50 delay=1ms..10ms"
	for name, text := range map[string]string{
		"one after the other":                   run3 + "\n1s a stop\n2s a restart\n4s b stop\n7s b restart\n9s c stop\n10s c restart\n11s a stop\n12s a restart\n",
		"over connections":                      run3 + " streams\n1s a stop\n5s a restart\n6s b stop\n9s b restart\n",
		"one that was idle":                     "# run: members=3 seed=1 send=14s grace=4s journal holders=2 changes evict-after=2s rates=50,50,0\n1s c stop\n3s c restart\n5s a stop\n7s a restart\n9s c stop\n12s c restart\n",
		"the next one before the first is back": run5 + "\n1s a stop\n2s b stop\n4s a restart\n6s b restart\n8s c stop\n9s a stop\n11s c restart\n12s a restart\n",
		"while another one is let go":           "# run: members=4 seed=1 send=14s grace=4s journal holders=2 changes evict-after=10s rates=50,50,50,50 delay=1ms..10ms\n1s c stop\n1001ms a evict d\n6s c restart\n",
		"killed after it was back":              run3 + "\n1s a stop\n3s a restart\n3050ms a kill\n4s a restart\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if seen := stops(t, text); seen.longest > time.Second || seen.settled < 1000 || seen.views > 0 && !strings.Contains(text, "evict d") {
				t.Errorf("an entry took %v to settle, of %d, and views were installed %d times", seen.longest, seen.settled, seen.views)
			}
		})
	}
}

// TestPlannedStopsAtBadMoments: all at once, while members change, cut off, killed in the
// middle, for good: all promises hold, and who belongs there ends with the same.
func TestPlannedStopsAtBadMoments(t *testing.T) {
	const run = "# run: members=3 seed=1 send=8s grace=62s holders=2 changes evict-after=2s rates=20,20,20 delay=1ms..10ms "
	for name, lines := range map[string]string{
		"all at once":                "2s * stop\n4s b restart\n5s a restart\n5500ms c restart\n",
		"the last one stays away":    "2s * stop\n3s b restart\n3s a restart\n",
		"in the middle of a change":  "2s b evict c\n2001ms a stop\n4s a restart\n",
		"who is let go":              "2s c stop\n3s a evict c\n5s c restart\n",
		"while it is let go":         "2s a evict c\n2s c stop\n5s c restart\n",
		"while it comes back":        "1s c <-> * cut\n1500ms a evict c\n2500ms c <-> * heal\n3s c return\n3010ms c stop\n5s c restart\n",
		"cut off":                    "2s c <-> * cut\n3s c stop\n4s c <-> * heal\n5s c restart\n",
		"killed in the middle":       "2s c stop\n2001ms c kill\n3s c restart\n3s c stop\n3002ms c crash\n4s c restart\n",
		"with an old clock besides":  "2s a stop\n3s a restart\n4s b stop\n4500ms a evict c\n6s b restart\n",
		"while there is no quorum":   "1s a kill\n2s b stop\n3s a restart\n5s b restart\n",
		"restarted before it ended":  "2s c <-> * cut\n2s c stop\n2100ms c restart\n3s c <-> * heal\n",
		"stopped as it just started": "2s c kill\n3s c restart\n3s c stop\n4s c restart\n",
	} {
		for _, shape := range []string{"journal", "journal torn streams"} {
			t.Run(name+" "+shape, func(t *testing.T) {
				t.Parallel()
				stops(t, run+shape+"\n"+lines)
			})
		}
	}
}

// TestWhoIsStoppedWithoutDataLeaves: nothing waits for it, it is in no view any more, and
// the life that comes in its stead has its place by itself.
func TestWhoIsStoppedWithoutDataLeaves(t *testing.T) {
	const run = "# run: members=3 seed=1 send=14s grace=62s holders=2 changes evict-after=20s rates=50,50,50 delay=1ms..10ms "
	for _, shape := range []string{"", "streams"} {
		seen := stops(t, run+shape+"\n1s c stop\n3s c restart\n5s a stop\n8s a restart\n")
		if seen.longest > time.Second || seen.views < 3*5 {
			t.Errorf("with %q an entry took %v to settle, and views were installed %d times", shape, seen.longest, seen.views)
		}
	}
}

// TestWhoLeavesIsNotTakenBack: a member that is told to leave ends, and asks for nothing
// meanwhile, whatever it is told; started again, it comes back when it is told to.
func TestWhoLeavesIsNotTakenBack(t *testing.T) {
	const run = "# run: members=3 seed=1 send=8s grace=62s holders=2 changes rates=50,50,50 delay=1ms..10ms journal "
	for name, lines := range map[string]string{
		"for good":                   "1s c leave\n1s every 20ms until 3s c return\n",
		"and is started again":       "1s c leave\n1s every 20ms until 2s c return\n4s c restart\n5s c return\n",
		"while another one is away":  "1s c leave\n1s b kill\n2s b restart\n",
		"and is killed in the midst": "1s c leave\n1030ms c kill\n3s c restart\n4s c return\n",
		"two at a time":              "1s b leave\n1s c leave\n",
		"one after the other":        "1s b leave\n2s c leave\n",
	} {
		for _, shape := range []string{"", "streams"} {
			t.Run(name+" "+shape, func(t *testing.T) {
				t.Parallel()
				seen := stops(t, run+shape+"\n"+lines)
				if seen.views == 0 || name == "for good" && (seen.views != 3 || seen.longest > time.Second) {
					t.Errorf("views were installed %d times, and an entry took %v to settle", seen.views, seen.longest)
				}
			})
		}
	}
}
