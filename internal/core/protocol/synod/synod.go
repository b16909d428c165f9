// Package synod decides on the next view: which members go, come or move.
//
// A [Synod] is one member's part in that. The members of a view choose its
// successor as acceptors of one instance of Paxos (Lamport, The Part-Time
// Parliament, 1998), and then those of the successor choose the next one. What
// they say are facts that only rise, and may be joined in any order, late or
// twice; so anybody may pass them on, and broken links are gone round.
//
// Who promises or accepts anything is wedged until a view is installed: what it
// says it holds from then on does not count for settling, and its vote tells
// what it held before. Every entry that settled was held by [member.View.Holders]
// members that were not wedged, of which any quorum has one. So the most that a
// quorum of votes names of each stream has all that ever settled: that is the
// base of the next view, and who accepts a view holds its base.
//
// A Synod knows nothing of messages, timers and disks: it is told the time, is
// asked when it wants to go on, and says what must be durable before its facts
// are told to anybody. It never looks at entries; a [Log] says what is held.
package synod

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// after reports whether the first is the later one of two of the same acceptor.
func after(v, other *protocol.Vote) bool {
	return cmp.Or(v.Promised.Compare(other.Promised), v.Accepted.Compare(other.Accepted)) > 0
}

// Log is what a synod asks of its member.
type Log = interface {
	// Have returns how many entries of the stream of a place are held, and are
	// durable at the latest with the next vote.
	Have(place member.ID) uint64
	// Clock returns the latest time that was given out or seen.
	Clock() clock.Time
	// Ended reports whether the own stream has ended: then its promise is no time of
	// the own clock, and does not say after what a newcomer begins.
	Ended() bool
}

// roundMax bounds the rounds that are taken from others: at one a second they
// last longer than anybody. A larger one would leave no round for the others.
const roundMax = 1 << 32

// Synod is one member's part in the choice of views. It is made by [New].
type Synod struct {
	self member.Identity
	view *member.View

	vote   protocol.Vote // the own one
	wedged bool
	bids   []protocol.Bid
	votes  []protocol.Vote // of all acceptors, the own one included

	wish    *member.Change  // what this member was asked to change
	own     protocol.Ballot // the own bid that gathers promises; zero: there is none
	pressed int             // how often the wish to go on by force was proposed at once
	tries   int             // own attempts to end a standstill of this view
	stirred time.Duration   // when anything new was last heard of the choice
	version uint64          // rises with each new fact

	now time.Duration
}

// Config is all that a synod is made from.
type Config struct {
	Self  member.Identity
	View  *member.View         // that was installed last
	Voted *protocol.VoteRecord // the last one that was made durable; nil: there is none
	Now   time.Duration
}

// New returns the part of a member that starts, or starts again.
func New(cfg Config) *Synod {
	s := &Synod{self: cfg.Self, view: cfg.View, now: cfg.Now, stirred: cfg.Now, version: 1}
	if r := cfg.Voted; r != nil && r.Number == s.view.Number && r.Lineage == s.view.Lineage {
		s.recover(r)
	}
	return s
}

// recover takes up the own vote. For the change that was asked for then, if it
// is not known from others, stands what was accepted of it.
func (s *Synod) recover(r *protocol.VoteRecord) {
	s.vote, s.wedged = r.Vote, true
	if r.View != nil {
		s.bids = []protocol.Bid{{Ballot: s.vote.Accepted, Change: member.Change{Kind: member.Renew}, View: r.View, Over: r.Over}}
	}
	s.putVote(s.vote)
}

// View returns the view that counts.
func (s *Synod) View() *member.View { return s.view }

// Wedged reports whether what this member holds does not count for settling.
func (s *Synod) Wedged() bool { return s.wedged }

// Version rises whenever there is something new to tell.
func (s *Synod) Version() uint64 { return s.version }

// Choice returns what is to be told, valid until the next step; nil if nobody is
// about to change the view.
func (s *Synod) Choice() *protocol.Choice {
	if len(s.bids) == 0 && len(s.votes) == 0 {
		return nil
	}
	return &protocol.Choice{Number: s.view.Number, Lineage: s.view.Lineage, Bids: s.bids, Votes: s.votes}
}

// Ask has this member propose a change as soon as no other one is under way,
// and until a view is as the change wants it. It takes the place of what was
// asked before. The error says why the change cannot be made.
func (s *Synod) Ask(c member.Change) error {
	if !s.view.Has(s.self) {
		return fmt.Errorf("only a member can change view %d: ask one of them", s.view.Number)
	}
	if err := c.Check(s.view); err != nil {
		return err
	}
	if c.Kind == member.Force {
		if err := s.mayForce(&c); err != nil {
			return err
		}
	}
	s.wish, s.pressed = &c, 0
	return nil
}

// Asks returns the change that this member still wants, nil if there is none.
func (s *Synod) Asks() *member.Change { return s.wish }

// Join takes in what a peer knows of the choice. What is about another view
// says nothing; what no member can have said is left out.
func (s *Synod) Join(c *protocol.Choice, now time.Duration) {
	s.now = max(s.now, now)
	if c.Number != s.view.Number || c.Lineage != s.view.Lineage {
		return
	}
	for i := range c.Bids {
		s.joinBid(&c.Bids[i], c.Votes)
	}
	for i := range c.Votes {
		s.joinVote(&c.Votes[i])
	}
	s.prune()
}

// joinBid takes in a bid that is newer than all others, or goes on, or that a
// vote which is new refers to.
func (s *Synod) joinBid(b *protocol.Bid, votes []protocol.Vote) {
	at, known := s.find(b.Ballot)
	refers := func(v protocol.Vote) bool { return v.Accepted == b.Ballot && s.isNews(&v) }
	switch {
	case known && (s.bids[at].View != nil || b.View == nil):
		return
	case !known && b.Ballot.Compare(s.newest()) < 0 && !slices.ContainsFunc(votes, refers):
		return
	case b.Ballot.Round == 0 || b.Ballot.Round > roundMax || int(b.Ballot.Place) >= len(s.view.Places) || s.view.Places[b.Ballot.Place].Role != member.Writer:
		return
	case b.View != nil && (s.checkNext(b.View) != nil || slices.ContainsFunc(b.Over, func(v *member.View) bool { return s.checkNext(v) != nil })), b.Change.Kind == member.Force && b.Change.Check(s.view) != nil:
		return
	case known:
		s.bids[at].View, s.bids[at].Over = b.View, b.Over
	default:
		s.bids = slices.Insert(s.bids, at, *b)
	}
	s.stir()
}

// joinVote takes in the vote of another acceptor, whose accepted view is known.
func (s *Synod) joinVote(v *protocol.Vote) {
	isMember := s.view.Has(v.Identity)
	if v.Identity == s.self || isMember && len(v.Have) != len(s.view.Places) {
		return
	}
	if v.Promised.Compare(v.Accepted) < 0 || max(v.Clock, v.NowClock) >= clock.Infinity || v.Promised.Round > roundMax {
		return
	}
	if v.Now != nil && len(v.Now) != len(v.Have) {
		return
	}
	at, known := s.find(v.Accepted)
	if v.Accepted != (protocol.Ballot{}) && (!known || s.bids[at].View == nil) {
		return
	}
	if !isMember && (!known || !s.bids[at].View.Has(v.Identity)) {
		return
	}
	s.putVote(*v)
}

// putVote joins a vote into those that are known.
func (s *Synod) putVote(v protocol.Vote) {
	at, known := s.voteOf(v.Identity)
	switch {
	case !known:
		s.votes = slices.Insert(s.votes, at, v)
	case after(&v, &s.votes[at]):
		s.votes[at] = v
	default:
		return
	}
	s.stir()
}

// isNews reports whether a vote says more than what is known of its acceptor.
func (s *Synod) isNews(v *protocol.Vote) bool {
	at, known := s.voteOf(v.Identity)
	return !known || after(v, &s.votes[at])
}

func (s *Synod) voteOf(identity member.Identity) (at int, known bool) {
	return slices.BinarySearchFunc(s.votes, identity, func(v protocol.Vote, identity member.Identity) int { return cmp.Compare(v.Identity, identity) })
}

// stir notes that something new is known.
func (s *Synod) stir() {
	s.stirred = s.now
	s.version++
}

func (s *Synod) find(b protocol.Ballot) (at int, known bool) {
	return slices.BinarySearchFunc(s.bids, b, func(bid protocol.Bid, b protocol.Ballot) int { return bid.Ballot.Compare(b) })
}

// newest returns the highest ballot that is known; zero: there is none.
func (s *Synod) newest() protocol.Ballot {
	if len(s.bids) == 0 {
		return protocol.Ballot{}
	}
	return s.bids[len(s.bids)-1].Ballot
}

// prune drops bids that nobody accepted and that are not the newest.
func (s *Synod) prune() {
	newest := s.newest()
	s.bids = slices.DeleteFunc(s.bids, func(b protocol.Bid) bool {
		return b.Ballot != newest && !slices.ContainsFunc(s.votes, func(v protocol.Vote) bool { return v.Accepted == b.Ballot })
	})
}

// Adopt takes over a view that was decided without this member's knowledge, and
// reports whether it counts from now on; it must be made durable first. An older
// view is no error; one of another history is.
func (s *Synod) Adopt(v *member.View) (installed bool, err error) {
	switch {
	case v.Continues(s.view) && !s.mayLeaveFor(v):
		return false, fmt.Errorf("view %d leaves out what this member goes on with by force", v.Number)
	case v.Continues(s.view):
		s.install(v)
		return true, nil
	case !v.Shares(s.view):
		return false, fmt.Errorf("view %d is of another history than view %d here", v.Number, s.view.Number)
	}
	return false, nil
}

// install makes a view the one that counts. All that was said of its choice is
// forgotten: who missed it is told the view itself.
func (s *Synod) install(v *member.View) {
	s.view = v
	s.vote, s.wedged, s.own, s.tries = protocol.Vote{}, false, protocol.Ballot{}, 0
	s.bids, s.votes = nil, nil
	if w := s.wish; w != nil && (w.Kind == member.Renew || w.Kind == member.Rejoin || w.Kind == member.Force || w.Done(v) || w.Check(v) != nil || !v.Has(s.self)) {
		s.wish = nil
	}
	s.stir()
}
