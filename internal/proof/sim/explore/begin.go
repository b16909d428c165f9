package explore

import "chatterbox/internal/core/member"

// What is here brings members to where a search begins in which one comes back, or has
// just been given a place.

// evictLast has the others let the last member go, which writes one more entry once it
// has voted on that: it is in nobody's order.
func (p *together) evictLast() *Fault {
	last := p.nodes[len(p.nodes)-1]
	p.let(p.nodes[0], doEvict, last.self, nil)
	for number := 0; number < roundsMax && p.found == nil; number++ {
		p.round(min(number, roundsOfTicks-1))
		if last.submitted == 0 && last.reducer.Status().Wedged {
			p.let(last, doSubmit, 0, nil)
		}
		if p.nodes[0].isGone(int(last.self)) && last.reducer.Status().Orphans > 0 {
			p.mails = nil
			return p.found
		}
	}
	c := checker{nodes: p.nodes, found: p.found}
	c.fault("progress", "nobody is let go before the search begins")
	return c.found
}

// seatLast has the founders give a place to one more member; it begins with the view of
// who has that first, and the other one hears nothing of it.
func (p *together) seatLast() *Fault {
	self := member.ID(len(p.nodes))
	p.let(p.nodes[0], doAdmit, self, nil)
	for number := 0; number < roundsMax && p.found == nil; number++ {
		p.round(min(number, roundsOfTicks-1))
		if v := newest(p.nodes); len(v.Places) > int(self) {
			n := p.world.newcomer(self, v)
			p.nodes = append(p.nodes, n)
			p.mails = nil
			p.let(n, doBegin, 0, nil)
			return p.found
		}
	}
	c := checker{nodes: p.nodes, found: p.found}
	c.fault("progress", "nobody is seated before the search begins")
	return c.found
}

// allBack reports whether nobody is away any more who was let go: whoever is asks to be
// taken back.
func (p *together) allBack() bool {
	back := true
	for _, n := range p.nodes {
		if v := newest(p.nodes); v != nil && v.Places[n.self].Role == member.Gone || n.reducer.Status().Wedged {
			back = false
			if n.isGone(int(n.self)) {
				p.let(n, doReturn, 0, nil)
			}
		}
	}
	return back
}
