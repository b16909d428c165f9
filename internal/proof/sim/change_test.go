package sim_test

import (
	"fmt"
	"testing"
	"time"

	"chatterbox/internal/proof/draw"
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
	seeds := draw.Of(25, 6)
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

// TestWhoIsAwayIsLetGoByItself is a small share of the runs in which members that are
// away are let go by the others, that chatterbox sim --evict-after is for. In some of
// them members are gone for good, and check goes-on holds the others to their time.
func TestWhoIsAwayIsLetGoByItself(t *testing.T) {
	seeds := draw.Of(25, 6)
	for members := 2; members <= 5; members++ {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			t.Parallel()
			runner, seen, judged := sim.NewRunner(), new(installs), 0
			for seed := range uint64(seeds) {
				c := sim.Config{Seed: seed, Members: members, EvictAfter: 2 * time.Second, Sink: seen}
				mustHold(t, runner, c)
				if header, err := sim.Prepare(c); err == nil && header.GoesOnWithinNs > 0 {
					judged++
				}
			}
			if members == 2 && seen.views > 0 {
				t.Errorf("%d views were installed: of two members nobody can be let go", seen.views)
			}
			if members > 2 && (seen.ends < seeds/4 || judged < seeds/10) {
				t.Errorf("%d streams ended, and in %d runs members died: too little to mean anything", seen.ends, judged)
			}
		})
	}
}

// TestSlowMembersStay: who is alive, and to be reached on whatever way, is not let go,
// however bad its links are.
func TestSlowMembersStay(t *testing.T) {
	for name, what := range map[string]string{
		"far away":                  "c <-> * delay 700ms..900ms",
		"behind a slow link":        "c <-> * rate 20KB/s",
		"behind a link that loses":  "c <-> * drop 50%",
		"heard by one alone":        "a <-> c cut",
		"in a ring":                 "a -> b cut\n1s b -> c cut\n1s c -> a cut",
		"on a machine that is slow": "c clock 25%",
		"on one that is fast":       "c clock 400%",
		"gone now and then":         "every 2500ms until 19s c <-> * cut\n2500ms every 2500ms until 19s c <-> * heal",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, shape := range []string{"journal streams", "journal", ""} {
				c, err := sim.ParseCase([]byte("# run: members=3 seed=1 send=20s grace=10s changes evict-after=2s rates=50,50,50 "+shape+"\n1s "+what+"\n20s * <-> * heal\n"), name)
				if err != nil {
					t.Fatal(err)
				}
				seen := new(installs)
				c.Sink = seen
				mustHold(t, sim.NewRunner(), c)
				if seen.views > 0 {
					t.Errorf("with %q, %d views were installed", shape, seen.views)
				}
			}
		})
	}
}

// TestWhoComesAndGoesIsTakenBackLater: one that is cut off for 4 of every 8 s, and asks
// to come back all the time, is let go less often than every time.
func TestWhoComesAndGoesIsTakenBackLater(t *testing.T) {
	c, err := sim.ParseCase([]byte("# run: members=3 seed=1 send=100s grace=62s changes evict-after=2s rates=5,5,5 journal streams\n"+
		"1s every 8s until 97s c <-> * cut\n5s every 8s until 97s c <-> * heal\n1s every 100ms until 100s c return\n"), "flapping")
	if err != nil {
		t.Fatal(err)
	}
	seen := new(installs)
	c.Sink = seen
	mustHold(t, sim.NewRunner(), c)
	if seen.views < 3*3 || seen.views > 3*18 { // each of three members installs each of them
		t.Errorf("%d views were installed: it went 12 times", seen.views/3)
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

// gaps measures for how long nothing is delivered at members while they choose a view.
type gaps struct {
	from, to time.Duration
	last     [6]time.Duration
	longest  time.Duration
	views    uint64
}

func (g *gaps) Tell(e *trace.Event) {
	switch e.Kind {
	case trace.Install:
		g.views = max(g.views, e.Number)
	case trace.Deliver:
		if last := g.last[e.Member]; last > 0 && e.At >= g.from && last <= g.to {
			g.longest = max(g.longest, e.At-last)
		}
		g.last[e.Member] = e.At
	}
}

// TestSettlingStandsStillForFourDelays while a view is chosen on links without failures:
// a bid, promises, its acceptance and that this is known take a one-way delay each, and
// members act upon each of them within two ticks. Syncs take no time here, and nobody
// lacks anything of what is agreed on but what is on its way.
func TestSettlingStandsStillForFourDelays(t *testing.T) {
	const tick = 10 * time.Millisecond
	for name, c := range map[string]struct {
		change string
		views  uint64
	}{
		"evict":  {"2s a evict c\n", 2},
		"return": {"1s a evict c\n2s c return\n3s c return\n", 3},
		"join":   {"2s f join\n", 3},
	} {
		for _, delay := range []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", delay), func(t *testing.T) {
				t.Parallel()
				head := fmt.Sprintf("# run: protocol=delta members=5 seed=3 send=8s grace=60s changes journal batch=1 delay=%v rates=100,100,100,100,100\n", delay)
				before, during := gaps{from: time.Second / 2, to: 900 * time.Millisecond}, gaps{from: 1900 * time.Millisecond, to: 7 * time.Second}
				holds(t, name, head, &before)
				holds(t, name, head+c.change, &during)
				most := before.longest + 4*delay + 8*tick
				t.Logf("longest without a change %v, with one %v, allowed %v", before.longest, during.longest, most)
				if during.longest > most || during.views != c.views {
					t.Errorf("%v stood still, %v are allowed; the last view was %d", during.longest, most, during.views)
				}
			})
		}
	}
}
