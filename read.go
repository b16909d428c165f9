package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/wire"
)

// Position waits until an entry of any member is settled here, and returns its
// position. Afterwards Entries yields the entry without waiting, unless it was
// compacted. Position waits for as long as ctx allows: nothing settles while a
// member is silent, and it also waits for an ID that no entry has yet. An ID that
// no entry can ever have, of an unknown origin or of a life that did not begin, is
// an error at once.
//
// The error wraps [ErrLost]; [ErrCompacted] if the entry did settle but its place
// is no longer known, which is not so for the last 65,536 batches, so that a
// call soon after Broadcast does not race with Compact; [ErrClosed] or the cause
// of ctx.
func (n *Node) Position(ctx context.Context, id ID) (Position, error) {
	origin, err := n.originOf(id)
	if err != nil {
		return 0, err
	}
	what := func() string { return id.String() + " is not settled: " + n.silent() }
	var late *time.Timer
	for {
		position, more, err := n.history.Place(origin, id.Seq)
		if lost := n.judgeLife(origin, id); lost != nil { // since it was asked
			return 0, lost
		}
		switch {
		case errors.Is(err, history.ErrUnknown):
			return 0, fmt.Errorf("%w: the place of %s is not known any more", ErrCompacted, id)
		case errors.Is(err, history.ErrCut):
			return 0, fmt.Errorf("%w: %s was evicted before %s was held by others", ErrLost, id.Origin, id)
		case err != nil:
			return 0, err
		case position > 0:
			return Position(position), nil
		}
		if late == nil { // one for the whole call: it is woken by whatever settles
			late = n.tellIfLate(what)
			defer late.Stop()
		}
		if err := n.wait(ctx, more, what); err != nil {
			return 0, err
		}
	}
}

// Entries yields the settled entries after a position, in order, and then waits
// for more. Each loop over it starts again at after, costs no goroutine, and
// never delays writers or other readers.
//
// It never ends by itself, and never without saying why: the last pair, and no
// other one, has an error and a zero Entry. The error is the cause of ctx,
// [ErrCompacted] if after lies below what is retained, or comes to lie there
// because the loop is slow, [ErrReadOnly] once all is read of a member whose disk
// failed, or [ErrClosed]. To read only what there is now,
// compare Status.Settled.
//
// Range over it with two variables: a loop with one compiles, too, and does not see
// why it ended.
func (n *Node) Entries(ctx context.Context, after Position) iter.Seq2[Entry, error] {
	return n.entries(ctx, after, n.settled)
}

// Watch is Entries, and also yields each entry that is not settled yet when it
// is held here: then its Position is 0, and it comes again when it is settled,
// with the same ID. An entry is yielded at most once before it settles, never
// after. Entries that are not settled come as they arrive; others may still
// settle between them.
func (n *Node) Watch(ctx context.Context, after Position) iter.Seq2[Entry, error] {
	return n.entries(ctx, after, n.watched)
}

// Batches is [Node.Entries] batch by batch, without an allocation: each [Batch]
// is valid until the body of the loop ends. A batch that contains after is
// yielded without the entries up to after.
func (n *Node) Batches(ctx context.Context, after Position) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		r := reader{n: n, after: uint64(after), read: n.settled}
		defer r.release()
		for {
			b, err := r.next(ctx)
			if err != nil {
				yield(Batch{}, err)
				return
			}
			if !r.lend(b, yield) {
				return
			}
		}
	}
}

// Tentative yields what is held but not settled at the moment of the call, in
// the order as far as it is known, and ends. Positions are 0: other entries may
// still come between. Each [Batch] is valid until the body of the loop ends.
// After a long partition there can be many.
func (n *Node) Tentative(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		r := reader{n: n}
		defer r.release()
		rest, err := n.rest(ctx, &r)
		for err == nil && rest != nil {
			var b history.Batch
			var more bool
			if b, more, err = rest.Next(); err == nil && (!more || !r.lend(b, yield)) {
				return
			}
		}
		switch {
		case errors.Is(err, history.ErrCompacted):
			yield(Batch{}, fmt.Errorf("%w: %w", ErrCompacted, err))
			return
		case err != nil:
			yield(Batch{}, n.ended(err))
			return
		}
		for len(r.pending) > 0 {
			if !r.lend(r.take(), yield) {
				return
			}
		}
	}
}

// rest returns a reader of what has not settled; without a folder it is nil, and
// r is given all of it.
func (n *Node) rest(ctx context.Context, r *reader) (rest *history.Rest, err error) {
	err = n.inner.Look(ctx, func(status protocol.Status) { rest = n.history.Rest(status.Held) })
	if err != nil || rest != nil {
		return rest, err
	}
	return nil, n.inner.Tentative(ctx, func(b *protocol.Batch) {
		b.Buffer.Retain()
		r.pending = append(r.pending, history.Batch{Batch: *b})
	})
}

// Compact releases the entries up to and including a position: the application
// needs them no more, and this member may drop them. It returns at once and is
// cheap enough to be called for each batch. A position at or below that of an
// earlier call has no effect; one beyond what is settled here counts as the
// last settled one. Loops that have not read up to there end with
// [ErrCompacted].
func (n *Node) Compact(through Position) { n.history.Compact(uint64(through)) }

// ended translates why the node does not answer.
func (n *Node) ended(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || !n.isClosed() {
		return fmt.Errorf("chatterbox: %w", err)
	}
	return n.err
}

// readMax is how many batches a reader takes at once.
const readMax = 16

// reader is one loop over the log. It holds references to the batches that it
// took and has not yielded yet.
type reader struct {
	n       *Node
	after   uint64       // the last position that was yielded
	seen    history.Seen // what was yielded before it settled
	read    func(r *reader, dst []history.Batch) (int, <-chan struct{}, error)
	pending []history.Batch
	buffer  [readMax]history.Batch
	view    view
}

// settled reads what has settled.
func (n *Node) settled(r *reader, dst []history.Batch) (int, <-chan struct{}, error) {
	return n.history.Read(r.after, dst)
}

// watched also reads what has not.
func (n *Node) watched(r *reader, dst []history.Batch) (int, <-chan struct{}, error) {
	return n.history.Watch(r.after, &r.seen, dst)
}

// next waits for the next batch.
func (r *reader) next(ctx context.Context) (history.Batch, error) {
	for len(r.pending) == 0 {
		count, more, err := r.read(r, r.buffer[:])
		switch {
		case errors.Is(err, history.ErrCompacted):
			return history.Batch{}, fmt.Errorf("%w: %w", ErrCompacted, err)
		case err != nil:
			return history.Batch{}, err
		}
		r.pending = r.buffer[:count]
		if count > 0 {
			break
		}
		select {
		case <-more:
		case <-ctx.Done():
			return history.Batch{}, readEnded(ctx)
		}
	}
	if ctx.Err() != nil {
		return history.Batch{}, readEnded(ctx)
	}
	return r.take(), nil
}

func readEnded(ctx context.Context) error {
	return fmt.Errorf("chatterbox: reading ended: %w", context.Cause(ctx))
}

// take returns the first batch that was not yielded yet, with its reference.
func (r *reader) take() history.Batch {
	b := r.pending[0]
	r.pending[0] = history.Batch{}
	r.pending = r.pending[1:]
	return b
}

// release gives back what was not yielded.
func (r *reader) release() {
	for i := range r.pending {
		r.pending[i].Buffer.Release()
	}
	r.pending = nil
}

// skip returns how many entries of a batch were yielded already, and moves on
// behind it.
func (r *reader) skip(b *history.Batch) int {
	if b.First == 0 {
		return 0
	}
	skip := int(max(r.after, b.First-1) - (b.First - 1))
	r.after = b.LastPosition()
	return skip
}

// lend yields a batch.
func (r *reader) lend(b history.Batch, yield func(Batch, error) bool) bool {
	defer b.Buffer.Release()
	if r.n.spoil {
		b.Bytes = slices.Clone(b.Bytes)
		defer spoil(b.Bytes)
	}
	skip := r.skip(&b)
	r.view.show(wire.Payloads(&b.Batch), skip)
	lent := Batch{ID: r.n.idOf(&b.Batch, skip), Lamport: uint64(b.Time), Prepared: b.Prepared, view: &r.view}
	if b.First > 0 {
		lent.First = Position(b.First) + Position(skip)
	}
	return yield(lent, nil)
}

// spoiled is what the memory of a batch is overwritten with, in tests, once the
// batch is not valid any more.
const spoiled = 0xdb

func spoil(bytes []byte) {
	for i := range bytes {
		bytes[i] = spoiled
	}
}

// prepare calls Config.Prepare; in tests with memory that is overwritten afterwards.
func (n *Node) prepare(prepare func(*protocol.Batch) any, b *protocol.Batch) any {
	if !n.spoil {
		return prepare(b)
	}
	lent := *b
	lent.Bytes = slices.Clone(b.Bytes)
	defer spoil(lent.Bytes)
	return prepare(&lent)
}

// idOf names an entry of a batch.
func (n *Node) idOf(b *protocol.Batch, entry int) ID {
	id := ID{Origin: n.called(b.Origin), Life: 1, Seq: b.Seq + uint64(entry)}
	if v := n.replaced.Load(); v != nil && int(b.Origin) < len(v.Places) {
		id.Life = v.Places[b.Origin].LifeOf(b.Identity)
	}
	return id
}

// lifeAt returns which life of a member wrote an entry, or is to write it, and how many
// it had.
func (n *Node) lifeAt(origin member.ID, seq uint64) (life, lives uint64) {
	v := n.replaced.Load()
	if v == nil || int(origin) >= len(v.Places) {
		return 1, 1
	}
	p := &v.Places[origin]
	return p.LifeAt(seq), uint64(len(p.Former)) + 1
}

// originOf returns whose entry an ID names.
func (n *Node) originOf(id ID) (member.ID, error) {
	list := n.list()
	origin, known := list.Named(id.Origin)
	switch {
	case !known || list[origin].Name != id.Origin:
		return 0, fmt.Errorf("chatterbox: position of %q: no member is called %q", id, id.Origin)
	case id.Seq == 0 || id.Life == 0:
		return 0, fmt.Errorf("chatterbox: position of entry %d of life %d of %s: both count from 1", id.Seq, id.Life, id.Origin)
	}
	return origin, n.judgeLife(origin, id)
}

// judgeLife returns why no entry has, or will ever have, an ID: the life that it names
// did not begin yet, or did after that entry, or was over before it.
func (n *Node) judgeLife(origin member.ID, id ID) error {
	switch life, lives := n.lifeAt(origin, id.Seq); {
	case id.Life > lives:
		return fmt.Errorf("chatterbox: position of %q: %s has had lives up to %d", id, id.Origin, lives)
	case id.Life > life:
		return fmt.Errorf("chatterbox: position of %q: that life of %s began later", id, id.Origin)
	case id.Life < life:
		return fmt.Errorf("%w: %s was evicted before %s was held by others, and lost its data", ErrLost, id.Origin, id)
	}
	return nil
}

// entries yields what a reader reads, by the entry.
func (n *Node) entries(ctx context.Context, after Position, read func(*reader, []history.Batch) (int, <-chan struct{}, error)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r := reader{n: n, after: uint64(after), read: read}
		defer r.release()
		for {
			b, err := r.next(ctx)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			b.Bytes = slices.Clone(b.Bytes) // entries belong to who gets them
			b.Buffer.Release()
			if !r.yieldEach(&b, yield) {
				return
			}
		}
	}
}

// yieldEach yields the entries of a batch whose memory is the application's.
func (r *reader) yieldEach(b *history.Batch, yield func(Entry, error) bool) bool {
	skip, i := r.skip(b), 0
	e := Entry{ID: r.n.idOf(&b.Batch, skip), Lamport: uint64(b.Time)}
	if b.First > 0 {
		e.Position = Position(b.First) + Position(skip)
	}
	for key, payload := range wire.Payloads(&b.Batch).Keyed() {
		if i++; i <= skip {
			continue
		}
		e.Key, e.Payload = string(key), payload[:len(payload):len(payload)]
		if !yield(e, nil) {
			return false
		}
		e.ID.Seq++
		if b.First > 0 {
			e.Position++
		}
	}
	return true
}
