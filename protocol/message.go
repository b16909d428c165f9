package protocol

import (
	"chatterbox/clock"
	"chatterbox/member"
)

// Message is what one member tells another. All of its facts may be lost,
// repeated or come late; only Batches are large. Both protocols speak it, each
// with the fields that it needs.
type Message struct {
	From     member.ID
	Identity member.Identity // the life of From
	// Session rises with each new link and each new life of the sender; what
	// comes from an older one than was already heard is ignored. Another
	// identity has others.
	Session uint64
	// Number counts the messages of a session that want an acknowledgement,
	// from 1; 0 wants none.
	Number uint64
	Ack    Ack

	// Stable says that every member holds everything up to this time.
	Stable clock.Time
	// Binding is what the sender has bound; empty once the receiver knows it.
	Binding member.Binding
	// Agreed says that all members showed the same complete Binding.
	Agreed bool

	Rows     []Row     // what members hold, as differences; the sender's own comes first
	Pulls    []Pull    // streams that the receiver shall relay to the sender
	Snapshot *Snapshot // for a life without data: what is no longer there as batches
	Batches  []Batch
}

// Ack acknowledges numbered messages of the receiver's session.
type Ack struct {
	Session uint64
	Ranges  []Range // rising, without overlap; at most AckRangesMax
}

// AckRangesMax is how many ranges an acknowledgement may name.
const AckRangesMax = 16

// Range is a range of message numbers, both ends included.
type Range struct{ First, Last uint64 }

// Row says what a member holds: differences against what was sent before.
// Rows are facts that merge, so any member may pass on anybody's row.
type Row struct {
	Member   member.ID
	Identity member.Identity
	Version  uint64     // rises with each row that the member publishes
	Binding  uint64     // hash of the member's complete binding, 0 as long as it is incomplete
	Hears    member.Set // whom the member hears directly
	Marks    []StreamMark
}

// StreamMark is the mark of one stream in a row.
type StreamMark struct {
	Stream member.ID
	clock.Mark
}

// Pull asks the receiver to relay a stream to the sender for a while.
type Pull struct {
	Stream member.ID
	Cancel bool // ends an earlier pull at once
}

// Snapshot stands for the batches up to a time, all stable, that are not kept
// any more.
type Snapshot struct {
	Time  clock.Time
	Have  []uint64 // entries of each stream that it covers
	State Summary  // the application's fold over them, in order
}

// Envelope is an addressed message.
type Envelope struct {
	To      member.ID
	Message *Message
}
