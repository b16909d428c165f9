// Package diagram draws runs: members are lines along time, frames are arrows
// between them, and one sees who held what when, and when it settled.
//
// A [Builder] is a trace.Sink that makes a [Run] of what happened: each [Batch]
// with when every member held and settled it, each [Frame] with what it carried
// and whether it arrived, and each [Mark]. [Run.Around] and [Run.Whole] choose a
// [View] of it, which [SVG] draws as a picture that stands still, [Page] as a
// page that can be moved through, [ShiViz] as text for ShiViz, and [Perfetto] as
// JSON for Perfetto and chrome://tracing.
//
// It reads traces only, of simulated and real clusters alike, keeps all of a
// run in memory, and starts no goroutine. Begin with build.go. The names of
// members, and all other text of a trace, may be anything: they are shown as
// text, never as markup.
package diagram

import (
	"time"
	"unicode/utf8"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// never is the time of what did not happen, and nothing the index of no frame.
const (
	never   = time.Duration(-1)
	nothing = int32(-1)
)

// Run is what happened in a run, as pictures need it. All times are since its
// start.
type Run struct {
	Header  trace.Header
	Events  uint64        // of the trace
	End     time.Duration // of the last event
	Batches []Batch       // in the order in which they were first held
	Frames  []Frame       // in the order in which they were sent
	Marks   []Mark        // by time
	Finals  []Final       // of each member; the last one counts
	Broken  []Broken      // promises that were broken, as they were seen

	carried []int32      // batches of frames, one frame after the other
	orders  [][]delivery // of each member: its order, as it settled
	cuts    []cutting
	usual   time.Duration // half of the frames were on their way so long at most
	slowest time.Duration // and 99 of 100
}

// Batch is a batch and what became of it.
type Batch struct {
	Stream   member.ID // its origin
	Identity member.Identity
	Seq      uint64 // of its first entry
	Count    uint64 // entries
	Time     clock.Time
	Position uint64 // of its first entry in the order, from 1; 0 if nobody settled it

	Held      []time.Duration // since when each member holds it; negative: never
	Settled   []time.Duration // since when it is settled at each member; negative: never
	wrote     uint32          // the event of the trace in which it was first held
	settledAs []uint32        // that in which it settled at each member
	brought   []int32         // the frame that each member first had it from
	settledBy []int32         // the frame that let it settle at each member
}

// written is when anybody first had the batch, which is its origin unless the
// trace lacks its beginning.
func (b *Batch) written() time.Duration {
	first := never
	for m := range b.Held {
		for _, at := range []time.Duration{b.Held[m], b.Settled[m]} {
			if at >= 0 && (first < 0 || at < first) {
				first = at
			}
		}
	}
	return first
}

// ended is when the last thing happened to the batch: the last member that
// ever settles it does, or the last that holds it holds it.
func (b *Batch) ended() time.Duration {
	last := never
	for m := range b.Held {
		last = max(last, b.Held[m], b.Settled[m])
	}
	return last
}

// open reports whether somebody who holds the batch never settles it.
func (b *Batch) open() bool {
	for m := range b.Held {
		if b.Held[m] >= 0 && b.Settled[m] < 0 {
			return true
		}
	}
	return false
}

// Frame is a message from one member to another.
type Frame struct {
	From, To member.ID
	Sent     time.Duration
	Got      time.Duration // negative: it did not arrive
	Entries  uint64        // that it carries
	sent     uint32        // the event of the trace in which it was sent
	got      uint32
	rank     rank
	first    uint32 // its batches in Run.carried
	batches  uint32
}

// rank says how much a frame matters in a picture; less is more.
type rank uint8

const (
	rankBrings  rank = iota // somebody first had a batch from it
	rankSettles             // it let something settle
	rankLost                // it carried entries and was lost
	rankAgain               // it carried entries that were there already
	rankRest                // it carried none
)

// carries returns the batches of a frame.
func (r *Run) carries(f *Frame) []int32 { return r.carried[f.first : f.first+f.batches] }

// lost reports whether a frame was lost, as opposed to being on its way when
// the trace ended.
func (r *Run) lost(f *Frame) bool { return f.Got < 0 && f.Sent+2*r.slowest < r.End }

// Mark is something that happened to a member or to links, besides frames.
type Mark struct {
	At     time.Duration
	Kind   trace.Kind // Start, Crash, Pause, Resume, Close, Fault, Phase, Reset or Install
	Member member.ID  // whose, but for Fault and Phase
	Text   string     // of a fault or a phase
	View   trace.View // of Install
	seen   uint32     // the event of the trace
}

// Final is a member's result.
type Final struct {
	Known    bool
	Complete bool
	Entries  uint64
	Hash     uint64
}

// Broken is a broken promise, and the event at which it was seen.
type Broken struct {
	check.Violation

	Batch int32 // the batch that the event is about; negative if it is about none
}

// delivery is a batch at its place in a member's order.
type delivery struct {
	batch int32
	first uint64 // position of its first entry, from 1
}

// names returns the names of the members.
func (r *Run) names() []string { return r.Header.Members }

// label names a batch: c/3, or c/3–4 when it has several entries.
func (r *Run) label(b *Batch) string { return labelOf(r.names()[b.Stream], "/", b) }

// short names a batch in as few letters as possible: c3. Members with long
// names are left out, for the colour and the line tell who it is.
func (r *Run) short(b *Batch) string {
	name := r.names()[b.Stream]
	if utf8.RuneCountInString(name) > shortNameChars {
		name = ""
	}
	return labelOf(name, "", b)
}

// shortNameChars is how long a name may be to stand within a label.
const shortNameChars = 2
