package protocol

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
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
	// View is the view by which the sender goes; zero: all members did not agree
	// on the first one yet, as far as it knows. What comes from who goes by another
	// history is about other streams.
	View   Tag
	Views  []*member.View // views that were decided, for a receiver that is behind, or of another history
	Choice *Choice        // what the sender knows of how the next view is chosen
	Wish   *member.Change // what the sender, who cannot propose it itself, asks the receiver for

	Rows     []Row     // what members hold, as differences; the sender's own comes first
	Pulls    []Pull    // streams that the receiver shall relay to the sender
	Snapshot *Snapshot // for a life without data: what is no longer there as batches
	Batches  []Batch
}

// Tag names a view: no two of any history have the same one. The zero value
// names none.
type Tag struct {
	Number  uint64
	Lineage uint64
}

// TagOf returns the tag of a view; zero if there is none.
func TagOf(v *member.View) Tag {
	if v == nil {
		return Tag{}
	}
	return Tag{Number: v.Number, Lineage: v.Lineage}
}

// SaysOld reports whether the message is the last word of a life whose data is
// old.
func (m *Message) SaysOld() bool {
	return slices.ContainsFunc(m.Rows, func(r Row) bool { return r.Old && r.Member == m.From && r.Identity == m.Identity })
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
// Rows are facts that merge, so any member may pass on anybody's row. A row of
// the receiver itself reminds it of what it is known to hold; Binding is then
// that of the sender.
type Row struct {
	Member   member.ID
	Identity member.Identity
	Version  uint64     // rises with each row that the member publishes
	Binding  uint64     // hash of the member's complete binding, 0 as long as it is incomplete
	Hears    member.Set // whom the member hears directly
	Marks    []StreamMark
	Old      bool // the member found that its data is old, and stops: its last word

	// View is the number of the view by which the member went when it said this,
	// and Wedged whether it had promised or accepted anything of the next one by
	// then: what it says of itself so counts for sending, and not for settling.
	View   uint64
	Wedged bool
	Clock  clock.Time // the member's clock, if its own stream is closed: then no promise tells it; else 0
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

// StateBytesMax is the size of the largest State of a snapshot.
const StateBytesMax = 256

// Snapshot stands for the batches up to a time, all stable, that are not kept
// any more.
type Snapshot struct {
	Time clock.Time
	Have []uint64 // entries of each stream that it covers
	// State is what the application keeps in their place, bytes of its own.
	// Reducers leave it empty and never look: the driver adds it where a snapshot
	// leaves the member, to the journal or a peer.
	State []byte
}

// Envelope is an addressed message.
type Envelope struct {
	To      member.ID
	Message *Message
}
