// Package thin leaves events out of a run so that a page can keep up with it.
//
// A [Thinner] passes on so many events in a window of time, and saves what a
// quiet time does not need for a burst. What it leaves out is made up for by later events: that a member holds a batch says
// that it holds all before it, and so do deliveries and promises. So counts,
// frontiers and ages stay right, within a window; some batches and frames are
// not seen. How many events were left out is counted.
package thin

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// Thinner is a [trace.Sink] that passes a part of the events on. Use [New].
type Thinner struct {
	sink    trace.Sink
	members int
	window  time.Duration
	most    int
	limit   int // of this window: most, and what was saved

	until  time.Duration // the end of the window
	kept   []trace.Event // of the window, while there was room
	late   []late        // the last event of each slot since then
	slots  []int32       // of each slot the place in late, from 1; 0: none
	frames int           // in the window
	told   int           // events in the window
	each   uint64        // one of so many frames is passed on: a power of two
	pass   bool          // whether the message sent last is passed on
	left   uint64        // events
	unseen uint64        // of these, batches and messages
}

// late is an event that came when there was no room for it any more.
type late struct {
	trace.Event
	order int // among the events of the window
}

// What makes up for what comes before it has a slot each.
const (
	slotAppend  = iota // of a member, for each stream
	slotPublish        // of a member, for each stream
	slotBelieve        // of a member, for each stream
	slotKinds
)

// savedMax is how many windows' events can be saved for a burst.
const savedMax = 12

// crowded is how many times more events than are passed on make a run so busy
// that a third of them shows as much: it is a blur in any case, and whoever is
// busy has no time to tell.
const crowded = 6

// New returns a thinner that passes about most events of each window on to
// the sink.
func New(members int, window time.Duration, most int, sink trace.Sink) *Thinner {
	return &Thinner{
		sink: sink, members: members, window: window, most: most, limit: most * savedMax, until: window, each: 1,
		slots: make([]int32, members*(members*slotKinds+2)),
	}
}

// Tell takes in the next event, and passes on those of the window before when
// it begins another one.
func (t *Thinner) Tell(e *trace.Event) {
	if e.At >= t.until {
		t.Flush(e.At)
	}
	t.told++
	switch e.Kind {
	case trace.Append:
		t.keep(e, t.slot(e.Member, slotAppend, e.Stream))
	case trace.Publish:
		t.keep(e, t.slot(e.Member, slotPublish, e.Stream))
	case trace.Believe:
		if e.Peer != e.Member {
			t.left++ // what a member takes another one to hold is not drawn
			return
		}
		t.keep(e, t.slot(e.Member, slotBelieve, e.Stream))
	case trace.Deliver:
		t.keep(e, t.whole(e.Member, 0))
	case trace.Sample:
		t.keep(e, t.whole(e.Member, 1))
	case trace.Trim:
		t.left++
	case trace.Send, trace.Receive, trace.Push:
		t.frame(e)
	case trace.Start, trace.Install:
		t.pour() // it begins anew, or streams end, and so do its counts
		t.add(e)
	default:
		t.add(e)
	}
}

func (t *Thinner) slot(id member.ID, kind int, stream member.ID) int {
	return int(id)*(t.members*slotKinds+2) + kind*t.members + int(stream)
}

func (t *Thinner) whole(id member.ID, which int) int {
	return int(id)*(t.members*slotKinds+2) + t.members*slotKinds + which
}

// keep keeps an event that makes up for those before it in its slot. Where
// there is no room it replaces the last one, in place: a busy member tells many.
func (t *Thinner) keep(e *trace.Event, slot int) {
	if len(t.kept) < t.limit {
		t.add(e)
		return
	}
	place := t.slots[slot]
	if place == 0 {
		t.late = append(t.late, late{*e, t.told})
		t.slots[slot] = int32(len(t.late))
		return
	}
	last := &t.late[place-1]
	t.left++
	if e.Kind == trace.Append {
		t.unseen++
	}
	promise := max(e.Promise, last.Promise) // a look into a member may be behind what it said
	last.Event, last.order = *e, t.told
	last.Promise = promise
}

// add keeps an event.
func (t *Thinner) add(e *trace.Event) {
	if len(t.kept) >= keptMax {
		t.pour()
	}
	t.kept = append(t.kept, *e)
}

// keptMax is how many events of a window are kept at most before they are
// passed on.
const keptMax = 1 << 14

// IsFull reports whether what later events make up for is only remembered until the window
// ends.
func (t *Thinner) IsFull() bool { return len(t.kept) >= t.limit }

// Each returns of how many messages one is passed on, see [Wants].
func (t *Thinner) Each() uint64 { return t.each }

// Wants reports whether a message with a number is passed on where one of so many is:
// each of them is a power of two, so those of a larger one are among those of a smaller.
func Wants(number, each uint64) bool {
	// Messages without entries have no numbers by which both ends know them.
	return each == 1 || number != 0 && (number*0x9e3779b97f4a7c15>>32)&(each-1) == 0
}

// Omit counts what it was not told, as if it had left that out.
func (t *Thinner) Omit(o trace.Omitted) {
	t.told += int(o.Events)
	t.frames += int(o.Frames)
	t.left += o.Events
	t.unseen += o.Unseen
}

// frame keeps both ends of the same messages: which, depends on the message
// only, so that thinners of several members agree.
func (t *Thinner) frame(e *trace.Event) {
	if e.Kind != trace.Push {
		t.pass = Wants(e.Number, t.each)
		t.frames++
	}
	if !t.pass {
		t.left++
		t.unseen++
		return
	}
	t.add(e)
}

// Flush passes on what is kept, and begins the window of a time.
func (t *Thinner) Flush(at time.Duration) {
	passed := len(t.kept) + len(t.late)
	t.pour()
	t.adapt()
	t.limit = max(t.most, min(t.limit-passed+t.most, t.most*savedMax))
	if t.told > t.most*crowded {
		t.limit = (t.most + 2) / 3
	}
	t.told = 0
	t.until = max(t.until, at/t.window*t.window+t.window)
}

// pour passes on what is kept, in order of time.
func (t *Thinner) pour() {
	slices.SortFunc(t.late, func(a, b late) int { return a.order - b.order })
	next := 0
	for i := range t.kept {
		for ; next < len(t.late) && t.late[next].At < t.kept[i].At; next++ {
			t.sink.Tell(&t.late[next].Event)
		}
		t.sink.Tell(&t.kept[i])
	}
	for ; next < len(t.late); next++ {
		t.sink.Tell(&t.late[next].Event)
	}
	t.kept, t.late = t.kept[:0], t.late[:0]
	clear(t.slots)
}

// adapt chooses how many frames of the next window are passed on: about half
// of what is passed on at all.
func (t *Thinner) adapt() {
	passed := t.frames / int(t.each)
	switch {
	case passed > t.limit/2 && t.each < 1<<20:
		t.each *= 2
	case passed < t.limit/8 && t.each > 1:
		t.each /= 2
	}
	t.frames = 0
}

// Left counts the events that were left out so far.
func (t *Thinner) Left() uint64 { return t.left }

// Unseen counts those of them that a picture lacks: batches and messages. For
// the others the later ones make up.
func (t *Thinner) Unseen() uint64 { return t.unseen }
