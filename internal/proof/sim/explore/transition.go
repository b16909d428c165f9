package explore

import (
	"slices"

	"chatterbox/internal/core/member"
)

// transition leads from one situation to the next.
type transition struct {
	kind   kind
	member member.ID // who acts, or the sender on a link
	peer   member.ID // the receiver on a link
	letter uint32    // the message
}

// kind says what kind of transition it is.
type kind uint8

const (
	submits  kind = iota + 1 // member
	closes                   // member
	ticks                    // member
	leaps                    // member
	gets                     // letter
	getsMore                 // letter, which stays on its way
	loses                    // letter, which nobody gets
	breaks                   // member, peer
	restarts                 // member
	forgets                  // member
	evicts                   // member, peer
	returns                  // member
)

// each calls visit for every transition that is possible, in a fixed order.
func (w *world) each(s *situation, visit func(transition)) {
	for i, number := range s.nodes[:w.config.Members] {
		w.eachOfMember(s, member.ID(i), w.nodes.get(number), visit)
	}
	for i, letter := range s.mail[:s.count()] {
		w.eachOfMail(s, i, letter, visit)
	}
	for i, e := range w.config.Bounds.Evicts {
		if s.spent.evicts&(1<<i) == 0 {
			visit(transition{kind: evicts, member: member.ID(e.From), peer: member.ID(e.To)})
		}
	}
	if s.spent.breaks < uint8(w.config.Bounds.Breaks) {
		w.eachLink(func(from, to member.ID) { visit(transition{kind: breaks, member: from, peer: to}) })
	}
}

func (w *world) eachOfMember(s *situation, id member.ID, n *node, visit func(transition)) {
	b := &w.config.Bounds
	if n.submitted < b.Submits[id] && !n.closed && n.view.room >= len(w.batch) {
		visit(transition{kind: submits, member: id})
	}
	if b.Close && !n.closed {
		visit(transition{kind: closes, member: id})
	}
	if n.ticked < b.Ticks {
		visit(transition{kind: ticks, member: id})
	}
	if n.leapt < b.Leaps {
		visit(transition{kind: leaps, member: id})
	}
	if int(s.spent.crashes) < b.Crashes {
		visit(transition{kind: restarts, member: id})
	}
	if int(s.spent.losses) < b.Losses {
		visit(transition{kind: forgets, member: id})
	}
	if int(s.spent.returns) < b.Returns && n.isGone(int(id)) {
		visit(transition{kind: returns, member: id})
	}
}

func (w *world) eachOfMail(s *situation, at int, letter uint32, visit func(transition)) {
	b := &w.config.Bounds
	if w.config.Streams {
		if at == 0 || w.mails.get(s.mail[at-1]).link() != w.mails.get(letter).link() {
			visit(transition{kind: gets, letter: letter})
		}
		return
	}
	if at > 0 && s.mail[at-1] == letter {
		return // the same once more
	}
	visit(transition{kind: gets, letter: letter})
	if int(s.spent.repeats) < b.Repeats {
		visit(transition{kind: getsMore, letter: letter})
	}
	if int(s.spent.drops) < b.Drops {
		visit(transition{kind: loses, letter: letter})
	}
}

func (w *world) eachLink(visit func(from, to member.ID)) {
	for from := range member.ID(w.config.Members) {
		for to := range member.ID(w.config.Members) {
			if from != to && !w.isDead(int(from), int(to)) {
				visit(from, to)
			}
		}
	}
}

// do returns the situation that a transition leads to. It is false if the transition would
// put more on a link of Streams than fits: nothing may be lost there.
func (w *world) do(s *situation, d transition) (next situation, fault *Fault, ok bool) {
	next = *s
	if d.letter != 0 && d.kind != getsMore {
		next.take(slices.Index(next.mail[:], d.letter))
	}
	t := execution{world: w, next: &next, fits: true}
	switch d.kind {
	case submits:
		t.act(d.member, doSubmit, 0, 0)
	case closes:
		t.act(d.member, doClose, 0, 0)
	case ticks:
		t.act(d.member, doTick, 0, 0)
	case leaps:
		t.act(d.member, doLeap, 0, 0)
	case gets:
		t.act(w.mails.get(d.letter).to, doGet, 0, d.letter)
	case getsMore:
		next.spent.repeats++
		t.act(w.mails.get(d.letter).to, doGet, 0, d.letter)
	case loses:
		next.spent.drops++
	case breaks:
		next.spent.breaks++
		t.relink(d.member, d.peer)
	case restarts:
		next.spent.crashes++
		t.rise(d.member, doRestart)
	case evicts:
		next.spent.evicts |= 1 << slices.Index(w.config.Bounds.Evicts, Link{int(d.member), int(d.peer)})
		t.act(d.member, doEvict, d.peer, 0)
	case returns:
		next.spent.returns++
		t.act(d.member, doReturn, 0, 0)
	case forgets:
		next.spent.losses++
		t.rise(d.member, doLose)
	}
	return next, t.fault, t.fits
}

// execution carries out a transition on its way to the next situation.
type execution struct {
	world *world
	next  *situation
	fault *Fault
	fits  bool
}

// act lets one member act.
func (t *execution) act(id member.ID, a action, peer member.ID, letter uint32) {
	out := t.world.after(t.next.nodes[id], a, peer, letter)
	t.next.nodes[id] = out.node
	for _, sent := range out.sent {
		if !t.world.send(t.next, sent) && t.world.config.Streams {
			t.fits = false
		}
	}
	if t.fault == nil {
		t.fault = out.fault
	}
}

// relink breaks a link and brings it up again.
func (t *execution) relink(from, to member.ID) {
	t.world.hangUp(t.next, int(from)*membersMax+int(to))
	t.act(from, doRelink, to, 0)
}

// rise lets a member begin another life. Links of Streams to and from it
// begin anew with it.
func (t *execution) rise(id member.ID, a action) {
	if t.world.config.Streams {
		t.world.eachLink(func(from, to member.ID) {
			if from == id || to == id {
				t.world.hangUp(t.next, int(from)*membersMax+int(to))
			}
		})
	}
	t.act(id, a, 0, 0)
	if t.world.config.Streams {
		t.world.eachLink(func(from, to member.ID) {
			if to == id {
				t.act(from, doRelink, id, 0)
			}
		})
	}
}
