package synod_test

import (
	"fmt"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/mutant"
)

// run plays a random run: writes, messages in any order, losses, cuts, crashes
// and changes; then all heals, and everything has to settle. The verdict is ""
// if nothing is wrong.
func run(seed uint64, broken mutant.Mutant) (w *world, found verdict) {
	w = newWorld(seed, 1+int(seed%5), 4, broken)
	w.lively = seed%3 == 0
	return w, w.judged(func() {
		for range 100 + w.random.IntN(300) {
			w.now += time.Duration(w.random.IntN(200)) * time.Millisecond
			w.deed()
			if w.lively && w.random.IntN(4) == 0 {
				w.round()
			}
		}
		w.end()
	})
}

// judged returns what is found to be wrong with what is played.
func (w *world) judged(play func()) (found verdict) {
	defer func() {
		if r := recover(); r != nil {
			var ours bool
			if found, ours = r.(verdict); !ours {
				panic(r)
			}
		}
	}()
	play()
	return ""
}

// deed is one random thing that happens.
func (w *world) deed() {
	n := w.nodes[w.random.IntN(len(w.nodes))]
	switch d := w.random.IntN(100); {
	case d < 2 && !w.still:
		w.toggle(n)
	case d < 5:
		w.cut[[2]int{n.at, w.random.IntN(len(w.nodes))}] = w.random.IntN(3) > 0
	case d < 6:
		clear(w.cut)
	case !n.up || n.view == nil && d < 80:
	case d < 10 && !w.still:
		w.ask(n)
	case d < 30:
		w.write(n)
	case d < 35:
		w.now += time.Duration(w.random.IntN(4000)) * time.Millisecond
		w.step(n)
	case d < 65:
		if n.view != nil {
			w.post(n, w.nodes[w.random.IntN(len(w.nodes))])
		}
	default:
		w.deliver()
	}
}

// toggle crashes a node or starts it again.
func (w *world) toggle(n *node) {
	if n.up {
		w.crash(n)
	} else {
		w.restart(n)
	}
}

// ask has a node change the view: somebody goes, comes back, is seated where somebody
// is gone or at a new place, has another address, or nobody does.
func (w *world) ask(n *node) {
	other := w.nodes[w.random.IntN(len(w.nodes))]
	if p := &n.view.Places[w.random.IntN(len(n.view.Places))]; w.lively && p.Role == member.Gone {
		other = w.nodes[p.Identity-1]
	}
	c := member.Change{Kind: member.Admit, Identity: other.identity, Name: other.name, Address: "h:" + other.name}
	switch {
	case w.random.IntN(8) == 0:
		c = member.Change{Kind: member.Renew}
	case n.view.Has(other.identity) && w.random.IntN(4) == 0:
		c.Kind, c.Address = member.Move, w.anyAddress()
	case n.view.Has(other.identity):
		c.Kind = member.Evict
	case other.view == nil:
		return // it has to catch up first
	case isTenant(n.view, other.identity) && w.random.IntN(4) > 0:
		c.Kind = member.Rejoin
	case w.random.IntN(4) > 0:
		c.Name = n.view.Places[w.random.IntN(len(n.view.Places))].Name
	}
	_ = n.synod.Ask(c)
	w.step(n)
}

// anyAddress returns one that is new, or one that somebody has, had, or comes with.
func (w *world) anyAddress() string {
	return fmt.Sprintf("%c:%s", "gh"[w.random.IntN(2)], w.nodes[w.random.IntN(len(w.nodes))].name)
}

func isTenant(v *member.View, identity member.Identity) bool {
	_, is := v.TenantAt(identity)
	return is
}

func (w *world) post(n, to *node) {
	if n != to && !w.cut[[2]int{n.at, to.at}] {
		w.tell(n, to)
	}
}

// deliver takes any message out of the network, which may keep a copy or lose it.
func (w *world) deliver() {
	if len(w.mail) == 0 {
		return
	}
	i := w.random.IntN(len(w.mail))
	m := w.mail[i]
	if w.random.IntN(10) > 0 {
		w.mail[i] = w.mail[len(w.mail)-1]
		w.mail = w.mail[:len(w.mail)-1]
	}
	if n := w.nodes[m.to]; n.up && w.random.IntN(10) > 0 {
		w.receive(n, m)
	}
}

// end heals all, and gives the members the time to settle everything.
func (w *world) end() {
	clear(w.cut)
	w.mail = nil
	for _, n := range w.nodes {
		if !n.up && !n.dead {
			w.restart(n)
		}
	}
	for range 400 {
		w.round()
		if w.settledAll() == "" {
			return
		}
	}
	w.judge.fault("stuck", "%s", w.settledAll())
}

// round has everybody tell everybody everything.
func (w *world) round() {
	for _, n := range w.nodes {
		if n.view == nil || !n.up {
			continue
		}
		w.step(n)
		for _, to := range w.nodes {
			w.post(n, to)
		}
	}
	for _, m := range w.mail {
		if n := w.nodes[m.to]; n.up {
			w.receive(n, m)
		}
	}
	w.mail = w.mail[:0]
	w.now += 300 * time.Millisecond
}

// settledAll returns what is missing for all members of the newest view to be
// done; "" if nothing is.
func (w *world) settledAll() string {
	newest := w.newest()
	for _, p := range newest.Places {
		if p.Role != member.Writer {
			continue
		}
		n := w.nodes[p.Identity-1]
		switch {
		case n.dead:
			return n.name + " is dead and still a member"
		case n.view == nil || !n.view.Same(newest):
			return n.name + " does not know the newest view"
		case n.synod.Wedged() || n.synod.Choice() != nil || n.synod.Asks() != nil:
			return n.name + " waits for a view"
		}
	}
	for _, n := range w.nodes {
		if !n.isMember() || n.dead {
			continue
		}
		for i := range n.streams {
			p := &newest.Places[i]
			if writer := w.nodes[p.Identity-1]; p.Role == member.Writer && n.streams[i].delivered < writer.streams[i].have() {
				return fmt.Sprintf("%s delivered %d of the %d entries of %s", n.name, n.streams[i].delivered, writer.streams[i].have(), writer.name)
			}
		}
	}
	return ""
}

func (w *world) newest() *member.View {
	newest := w.judge.views[0]
	for _, v := range w.judge.views {
		if v.Number > newest.Number {
			newest = v
		}
	}
	return newest
}

// TestViewsChangeSafely plays thousands of runs of one to five founders and four
// others.
func TestViewsChangeSafely(t *testing.T) {
	runs := uint64(draw.Of(3000, 500))
	changes, seated, back, moved, entries := uint64(0), 0, 0, 0, 0
	for seed := range runs {
		w, found := run(seed, mutant.None)
		if found != "" {
			t.Fatalf("seed %d: %s", seed, found)
		}
		v := w.newest()
		changes += v.Number - 1
		for i := range v.Places {
			seated, back = seated+len(v.Places[i].Former), back+len(v.Places[i].Returns)
		}
		moved += w.judge.moves()
		entries += len(w.judge.orders[v.Roots[0]])
	}
	t.Logf("%d runs, %d views, %d seated in the stead of others, %d came or came back, %d moved, %d entries", runs, changes, seated, back, moved, entries)
	if changes < runs || seated == 0 || back < seated/2 || uint64(moved) < runs/20 || uint64(entries) < runs {
		t.Error("the runs change and write too little to mean anything")
	}
}

// TestDeadMemberIsLetGo: as long as a quorum lives, one member that is gone for
// good is let go when that is asked for, whatever was cut before, also if who was
// asked dies as well in the middle of it, or several are asked at once; and then
// everything settles that the living wrote.
func TestDeadMemberIsLetGo(t *testing.T) {
	for seed := range uint64(600) {
		w := newWorld(seed, 3+int(seed%5), 0, mutant.None)
		w.still = true
		found := w.judged(func() {
			for range w.random.IntN(150) {
				w.deed()
			}
			w.bury(w.nodes[0])
			for i := range 1 + w.random.IntN(2) {
				_ = w.nodes[1+i].synod.Ask(member.Change{Kind: member.Evict, Identity: 1})
				w.step(w.nodes[1+i])
			}
			if len(w.nodes) >= 5 && w.random.IntN(2) == 0 {
				for range w.random.IntN(60) {
					w.deed()
				}
				w.bury(w.nodes[1])
				last := w.nodes[len(w.nodes)-1]
				_ = last.synod.Ask(member.Change{Kind: member.Evict, Identity: 2})
				_ = w.nodes[2].synod.Ask(member.Change{Kind: member.Evict, Identity: 1}) // what b was asked may have died with it
			}
			w.end()
		})
		if found != "" {
			t.Fatalf("seed %d: %s", seed, found)
		}
	}
}

// bury has a node crash and never come back.
func (w *world) bury(n *node) {
	w.crash(n)
	n.dead = true
}

// TestHealthyChangeTakesFewRounds: a bid, promises, the view, acceptances.
func TestHealthyChangeTakesFewRounds(t *testing.T) {
	for founders := 3; founders <= 7; founders++ {
		w := newWorld(1, founders, 0, mutant.None)
		for range 5 {
			w.round()
		}
		w.bury(w.nodes[0])
		_ = w.nodes[1].synod.Ask(member.Change{Kind: member.Evict, Identity: 1})
		rounds := 0
		for ; w.settledAll() != ""; rounds++ {
			w.round()
		}
		if rounds > 4 {
			t.Errorf("%d members: %d rounds", founders, rounds)
		}
	}
}
