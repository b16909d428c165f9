package trace

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Thinned is a sink that passes on a part of what it is told.
type Thinned interface {
	Sink
	// IsFull reports whether an event that later ones make up for is of no use now.
	IsFull() bool
	// Wants reports whether a message with a number is one of those that are passed on.
	Wants(number uint64) bool
	// Omit tells how much it was not told.
	Omit(omitted Omitted)
}

// Omitted is how much was not told to a sink.
type Omitted struct {
	Events uint64
	Unseen uint64 // of these, batches and messages: later events do not show them
	Frames uint64 // of these, messages at one end
}

// light is what a recorder leaves out, and remembers of it until it looks at the whole state
// again: the last of each kind makes up for those before. All methods but those
// that newLight is for do nothing at nil, where all is told.
type light struct {
	sink      Thinned
	omitted   Omitted
	kept      []batchMark // last of each stream, not durable yet
	held      []batchMark // last of each stream
	said      []bool      // the marks of a stream were raised
	delivered batchMark
	position  uint64 // before what was delivered last
	some      bool   // kept has some
}

// batchMark is what an event tells of a batch.
type batchMark struct {
	origin   member.ID
	identity member.Identity
	seq      uint64
	count    uint32 // 0: there is none
	size     int
	time     clock.Time
}

func newLight(sink Thinned, members int) *light {
	return &light{sink: sink, kept: make([]batchMark, members), held: make([]batchMark, members), said: make([]bool, members)}
}

func markOf(b *protocol.Batch) batchMark {
	return batchMark{origin: b.Origin, identity: b.Identity, seq: b.Seq, count: b.Count, size: b.Size(), time: b.Time}
}

// omits leaves out what nobody draws.
func (l *light) omits() bool {
	if l != nil {
		l.omitted.Events++
	}
	return l != nil
}

// omitsFrame reports whether one end of a message is left out: the same at both ends.
func (l *light) omitsFrame(m *protocol.Message) bool {
	if l == nil || l.sink.Wants(m.Number) {
		return false
	}
	l.omitted.Events++
	l.omitted.Unseen++
	if l.omitted.Frames++; l.omitted.Frames >= framesOmitted {
		l.tell()
	}
	return true
}

// framesOmitted is after how many of them the sink learns of it, which chooses by their
// number how many it wants.
const framesOmitted = 64

// tell tells how much was left out.
func (l *light) tell() {
	l.sink.Omit(l.omitted)
	l.omitted = Omitted{}
}

func (l *light) omitsAppend(b *protocol.Batch) bool {
	if l == nil {
		return false
	}
	l.drop(&l.kept[b.Origin])
	if !l.sink.IsFull() {
		l.drop(&l.held[b.Origin])
		return false
	}
	l.kept[b.Origin], l.some = markOf(b), true
	return true
}

// drop leaves out what a later one makes up for.
func (l *light) drop(b *batchMark) {
	if b.count > 0 {
		b.count = 0
		l.omitted.Events++
		l.omitted.Unseen++
	}
}

// synced tells that what was kept is durable.
func (l *light) synced() {
	if l == nil || !l.some {
		return
	}
	for j := range l.kept {
		if l.kept[j].count > 0 {
			l.drop(&l.held[j])
			l.held[j] = l.kept[j]
			l.kept[j].count = 0
		}
	}
	l.some = false
}

func (l *light) omitsMark(stream member.ID) bool {
	if l == nil {
		return false
	}
	if l.said[stream] {
		l.omitted.Events++
	}
	l.said[stream] = l.sink.IsFull()
	return l.said[stream]
}

func (l *light) omitsDelivery(b *protocol.Batch, position uint64) bool {
	if l == nil {
		return false
	}
	if l.delivered.count > 0 {
		l.omitted.Events++
		l.delivered.count = 0
	}
	if !l.sink.IsFull() {
		return false
	}
	l.delivered, l.position = markOf(b), position
	return true
}

// makeUp tells the last of each kind that was left out since something of the kind was told.
func (r *Recorder) makeUp() {
	l := r.light
	if l == nil {
		return
	}
	for j := range l.held {
		if b := &l.held[j]; b.count > 0 {
			b.tell(r.begin(Append))
			r.event.Bytes = uint64(b.size)
			r.tell()
			b.count = 0
		}
		if l.said[j] {
			l.said[j] = false
			r.said(member.ID(j), r.published[j])
		}
	}
	if l.delivered.count > 0 {
		l.delivered.tell(r.begin(Deliver))
		r.event.Position = l.position
		r.tell()
		l.delivered.count = 0
	}
	l.tell()
}

func (b *batchMark) tell(e *Event) {
	e.Stream, e.Identity, e.Seq, e.Count, e.Time = b.origin, b.identity, b.seq, uint64(b.count), b.time
}
