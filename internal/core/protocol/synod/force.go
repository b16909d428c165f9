package synod

import (
	"errors"
	"fmt"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// What is here goes on without a quorum. A bid of that kind names its survivors, of
// whom all must promise and accept; no other member does. What they hold when they
// promise is the base of their view, so from then on they deliver nothing until a view
// counts: what any of them delivered is in it. The view begins a history of its own.
//
// Any two choices that a member has part in agree: a bid by force goes on from what one
// of its survivors accepted last, and who accepted a view that names it accepts no other
// before another one named there is known to have promised past it without accepting.
// So two histories can part only where they have no member in common.

// pressMax is how often in a row going on by force is proposed at once.
const pressMax = 20

// presses reports whether this member is to go on by force, and proposes that now: at
// first, and in the stead of attempts of others, which no quorum answers.
func (s *Synod) presses() bool {
	if s.wish == nil || s.wish.Kind != member.Force || s.pressed == pressMax {
		return false
	}
	newest := s.begun()
	return s.pressed == 0 || newest != nil && newest.Kind != member.Force && s.bids[len(s.bids)-1].View == nil
}

// Halted reports whether this member may deliver nothing until a view counts.
func (s *Synod) Halted() bool { return s.vote.Now != nil }

// Forces reports whether this member accepted to go on by force.
func (s *Synod) Forces() bool {
	at, accepted := s.find(s.vote.Accepted)
	return accepted && s.bids[at].View.IsNewlyForced(s.view)
}

// mayPropose reports whether this member has a part in a change: by force only survivors
// have.
func (s *Synod) mayPropose(c *member.Change) bool { return c.Kind != member.Force || c.Names(s.self) }

// mayForce returns why survivors cannot go on by force after what they accepted.
func (s *Synod) mayForce(c *member.Change) error {
	if !c.Names(s.self) {
		return errors.New("ask one of those who are to go on")
	}
	for i := range s.votes {
		at, accepted := s.find(s.votes[i].Accepted)
		if !accepted || !c.Names(s.votes[i].Identity) || c.Keeps(s.bids[at].View) {
			continue
		}
		if err := c.Check(s.bids[at].View); err != nil {
			return fmt.Errorf("view %d may be decided on already: %w", s.bids[at].View.Number, err)
		}
	}
	return nil
}

// halt notes what is held now, beyond which nothing is delivered.
func (s *Synod) halt(log Log) {
	s.vote.Now, s.vote.NowClock = make([]uint64, len(s.view.Places)), log.Clock()
	for place := range s.vote.Now {
		s.vote.Now[place] = log.Have(member.ID(place))
	}
}

// chooseForced gives the own bid a view once all survivors have promised. One that
// others may have decided on comes before it.
func (s *Synod) chooseForced(b *protocol.Bid) {
	best := protocol.Ballot{}
	grounds := member.Grounds{Proposer: s.self, Base: make([]uint64, len(s.view.Places))}
	for _, one := range b.Change.Survivors {
		at, known := s.voteOf(one)
		if !known || s.votes[at].Promised != s.own {
			return
		}
		v := s.votes[at]
		if v.Accepted.Compare(best) > 0 && s.standing(v.Accepted) != nil {
			best = v.Accepted
		}
		v.Have, v.Clock = v.Now, v.NowClock
		add(&grounds, &v)
	}
	before, chain := s.view, s.standing(best)
	if chain != nil {
		before = chain[len(chain)-1]
	}
	if before.IsNewlyForced(s.view) && b.Change.Keeps(before) {
		adopt(b, chain)
	} else if v, err := before.Successor(b.Change, grounds); err == nil {
		adopt(b, append(slices.Clip(chain), v))
	} else {
		return // one of them was let go by what another one accepted
	}
	s.stir()
}

// adopt gives a bid the last one of views that follow each other.
func adopt(b *protocol.Bid, chain []*member.View) {
	last := len(chain) - 1
	b.View, b.Over = chain[last], chain[:last:last]
}

// standing returns the view of a ballot that may be decided on, behind those that it
// comes over; nil if there is none. In the stead of one by force that never will be
// stands what that was to come after.
func (s *Synod) standing(b protocol.Ballot) []*member.View {
	at, known := s.find(b)
	if !known || s.bids[at].View == nil {
		return nil
	}
	chain := append(slices.Clip(s.bids[at].Over), s.bids[at].View)
	for len(chain) > 0 && s.isDead(chain[len(chain)-1], b) {
		chain = chain[:len(chain)-1]
	}
	if len(chain) == 0 {
		return nil
	}
	return chain
}

// isDead reports whether a view of a ballot was to go on by force and never will: one of
// those it names has promised past the ballot without accepting it.
func (s *Synod) isDead(view *member.View, b protocol.Ballot) bool {
	if !view.IsNewlyForced(s.view) {
		return false
	}
	for _, one := range view.Members() {
		if i, voted := s.voteOf(one); voted && s.votes[i].Promised.Compare(b) > 0 && !s.hasAccepted(&s.votes[i], view) {
			return true
		}
	}
	return false
}

// hasAccepted reports whether a vote is for a view, or for one that comes after it.
func (s *Synod) hasAccepted(v *protocol.Vote, view *member.View) bool {
	at, accepted := s.find(v.Accepted)
	return accepted && s.bids[at].View != nil && (s.bids[at].View.Same(view) || s.bids[at].View.Continues(view))
}

// mayLeaveFor reports whether this member can go by another view: not if it accepted
// to go on by force with others who may have decided that.
func (s *Synod) mayLeaveFor(v *member.View) bool {
	chain := s.standing(s.vote.Accepted)
	if len(chain) == 0 || !chain[len(chain)-1].IsNewlyForced(s.view) {
		return true
	}
	last := chain[len(chain)-1]
	return v.Same(last) || v.Continues(last)
}

// checkNext returns why a view cannot be chosen here.
func (s *Synod) checkNext(v *member.View) error {
	if v.IsNewlyForced(s.view) {
		return v.CheckForced(s.view)
	}
	return v.CheckStep(s.view)
}
