package journal

import (
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/protocol"
)

// Files are named by numbers of so many digits, so that they sort by age.
const (
	numberDigits  = 16
	segmentSuffix = ".log"
	indexSuffix   = ".idx"
)

func segmentName(number uint64) string {
	return fmt.Sprintf("%0*d%s", numberDigits, number, segmentSuffix)
}

// segment is what is remembered of a file: how long it is, and how much of each
// stream was held at its end, from which follows when it may be removed.
type segment struct {
	number uint64
	bytes  int64
	held   []held

	// For what is kept to be read again:
	top       uint64    // the last position of its batches, of those that settled in this life
	inherited bool      // the index has to be asked for the top
	limit     uint64    // a position that its top does not exceed, once it is covered
	since     time.Time // when it was covered
}

// open returns the segment that is written to.
func (j *Journal) open() *segment { return &j.segments[len(j.segments)-1] }

// roll begins the next segment and ends the open one. If there is no room for
// the next one, the open one stays.
func (j *Journal) roll() error {
	former, number := j.file, j.open().number
	j.header.segment++
	if err := j.begin(); err != nil {
		if errors.Is(err, protocol.ErrNoRoom) {
			j.header.segment--
		}
		return err
	}
	if err := former.Close(); err != nil {
		return fmt.Errorf("journal: end segment %d: %w", number, err)
	}
	return nil
}

// begin makes the segment of j.header and writes its head: the header, and
// what still matters of all segments before except their batches. It exists
// for good when this returns, and the anchor proves it.
func (j *Journal) begin() error {
	number := j.header.segment
	if err := j.archive.sync(); err != nil { // the head has the base
		return err
	}
	head := j.appendHead(nil)
	file, err := j.create(segmentName(number), head)
	if err != nil {
		return fmt.Errorf("journal: begin segment %d: %w", number, err)
	}
	s := segment{number: number, bytes: int64(len(head)), held: make([]held, j.state.places(j.cfg.Members))}
	if len(j.segments) > 0 {
		copy(s.held, j.open().held)
	}
	j.file = file
	j.segments = append(j.segments, s)
	j.bytes += int64(len(head))
	if err = j.fs.SyncDir(); err == nil {
		err = j.anchor.put(j.proof())
	}
	if err != nil {
		return fmt.Errorf("journal: begin segment %d: %w", number, err)
	}
	j.head = j.open().bytes
	j.shelf.has(number, j.head)
	return nil
}

// create makes a file with a content that is durable. If there is no room for it
// there is no file.
func (j *Journal) create(name string, content []byte) (File, error) {
	file, err := j.fs.Create(name)
	if err != nil {
		return nil, noRoom(err)
	}
	if _, err = file.WriteAt(content, 0); isNoRoom(err) {
		if gone := errors.Join(file.Close(), j.fs.Remove(name)); gone != nil {
			return nil, errors.Join(err, gone) // it is in the way
		}
		return nil, noRoom(err)
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// appendHead writes the head of the segment of j.header.
func (j *Journal) appendHead(p []byte) []byte {
	var rest []byte
	if len(j.segments) > 0 {
		former := j.open()
		rest = appendRecord(rest, kindFormer, appendNumber(nil, uint64(former.bytes)))
		rest = appendRecord(rest, kindHeld, appendHeld(nil, former.held))
	}
	rest = j.state.appendTo(rest)
	j.header.head, j.header.begun = 0, 0
	if now := j.cfg.Now(); !now.IsZero() {
		j.header.begun = uint64(now.UnixMilli())
	}
	size := len(appendRecord(nil, kindHead, appendHeader(nil, j.header)))
	j.header.head = uint64(size + len(rest))
	return append(appendRecord(p, kindHead, appendHeader(nil, j.header)), rest...)
}

// proof is what is known to be durable now.
func (j *Journal) proof() anchor {
	return anchor{identity: j.header.identity, segment: j.open().number, size: uint64(j.open().bytes)}
}

// write adds bytes to the open segment and makes them durable.
func (j *Journal) write(p []byte) error {
	_, err := j.file.WriteAt(p, j.open().bytes)
	if isNoRoom(err) { // nothing was synced, so nothing can be lost that a later write does not repeat
		return fmt.Errorf("journal: write segment %d: %w", j.open().number, noRoom(err))
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("journal: write segment %d: %w: mend the disk and start again, what was acknowledged is safe",
			j.open().number, err)
	}
	j.open().bytes += int64(len(p))
	j.bytes += int64(len(p))
	return nil
}

// forget removes the oldest segments that neither the base nor a reader needs.
// The base is durable by then: it stands in a later segment. Each removal is
// made durable before the next, so that no crash leaves a gap.
func (j *Journal) forget() error {
	for j.covered < len(j.segments)-1 && j.state.covers(j.segments[j.covered].held) {
		s := &j.segments[j.covered]
		if s.limit == 0 {
			s.limit, s.since = j.state.position(), j.cfg.Now()
		}
		j.covered++
	}
	for j.covered > 0 && j.released(&j.segments[0]) {
		if err := j.remove(&j.segments[0]); err != nil {
			return fmt.Errorf("journal: remove segment %d: %w", j.segments[0].number, err)
		}
		j.bytes -= j.segments[0].bytes
		j.segments = j.segments[1:]
		j.covered--
	}
	j.measure()
	if j.archive != nil {
		j.archive.stopAt(j.waitsForReaders())
	}
	return nil
}

func (j *Journal) remove(s *segment) error {
	j.shelf.forget(s.number)
	if j.archive != nil {
		if err := j.archive.forget(s.number, s.top); err != nil {
			return err
		}
	}
	if err := j.fs.Remove(segmentName(s.number)); err != nil {
		return err
	}
	return j.fs.SyncDir()
}
