package journal

import (
	"errors"
	"time"

	"chatterbox/internal/core/protocol"
)

// Archive returns what can be read again by position; nil if nothing is kept
// for that.
func (j *Journal) Archive() *Archive { return j.archive }

// place notes where the batch lies that was put last: in the group.
func (j *Journal) place(b *protocol.Batch) {
	size := recordHeaderBytes + len(b.Bytes)
	j.shelf.note(b, ref{offset: int64(len(j.group) - size), size: size})
}

// Order takes up the order of batches that were kept, are durable, and are
// delivered next.
func (j *Journal) Order(batches []protocol.Batch) {
	if j.archive == nil {
		return
	}
	for i := range batches {
		b := &batches[i]
		at, err := j.shelf.find(b)
		if j.failed = errors.Join(j.failed, err); j.failed != nil {
			return // what comes behind it has no place either
		}
		j.archive.settle(b, at)
		s := &j.segments[at.segment-j.segments[0].number]
		s.top = max(s.top, j.archive.end)
	}
}

// Restore begins the order anew behind what a snapshot stands for.
func (j *Journal) Restore(snapshot *protocol.Snapshot) {
	if j.archive == nil {
		return
	}
	if err := j.archive.reset(positionOf(snapshot.Have)); err != nil && j.failed == nil {
		j.failed = err
	}
}

// waitsForReaders returns up to where readers have to let go before the folder,
// which is full, can take anything; 0 if they are not what it waits for.
func (j *Journal) waitsForReaders() uint64 {
	if !j.IsFull() || !j.cfg.Retain.Hold || j.covered == 0 {
		return 0
	}
	return j.segments[0].top
}

// released reports whether nobody will read what is in the oldest segment,
// which the base covers.
func (j *Journal) released(s *segment) bool {
	if j.archive == nil {
		return true
	}
	if s.inherited {
		top, damage := j.archive.topOf(s.number, s.held, s.limit)
		if damage != nil {
			top = s.limit // it is at most that
		}
		s.top, s.inherited = max(s.top, top), false
	}
	retain, now := j.cfg.Retain, j.cfg.Now()
	switch {
	case s.top <= j.archive.Begin():
		return true
	case retain.Hold:
		return false
	case retain.Bytes > 0 && j.bytes > retain.Bytes:
		return true
	}
	return retain.Age > 0 && !now.IsZero() && now.Sub(s.since) > retain.Age
}

// whenBegun returns the time that a head tells; zero if it tells none.
func whenBegun(p *part) time.Time {
	if p.header.begun == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(p.header.begun))
}
