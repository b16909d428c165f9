package protocol

import (
	"cmp"
	"fmt"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// Ballot numbers an attempt to change a view. The zero value is before all.
type Ballot struct {
	Round uint64
	Place member.ID // of who makes the attempt
}

// Compare orders ballots by round, then by place.
func (b Ballot) Compare(other Ballot) int {
	return cmp.Or(cmp.Compare(b.Round, other.Round), cmp.Compare(b.Place, other.Place))
}

// String returns for example "3.b", and "none" for the zero value.
func (b Ballot) String() string {
	if b == (Ballot{}) {
		return "none"
	}
	return fmt.Sprintf("%d.%s", b.Round, member.Letter(b.Place))
}

// Bid is an attempt to change a view.
type Bid struct {
	Ballot Ballot
	Change member.Change
	View   *member.View // what is to be accepted; nil as long as promises are gathered
	// Over is what a forced view comes after and may not be decided on, oldest first; it
	// stands for what its survivors accepted before.
	Over []*member.View
}

// Vote is what one acceptor has said of the successor of one view.
type Vote struct {
	Identity member.Identity
	Promised Ballot     // it accepts nothing of a lower ballot any more
	Accepted Ballot     // the last one whose view it accepted; zero: none
	Have     []uint64   // entries of each place's stream that it held when it first promised or accepted
	Clock    clock.Time // its clock then
	// Now is the same as Have, of when it last promised a ballot that goes on by force, and
	// NowClock its clock then; nil: it promised none. From then on it delivers nothing until
	// a view counts.
	Now      []uint64
	NowClock clock.Time
}

// Choice is what is known of how the members of a view choose the next one.
// All of it are facts that only rise, so that anybody may pass them on.
type Choice struct {
	Number  uint64 // of the view that is to be followed
	Lineage uint64
	Bids    []Bid  // by ballot; each ballot that a vote accepted is one of these, with a view
	Votes   []Vote // by identity
}

// VoteRecord is what of the own vote must be durable before it is told.
type VoteRecord struct {
	Number  uint64 // of the view that is to be followed
	Lineage uint64
	Vote    Vote
	View    *member.View // what was accepted; nil: nothing
	Over    []*member.View
}
