package synod_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/mutant"
)

// Broken rules of those that a member keeps beside its synod.
const (
	wedgedSelfCounts mutant.Mutant = "test: a wedged member counts what it holds itself"
	oneHolderLess    mutant.Mutant = "test: one holder less settles an entry"
	noClockQuorum    mutant.Mutant = "test: the clocks of the others do not matter"
	stableOverPart   mutant.Mutant = "test: what those who were heard hold is trimmed"
	shownNotCompared mutant.Mutant = "test: who comes over from before a force has shown what it likes"
	survivorDelivers mutant.Mutant = "test: who promised to go on by force delivers on"
	oneOfTwo         mutant.Mutant = "test: one of two members settles alone"
)

// plot plays what may show that a rule is broken, and names the checks that do.
type plot struct {
	play  func(seed uint64, broken mutant.Mutant) (*world, verdict)
	finds []string // as the verdict begins
}

func plots() map[mutant.Mutant]plot {
	return map[mutant.Mutant]plot{
		"minority-decides":      {minority, []string{"one view"}},
		"no-quorum":             {run, []string{"taken back", "one view", "time"}},
		"standstill-fixed":      {farApart, []string{"stuck"}},
		"adoption-skipped":      {run, []string{"one view"}},
		"acceptance-forgotten":  {run, []string{"forgotten", "durable"}},
		"promise-forgotten":     {run, []string{"forgotten", "durable"}},
		"vote-not-durable":      {run, []string{"durable"}},
		"anybody-votes":         {run, []string{"one view", "trimmed"}},
		"no-joint-quorum":       {run, []string{"trimmed", "taken back"}},
		"accept-without-base":   {holdersGo, []string{"stuck"}},
		"base-of-evicted-only":  {holdersGo, []string{"taken back"}},
		"lowest-base":           {run, []string{"taken back"}},
		"no-wedge":              {run, []string{"time", "taken back", "forgotten"}},
		"wedge-forgotten":       {run, []string{"time", "taken back", "forgotten"}},
		"newcomer-without-time": {run, []string{"time"}},
		"sleeper-stays":         {run, []string{"stuck"}},
		"newcomer-comes-late":   {run, []string{"trimmed", "stuck", "taken back"}},

		"force-survivor-missing": {forcedRun, []string{"one view", "survivor shared", "left", "taken back"}},
		"force-not-adopted":      {forcedRun, []string{"left", "survivor shared"}},
		"forces-overlap":         {forcedRun, []string{"survivor shared", "left"}},
		"force-jump-unchecked":   {forcedRun, []string{"order", "taken back", "left", "one view", "time"}},
		"force-base-by-wedge":    {forcedRun, []string{"taken back", "order"}},
		"force-forgotten":        {forgotten, []string{"taken back", "order", "forgotten"}},

		survivorDelivers: {forcedRun, []string{"taken back", "order"}},
		shownNotCompared: {forcedRun, []string{"taken back", "order"}},
		oneOfTwo:         {twoPart, []string{"clash"}},

		wedgedSelfCounts: {run, []string{"time", "taken back"}},
		oneHolderLess:    {run, []string{"time", "taken back"}},
		noClockQuorum:    {lateClock, []string{"time"}},
		stableOverPart:   {run, []string{"trimmed"}},
	}
}

// minority has two of five accept one view, and the three others another one.
func minority(_ uint64, broken mutant.Mutant) (*world, verdict) {
	w := newWorld(0, 5, 0, broken)
	return w, w.judged(func() {
		a, b, c, d, e := w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3], w.nodes[4]
		_ = a.synod.Ask(member.Change{Kind: member.Evict, Identity: e.identity})
		w.step(a)
		w.talk(a, b, c) // promises
		w.talk(a, b)    // an acceptance
		_ = d.synod.Ask(member.Change{Kind: member.Evict, Identity: a.identity})
		w.step(d)
		w.talk(d, c, e)
		w.talk(d, c, e)
		w.end()
	})
}

// holdersGo has those die, and go, one after the other who hold what has settled; the
// others get it as late as they can.
func holdersGo(_ uint64, broken mutant.Mutant) (*world, verdict) {
	w := newWorld(0, 5, 0, broken)
	return w, w.judged(func() {
		a, b, c, d, e := w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3], w.nodes[4]
		w.write(b)
		for _, n := range []*node{a, c} {
			for n.streams[1].have() == 0 {
				w.hand(b, n)
			}
		}
		d.clock, e.clock = 5, 5
		for _, n := range []*node{d, e, a, c} {
			w.step(n)
			w.hand(n, b)
		}
		w.barren = true
		for _, step := range []struct{ asked, goes *node }{{c, a}, {b, c}, {d, b}} {
			_ = step.asked.synod.Ask(member.Change{Kind: member.Evict, Identity: step.goes.identity})
			w.step(step.asked)
			w.talk(step.asked, d, e) // promises
			w.talk(step.asked, d, e) // acceptances, of who does not wait for entries
			w.barren = false
			for n := 0; n < 50 && step.asked.view.Has(step.goes.identity); n++ {
				w.talk(step.asked, d, e)
			}
			w.barren = true
			w.talk(step.asked, b, d, e)
			w.bury(step.goes)
		}
		w.barren = false
		w.write(d)
		w.end()
	})
}

// lateClock has a member hear of late promises that were made after a quorum
// had voted.
func lateClock(_ uint64, broken mutant.Mutant) (*world, verdict) {
	w := newWorld(0, 3, 0, broken)
	return w, w.judged(func() {
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		_ = b.synod.Ask(member.Change{Kind: member.Renew})
		w.step(b)
		w.hand(b, c)
		a.clock = 9
		w.hand(a, b)
		w.hand(b, c)
		w.hand(b, a)
		w.hand(c, a)
		w.hand(c, b)
		w.end()
	})
}

// farApart has one of three die, and what the two others say take longer than the first
// wait of a choice that stands still.
func farApart(_ uint64, broken mutant.Mutant) (*world, verdict) {
	w := newWorld(0, 3, 0, broken)
	return w, w.judged(func() {
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		w.bury(c)
		_ = a.synod.Ask(member.Change{Kind: member.Evict, Identity: c.identity})
		type sent struct {
			at time.Duration
			*message
		}
		var way []sent
		for end := w.now + 5*time.Minute; w.now < end; w.now += 100 * time.Millisecond {
			for _, pair := range [][2]*node{{a, b}, {b, a}} {
				w.step(pair[0])
				w.tell(pair[0], pair[1])
			}
			for _, m := range w.mail {
				way = append(way, sent{w.now, m})
			}
			w.mail = nil
			for ; len(way) > 0 && w.now-way[0].at >= 2400*time.Millisecond; way = way[1:] {
				w.receive(w.nodes[way[0].to], way[0].message)
			}
		}
		if missing := w.settledAll(); missing != "" {
			w.judge.fault("stuck", "%s", missing)
		}
	})
}

// talk has a node tell others something, and hear their answers.
func (w *world) talk(n *node, others ...*node) {
	for _, other := range others {
		w.hand(n, other)
		w.hand(other, n)
	}
}

// hand has what a node says arrive at once.
func (w *world) hand(n, other *node) {
	w.tell(n, other)
	w.receive(other, w.mail[len(w.mail)-1])
	w.mail = nil
}

// TestEveryMutantIsCaught: each broken synod breaks something that the judge
// sees; the sound one passes what is played for it.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, broken := range mutant.Built(mutant.Synod) {
		t.Run(string(broken), func(t *testing.T) { catch(t, broken) })
	}
}

// TestEveryRuleBesideIsNeeded is the same for the rules of the logs round it.
func TestEveryRuleBesideIsNeeded(t *testing.T) {
	for broken := range plots() {
		if rule, ok := strings.CutPrefix(string(broken), "test: "); ok {
			t.Run(rule, func(t *testing.T) { catch(t, broken) })
		}
	}
}

func catch(t *testing.T, broken mutant.Mutant) {
	p, ok := plots()[broken]
	if !ok {
		t.Fatal("nothing is played in which the rule matters")
	}
	for seed := range uint64(5000) {
		_, found := p.play(seed, broken)
		if found == "" {
			continue
		}
		if check, _, _ := strings.Cut(string(found), ":"); !slices.Contains(p.finds, check) {
			continue
		}
		if _, sound := p.play(seed, mutant.None); sound != "" {
			t.Errorf("seed %d: the sound one breaks as well: %s", seed, sound)
		}
		t.Logf("seed %d: %.160s", seed, found)
		return
	}
	t.Errorf("nothing shows that it is broken")
}
