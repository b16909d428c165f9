package synod

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

const (
	standstillMin = 2 * time.Second        // without news of a choice before somebody else takes it up; it doubles with each round
	standstillMax = time.Minute            // at most
	turnTime      = 900 * time.Millisecond // so much later each next member does it
	renewEvery    = 3                      // own attempts of which one leaves the members as they are
)

// Step does all that can be done by now. The vote, if it is not nil, must be
// durable before any of what [Synod.Choice] returns is told. The view, if it is
// not nil, is decided and counts from now on, once it is durable.
func (s *Synod) Step(now time.Duration, log Log) (vote *protocol.VoteRecord, decided *member.View) {
	s.now = max(s.now, now)
	s.attempt()
	promised := s.promise(log)
	s.choose()
	if s.accept(log) || promised {
		vote = s.record()
	}
	return vote, s.decide()
}

// Due returns when a step is due although nothing new is heard, and reports
// whether one is.
func (s *Synod) Due() (at time.Duration, due bool) {
	_, isMember := s.view.PlaceOf(s.self)
	switch {
	case !isMember:
		return 0, false
	case s.presses():
		return s.now, true
	case s.wish != nil && len(s.bids) == 0 && !s.wedged:
		return s.now, true
	case len(s.bids) == 0 && !s.wedged:
		return 0, false
	}
	rounds := max(s.newest().Round, s.vote.Promised.Round, 1)
	wait := min(standstillMax, standstillMin<<min(rounds-1, 10))
	return s.stirred + wait + time.Duration(s.turn())*turnTime, true
}

// turn returns how many members come before this one in taking up a change: those
// of lower places that stay. Who is to go is the last.
func (s *Synod) turn() int {
	turn, going := 0, s.goes()
	for i := range s.view.Places {
		switch p := &s.view.Places[i]; {
		case p.Identity == s.self && s.self != going:
			return turn
		case p.Role == member.Writer && p.Identity != going:
			turn++
		}
	}
	return turn
}

// goes returns who is to go by the newest bid; 0: nobody.
func (s *Synod) goes() member.Identity {
	if len(s.bids) == 0 {
		return 0
	}
	if c := &s.bids[len(s.bids)-1].Change; c.Kind == member.Evict {
		return c.Identity
	}
	return 0
}

// begun returns the change of the newest bid, nil if there is none.
func (s *Synod) begun() *member.Change {
	if len(s.bids) == 0 {
		return nil
	}
	return &s.bids[len(s.bids)-1].Change
}

// attempt begins a bid if one is due: what was asked, or else what somebody
// else began and did not end. A change that cannot be completed, such as of a
// newcomer that is gone again, gives way to none in the end.
func (s *Synod) attempt() {
	if at, due := s.Due(); !due || s.now < at {
		return
	}
	change := member.Change{Kind: member.Renew}
	switch {
	case s.presses():
		change = *s.wish
		s.pressed++
	case len(s.bids) == 0 && !s.wedged:
		change = *s.wish
	default:
		s.tries++
		begun := s.begun()
		if s.wish != nil && s.wish.Kind == member.Force {
			begun = s.wish
		}
		if s.tries%renewEvery != 0 && begun != nil && begun.Kind != member.Rejoin && s.mayPropose(begun) { // who wants to come back asks again
			change = *begun
		}
	}
	place, _ := s.view.PlaceOf(s.self)
	s.own = protocol.Ballot{Round: s.highest() + 1, Place: place}
	s.bids = append(s.bids, protocol.Bid{Ballot: s.own, Change: change})
	s.stir()
}

// highest returns the highest round that is known.
func (s *Synod) highest() uint64 {
	highest := max(s.newest().Round, s.vote.Promised.Round)
	for i := range s.votes {
		highest = max(highest, s.votes[i].Promised.Round)
	}
	return highest
}

// promise answers the newest bid with the promise that it asks for, and reports whether
// it did. Whose stream has ended promises nobody's coming back: what settled may be
// later than its clock.
func (s *Synod) promise(log Log) bool {
	newest := s.newest()
	if begun := s.begun(); begun != nil && begun.Kind == member.Rejoin && log.Ended() {
		return false
	}
	if len(s.bids) == 0 || !s.view.Has(s.self) || newest.Compare(s.vote.Promised) <= 0 || s.bids[len(s.bids)-1].View != nil {
		return false
	}
	forced := s.begun().Kind == member.Force
	if forced && !s.mayPropose(s.begun()) {
		return false
	}
	s.wedge(log)
	if forced {
		s.halt(log)
	}
	s.vote.Promised = newest
	s.putVote(s.vote)
	return true
}

// wedge notes what is held before the first promise or acceptance, for later
// ballots as well: a base that ran away with what comes meanwhile would have to
// be pulled again and again.
func (s *Synod) wedge(log Log) {
	if s.wedged {
		return
	}
	s.wedged = true
	s.vote = protocol.Vote{Identity: s.self, Have: make([]uint64, len(s.view.Places)), Clock: log.Clock()}
	for place := range s.vote.Have {
		s.vote.Have[place] = log.Have(member.ID(place))
	}
}

// record returns the own vote as it is to be durable.
func (s *Synod) record() *protocol.VoteRecord {
	r := &protocol.VoteRecord{Number: s.view.Number, Lineage: s.view.Lineage, Vote: s.vote}
	if at, accepted := s.find(s.vote.Accepted); accepted {
		r.View, r.Over = s.bids[at].View, s.bids[at].Over
	}
	return r
}

// choose gives the own bid a view once a quorum has promised: that of the
// highest ballot that one of them accepted, for it may be decided, or else a
// new one.
func (s *Synod) choose() {
	at, known := s.find(s.own)
	if !known || s.own != s.newest() || s.bids[at].View != nil {
		return
	}
	if s.bids[at].Change.Kind == member.Force {
		s.chooseForced(&s.bids[at])
		return
	}
	promises, best := 0, protocol.Ballot{}
	grounds := member.Grounds{Proposer: s.self, Base: make([]uint64, len(s.view.Places))}
	for i := range s.votes {
		v := &s.votes[i]
		if v.Promised != s.own || !s.view.Has(v.Identity) {
			continue
		}
		if v.Accepted.Compare(best) > 0 && s.standing(v.Accepted) != nil {
			best = v.Accepted
		}
		add(&grounds, v)
		promises++
	}
	if promises < s.view.Quorum() {
		return
	}
	if chain := s.standing(best); chain != nil {
		adopt(&s.bids[at], chain)
	} else {
		s.bids[at].View = s.propose(s.bids[at].Change, grounds)
	}
	s.stir()
}

// add joins what a promise says into the grounds of a new view.
func add(g *member.Grounds, v *protocol.Vote) {
	g.Clock = max(g.Clock, v.Clock)
	for place := range min(len(g.Base), len(v.Have)) {
		g.Base[place] = max(g.Base[place], v.Have[place])
	}
}

// propose makes a new view. A change that makes no sense any more is left out:
// the members that promised wait for some view.
func (s *Synod) propose(c member.Change, g member.Grounds) *member.View {
	v, err := s.view.Successor(c, g)
	if err == nil {
		err = v.CheckStep(s.view)
	}
	if err != nil {
		v, _ = s.view.Successor(member.Change{Kind: member.Renew}, g) // always possible
	}
	return v
}

// accept accepts the view of the newest bid once all entries that it builds
// upon are held, and reports whether it did.
func (s *Synod) accept(log Log) bool {
	if len(s.bids) == 0 {
		return false
	}
	b := &s.bids[len(s.bids)-1]
	switch {
	case b.View == nil || b.Ballot.Compare(s.vote.Promised) < 0 || b.Ballot.Compare(s.vote.Accepted) <= 0:
		return false
	case !s.view.Has(s.self) && !b.View.Has(s.self):
		return false
	case !s.holds(b.View, log), s.view.Has(s.self) && !s.haveCome(b.View):
		return false
	case b.View.IsNewlyForced(s.view) && !b.View.Has(s.self), !s.mayLeaveFor(b.View):
		return false
	}
	s.wedge(log)
	s.vote.Promised, s.vote.Accepted = b.Ballot, b.Ballot
	s.putVote(s.vote)
	return true
}

// haveCome reports whether all newcomers of a view have accepted it, and so hold what
// it builds upon: what the members of the present view forget nobody could give to
// them any more. Members accept after them, so one of these that has is proof enough.
func (s *Synod) haveCome(v *member.View) bool {
	missing := v.Came()
	for i := range s.votes {
		at, known := s.find(s.votes[i].Accepted)
		if !known || s.bids[at].View == nil || !s.bids[at].View.Same(v) {
			continue
		}
		if s.view.Has(s.votes[i].Identity) {
			return true
		}
		missing = slices.DeleteFunc(missing, func(one member.Identity) bool { return one == s.votes[i].Identity })
	}
	return len(missing) == 0
}

// holds reports whether this member holds all that a view builds upon.
func (s *Synod) holds(v *member.View, log Log) bool {
	for place := range s.view.Places {
		if log.Have(member.ID(place)) < v.Places[place].Base {
			return false
		}
	}
	return true
}

// Lacks returns how many entries of the stream of a place are needed before the
// newest bid can be accepted; 0: none are missing that are known of.
func (s *Synod) Lacks(place member.ID) uint64 {
	if len(s.bids) == 0 || int(place) >= len(s.view.Places) {
		return 0
	}
	if v := s.bids[len(s.bids)-1].View; v != nil {
		return v.Places[place].Base
	}
	return 0
}

// decide installs a view that a quorum of the present view and enough of its
// own members accepted at one ballot, or by force all of its members.
func (s *Synod) decide() *member.View {
	for i := range s.bids {
		if b := &s.bids[i]; b.View != nil && s.isDecided(b) && s.mayLeaveFor(b.View) {
			decided := b.View
			s.install(decided)
			return decided
		}
	}
	return nil
}

func (s *Synod) isDecided(b *protocol.Bid) bool {
	present, next := s.accepted(b.Ballot, s.view), s.accepted(b.Ballot, b.View)
	if b.View.IsNewlyForced(s.view) { // who is left out looks first whether it fits
		return next == b.View.Size() && b.View.Has(s.self)
	}
	return present >= s.view.Quorum() && next >= b.View.Holders()
}

// accepted counts the members of a view that accepted a ballot.
func (s *Synod) accepted(b protocol.Ballot, view *member.View) int {
	count := 0
	for i := range s.votes {
		if v := &s.votes[i]; v.Accepted == b && view.Has(v.Identity) {
			count++
		}
	}
	return count
}
