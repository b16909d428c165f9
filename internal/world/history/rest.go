package history

import (
	"fmt"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Rest reads from the archive what is held and has not settled, as it was at one
// moment, in the order as far as it is known. It has one batch of each stream in
// memory.
type Rest struct {
	log   *Log
	have  []uint64 // of each stream: what was read, or had settled
	held  []uint64
	heads []protocol.Batch // the next one of each stream; Count is 0 if it was not read yet
}

// Rest returns a reader of what has not settled of so many held entries of each
// stream; nil if there is no archive.
func (l *Log) Rest(held clock.Vector) *Rest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.archive == nil {
		return nil
	}
	l.grow(len(held))
	r := &Rest{log: l, have: make([]uint64, len(held)), held: make([]uint64, len(held)), heads: make([]protocol.Batch, len(held))}
	for i := range held {
		r.have[i], r.held[i] = l.places.streams[i].have, held[i].Have
	}
	return r
}

// Next returns the next batch, and false if there is none. What was compacted
// meanwhile is an error.
func (r *Rest) Next() (Batch, bool, error) {
	first := -1
	for i := range r.heads {
		head := &r.heads[i]
		if head.Count == 0 && r.have[i] < r.held[i] {
			if err := r.read(member.ID(i)); err != nil {
				return Batch{}, false, err
			}
		}
		if head.Count > 0 && (first < 0 || head.Compare(&r.heads[first]) < 0) {
			first = i
		}
	}
	if first < 0 {
		return Batch{}, false, nil
	}
	next := Batch{Batch: r.heads[first]}
	r.heads[first] = protocol.Batch{}
	r.have[first] = next.Last()
	return next, true, nil
}

func (r *Rest) read(origin member.ID) error {
	b, err := r.log.archive.Next(origin, r.have[origin])
	if err != nil {
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		if r.log.places.streams[origin].have > r.have[origin] {
			err = fmt.Errorf("%w: it has settled meanwhile: %w", ErrCompacted, err)
		}
		return err
	}
	if prepare := r.log.config.Prepare; prepare != nil {
		b.Prepared = prepare(&b)
	}
	r.heads[origin] = b
	return nil
}
