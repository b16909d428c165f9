package journal

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Retain says what is kept to be read again, besides what is needed anyway.
// The zero value keeps everything until it is compacted.
type Retain struct {
	// Bytes is about how many bytes of segments are kept at most; 0 sets no
	// limit.
	Bytes int64
	// Age is how long entries are kept at most after all members held them; 0
	// sets no limit.
	Age time.Duration
	// Hold keeps what was not compacted, whatever Bytes and Age say.
	Hold bool
}

// Archive has the settled part of the log, by position: the batches lie in the
// segments, once, and the index says where. Positions count entries from 1. Its
// methods may be called by any goroutine.
type Archive struct {
	fs       FS
	bytesMax int // of a file of the index
	shelf    *shelf

	mu      sync.Mutex // guards all below; the journal's goroutine alone changes files and pending
	files   []*indexFile
	pending []byte // records that are not written yet
	dirty   bool   // what is written is not synced yet
	begin   uint64 // the last position that cannot be read any more
	end     uint64 // the last position that has settled
	handles *handles
	lives   []member.Identity // of each stream, as far as known; 0 of those whose writer came back: they have several
	mixed   member.Set        // these
	spots   [spotsMax]spot    // where the last readers stopped, a ring
	spot    int               // the next one in it
	closed  bool

	needed  uint64        // up to here readers have to let go; 0: need not
	emptied chan struct{} // closed when they did; nil: they need not
}

// spot is where a reader goes on: the record of the index whose batch follows a
// position. With it a reader need not search.
type spot struct {
	after  uint64
	file   *indexFile // nil: it has to search
	number int
}

// spotsMax is how many readers need not search.
const spotsMax = 16

// Begin returns the last position that cannot be read any more; 0 if all can.
func (a *Archive) Begin() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begin
}

// End returns the last position that has settled.
func (a *Archive) End() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.end
}

// Compact says that nobody needs to read anything up to a position, as far as
// that has settled: it cannot be read any more, and its segments go once the
// journal does not need them either.
func (a *Archive) Compact(through uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin = max(a.begin, min(through, a.end))
	a.letGo()
}

// Full returns a channel that is closed when the folder, which is full with what
// is held for readers, can take more; nil if it can.
func (a *Archive) Full() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.emptied
}

// stopAt says up to where readers have to let go; 0: they need not.
func (a *Archive) stopAt(needed uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.needed = needed; needed > 0 && a.emptied == nil {
		a.emptied = make(chan struct{})
	}
	a.letGo()
}

func (a *Archive) letGo() {
	if a.emptied != nil && (a.begin >= a.needed || a.closed) {
		close(a.emptied)
		a.emptied = nil
	}
}

// Read reads batches after a position into dst, the first one perhaps only in
// part, and returns the position of the first entry of the first one: the others
// follow without a gap. There are none if nothing after it has settled yet. An
// error for a position that is not below Begin tells of damage.
func (a *Archive) Read(after uint64, dst []protocol.Batch) (first uint64, n int, err error) {
	entries, from, err := a.lookUp(after, len(dst))
	if err != nil || len(entries) == 0 {
		return 0, 0, err
	}
	if n, err = a.load(entries, dst); n > 0 && from.file != nil {
		a.leave(spot{entries[n-1].last(), from.file, from.number + n})
	}
	return entries[0].first, n, err
}

// Next reads the batch of a stream that follows so many entries, settled or not.
// The base must not cover it.
func (a *Archive) Next(origin member.ID, have uint64) (protocol.Batch, error) {
	b, err := a.shelf.next(origin, have)
	if err != nil {
		err = fmt.Errorf("journal: %w", err)
	}
	return b, err
}

// leave remembers where a reader goes on.
func (a *Archive) leave(at spot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spots[a.spot] = at
	a.spot = (a.spot + 1) % spotsMax
}

// Newest calls each with the last batches that have settled, in order, at most
// so many: the stream, the numbers of the first entry and of all entries, and
// the position of the first one.
func (a *Archive) Newest(most int, each func(origin member.ID, seq uint64, count uint32, first uint64)) error {
	entries, err := a.lastEntries(most)
	for i := range entries {
		e := &entries[i]
		each(e.origin, e.seq, e.count, e.first)
	}
	return err
}

// PositionOf returns the position of an entry of a stream; 0 if it is not in the
// index. It looks through the index from its end.
func (a *Archive) PositionOf(origin member.ID, seq uint64) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	pending, err := decodeEntries(a.pending)
	if position, found := positionIn(pending, origin, seq); found || err != nil {
		return position
	}
	for i := len(a.files) - 1; i >= 0; i-- {
		for end := a.files[i].records; end > 0; end -= scanRecords {
			from := max(end-scanRecords, 0)
			part, err := a.files[i].read(from, end-from)
			if position, found := positionIn(part, origin, seq); found || err != nil {
				return position
			}
		}
	}
	return 0
}

// positionIn looks for an entry in a part of the index. It is found, or not there
// at all, once an entry of its stream comes that is not behind it.
func positionIn(entries []entry, origin member.ID, seq uint64) (position uint64, found bool) {
	for i := len(entries) - 1; i >= 0; i-- {
		e := &entries[i]
		if e.origin != origin || e.seq > seq {
			continue
		}
		if seq < e.seq+uint64(e.count) {
			position = e.first + seq - e.seq
		}
		return position, true
	}
	return 0, false
}

func (a *Archive) lastEntries(most int) ([]entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	pending, err := decodeEntries(a.pending)
	if err != nil {
		return nil, err
	}
	parts, total := [][]entry{pending}, len(pending)
	for i := len(a.files) - 1; i >= 0 && total < most; i-- {
		f := a.files[i]
		count := min(most-total, f.records)
		part, err := f.read(f.records-count, count)
		if err != nil {
			return nil, err
		}
		parts, total = append(parts, part), total+count
	}
	var all []entry
	for i := len(parts) - 1; i >= 0; i-- {
		all = append(all, parts[i]...)
	}
	return all[max(0, len(all)-most):], nil
}

// lookUp returns where the batches after a position lie, at most so many, and
// where in the index that was found, if it is written.
func (a *Archive) lookUp(after uint64, most int) ([]entry, spot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return nil, spot{}, errors.New("journal: read after it was closed")
	case after < a.begin:
		return nil, spot{}, fmt.Errorf("journal: position %d is not kept any more", after+1)
	case after >= a.end:
		return nil, spot{}, nil
	}
	if len(a.pending) > 0 {
		if oldest, err := decodeEntry(a.pending); err != nil || oldest.first <= after+1 {
			entries, err := a.waiting(after, most)
			return entries, spot{}, err
		}
	}
	at, err := a.search(after)
	if err != nil {
		return nil, spot{}, fmt.Errorf("journal: position %d in the index: %w", after+1, err)
	}
	entries, err := at.file.read(at.number, min(most, at.file.records-at.number))
	if err == nil && (entries[0].first > after+1 || entries[0].last() <= after) {
		err = fmt.Errorf("journal: position %d is not where the index has it: %w", after+1, ErrDamaged)
	}
	return entries, at, err
}

// waiting returns what of that is not written yet.
func (a *Archive) waiting(after uint64, most int) ([]entry, error) {
	number := sort.Search(len(a.pending)/entryBytes, func(i int) bool {
		e, err := decodeEntry(a.pending[i*entryBytes:])
		return err != nil || e.last() > after
	})
	rest := a.pending[number*entryBytes:]
	return decodeEntries(rest[:min(len(rest), most*entryBytes)])
}

// search finds the record of the index whose batch follows a position.
func (a *Archive) search(after uint64) (spot, error) {
	for _, at := range a.spots {
		if at.after == after && slices.Contains(a.files, at.file) && at.number < at.file.records {
			return at, nil
		}
	}
	i := sort.Search(len(a.files), func(i int) bool { return a.files[i].first > after+1 }) - 1
	if i < 0 {
		return spot{}, ErrDamaged
	}
	f := a.files[i]
	number, err := f.find(after)
	if err == nil && number == f.records {
		err = ErrDamaged
	}
	return spot{after, f, number}, err
}

// settle puts a batch into the index.
func (a *Archive) settle(b *protocol.Batch, at ref) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = appendEntry(a.pending, entryOf(b, a.end+1, at))
	if int(b.Origin) < len(a.lives) {
		switch known := &a.lives[b.Origin]; {
		case *known == 0 && !a.mixed.Has(b.Origin):
			*known = b.Identity
		case *known != b.Identity:
			*known = 0
			a.mixed.Add(b.Origin)
		}
	}
	a.end += uint64(b.Count)
}

// reset begins anew behind a position: what is before it is not the log that
// goes on.
func (a *Archive) reset(position uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = a.pending[:0]
	a.begin, a.end = position, position
	return a.dropFiles(len(a.files))
}

// write writes what waits, once it is enough or if all is wanted.
func (a *Archive) write(all bool) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pending) == 0 || !all && len(a.pending) < min(indexBytesKept, a.bytesMax) {
		return nil
	}
	for len(a.pending) > 0 {
		if err := a.writePart(); err != nil {
			return err
		}
	}
	return nil
}

// writePart writes as much of what waits as a file of the index may have: one that
// got more would stay, for the last one does, however full the folder is.
func (a *Archive) writePart() error {
	if err := a.roll(); err != nil {
		return fmt.Errorf("journal: index: %w", err)
	}
	f := a.files[len(a.files)-1]
	part := a.pending[:min(len(a.pending), entryBytes*max(1, a.bytesMax/entryBytes-f.records))]
	if _, err := f.handle.file.WriteAt(part, int64(f.records)*entryBytes); err != nil {
		return fmt.Errorf("journal: write index %d: %w", f.first, noRoom(err))
	}
	f.records += len(part) / entryBytes
	a.pending, a.dirty = a.pending[:copy(a.pending, a.pending[len(part):])], true
	return nil
}

// roll begins another file if there is none or it is full.
func (a *Archive) roll() error {
	if last := len(a.files) - 1; last >= 0 {
		if a.files[last].records*entryBytes < a.bytesMax {
			return nil
		}
		if err := a.files[last].handle.file.Sync(); err != nil {
			return err
		}
	}
	next, err := decodeEntry(a.pending)
	if err != nil {
		return err
	}
	file, err := a.fs.Create(indexName(next.first))
	if err != nil {
		return noRoom(err)
	}
	a.files = append(a.files, &indexFile{first: next.first, handle: &handle{file: file}})
	return a.fs.SyncDir()
}

// sync makes the index durable as far as anything has settled.
func (a *Archive) sync() error {
	if a == nil {
		return nil
	}
	if err := a.write(true); err != nil || !a.dirty {
		return err
	}
	a.dirty = false
	if err := a.files[len(a.files)-1].handle.file.Sync(); err != nil {
		return fmt.Errorf("journal: sync index: %w", err)
	}
	return nil
}

// bytes returns the size of the index.
func (a *Archive) bytes() int64 {
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	records := 0
	for _, f := range a.files {
		records += f.records
	}
	return int64(records * entryBytes)
}

// forget gives up what lies up to a position, before the segment with it is
// removed.
func (a *Archive) forget(segment, through uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin = max(a.begin, through)
	a.handles.doom(segment)
	count := 0
	for count+1 < len(a.files) && a.files[count+1].first <= a.begin+1 {
		count++
	}
	return a.dropFiles(count)
}

// dropFiles removes the first files of the index.
func (a *Archive) dropFiles(count int) error {
	for _, f := range a.files[:count] {
		if err := errors.Join(f.handle.file.Close(), a.fs.Remove(indexName(f.first))); err != nil {
			return fmt.Errorf("journal: remove index %d: %w", f.first, err)
		}
	}
	a.files = a.files[count:]
	return nil
}

func (a *Archive) close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.letGo()
	a.handles.closeAll()
	var err error
	for _, f := range a.files {
		err = errors.Join(err, f.handle.file.Close())
	}
	return err
}
