package sim_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// TestForceIsRefusedWhileAQuorumAnswers, or did a moment ago: nobody goes on without
// those who are to go, until that is over.
func TestForceIsRefusedWhileAQuorumAnswers(t *testing.T) {
	const three = "# run: members=3 rates=60,60,0 "
	const five = "# run: members=5 rates=60,0,0,0,60 "
	for name, c := range map[string]struct {
		text  string
		views int // 0: there is none but the first
	}{
		"two of three are there":       {three + "\n1s c kill\n4s a evict c force\n6s c restart\n", 0},
		"three of five are there":      {five + "\n1s d,e kill\n4s a evict d force\n6s d,e restart\n", 0},
		"all are there":                {five + "\n4s a evict b force\n", 0},
		"heard through others":         {five + "\n1s a <-> d,e cut\n1s b <-> e cut\n4s a evict e force\n6s * <-> * heal\n", 0},
		"a moment ago they were there": {three + "\n4s b,c kill\n4500ms a evict b force\n6s b,c restart\n", 0},
		"no more":                      {three + "\n1s b,c kill\n4s a evict b force\n6s b,c restart\n8s b return\n9s c return\n", 1},
	} {
		for _, kind := range []string{"journal", "journal streams torn park=4096 segment=1024 history"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				head := "# run: protocol=delta seed=5 send=10s grace=60s changes batch=4 delay=1ms..4ms " + kind + "\n"
				watch := forcedAt{}
				holds(t, name, head+c.text, &watch)
				if watch.forced > 0 != (c.views > 0) || c.views == 0 && watch.views > 0 {
					t.Errorf("%d members told of a force, and %d views were installed", watch.forced, watch.views)
				}
				if watch.settled == 0 {
					t.Error("nothing settles in the end")
				}
			})
		}
	}
}

// forcedAt counts views that were forced, views at all, and what settles late.
type forcedAt struct{ forced, views, settled int }

// Tell implements trace.Sink.
func (f *forcedAt) Tell(e *trace.Event) {
	switch {
	case e.Kind == trace.Forced:
		f.forced++
	case e.Kind == trace.Install:
		f.views++
	case e.Kind == trace.Deliver && e.At > 7*time.Second:
		f.settled++
	}
}

// TestViewsChangeOverLongWays: over links that take 0.7 s, or 2.4 s, one way a member is
// let go when somebody asks for that, or when it is gone, and nobody else is.
func TestViewsChangeOverLongWays(t *testing.T) {
	const five, rates = "members=5 rates=20,20,20,20,20", "members=3 rates=20,20,20"
	for name, c := range map[string]struct {
		run, text string
		gone      string // those that are let go
	}{
		"asked for":               {rates, "20s a evict c\n", "c"},
		"gone":                    {rates, "20s c kill\n", "c"},
		"gone, and links lose":    {rates, "0s * <-> * drop 10%\n20s c kill\n", "c"},
		"who asked ends":          {rates, "20s a evict c\n20100ms a kill\n25s a restart\n", "c"},
		"two, asked at once":      {five, "20s a evict c\n20s b evict d\n", "cd"},
		"of five one is gone":     {five, "20s e kill\n", "e"},
		"each asks for the other": {rates, "20s a evict b\n20s b evict a\n", "?"},
	} {
		for _, delay := range []string{"700ms", "2400ms"} {
			for _, kind := range []string{"", " streams"} {
				t.Run(name+" "+delay+kind, func(t *testing.T) {
					t.Parallel()
					watch := farewells{}
					holds(t, name, "# run: protocol=delta seed=7 send=80s grace=200s changes evict-after=10s journal "+c.run+kind+"\n0s * <-> * delay "+delay+"\n"+c.text+"79s * <-> * heal\n", &watch)
					if got := watch.letters(); got != c.gone && (c.gone != "?" || len(got) != 1) {
						t.Errorf("%q were let go, want %q", got, c.gone)
					}
					t.Logf("the last one went at %v", watch.at)
				})
			}
		}
	}
}

// TestWhoComesIsTakenInOverLongWays, as long as a round trip is no longer than others wait
// before they take up a change that stands still: one that somebody asked for who wants
// to come or to come back they end without it.
func TestWhoComesIsTakenInOverLongWays(t *testing.T) {
	for name, text := range map[string]string{
		"back":           "15s a evict c\n40s every 1s until 50s c return\n",
		"as a newcomer":  "15s d join\n",
		"without data":   "15s c crash losing data\n16s c restart\n17s a evict c\n",
		"after a notice": "15s c leave\n30s c restart\n40s every 1s until 50s c return\n",
	} {
		for _, delay := range []string{"700ms", "900ms"} {
			t.Run(name+" "+delay, func(t *testing.T) {
				t.Parallel()
				watch := entrance{}
				holds(t, name, "# run: protocol=delta members=3 seed=7 send=80s grace=200s changes rates=20,20,20 journal streams\n0s * <-> * delay "+delay+"\n"+text+"79s * <-> * heal\n", &watch)
				if watch.opened == 0 || watch.opened > 75*time.Second {
					t.Errorf("nobody came while links were long, but at %v", watch.opened)
				}
			})
		}
	}
}

// entrance notes when somebody came first.
type entrance struct{ opened time.Duration }

// Tell implements trace.Sink.
func (a *entrance) Tell(e *trace.Event) {
	if e.Kind == trace.Opens && a.opened == 0 {
		a.opened = e.At
	}
}

// TestNobodyIsLetGoOverLongWays who is reached on whatever way.
func TestNobodyIsLetGoOverLongWays(t *testing.T) {
	for name, text := range map[string]string{
		"calm":                  "",
		"links lose":            "1s * -> * drop 20%\n",
		"one way is cut":        "5s a -> b cut\n",
		"in a ring":             "5s a -> b cut\n5s b -> c cut\n5s c -> a cut\n",
		"heard by one alone":    "5s a <-> c cut\n",
		"somebody asks to join": "20s d join\n",
	} {
		for _, delay := range []string{"700ms", "2400ms"} {
			t.Run(name+" "+delay, func(t *testing.T) {
				t.Parallel()
				watch := farewells{founders: 3}
				holds(t, name, "# run: protocol=delta members=3 seed=7 send=80s grace=200s changes evict-after=10s rates=20,20,20 journal streams\n0s * <-> * delay "+delay+"\n"+text+"79s * <-> * heal\n", &watch)
				if got := watch.letters(); got != "" {
					t.Errorf("%q were let go, the last one at %v", got, watch.at)
				}
			})
		}
	}
}

// farewells notes who is let go, and when that was first known of the last one.
type farewells struct {
	founders member.ID // 0: all count
	gone     member.Set
	at       time.Duration
}

// Tell implements trace.Sink.
func (g *farewells) Tell(e *trace.Event) {
	if e.Kind == trace.Ends && !g.gone.Has(e.Stream) && (g.founders == 0 || e.Stream < g.founders) {
		g.gone.Add(e.Stream)
		g.at = e.At
	}
}

// letters returns who was let go, by their places.
func (g *farewells) letters() (all string) {
	for id := range member.ID(member.CountMax) {
		if g.gone.Has(id) {
			all += member.Letter(id)
		}
	}
	return all
}

// TestOfTwoMembersNeitherGoesOnAlone: nothing settles while one is away, in whatever way,
// and whoever is told to let the other one go cannot; all settles once it is back.
func TestOfTwoMembersNeitherGoesOnAlone(t *testing.T) {
	const from, to = 2 * time.Second, 8 * time.Second
	for name, text := range map[string]string{
		"cut off":              "2s a <-> b cut\n8s a <-> b heal\n",
		"heard in one way":     "2s a -> b cut\n8s a -> b heal\n",
		"dead":                 "2s b kill\n8s b restart\n",
		"paused":               "2s b pause\n8s b resume\n",
		"told to let it go":    "2s a <-> b cut\n3s a evict b\n8s a <-> b heal\n",
		"both are told to":     "2s a <-> b cut\n3s a evict b\n3s b evict a\n8s a <-> b heal\n",
		"told, and it is dead": "2s b kill\n3s a evict b\n5s a kill\n6s a restart\n8s b restart\n",
	} {
		for _, kind := range []string{"journal", "journal streams torn park=4096 segment=1024 history"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				watch := meanwhile{from: from + time.Second/2, to: to}
				holds(t, name, "# run: protocol=delta members=2 seed=5 send=12s grace=62s changes evict-after=2s rates=50,50 batch=4 delay=1ms..4ms "+kind+"\n"+text, &watch)
				if watch.settled > 0 || watch.views > 0 || watch.written == 0 || watch.after == 0 {
					t.Errorf("while one was away %d batches settled, %d views were installed, and %d were written; %d settled later", watch.settled, watch.views, watch.written, watch.after)
				}
			})
		}
	}
}

// meanwhile counts what is written, settles and changes in a time, and what settles later.
type meanwhile struct {
	from, to                       time.Duration
	settled, views, written, after int
	shown                          [2]uint64 // positions: who starts again delivers again
}

// Tell implements trace.Sink.
func (m *meanwhile) Tell(e *trace.Event) {
	within := e.At > m.from && e.At < m.to
	if e.Kind == trace.Deliver && e.Position < m.shown[e.Member] {
		return
	}
	switch {
	case e.Kind == trace.Deliver && e.At <= m.from:
		m.shown[e.Member] = e.Position + e.Count
	case e.Kind == trace.Deliver && e.At > m.to:
		m.after++
	case !within:
	case e.Kind == trace.Deliver:
		m.settled++
	case e.Kind == trace.Install:
		m.views++
	case e.Kind == trace.Append && e.Member == e.Stream:
		m.written++
	}
}
