package journal

import (
	"errors"
	"fmt"
)

// segmentPattern names segments so that they sort by age.
const segmentPattern = "%016d.log"

func segmentName(number uint64) string { return fmt.Sprintf(segmentPattern, number) }

// segment is what is remembered of a file: the last entry of each stream in
// it, from which follows when it may be removed.
type segment struct {
	number uint64
	last   []uint64
}

// note joins in the last entries of what was written.
func (s *segment) note(last []uint64) {
	for origin, seq := range last {
		s.last[origin] = max(s.last[origin], seq)
	}
}

// covered says whether all batches of the segment lie below a base.
func (s *segment) covered(have []uint64) bool {
	for origin, seq := range s.last {
		if seq > 0 && (len(have) == 0 || seq > have[origin]) {
			return false
		}
	}
	return true
}

// open gives the segment that is written to.
func (j *Journal) open() *segment { return &j.segments[len(j.segments)-1] }

// roll ends the open segment and begins the next one.
func (j *Journal) roll() error {
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("journal: end segment %d: %w", j.open().number, err)
	}
	j.header.segment++
	return j.begin()
}

// begin makes the segment of j.header and writes its head: the header, and
// what still matters of all segments before except their batches. It exists
// for good when this returns.
func (j *Journal) begin() error {
	number := j.header.segment
	file, err := j.fs.Create(segmentName(number))
	if err != nil {
		return fmt.Errorf("journal: begin segment %d: %w", number, err)
	}
	j.file, j.size = file, 0
	j.segments = append(j.segments, segment{number: number, last: make([]uint64, j.cfg.Members)})
	head := appendRecord(nil, kindHead, appendHeader(nil, j.header))
	if len(j.state.binding) > 0 {
		head = appendRecord(head, kindBinding, appendBinding(nil, j.state.binding))
	}
	if j.state.bound > 0 {
		head = appendRecord(head, kindBound, appendBound(nil, j.state.bound))
	}
	if len(j.state.base.Have) > 0 {
		head = appendRecord(head, kindBase, appendBase(nil, &j.state.base))
	}
	if err := j.write(head); err != nil {
		return err
	}
	if err := j.fs.SyncDir(); err != nil {
		return fmt.Errorf("journal: begin segment %d: %w", number, err)
	}
	j.head = j.size
	return nil
}

// write adds bytes to the open segment and makes them durable.
func (j *Journal) write(p []byte) error {
	n, err := j.file.Write(p)
	if err == nil && n < len(p) {
		err = fmt.Errorf("%d of %d bytes written", n, len(p))
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("journal: write segment %d: %w: mend the disk (full?) and start again, what was acknowledged is safe",
			j.open().number, err)
	}
	j.size += len(p)
	return nil
}

// forget removes the oldest segments as long as the base covers them. The base
// is durable by then: it stands in a later segment. Each removal is made
// durable before the next, so that no crash leaves a gap.
func (j *Journal) forget() error {
	for len(j.segments) > 1 && j.segments[0].covered(j.state.base.Have) {
		number := j.segments[0].number
		if err := errors.Join(j.fs.Remove(segmentName(number)), j.fs.SyncDir()); err != nil {
			return fmt.Errorf("journal: remove segment %d: %w", number, err)
		}
		j.segments = j.segments[1:]
	}
	return nil
}
