package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/wire"
)

const (
	// mendAtStartWithin is how long a start with a damaged folder asks peers for
	// what is missing: they may be about to start too.
	mendAtStartWithin = 10 * time.Second
	// mendWithin is the same for a reader that meets damage.
	mendWithin = 2 * time.Second
)

// mender is the archive of a member, which puts back from a peer what can be read
// no more here.
type mender struct {
	*journal.Archive
	n *Node

	turn turn // of who mends

	mu      sync.Mutex // guards all below
	mended  uint64
	damaged Position // that could not be put back; 0: there is none
	why     error
}

// Read is that of the archive; it may take longer.
func (m *mender) Read(after uint64, dst []protocol.Batch) (first uint64, count int, err error) {
	first, count, err = m.Archive.Read(after, dst)
	if !errors.Is(err, journal.ErrDamaged) {
		return first, count, err
	}
	<-m.turn
	defer m.turn.pass()
	if first, count, err = m.Archive.Read(after, dst); err == nil { // somebody else has met it too
		return first, count, nil
	}
	if failed := m.mend(after); failed != nil {
		failed = errors.Join(err, failed)
		m.note(Position(after+1), failed)
		return 0, 0, failed
	}
	return m.Archive.Read(after, dst)
}

// mend gets the batch that follows a position from a peer.
func (m *mender) mend(after uint64) error {
	place, err := m.Lacking(after)
	if err != nil {
		return fmt.Errorf("where it lies is not known; a start of this member puts the index back: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), mendWithin)
	defer cancel()
	from, b, err := m.n.inner.Fetch(ctx, place)
	if err == nil {
		err = m.Archive.Mend(place, &b)
	}
	if err != nil {
		m.n.log.Error("a damaged batch cannot be put back, and readers end there: look at the disk", "place", place.String(), "error", err)
		return err
	}
	m.n.log.Warn("a damaged batch was put back: look at the disk", "place", place.String(), "from", m.n.called(from))
	m.note(Position(after+1), nil)
	return nil
}

// note notes that the batch after a position was put back, or why not.
func (m *mender) note(at Position, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if why != nil {
		m.damaged, m.why = at, fmt.Errorf("chatterbox: position %d is damaged on disk here: %w", at, why)
		return
	}
	if m.mended++; m.damaged == at {
		m.damaged, m.why = 0, nil
	}
}

// state returns how many batches were put back, and why others are not.
func (m *mender) state() (mended uint64, why error) {
	if m == nil {
		return 0, nil
	}
	begin := m.Begin()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.damaged <= Position(begin) { // nobody reads it any more
		m.damaged, m.why = 0, nil
	}
	return m.mended, m.why
}

// lend answers a peer that lacks a batch, by the position of an entry or by its
// number in a stream. What is damaged here too is not kept.
func (n *Node) lend(_ member.ID, ask wire.Ask) wire.Part {
	first, batch := ask.At, []byte(nil)
	if ask.Stream == 0 {
		first, batch = n.kept(ask.At)
	} else if int(ask.Stream) <= len(n.list()) {
		batch = n.keptOf(member.ID(ask.Stream-1), ask.At)
	}
	if batch == nil {
		return wire.Part{}
	}
	begin := min(ask.Offset, uint64(len(batch)))
	end := min(begin+wire.PartBytesMax, uint64(len(batch)))
	return wire.Part{At: first, Size: uint64(len(batch)), Offset: begin, Bytes: batch[begin:end]}
}

// kept returns the bytes of the batch with the entry at a position, nil if they are
// not here.
func (n *Node) kept(position uint64) (first uint64, batch []byte) {
	if position == 0 {
		return 0, nil
	}
	if n.mender != nil {
		var one [1]protocol.Batch
		if first, count, err := n.mender.Archive.Read(position-1, one[:]); err == nil && count == 1 {
			return first, one[0].Bytes
		}
		return 0, nil
	}
	var one [1]history.Batch
	if count, _, err := n.history.Read(position-1, one[:]); err != nil || count == 0 {
		return 0, nil
	}
	defer one[0].Buffer.Release()
	return one[0].First, slices.Clone(one[0].Bytes)
}

// keptOf returns the bytes of the batch of a stream that begins with an entry, nil
// if it is not here.
func (n *Node) keptOf(origin member.ID, first uint64) []byte {
	position, _, err := n.history.Place(origin, first)
	if n.mender != nil && (position == 0 || err != nil) {
		position = n.mender.PositionOf(origin, first)
	}
	if position > 0 {
		if begin, batch := n.kept(position); begin == position {
			return batch
		}
		return nil
	}
	if n.mender == nil || first == 0 {
		return nil
	}
	if b, err := n.mender.Next(origin, first-1); err == nil && b.Seq == first {
		return b.Bytes // it has not settled here
	}
	return nil
}
