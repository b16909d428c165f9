package delta

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol/roster"
)

// presence is whether a peer is there, and which incarnation of it.
type presence struct {
	up       bool
	reliable bool // nothing is lost as long as the link is up

	identity   member.Identity // the incarnation that is heard; 0: nobody was
	session    uint64          // of the peer
	outSession uint64          // of what is sent to it

	everHeard  bool
	heard      time.Duration // when a message of it came last
	met        bool          // it answered this start, so its row is known in full
	askedUntil time.Duration // so long its answer is waited for, unless it met this start
}

// isHeard reports whether the peer is heard of late; it may be silent for a while.
func (p *presence) isHeard(now, silenceMax time.Duration) bool {
	return p.everHeard && now-p.heard <= silenceMax
}

// hearing is what a message means for the presence of its sender.
type hearing struct {
	late      bool // it is of an incarnation or a session that is past: nobody listens
	another   bool // another incarnation speaks than was heard before
	known     bool // with it: one was heard before
	outdated  bool // it is another start with the same data, which may be old
	restarted bool // it is another start than the one that was heard
	reopened  bool // it is a new session
	returned  bool // it was not heard of late
}

// hear takes note of a message, and returns what it means. The session that it
// acknowledges tells whether it is an answer.
func (p *presence) hear(identity member.Identity, session, answers uint64, now, silenceMax time.Duration) (h hearing) {
	heard := p.isHeard(now, silenceMax)
	if identity != p.identity {
		if heard && identity < p.identity { // a late message: identities have an order
			return hearing{late: true}
		}
		h.another, h.known = true, p.become(identity)
	}
	h.outdated = roster.IsAnotherStart(session, p.session)
	if h.late = session < p.session; h.late {
		return h
	}
	if session > p.session {
		h.restarted = p.session != 0 && session>>32 != p.session>>32
		h.reopened, p.session = true, session
	}
	h.returned = !heard
	p.met = p.met || answers == p.outSession
	p.heard, p.everHeard = now, true
	return h
}

// become begins anew with another incarnation, and reports whether one was known
// before.
func (p *presence) become(identity member.Identity) (known bool) {
	known = p.identity != 0
	p.identity, p.session = identity, 0
	return known
}

// linked begins a new session of this member.
func (p *presence) linked(reliable bool) {
	p.up, p.reliable = true, reliable
	p.outSession++
}

// ask waits for the answer of the peer. It may not be able to answer, so the
// wait has an end.
func (p *presence) ask(now, wait time.Duration) { p.met, p.askedUntil = false, now+wait }

// awaited reports whether the peer's answer is waited for.
func (p *presence) awaited(now time.Duration) bool { return !p.met && now < p.askedUntil }
