package diagram

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// Builder is a sink that makes a run of the events of a trace.
type Builder struct {
	run   *Run
	judge *check.Judge
	seen  int // violations

	batches map[batchKey]int32
	places  map[placeKey]int32 // the same without identity, as frames name them
	sent    map[frameKey]int32 // frames that did not arrive yet
	marks   []markQueue        // of each link: frames without a number
	leaving []int32            // of each member: its last frame sent
	arrived []arrival          // at each member: its last frame received
}

type (
	placeKey struct {
		stream member.ID
		seq    uint64
	}
	batchKey struct {
		placeKey
		identity member.Identity
	}
	frameKey struct {
		from, to        member.ID
		session, number uint64
	}
	arrival struct {
		frame int32
		at    time.Duration
	}
)

// NewBuilder makes the builder for the trace of a header. Numbers may be nil,
// see [check.New].
func NewBuilder(header trace.Header, numbers check.Numbers) *Builder {
	members := len(header.Members)
	b := &Builder{
		run: &Run{
			Header: header, Finals: make([]Final, members), orders: make([][]delivery, members),
		},
		judge:   check.New(header, numbers),
		batches: map[batchKey]int32{}, places: map[placeKey]int32{}, sent: map[frameKey]int32{},
		marks:   make([]markQueue, members*members),
		leaving: make([]int32, members), arrived: make([]arrival, members),
	}
	for m := range members {
		b.leaving[m], b.arrived[m] = nothing, arrival{nothing, never}
	}
	return b
}

// Read makes the run of a trace. The run holds what was read before an error.
func Read(in *trace.Reader, numbers check.Numbers) (*Run, error) {
	b := NewBuilder(in.Header(), numbers)
	var event trace.Event
	for {
		switch err := in.Next(&event); {
		case errors.Is(err, io.EOF):
			return b.Run(), nil
		case err != nil:
			return b.Run(), err
		}
		b.Tell(&event)
	}
}

// Tell takes note of an event.
func (b *Builder) Tell(e *trace.Event) {
	b.run.Events++
	b.run.End = max(b.run.End, e.At)
	switch e.Kind {
	case trace.Append:
		b.append(e)
	case trace.Send:
		b.send(e)
	case trace.Push:
		b.push(e)
	case trace.Receive:
		b.receive(e)
	case trace.Deliver:
		b.deliver(e)
	case trace.Start, trace.Crash, trace.Pause, trace.Resume, trace.Close, trace.Fault, trace.Phase, trace.Reset:
		b.mark(e)
	case trace.Final:
		b.run.Finals[e.Member] = Final{Known: true, Complete: e.Complete, Entries: e.Position, Hash: e.Hash}
	case trace.Install, trace.Ends:
		b.view(e)
	default: // what members know and believe is not drawn
	}
	b.judge.Tell(e)
	b.broken(e)
}

// append notes that a member holds a batch, for the first time or again.
func (b *Builder) append(e *trace.Event) {
	batch := &b.run.Batches[b.batchOf(e)]
	if batch.Held[e.Member] < 0 {
		batch.Held[e.Member] = e.At
	}
}

// batchOf returns the batch that an event names, a new one if need be.
func (b *Builder) batchOf(e *trace.Event) int32 {
	place := placeKey{e.Stream, e.Seq}
	key := batchKey{place, e.Identity}
	if known, ok := b.batches[key]; ok {
		return known
	}
	at := int32(len(b.run.Batches))
	n := len(b.run.Header.Members)
	times, frames := make([]time.Duration, 2*n), make([]int32, 2*n)
	for i := range times {
		times[i], frames[i] = never, nothing
	}
	b.run.Batches = append(b.run.Batches, Batch{
		Stream: e.Stream, Identity: e.Identity, Seq: e.Seq, Count: e.Count, Time: e.Time,
		Held: times[:n:n], Settled: times[n:], brought: frames[:n:n], settledBy: frames[n:],
		wrote: uint32(b.run.Events), settledAs: make([]uint32, n),
	})
	b.batches[key], b.places[place] = at, at
	return at
}

// send notes a frame.
func (b *Builder) send(e *trace.Event) {
	at := int32(len(b.run.Frames))
	b.run.Frames = append(b.run.Frames, Frame{
		From: e.Member, To: e.Peer, Sent: e.At, Got: never, Entries: e.Count, sent: uint32(b.run.Events), first: uint32(len(b.run.carried)),
	})
	b.leaving[e.Member] = at
	if e.Number == 0 {
		b.queue(e.Member, e.Peer).push(e.Session, at)
		return
	}
	b.sent[frameKey{e.Member, e.Peer, e.Session, e.Number}] = at
}

// push notes what the frame just sent carries. The batches of a frame lie side
// by side, for a member tells them at once.
func (b *Builder) push(e *trace.Event) {
	at := b.leaving[e.Member]
	if at == nothing || b.run.Frames[at].To != e.Peer {
		return // the trace lacks its beginning
	}
	frame := &b.run.Frames[at]
	if int(frame.first+frame.batches) != len(b.run.carried) {
		frame.first = uint32(len(b.run.carried)) // others came in between, in the trace of a real cluster
		frame.batches = 0
	}
	for seq := e.Seq; seq < e.Seq+e.Count; {
		batch, ok := b.places[placeKey{e.Stream, seq}]
		if !ok {
			return
		}
		b.run.carried = append(b.run.carried, batch)
		frame.batches++
		seq += max(b.run.Batches[batch].Count, 1)
	}
}

// receive notes that a frame arrived, and what the member has from it.
func (b *Builder) receive(e *trace.Event) {
	at := b.arrive(e)
	if at == nothing {
		return // a copy of one that was there already
	}
	frame := &b.run.Frames[at]
	frame.Got, frame.got = e.At, uint32(b.run.Events)
	b.arrived[e.Member] = arrival{at, e.At}
	for _, i := range b.run.carries(frame) {
		batch := &b.run.Batches[i]
		if batch.Held[e.Member] < 0 && batch.brought[e.Member] == nothing {
			batch.brought[e.Member] = at
		}
	}
}

// arrive finds the frame that arrives.
func (b *Builder) arrive(e *trace.Event) int32 {
	if e.Number == 0 {
		return b.queue(e.Peer, e.Member).pop(b.run, e)
	}
	key := frameKey{e.Peer, e.Member, e.Session, e.Number}
	at, ok := b.sent[key]
	if !ok {
		return nothing
	}
	delete(b.sent, key)
	b.queue(e.Peer, e.Member).delayed(e.At - b.run.Frames[at].Sent)
	return at
}

func (b *Builder) queue(from, to member.ID) *markQueue {
	return &b.marks[int(from)*len(b.run.Header.Members)+int(to)]
}

// soonAfter is how soon after a frame what it caused is told: the member's
// loop takes its turn, and makes durable.
const soonAfter = 10 * time.Millisecond

// deliver notes that a batch is settled at a member.
func (b *Builder) deliver(e *trace.Event) {
	at := b.batchOf(e)
	batch := &b.run.Batches[at]
	b.run.orders[e.Member] = append(b.run.orders[e.Member], delivery{at, e.Position + 1})
	if batch.Position == 0 {
		batch.Position = e.Position + 1
	}
	if batch.Settled[e.Member] >= 0 {
		return
	}
	batch.Settled[e.Member], batch.settledAs[e.Member] = e.At, uint32(b.run.Events)
	if last := b.arrived[e.Member]; last.frame != nothing && e.At-last.at <= soonAfter {
		batch.settledBy[e.Member] = last.frame
	}
}

// mark notes what happened besides.
func (b *Builder) mark(e *trace.Event) {
	b.run.Marks = append(b.run.Marks, Mark{At: e.At, Kind: e.Kind, Member: e.Member, Text: e.Note, seen: uint32(b.run.Events)})
	switch e.Kind {
	case trace.Crash:
		b.forget(e.Member, e.Note)
	case trace.Reset: // what came after the snapshot is settled anew
		order := b.run.orders[e.Member]
		keep := sort.Search(len(order), func(i int) bool { return order[i].first > e.Position })
		b.run.orders[e.Member] = order[:keep]
	}
}

// view notes by which view a member goes from now on, and who is out. That it
// goes by the same one still is nothing new.
func (b *Builder) view(e *trace.Event) {
	last := b.viewOf(e.Member)
	if e.Kind == trace.Install && (last == nil || last.View.Number != e.Number) {
		b.mark(e)
		last = &b.run.Marks[len(b.run.Marks)-1]
	}
	if last != nil {
		last.View.Tell(e)
	}
}

// viewOf returns the mark of the view that a member goes by since it started; nil
// if it told none.
func (b *Builder) viewOf(who member.ID) *Mark {
	for i := len(b.run.Marks) - 1; i >= 0; i-- {
		switch mark := &b.run.Marks[i]; {
		case mark.Member != who:
		case mark.Kind == trace.Install:
			return mark
		case mark.Kind == trace.Start:
			return nil
		}
	}
	return nil
}

// forget takes back what a member held that crashed, if it was not durable.
func (b *Builder) forget(who member.ID, note string) {
	if b.run.Header.Journal && note != check.DataLost {
		return
	}
	for i := range b.run.Batches {
		batch := &b.run.Batches[i]
		if batch.Settled[who] < 0 && batch.Stream != who {
			batch.Held[who], batch.brought[who] = never, nothing
		}
	}
}

// broken notes the promises that the event broke.
func (b *Builder) broken(e *trace.Event) {
	violations := b.judge.Violations()
	for ; b.seen < len(violations); b.seen++ {
		found := Broken{Violation: violations[b.seen], Batch: nothing}
		if fields := e.Kind.Fields(); fields&trace.HasStream != 0 && fields&trace.HasSeq != 0 {
			if at, ok := b.places[placeKey{e.Stream, e.Seq}]; ok {
				found.Batch = at
			}
		}
		b.run.Broken = append(b.run.Broken, found)
	}
}

// Run ends the run and returns it.
func (b *Builder) Run() *Run {
	r := b.run
	for i := range r.Frames {
		f := &r.Frames[i]
		switch {
		case f.batches == 0:
			f.rank = rankRest
		case f.Got < 0:
			f.rank = rankLost
		default:
			f.rank = rankAgain
		}
	}
	for i := range r.Batches {
		for m := range r.Header.Members {
			if by := r.Batches[i].settledBy[m]; by != nothing {
				r.Frames[by].rank = min(r.Frames[by].rank, rankSettles)
			}
			if by := r.Batches[i].brought[m]; by != nothing {
				r.Frames[by].rank = rankBrings
			}
		}
	}
	slices.SortStableFunc(r.Marks, func(x, y Mark) int { return cmp.Compare(x.At, y.At) })
	r.usual, r.slowest = delaysOf(r.Frames)
	r.cuts = cutsOf(r)
	return r
}

// delaysOf returns how long half of the frames take at most, and 99 of 100.
func delaysOf(frames []Frame) (usual, slowest time.Duration) {
	var delays []time.Duration
	for i := range frames {
		if f := &frames[i]; f.Got >= 0 {
			delays = append(delays, f.Got-f.Sent)
		}
	}
	if len(delays) == 0 {
		return 0, 0
	}
	slices.Sort(delays)
	last := len(delays) - 1
	return delays[last/2], delays[last*99/100]
}

// labelOf writes the name of a batch.
func labelOf(name, between string, b *Batch) string {
	if b.Count > 1 {
		return fmt.Sprintf("%s%s%d–%d", name, between, b.Seq, b.Seq+b.Count-1)
	}
	return fmt.Sprintf("%s%s%d", name, between, b.Seq)
}

// markQueue matches the frames of a link that have no number, for nobody
// acknowledges them. They are taken in the order in which they were sent,
// those that are much older than frames of this link usually are being lost.
type markQueue struct {
	session uint64
	waiting []int32
	total   time.Duration // that numbered frames were on their way
	count   time.Duration
}

// patience is how long a frame without a number is waited for at least, until
// a link has shown how long its frames take, and usually how many times longer
// than the mean a frame may take.
const (
	patience = 100 * time.Millisecond
	usually  = 4
)

func (q *markQueue) push(session uint64, frame int32) {
	if session != q.session {
		q.session, q.waiting = session, q.waiting[:0]
	}
	q.waiting = append(q.waiting, frame)
}

func (q *markQueue) delayed(d time.Duration) { q.total, q.count = q.total+d, q.count+1 }

func (q *markQueue) pop(run *Run, e *trace.Event) int32 {
	if e.Session != q.session {
		return nothing
	}
	horizon := patience
	if q.count > 0 {
		horizon = usually * q.total / q.count
	}
	for len(q.waiting) > 0 {
		first := q.waiting[0]
		q.waiting = q.waiting[1:]
		if e.At-run.Frames[first].Sent <= horizon {
			return first
		}
	}
	return nothing
}
