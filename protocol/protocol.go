// Package protocol says what: the words that reducers, replica and world share.
//
// A [Batch] is the unit of the log, a [Message] what members exchange. An
// [Event] is what happens to a member, [Effects] what it must do next, and a
// [Reducer] decides the one from the other without ever touching time, chance,
// network or disk.
package protocol

import (
	"iter"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
)

// Reducer decides. It is owned by one goroutine and starts none.
type Reducer interface {
	// Step takes an event and gives what must be done next. The effects and
	// all they point to are valid until the next call of Step.
	Step(Event) Effects
	// Room gives the bytes that may be submitted now; 0 or less is back-pressure.
	Room() int
	// Busy says that own entries are on their way and that an acknowledgement
	// will come soon: a small open batch may wait for it and grow.
	Busy() bool
	// Rest gives how long no Tick is needed unless another event comes; 0 means
	// that the next one is. It is asked between a Flush and the next event.
	Rest() time.Duration
	// Tentative gives what is held but not delivered yet, in order.
	Tentative() iter.Seq[*Batch]
	// Status describes the state for people and reports; it allocates.
	Status() Status
}

// Kind says what kind of event it is.
type Kind uint8

// The kinds of events, with the fields of Event that each one uses besides Now.
const (
	Submit  Kind = iota + 1 // Batch: own payloads that want a place in the log
	Receive                 // Message: a peer's message arrived
	Flush                   // all that waited was stepped: send what is ready
	Tick                    // a tick passed; Flush follows
	Up                      // Peer, Reliable: a new link to the peer; what was in flight is lost
	Down                    // Peer: the link to the peer is gone
	Close                   // the own stream ends: nothing more will be submitted
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
}

// Effects are what a member must do next, in the order of the fields.
type Effects struct {
	Binding member.Binding // not nil: make durable first who is tied to which place
	Bound   clock.Time     // not 0: make durable first that no later time was promised or given out
	Append  []Batch        // make these durable first, own ones after sealing their header
	Settled clock.Time     // not 0: make durable, with whatever is next, that all up to it is held
	Base    *Snapshot      // not nil: all up to it is stable and delivered, the journal may forget it
	Send    []Envelope     // then send these; they may be lost, repeated or reordered
	Reset   *Snapshot      // not nil: the application starts from this state instead of its own
	Deliver []Batch        // then hand these to the application, in this order
	Release []Batch        // then give back a reference to each of these
}

// Recovered is what a journal kept of an earlier life.
type Recovered struct {
	Base    Snapshot       // where the log begins
	Batches []Batch        // what was appended after it, in the order of appending
	Bound   clock.Time     // no later time was promised or given out
	Binding member.Binding // as far as known
	Settled clock.Time     // all up to it is among the batches and before the base
}

// Status describes a member for people and reports.
type Status struct {
	Self      member.ID
	Horizon   clock.Time     // everything up to it is held
	Settled   clock.Time     // everything up to it is settled
	Stable    clock.Time     // everything up to it is held by all
	Agreed    bool           // all members showed the same binding
	Reader    bool           // came back without its data: writes nothing
	Complete  bool           // all streams are closed, held and settled
	Done      bool           // all members are known to be complete, and to know it
	Held      clock.Vector   // what is held of each stream
	Known     []clock.Vector // what each member is known to hold; nil: nothing is
	Trimmed   []uint64       // entries of each stream that are not kept any more; nil: not told
	Heard     []bool         // which members are heard directly
	LogBytes  int            // bytes of batches in memory
	Refused   uint64         // batches and messages refused as invalid or of an older life
	CopiesIn  uint64         // batches received, repeated ones included
	AppendsIn uint64         // batches received and appended
}
