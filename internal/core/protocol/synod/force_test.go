package synod_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/mutant"
)

// refuses reports whether a node takes nothing that is said in a view: it is of another
// history, or lies on the other side of a force, and the node has shown what does not fit
// the one that went on.
func (w *world) refuses(n *node, v *member.View) bool {
	switch {
	case v.Same(n.view):
		return false
	case n.view.Continues(v):
		return n.view.ForcedAfter(v) != nil
	case !v.Continues(n.view):
		return w.forced && v.Number <= n.view.Number // later ones its synod refuses
	}
	return n.isFork(v) && w.mutant != shownNotCompared
}

// isFork reports whether what the node delivered and settled is not all in a view that
// was forced.
func (n *node) isFork(v *member.View) bool {
	forced := v.ForcedAfter(n.view)
	if forced == nil {
		return false
	}
	over := func(p int) bool { return n.streams[p].delivered > cutOf(&v.Places[p], n.view.Number) }
	return n.settled > forced.Clock || slices.ContainsFunc(n.places(), over)
}

func (n *node) places() (all []int) {
	for p := range n.streams {
		all = append(all, p)
	}
	return all
}

// force has a node, and some others, go on by force: whoever runs, or mistakenly just
// anybody.
func (w *world) force(n *node) {
	if !n.isMember() {
		return
	}
	survivors := []member.Identity{n.identity}
	anybody := w.random.IntN(3) == 0
	for _, one := range n.view.Members() {
		if other := w.nodes[one-1]; other != n && (anybody || other.up) && w.random.IntN(2) == 0 {
			survivors = append(survivors, one)
		}
	}
	slices.Sort(survivors)
	_ = n.synod.Ask(member.Change{Kind: member.Force, Survivors: survivors})
	w.step(n)
}

// forcedRun plays a random run in which members go on by force, whether or not a quorum
// is there. Histories part in many of them; in none may they mix.
func forcedRun(seed uint64, broken mutant.Mutant) (w *world, found verdict) {
	w = newWorld(seed, 2+int(seed%4), 2, broken)
	w.lively, w.forced = seed%3 == 0, true
	return w, w.judged(func() {
		for range 100 + w.random.IntN(300) {
			w.now += time.Duration(w.random.IntN(200)) * time.Millisecond
			if w.random.IntN(25) == 0 {
				if n := w.nodes[w.random.IntN(len(w.nodes))]; n.up && n.view != nil {
					w.force(n)
				}
			}
			w.deed()
			if w.random.IntN(6) == 0 {
				w.round()
			}
		}
		clear(w.cut)
		for _, n := range w.nodes {
			if !n.up {
				w.restart(n)
			}
		}
		for range 30 {
			w.round()
		}
	})
}

func TestForceSafely(t *testing.T) {
	runs := uint64(draw.Of(3000, 500))
	forced, forks := 0, 0
	for seed := range runs {
		w, found := forcedRun(seed, mutant.None)
		if found != "" {
			t.Fatalf("seed %d: %s", seed, found)
		}
		tips := map[member.Root]bool{}
		for _, v := range w.judge.views {
			if v.IsForced() {
				forced++
			}
		}
		for _, n := range w.nodes {
			if n.view != nil {
				tips[n.view.Roots[len(n.view.Roots)-1]] = true
			}
		}
		forks += len(tips) - 1
	}
	t.Logf("%d runs, %d views forced, %d forks in the end", runs, forced, forks)
	if uint64(forced) < runs/2 || forks == 0 {
		t.Error("the runs force too little to mean anything")
	}
}

// TestSurvivorsGoOn: when a quorum is gone for good, those who are left go on once one
// of them is told to, whatever was begun before; and whoever of the others is there again
// in the end comes over to them, or stays in a history of its own. Of two it comes over.
func TestSurvivorsGoOn(t *testing.T) {
	over, apart := 0, 0
	for seed := range uint64(600) {
		w := newWorld(seed, 2+int(seed%5), 0, mutant.None)
		w.forced = true
		var survivors []*node
		found := w.judged(func() {
			for range w.random.IntN(200) {
				w.deed()
			}
			survivors = w.loseQuorum()
			for range 200 {
				w.round()
			}
		})
		if survivors != nil && len(survivors[0].view.Roots) == 1 && survivors[0].view.Number > w.asked {
			continue // what was accepted before was decided on after all
		}
		if found == "" && survivors != nil {
			found = w.wentOn(survivors)
		}
		if found != "" {
			t.Fatalf("seed %d: %s", seed, found)
		}
		if survivors == nil {
			continue
		}
		before, v := survivors[0].view.Number, survivors[0].view
		found = w.judged(func() {
			for _, n := range w.nodes {
				if n.dead {
					n.dead = false
					w.restart(n)
				}
			}
			for range 30 {
				w.round()
			}
		})
		for _, n := range w.nodes {
			switch {
			case n.view.Same(v):
				over++
			case len(w.nodes) == 2:
				found = verdict(n.name + ", one of two, does not come over")
			default:
				apart++
			}
		}
		if found != "" || v.Number < before {
			t.Fatalf("seed %d: %s", seed, found)
		}
	}
	t.Logf("%d came over or went on, %d stayed apart", over, apart)
	if over < 1000 || apart < 10 {
		t.Error("too little happens to mean anything")
	}
}

// loseQuorum has so many members of the newest view die that no quorum is left, and has
// those who are left go on. It returns them; nil if the first one to die is alone.
func (w *world) loseQuorum() (survivors []*node) {
	clear(w.cut)
	for _, n := range w.nodes {
		if !n.up {
			w.restart(n)
		}
	}
	v := w.newest()
	left := 1 + w.random.IntN(max(1, v.Size()-v.Quorum()+1))
	left = min(left, v.Quorum()-1)
	if left == 0 {
		return nil
	}
	change := member.Change{Kind: member.Force}
	for _, i := range w.random.Perm(len(w.nodes)) {
		n := w.nodes[i]
		if v.Has(n.identity) && len(survivors) < left && n.view.Same(v) {
			survivors = append(survivors, n)
			change.Survivors = append(change.Survivors, n.identity)
		} else {
			w.bury(n)
		}
	}
	w.mail, w.asked = nil, v.Number
	if len(survivors) == 0 {
		return nil
	}
	slices.Sort(change.Survivors)
	if err := survivors[0].synod.Ask(change); err != nil {
		return nil // one of them may be let go already
	}
	return survivors
}

// wentOn returns how survivors have not gone on.
func (w *world) wentOn(survivors []*node) verdict {
	for _, n := range survivors {
		switch {
		case len(n.view.Roots) > 1 && !n.isMember():
			continue // an older wish had it go since
		case len(n.view.Roots) == 1:
			return verdict(fmt.Sprintf("%s does not go on: view %+v, choice %+v, asks %+v", n.name, n.view, n.synod.Choice(), n.synod.Asks()))
		case n.synod.Halted() || n.synod.Wedged():
			return verdict(n.name + " waits on")
		}
		for p := range n.streams {
			if n.streams[p].delivered < n.streams[p].have() {
				return verdict(n.name + " does not settle what it holds")
			}
		}
	}
	return ""
}

// twoPart has one of two members die at any time, the other one go on by force, and the
// first one come back.
func twoPart(seed uint64, broken mutant.Mutant) (*world, verdict) {
	w := newWorld(seed, 2, 0, broken)
	w.forced = true
	return w, w.judged(func() {
		for range 20 + w.random.IntN(100) {
			w.deed()
		}
		survivors := w.loseQuorum()
		for range 10 {
			w.round()
		}
		if survivors == nil || !survivors[0].view.IsForced() {
			return
		}
		other := w.nodes[1-survivors[0].at]
		other.dead = false
		w.restart(other)
		for range 10 {
			w.round()
		}
		if !other.view.Same(survivors[0].view) {
			w.judge.fault("clash", "%s, one of two, delivered what the other one does not have", other.name)
		}
	})
}

// forgotten has b deliver, after a restart, what others hold that are gone when the
// other survivor, a, takes what b promised before for all that b has.
func forgotten(_ uint64, broken mutant.Mutant) (*world, verdict) {
	w := newWorld(0, 4, 0, broken)
	w.forced = true
	return w, w.judged(func() {
		a, b, c, d := w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3]
		a.clock, d.clock = 9, 9
		_ = a.synod.Ask(member.Change{Kind: member.Force, Survivors: []member.Identity{a.identity, b.identity}})
		w.step(a)
		w.hand(a, b)
		w.tell(b, a)
		promise := w.mail[0]
		w.crash(b)
		w.restart(b)
		w.write(c)
		w.step(d)
		for d.streams[2].have() == 0 {
			w.hand(c, d)
		}
		for b.streams[2].have() == 0 {
			w.hand(c, b)
		}
		b.clock = 12
		w.hand(d, b)
		w.hand(c, b)
		w.receive(a, promise)
		w.talk(a, b)
		w.talk(a, b)
	})
}
