// Package protocol says what: the words that reducers, driver and world share.
//
// A [Batch] is the unit of the log, a [Message] what members exchange. An
// [Event] is what happens to a member, [Effects] what it must do next, and a
// [Reducer] decides the one from the other without ever touching time, chance,
// network or disk.
package protocol

import (
	"iter"
	"math"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// Reducer decides. It is owned by one goroutine and starts none.
type Reducer interface {
	// Step takes an event and gives what must be done next. The effects and
	// all they point to are valid until the next call of Step.
	Step(Event) Effects
	// Room returns how many bytes the next own batch may have; 0 or less is
	// back-pressure. Any batch may go alone, when nothing own is kept.
	Room() int
	// Busy reports whether own entries are on their way and that an acknowledgement
	// will come soon: a small open batch may wait for it and grow.
	Busy() bool
	// Next returns when the next Tick is due unless another event comes; any time
	// that has passed means at once. It is asked between a Flush and the next event.
	Next() time.Duration
	// Tentative returns what is held but not delivered yet, in order.
	Tentative() iter.Seq[*Batch]
	// Status describes the state for people and reports; it allocates.
	Status() Status
}

// Never is when what waits for an event alone is due.
const Never time.Duration = math.MaxInt64

// Kind says what kind of event it is.
type Kind uint8

// The kinds of events, with the fields of Event that each one uses besides Now.
const (
	Submit  Kind = iota + 1 // Batch: own payloads that want a place in the log; with a Seq they are written again
	Receive                 // Message: a peer's message arrived
	Flush                   // all that waited was stepped: send what is ready
	Tick                    // a tick passed; Flush follows
	Up                      // Peer, Reliable: a new link to the peer; what was in flight is lost
	Down                    // Peer: the link to the peer is gone
	Close                   // the own stream ends: nothing more will be submitted
	Change                  // Change: somebody here wants the members to change; Effects.Refused says why they cannot
	Away                    // this member is about to stop, as planned: nobody need wait for it until it is back
)

// Event is something that happens to a member. A reducer that is given
// batches owns a reference to each, and gives it back by Effects.Release.
type Event struct {
	Kind     Kind
	Now      time.Duration // since the node's start; never falls
	Peer     member.ID
	Reliable bool // the link loses and reorders nothing as long as it is up
	Message  *Message
	Batch    Batch
	Change   *member.Change
}

// Effects are what a member must do next, in the order of the fields.
type Effects struct {
	Binding member.Binding // not nil: make durable first who is tied to which place
	Agreed  bool           // make durable first that all members showed the binding, this one or else the last one
	Bound   clock.Time     // not 0: make durable first that no later time was promised or given out
	Append  []Batch        // make these durable first, own ones after sealing their header
	Vote    *VoteRecord    // not nil: make durable, after Append, what was promised or accepted of the next view
	View    *member.View   // not nil: make durable, after Vote, that this view counts from now on
	Settled clock.Time     // not 0: make durable, with whatever is next, that all up to it is held
	Base    *Snapshot      // not nil: all up to it is stable and delivered, the journal may forget it
	Send    []Envelope     // then send these; they may be lost, repeated or reordered
	Reset   *Snapshot      // not nil: the application starts from this state instead of its own
	Deliver []Batch        // then hand these to the application, in this order
	Trim    []Batch        // these, the next in the order, are delivered and held by all, and snapshots stand for them from this step on; then give back a reference to each
	Release []Batch        // then give back a reference to each of these
	Stop    bool           // the data is old (ErrOldData): after all that, this member takes no part any more
	More    bool           // then flush again soon: not all that can be delivered was
	Refused error          // the change that was asked for cannot be made: why, for people
	Orphans []Batch        // own batches that are to be submitted again before anything new, each under its number, in this order
}

// Recovered is what a journal kept of an earlier life.
type Recovered struct {
	Base    Snapshot        // where the log begins
	Visit   func(*Batch)    // is shown each batch when it is read, and may set Prepared; nil: nobody looks
	Older   iter.Seq[Batch] // what was appended after it first, read one by one, each batch with its bytes; nil: nothing
	Batches []Batch         // what was appended then, in the order of appending
	Bound   clock.Time      // no later time was promised or given out
	Binding member.Binding  // as far as known
	Agreed  bool            // all members showed the binding
	Settled clock.Time      // all up to it is among the batches and before the base
	View    *member.View    // that counted last; nil: none did yet, or the first one, which follows from Binding
	Voted   *VoteRecord     // the last one that was made durable; nil: there is none
}

// All returns all that was appended after the base, in the order of appending.
func (r *Recovered) All() iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		each := func(b Batch) bool {
			if r.Visit != nil {
				r.Visit(&b)
			}
			return yield(b)
		}
		if r.Older != nil {
			for b := range r.Older {
				if !each(b) {
					return
				}
			}
		}
		for i := range r.Batches {
			if !each(r.Batches[i]) {
				return
			}
		}
	}
}

// Counts reports whether a batch is of the stream that its place has, as far as is
// known.
func (r *Recovered) Counts(b *Batch) bool {
	if r.View != nil {
		return b.Last() <= r.View.Reach(b.Origin, b.Identity)
	}
	return int(b.Origin) >= len(r.Binding) || r.Binding[b.Origin] == 0 || r.Binding[b.Origin] == b.Identity
}

// Status describes a member for people and reports.
type Status struct {
	Self     member.ID
	Identity member.Identity // of this life
	Horizon  clock.Time      // everything up to it is held
	Settled  clock.Time      // everything up to it is settled
	Assured  clock.Time      // everything up to it had settled before this start
	Stable   clock.Time      // everything up to it is held by all
	Agreed   bool            // all members showed the same binding
	Reader   bool            // came back without its data: writes nothing
	Complete bool            // all streams are closed, held and settled
	Done     bool            // all members are known to be complete, and to know it
	Held     clock.Vector    // what is held of each stream
	Known    []clock.Vector  // what each member is known to hold; nil: nothing is
	Trimmed  []uint64        // entries of each stream that are not kept any more; nil: not told
	Heard    []bool          // which members are heard directly
	Lost     []bool          // of which members one is heard that came without the data of who has the place; nil: not told
	LogBytes int             // bytes that batches take in memory
	Parked   int             // bytes of batches that only the journal has
	View     *member.View    // that counts; nil: not all members agreed on the first one yet
	Away     []bool          // which members stopped as planned, and are not heard yet: nothing waits for them; nil: not told
	Told     bool            // all members that are there hold the own stream, and know what was promised of it
	Views    []uint64        // the number of the view by which each member was last heard to go; 0: not known
	Orphans  uint64          // own entries that are still to be written again
	Wedged   bool            // it waits for the next view: nothing that it says settles anything
	Findings Findings        // what people must see to
	Tally
}

// Tally counts what became of what came in.
type Tally struct {
	Refused   uint64 // batches and messages refused as invalid or of an older life
	CopiesIn  uint64 // batches received, repeated ones included
	AppendsIn uint64 // batches received and appended
	Dropped   uint64 // own entries that were taken in and given up, for the place belongs to an earlier life
}

// Refuse takes nothing of a message.
func (t *Tally) Refuse(m *Message, fx *Effects) {
	t.Refused++
	fx.Release = append(fx.Release, m.Batches...)
}

// Drop gives up own entries that were submitted.
func (t *Tally) Drop(b Batch, fx *Effects) {
	t.Dropped += uint64(b.Count)
	fx.Release = append(fx.Release, b)
}
