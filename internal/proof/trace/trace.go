// Package trace is the witness: what happened in a cluster, one event after
// the other.
//
// An [Event] says what happened at which member and when. A [Sink] takes
// events: a [Hash] makes one number of them all, a [Writer] writes them as
// JSON lines behind a [Header], and package check judges them. A [Recorder]
// tells the events of one member. The simulator and real clusters tell the
// same events, so that the same checks judge both; docs/trace.md describes
// the format.
package trace

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// Version is the version of the schema; it changes with the meaning of a field.
// Traces of version 1, which had no line for their end, can be read as well.
const (
	Version           = 2
	versionWithoutEnd = 1
)

// Event is something that happened. Each kind uses some of the fields, see
// [Kind.Fields]; the others are zero.
type Event struct {
	At     time.Duration // since the start of the run
	Kind   Kind
	Member member.ID // where it happened

	Peer     member.ID       // the other member
	Stream   member.ID       // the origin of the entries concerned
	Identity member.Identity // the life with its data that the event is about
	Life     uint64          // counts the starts of a member with its data
	Session  uint64          // of a message
	Number   uint64          // of a message in its session; 0 wants no acknowledgement
	Seq      uint64          // sequence number of the first entry concerned
	Count    uint64          // entries
	Time     clock.Time      // Lamport time
	Have     uint64          // entries of the stream held without a gap
	Promise  clock.Time      // no other batch of the stream has this time or less
	Position uint64          // entries before this one in the total order
	Bytes    uint64
	Hash     uint64    // of the content
	State    [6]uint64 // what the application folded
	Complete bool
	Note     string // for people, and names of things
}

// Sink takes events. An event is valid during the call only.
type Sink interface{ Tell(*Event) }

// Tee returns a sink that tells each of sinks, in their order.
func Tee(sinks ...Sink) Sink { return tee(sinks) }

type tee []Sink

func (t tee) Tell(e *Event) {
	for _, sink := range t {
		sink.Tell(e)
	}
}

// Log is a sink that keeps all events in memory.
type Log struct{ Events []Event }

// Tell keeps a copy of the event.
func (l *Log) Tell(e *Event) { l.Events = append(l.Events, *e) }
