package explore

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// together are members whose links are well: what is sent arrives in the same
// round, and everybody ticks. They begin the search, and end it from the
// situations that are let settle.
type together struct {
	world *world
	nodes []*node
	mails []*mail
	found *Fault
}

const (
	roundsOfTicks  = 20  // after so many rounds time goes faster, for pauses between attempts grow
	roundsMax      = 120 // that is ten seconds
	roundsOfChange = 600 // a change that stands still is taken up after seconds
	roundsQuiet    = 10  // to get acquainted, everything must have been said for so long
)

// together returns members before their first start.
func (w *world) together() *together {
	p := &together{world: w}
	for i := range w.founders() {
		n := w.newNode(member.ID(i))
		p.nodes = append(p.nodes, n)
		p.let(n, doBegin, 0, nil)
	}
	return p
}

// from returns members as they are in a situation.
func (w *world) from(s *situation) *together {
	p := &together{world: w, mails: w.letters(s)}
	for _, number := range s.nodes[:w.config.Members] {
		p.nodes = append(p.nodes, w.nodes.get(number).copy(w.mirror))
	}
	return p
}

// let lets something happen to a member.
func (p *together) let(n *node, a action, peer member.ID, m *mail) {
	h := actor{world: p.world, node: n}
	h.carryOut(a, peer, m)
	p.mails = append(p.mails, h.sent...)
	if p.found == nil {
		p.found = h.found
	}
}

// round delivers what is on its way, and lets everybody tick.
func (p *together) round(number int) {
	arriving := p.mails
	p.mails = nil
	for _, m := range arriving {
		if int(m.to) >= len(p.nodes) {
			continue // nobody has that place yet
		}
		p.let(p.nodes[m.to], doGet, m.from, m)
	}
	for _, n := range p.nodes {
		if number >= roundsOfTicks {
			n.now += 9 * Tick
		}
		p.let(n, doTick, 0, nil)
	}
	if p.found == nil {
		p.found = p.world.judge(p.nodes)
	}
}

// acquaint goes on until all members agree on who is who and have said all
// that there is to say.
func (p *together) acquaint() *Fault {
	agreed := 0
	for number := 0; number < roundsMax && p.found == nil; number++ {
		p.round(min(number, roundsOfTicks-1))
		if slices.ContainsFunc(p.nodes, func(n *node) bool { return !n.view.agreed }) {
			continue
		}
		if agreed++; agreed >= roundsQuiet && len(p.mails) == 0 {
			return p.found
		}
	}
	c := checker{nodes: p.nodes, found: p.found}
	if agreed == 0 {
		c.fault("progress", "the members do not come to agree on who is who")
	}
	c.fault("quiet-end", "the members do not fall silent although there is nothing to say")
	return c.found
}

// settle lets everything settle, with open streams first, for an idle member
// must not hold up the others, then ends them. It gives what was broken.
func (p *together) settle(lost bool) *Fault {
	if c := p.world.config; (c.Evicted || c.Joined) && !p.until(p.allBack) {
		return p.open()
	}
	if !lost && !p.until(p.told) {
		return p.open()
	}
	for _, n := range p.nodes {
		p.let(n, doClose, 0, nil)
	}
	if lost {
		return p.settleLost()
	}
	p.until(p.complete)
	return p.judgeComplete()
}

// until goes on until something holds; it is false if that takes too long, or
// something was found wrong before.
func (p *together) until(holds func() bool) bool {
	rounds := roundsMax
	if p.world.config.Changes {
		rounds = roundsOfChange
	}
	for number := range rounds {
		if p.round(number); p.found != nil {
			return false
		}
		if holds() {
			return true
		}
	}
	return false
}

// told reports whether everybody was told all that was ever written, and waits for
// no view.
func (p *together) told() bool {
	written := len(p.written())
	return !slices.ContainsFunc(p.members(), func(n *node) bool {
		return n.app.end() != uint64(written) || n.reducer.Status().Wedged
	})
}

// written returns all that was ever written, but for what lies beyond the end of
// who was let go.
func (p *together) written() []fact {
	var all []fact
	v := newest(p.nodes)
	for _, n := range p.nodes {
		for _, f := range n.written {
			if v == nil {
				all = append(all, f)
			} else if from, to := v.Span(n.self, f.identity); f.seq > from && f.last() <= to {
				all = append(all, f)
			}
		}
	}
	return all
}

// members returns who belongs to the newest view.
func (p *together) members() []*node {
	v := newest(p.nodes)
	return slices.DeleteFunc(slices.Clone(p.nodes), func(n *node) bool { return v != nil && v.Places[n.self].Role == member.Gone })
}

// open returns what is wrong when not everything is told.
func (p *together) open() *Fault {
	c := checker{nodes: p.nodes, found: p.found}
	for _, n := range p.nodes {
		c.fault("progress", "with open streams not all is told: %s holds %v, and was told %v", member.Letter(n.self), n.view.held, n.app.delivered)
	}
	return c.found
}

func (p *together) complete() bool {
	return !slices.ContainsFunc(p.members(), func(n *node) bool { return !n.view.complete })
}

// judgeComplete: everybody is complete, and was told all that was ever
// written, once and in order.
func (p *together) judgeComplete() *Fault {
	all := p.written()
	slices.SortFunc(all, func(a, b fact) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
	var want tally
	for i := range all {
		want.add(&all[i])
	}
	c := checker{nodes: p.nodes, found: p.found}
	for _, n := range p.members() {
		switch {
		case !n.view.complete:
			c.fault("progress", "%s does not become complete: it holds %v, and was told %v", member.Letter(n.self), n.view.held, n.app.delivered)
		case n.app.state != want:
			c.fault("exactly-once", "%s was told %v, written were %v", member.Letter(n.self), n.app.delivered, all)
		}
	}
	return c.found
}

// settleLost: where data was lost, members that were acquainted before end with
// the same. Nothing tells them that they are there, so they go on for a while.
func (p *together) settleLost() *Fault {
	for number := range roundsMax {
		if p.round(number); p.found != nil || number > roundsOfTicks && p.alike() {
			break
		}
	}
	c := checker{nodes: p.nodes, found: p.found}
	if p.world.config.Acquainted && !p.alike() {
		c.fault("same-text", "the members do not come to hold the same: %v", p.held())
	}
	return c.found
}

func (p *together) held() []clock.Vector {
	var held []clock.Vector
	for _, n := range p.nodes {
		held = append(held, n.view.held)
	}
	return held
}

// alike reports whether all members would print the same.
func (p *together) alike() bool {
	return !slices.ContainsFunc(p.nodes, func(n *node) bool { return n.tuple() != p.nodes[0].tuple() })
}

// tuple folds all that is held.
func (n *node) tuple() tally {
	tuple := n.app.state
	for b := range n.reducer.Tentative() {
		f := factOf(b)
		tuple.add(&f)
	}
	return tuple
}
