// Package history keeps the settled part of the log where it can be read again,
// by position.
//
// A [Log] is fed by the node's turn: [Log.Held] with what is held, [Log.Settle]
// with what is delivered. Readers are served at their own pace by [Log.Read],
// and wait for more on a channel; they hold nothing back. What is kept is
// bounded by bytes, by age and by [Log.Compact]. Positions count entries from 1.
//
// The newest part is in memory, and copied, for the buffers that batches arrive
// in are mostly filled with other things and would be kept along. What is older
// is read from an [Archive] on disk, if there is one: then that decides what is
// kept, and the limits here are those of memory.
package history

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Errors of reading.
var (
	// ErrCompacted says that what was asked for is not kept any more.
	ErrCompacted = errors.New("history: compacted")
	// ErrUnknown says that an entry has settled but its place is not known any
	// more.
	ErrUnknown = errors.New("history: the place of the entry is not known any more")
	// ErrCut says that an entry lies beyond the end of its stream: its member was
	// let go, and the entry will never settle.
	ErrCut = errors.New("history: the entry lies beyond the end of its stream")
)

const (
	// chunkBytesMax is the size of the pieces of memory that batches are copied to,
	// unless less is kept.
	chunkBytesMax = 256 << 10
	// chunksKept is how many free ones are kept.
	chunksKept = 16
)

// Config is all that a Log is made from.
type Config struct {
	// Members is how many members there are at first; others may join.
	Members int
	// BytesMax is about how many bytes are kept.
	BytesMax int64
	// AgeMax is how long entries are kept after they settled; 0 sets no limit.
	AgeMax time.Duration
	// Hold keeps what was not compacted, whatever the limits say: then the log
	// is full until it is, see [Log.Full].
	Hold bool
	// Prepare makes the Prepared of a batch that was read from disk. Default:
	// there is none.
	Prepare func(*protocol.Batch) any
	// Now returns the time since any moment; it never falls.
	Now func() time.Duration
}

// Archive has what has settled on disk, by position. It is ahead of the log: what
// the log is given is in the archive already.
type Archive interface {
	// Begin returns the last position that cannot be read any more.
	Begin() uint64
	// Read reads batches after a position, the first one perhaps only in part,
	// and returns the position of the first entry of the first one.
	Read(after uint64, dst []protocol.Batch) (first uint64, n int, err error)
	// Full returns a channel that is closed when more can be taken; nil if it can.
	Full() <-chan struct{}
	// Compact says that nobody needs to read anything up to a position.
	Compact(through uint64)
	// Next reads the batch of a stream that follows so many entries, settled or
	// not.
	Next(origin member.ID, have uint64) (protocol.Batch, error)
	// Newest calls each with the last batches, in order, at most so many.
	Newest(most int, each func(origin member.ID, seq uint64, count uint32, first uint64)) error
}

// Batch is a settled batch with its place.
type Batch struct {
	protocol.Batch
	First   uint64 // position of its first entry
	settled time.Duration
}

// LastPosition returns the position of its last entry.
func (b *Batch) LastPosition() uint64 { return b.First + uint64(b.Count) - 1 }

// Log is the settled part of the log. It is safe for concurrent use.
type Log struct {
	config     Config
	chunkBytes int
	pool       *protocol.Pool

	mu        sync.Mutex // guards all below
	archive   Archive    // nil: there is only memory
	batches   []Batch    // kept, in order
	bytes     int64      // of them
	end       uint64     // the last position that has settled
	compacted uint64     // up to here nobody needs anything
	places    places
	followed  uint64               // the number of the view by which streams end
	cuts      map[member.ID]uint64 // of streams that end after so many entries
	tail      tail
	chunk     *protocol.Buffer
	free      int           // where in chunk the next batch may begin
	changed   chan struct{} // closed when there is more to read; nil: nobody waits
	emptied   chan struct{} // closed when the log is not full any more; nil: it is not
	over      error         // why nothing more will come
}

// NewLog returns an empty log.
func NewLog(config Config) *Log {
	chunkBytes := int(min(max(config.BytesMax, 0), chunkBytesMax))
	return &Log{
		config: config, chunkBytes: chunkBytes, pool: protocol.NewPool(chunkBytes, chunksKept),
		places: newPlaces(config.Members), cuts: map[member.ID]uint64{}, tail: newTail(config.Members),
	}
}

// Attach gives the log an archive, before anything else happens to it.
func (l *Log) Attach(archive Archive) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.archive = archive
	l.config.Hold, l.config.AgeMax = false, 0
}

// Begin lets the log begin after so many entries of each stream, which are not
// kept: those that a member had trimmed when it restarted, or that a snapshot
// of a peer stands for.
func (l *Log) Begin(have []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(len(l.batches))
	l.end = 0
	for _, entries := range have {
		l.end += entries
	}
	l.grow(len(have))
	l.places.begin(have)
	l.tail.begin(have)
	if l.archive != nil {
		// What cannot be read is not known; nothing else depends on it.
		_ = l.archive.Newest(placesMax, func(origin member.ID, seq uint64, count uint32, first uint64) {
			l.grow(int(origin) + 1)
			l.places.add(&Batch{Batch: protocol.Batch{Origin: origin, Seq: seq, Count: count}, First: first})
		})
	}
	l.wake()
}

// grow makes room for streams up to a number of them: somebody joined.
func (l *Log) grow(streams int) {
	if more := streams - len(l.tail.streams); more > 0 {
		l.places.streams = append(l.places.streams, make([]stream, more)...)
		l.tail.streams = append(l.tail.streams, make([]rest, more)...)
	}
}

// Settle adds the next batches of the order.
func (l *Log) Settle(batches []protocol.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	for i := range batches {
		b := Batch{Batch: l.copied(&batches[i]), First: l.end + 1, settled: now}
		l.end += uint64(b.Count)
		l.bytes += int64(b.Size())
		l.batches = append(l.batches, b)
		l.places.add(&b)
		l.tail.settle(&batches[i])
	}
	l.trim(now)
	l.wake()
}

// copied returns a batch in memory of the log's own, with a reference to it.
func (l *Log) copied(b *protocol.Batch) protocol.Batch {
	kept := *b
	if len(b.Bytes) > l.chunkBytes {
		kept.Bytes, kept.Buffer = slices.Clone(b.Bytes), nil
		return kept
	}
	if l.chunk == nil || l.free+len(b.Bytes) > l.chunkBytes {
		l.chunk.Release()
		l.chunk, l.free = l.pool.Get(), 0
	}
	n := copy(l.chunk.Bytes[l.free:], b.Bytes)
	kept.Bytes, kept.Buffer = l.chunk.Bytes[l.free:l.free+n:l.free+n], l.chunk
	kept.Buffer.Retain()
	l.free += (n + 7) &^ 7 // entries of 8 bytes stay aligned
	return kept
}

// trim drops what is beyond the limits or was compacted.
func (l *Log) trim(now time.Duration) {
	count, bytes := 0, l.bytes
	for ; count < len(l.batches); count++ {
		b := &l.batches[count]
		spare := b.LastPosition() <= l.compacted
		tooMuch := bytes > l.config.BytesMax && count < len(l.batches)-1
		tooOld := l.config.AgeMax > 0 && now-b.settled > l.config.AgeMax
		if !spare && (l.config.Hold || !tooMuch && !tooOld) {
			break
		}
		bytes -= int64(b.Size())
	}
	l.drop(count)
	switch full := l.config.Hold && l.bytes > l.config.BytesMax; {
	case full && l.emptied == nil:
		l.emptied = make(chan struct{})
	case !full && l.emptied != nil:
		close(l.emptied)
		l.emptied = nil
	}
}

// drop forgets the first batches that are kept.
func (l *Log) drop(count int) {
	for i := range l.batches[:count] {
		l.bytes -= int64(l.batches[i].Size())
		l.batches[i].Buffer.Release()
	}
	clear(l.batches[:count])
	l.batches = l.batches[count:]
}

func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Compact says that nobody needs anything up to a position, as far as that has
// settled.
func (l *Log) Compact(through uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if through = min(through, l.end); through > l.compacted {
		l.compacted = through
		if l.archive != nil {
			l.archive.Compact(through)
		}
		l.trim(l.config.Now())
	}
}

// Full returns a channel that is closed once the log has room again, and nil if
// it has: only a log that holds what was not compacted can be full.
func (l *Log) Full() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.archive != nil && l.over == nil {
		return l.archive.Full()
	}
	return l.emptied
}

// Read fills dst with batches after a position, the first one perhaps only
// in part, each with a reference that the caller gives back by Buffer.Release.
// If there are none yet, more is closed when there may be. The error is
// ErrCompacted, or why there will be no more.
func (l *Log) Read(after uint64, dst []Batch) (n int, more <-chan struct{}, err error) {
	if archive := l.archiveFor(after); archive != nil {
		n, err = l.readArchive(archive, after, dst)
		return n, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read(after, dst)
}

// archiveFor returns the archive if what comes after a position is there and
// not in memory.
func (l *Log) archiveFor(after uint64) Archive {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.archive == nil || after >= l.inMemory() {
		return nil
	}
	return l.archive
}

// readArchive reads what is not in memory, without keeping others from the log
// meanwhile.
func (l *Log) readArchive(archive Archive, after uint64, dst []Batch) (n int, err error) {
	batches := make([]protocol.Batch, len(dst))
	first, n, err := archive.Read(after, batches)
	for i := range n {
		if l.config.Prepare != nil {
			batches[i].Prepared = l.config.Prepare(&batches[i])
		}
		dst[i] = Batch{Batch: batches[i], First: first}
		first += uint64(batches[i].Count)
	}
	if n > 0 {
		return n, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch begin := archive.Begin(); {
	case after < begin:
		return 0, compacted(after, begin)
	case l.over != nil:
		return 0, l.over
	case err == nil:
		err = errors.New("history: settled entries are missing on disk")
	}
	return 0, err
}

func compacted(after, begin uint64) error {
	return fmt.Errorf("%w: position %d, the first that is kept here is %d: what is before it was let go, or settled while this member was away or before it came; others, or a backup, may have it", ErrCompacted, after+1, begin+1)
}

func (l *Log) read(after uint64, dst []Batch) (n int, more <-chan struct{}, err error) {
	l.trim(l.config.Now())
	if after < l.begin() {
		return 0, nil, compacted(after, l.begin())
	}
	first := sort.Search(len(l.batches), func(i int) bool { return l.batches[i].LastPosition() > after })
	n = copy(dst, l.batches[first:])
	for i := range dst[:n] {
		dst[i].Buffer.Retain()
	}
	if n > 0 {
		return n, nil, nil
	}
	if l.over != nil {
		return 0, nil, l.over
	}
	return 0, l.more(), nil
}

func (l *Log) more() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// begin returns the position before the first that can be read.
func (l *Log) begin() uint64 {
	if l.archive != nil {
		return l.archive.Begin()
	}
	return l.inMemory()
}

// inMemory returns the position before the first that is in memory.
func (l *Log) inMemory() uint64 {
	if len(l.batches) == 0 {
		return l.end
	}
	return l.batches[0].First - 1
}

// Place returns the position of an entry of a stream. If it has not settled
// yet, more is closed when it may have. The error is ErrUnknown, ErrCut, or why it
// never will settle here.
func (l *Log) Place(origin member.ID, seq uint64) (position uint64, more <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	position, settled := l.places.find(origin, seq)
	cut, isCut := l.cuts[origin]
	switch {
	case settled && position == 0:
		return 0, nil, ErrUnknown
	case settled:
		return position, nil, nil
	case isCut && seq > cut:
		return 0, nil, ErrCut
	case l.over != nil:
		return 0, nil, l.over
	}
	return 0, l.more(), nil
}

// Extent is what a log has at a moment.
type Extent struct {
	Oldest  uint64   // the first position that is kept; Settled+1 if none is
	Settled uint64   // the last position
	Bytes   int64    // kept
	Have    []uint64 // entries of each stream up to Settled
}

// Extent returns what the log has.
func (l *Log) Extent() Extent {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim(l.config.Now())
	e := Extent{Oldest: l.begin() + 1, Settled: l.end, Bytes: l.bytes, Have: make([]uint64, len(l.places.streams))}
	for i := range e.Have {
		e.Have[i] = l.places.streams[i].have
	}
	return e
}

// Settled returns the last position.
func (l *Log) Settled() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// UpTo returns the position of the last entry that is not later than a time;
// of what is not kept any more, all counts.
func (l *Log) UpTo(time clock.Time) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	after := sort.Search(len(l.batches), func(i int) bool { return l.batches[i].Time > time })
	if after == 0 {
		return l.inMemory()
	}
	return l.batches[after-1].LastPosition()
}

// Close lets readers end with an error once they have read everything.
func (l *Log) Close(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == nil {
		l.over = why
	}
	l.wake()
	if l.emptied != nil {
		close(l.emptied)
		l.emptied = nil
	}
	l.config.Hold = false // nobody waits for room any more
}
