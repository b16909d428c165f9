package sim

import (
	"errors"
	"math/rand/v2"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/journal"
)

// The names of the checks that readers make.
const (
	onePosition    = "one-position"
	readersSeeAll  = "readers-see-all"
	historyMembers = largeFrom // in larger clusters nobody reads
)

// place is what lies at a position: a batch, by the position of its first entry.
type place struct {
	origin member.ID
	seq    uint64
	count  uint32
	hash   uint64
}

func placeOf(b *protocol.Batch) place {
	return place{b.Origin, b.Seq, b.Count, trace.HashBytes(b.Bytes)}
}

// order is what lies at each position, as the first member delivered it.
type order map[uint64]place

// reader is an application that reads the log at its own pace, and remembers
// over crashes how far it has come.
type reader struct {
	rng   *rand.Rand
	after uint64 // the last position that it has seen
	read  [readMax]history.Batch
}

const (
	// readMax is how many batches a reader reads at a time, at most.
	readMax = 8
	// compactsEvery is how many turns of a reader there are to one in which it
	// compacts.
	compactsEvery = 40
	// historyBytesMin is the least memory for what has settled, in bytes.
	historyBytesMin = 512
)

// retain draws what the members keep to be read again; nil is nothing.
func (w *world) retain(n *node) *journal.Retain {
	if !w.shape.History || n.disk == nil {
		return nil
	}
	return &journal.Retain{Bytes: int64(w.shape.RetainBytes), Hold: w.shape.RetainBytes == 0}
}

// unbroken shows readers the archive as it is.
func unbroken(a *journal.Archive) history.Archive { return a }

// openHistory begins the history of a life.
func (n *node) openHistory(j *journal.Journal, recovered *protocol.Recovered) {
	n.history = nil
	if !n.world.shape.History {
		return
	}
	bytes := int64(historyBytesMin + n.world.shape.RetainBytes)
	n.history = history.NewLog(history.Config{Members: len(n.world.nodes), BytesMax: bytes, Now: n.now})
	if j != nil {
		n.history.Attach(n.world.archive(j.Archive()))
	}
	if recovered != nil {
		n.history.Begin(recovered.Base.Have)
	}
}

// order returns what lies at each position in the history that the member goes by.
func (n *node) order() order {
	if n.world.orders[n.tip] == nil {
		n.world.orders[n.tip] = order{}
	}
	return n.world.orders[n.tip]
}

// goBy has the member go by the history of a view, in which all lies where it read it.
func (n *node) goBy(v *member.View) {
	before, tip := n.order(), tipOf(v)
	if n.tip == tip {
		return
	}
	n.tip = tip
	if n.history == nil {
		return
	}
	settled, now := n.history.Settled(), n.order()
	for position, b := range before {
		if position > settled {
			continue
		}
		if known, ok := now[position]; ok && known != b {
			n.world.broken(onePosition, n.id, "goes over to a history in which %d/%d is at position %d, where it delivered %d/%d", known.origin, known.seq, position, b.origin, b.seq)
		}
		now[position] = b
	}
}

// tipOf returns where the history of a view was forced to go on last; the zero root if it
// never was.
func tipOf(v *member.View) member.Root {
	if v == nil || len(v.Roots) <= 1 {
		return member.Root{}
	}
	return v.Roots[len(v.Roots)-1]
}

// settle takes what is delivered into the history, and notes what lies where.
func (n *node) settle(batches []protocol.Batch) {
	if n.history == nil {
		return
	}
	n.world.beginAnew()
	first, order := n.history.Settled()+1, n.order()
	for i := range batches {
		b := placeOf(&batches[i])
		if known, ok := order[first]; ok && known != b {
			n.world.broken(onePosition, n.id, "delivers %d/%d at position %d, where %d/%d is", b.origin, b.seq, first, known.origin, known.seq)
		}
		order[first] = b
		first += uint64(b.count)
	}
	n.history.Settle(batches)
}

// beginAnew forgets the order that no member remembers any more: the cluster
// counts from 1 again, and so do its readers.
func (w *world) beginAnew() {
	if w.anew == w.judge.Anew() {
		return
	}
	w.anew = w.judge.Anew()
	clear(w.orders)
	for _, n := range w.nodes {
		n.reader.after = 0
	}
}

// read is a turn of the member's reader.
func (n *node) read() {
	n.world.beginAnew()
	r := &n.reader
	switch {
	case n.history == nil || !n.running || r.rng.IntN(2) == 0:
		return
	case r.rng.IntN(compactsEvery) == 0:
		n.history.Compact(r.after - min(r.after, r.rng.Uint64N(20)))
	case r.rng.IntN(4) == 0:
		n.lookBack()
	}
	n.readOn(1 + r.rng.IntN(readMax))
}

// readOn reads so many batches at most, and reports whether there were any.
func (n *node) readOn(most int) bool {
	r := &n.reader
	dst := r.read[:most]
	count, _, err := n.history.Read(r.after, dst)
	switch {
	case errors.Is(err, history.ErrCompacted):
		oldest := n.history.Extent().Oldest
		if oldest <= r.after+1 {
			n.world.broken(readersSeeAll, n.id, "position %d is said to be compacted, and %d is the oldest", r.after+1, oldest)
			return false
		}
		r.after = oldest - 1
		return true
	case err != nil:
		n.world.broken(readersSeeAll, n.id, "reading after position %d: %v", r.after, err)
		return false
	}
	for i := range dst[:count] {
		b := &dst[i]
		if b.First > r.after+1 || b.LastPosition() <= r.after {
			n.world.broken(readersSeeAll, n.id, "after position %d comes %d", r.after, b.First)
		}
		n.judgePlace(b)
		r.after = b.LastPosition()
		b.Buffer.Release()
	}
	return count > 0
}

// lookBack reads at any position: what cannot be read any more is refused, and
// what can is what it always was.
func (n *node) lookBack() {
	e := n.history.Extent()
	if e.Settled == 0 {
		return
	}
	after := n.reader.rng.Uint64N(e.Settled)
	var dst [1]history.Batch
	count, _, err := n.history.Read(after, dst[:])
	switch kept := after+1 >= e.Oldest; {
	case !kept && !errors.Is(err, history.ErrCompacted):
		n.world.broken(onePosition, n.id, "position %d is read, and %d is the oldest: %v", after+1, e.Oldest, err)
	case kept && (err != nil || count != 1):
		n.world.broken(readersSeeAll, n.id, "position %d cannot be read, and %d is the oldest: %v", after+1, e.Oldest, err)
	case kept && (dst[0].First > after+1 || dst[0].LastPosition() <= after):
		n.world.broken(readersSeeAll, n.id, "position %d is asked for, and %d is read", after+1, dst[0].First)
	case kept:
		n.judgePlace(&dst[0])
	}
	if count > 0 {
		dst[0].Buffer.Release()
	}
}

// judgePlace compares what is read with what was delivered.
func (n *node) judgePlace(b *history.Batch) {
	if got, want := placeOf(&b.Batch), n.order()[b.First]; got != want {
		n.world.broken(onePosition, n.id, "reads %d/%d at position %d, where %d/%d is", got.origin, got.seq, b.First, want.origin, want.seq)
	}
}

// readToTheEnd lets the reader see all that has settled.
func (n *node) readToTheEnd() {
	if n.history == nil {
		return
	}
	for n.readOn(readMax) && len(n.world.found) == 0 {
	}
	if end := n.history.Settled(); n.reader.after < end && len(n.world.found) == 0 {
		n.world.broken(readersSeeAll, n.id, "saw everything up to position %d in the end, and %d have settled", n.reader.after, end)
	}
}
