package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// shelf finds the batches of a stream in the segments, by the number of their
// first entry: those that a member has parked, and those that settle. Where the
// newest ones lie it knows exactly; of those before only where one lies now and
// then, and reads on from there. So what is written costs next to no memory. It
// may be used by several goroutines.
type shelf struct {
	handles   *handles
	newestMax int // batches of a stream of which it is known where they lie

	mu      sync.Mutex // guards all below
	streams [][]track  // of each stream, by the life of its origin
	sizes   map[uint64]int64
	spots   [spotsMax]spotted // where batches were found last, a ring
	spot    int
	pages   [pagesMax]page // what was read last, a ring
	page    int
}

// track is where the batches of one life of an origin lie, in the order of their
// numbers.
type track struct {
	identity member.Identity
	newest   []placed // each; those that are not durable have segment 0
	marks    []placed // of those before one now and then
}

// placed is where a batch lies, by the number of its first entry.
type placed struct {
	seq uint64
	at  ref
}

// spotted is where a batch of a stream was found.
type spotted struct {
	origin   member.ID
	identity member.Identity // 0: nothing was
	placed
}

// page is a part of a segment in memory. Nobody writes to it.
type page struct {
	segment uint64 // 0: there is none
	from    int64
	data    []byte
}

const (
	markEvery = 256 << 10 // bytes between two marks of a stream
	pageBytes = 256 << 10 // that are read at a time, but for one batch that is larger
	pagesMax  = 8         // that are kept, for those who read on
)

func newShelf(fs FS, cfg *Config) *shelf {
	return &shelf{
		handles: newHandles(fs), newestMax: cfg.PlacesMax,
		streams: make([][]track, cfg.Members), sizes: map[uint64]int64{},
	}
}

// track returns that of a life of an origin; it begins one if there is none.
func (s *shelf) track(origin member.ID, identity member.Identity) *track {
	for int(origin) >= len(s.streams) { // a place that is new
		s.streams = append(s.streams, nil)
	}
	all := s.streams[origin]
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].identity == identity {
			return &all[i]
		}
	}
	s.streams[origin] = append(all, track{identity: identity})
	return &s.streams[origin][len(all)]
}

// note notes where a batch lies that comes after all others of its track.
func (s *shelf) note(b *protocol.Batch, at ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.track(b.Origin, b.Identity)
	t.newest = append(t.newest, placed{b.Seq, at})
	t.thin(s.newestMax)
}

// written notes where the group was written: at is what is before it in a
// segment that has size bytes now.
func (s *shelf) written(segment uint64, at, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[segment] = size
	for origin := range s.streams {
		for i := range s.streams[origin] {
			s.streams[origin][i].written(segment, at, s.newestMax)
		}
	}
}

func (t *track) written(segment uint64, at int64, most int) {
	for i := len(t.newest) - 1; i >= 0 && t.newest[i].at.segment == 0; i-- {
		t.newest[i].at.segment = segment
		t.newest[i].at.offset += at
	}
	t.thin(most)
}

// thin leaves of the oldest only marks.
func (t *track) thin(most int) {
	for len(t.newest) > most && t.newest[0].at.segment > 0 {
		next := t.newest[0]
		t.newest = t.newest[1:]
		if last := len(t.marks) - 1; last < 0 || t.marks[last].at.segment != next.at.segment || t.marks[last].at.offset+markEvery <= next.at.offset {
			t.marks = append(t.marks, next)
		}
	}
}

// has notes how many bytes of a segment count.
func (s *shelf) has(segment uint64, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[segment] = bytes
}

// forget forgets a segment that is to be removed.
func (s *shelf) forget(segment uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sizes, segment)
	s.handles.doom(segment)
	for origin := range s.streams {
		for i := range s.streams[origin] {
			t := &s.streams[origin][i]
			for len(t.marks) > 0 && t.marks[0].at.segment <= segment {
				t.marks = t.marks[1:]
			}
		}
	}
}

// find returns where a batch lies that is durable.
func (s *shelf) find(b *protocol.Batch) (ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.track(b.Origin, b.Identity)
	if len(t.newest) > 0 && t.newest[0].seq <= b.Seq {
		i := sort.Search(len(t.newest), func(i int) bool { return t.newest[i].seq > b.Seq }) - 1
		if t.newest[i].seq != b.Seq || t.newest[i].at.segment == 0 {
			return ref{}, errors.New("the batch is not in the journal")
		}
		return t.newest[i].at, nil
	}
	from, spot := s.before(t, b)
	if from.seq == b.Seq {
		return from.at, nil
	}
	at, err := s.search(b, from.at)
	if err == nil {
		s.spots[spot] = spotted{b.Origin, b.Identity, placed{b.Seq, at}}
	}
	return at, err
}

// before returns the last place that is known of the batches up to one, and
// which spot to replace when that one is found. From the oldest segment on all
// is looked through if nothing is known.
func (s *shelf) before(t *track, b *protocol.Batch) (from placed, spot int) {
	i := sort.Search(len(t.marks), func(i int) bool { return t.marks[i].seq > b.Seq })
	if i > 0 {
		from = t.marks[i-1]
	}
	spot = -1
	for i := range s.spots {
		one := &s.spots[i]
		gone := one.identity != 0 && s.sizes[one.at.segment] == 0
		if !gone && one.origin == b.Origin && one.identity == b.Identity && one.seq <= b.Seq && one.seq >= from.seq {
			from, spot = one.placed, i
		}
	}
	if spot < 0 {
		spot = s.spot
		s.spot = (s.spot + 1) % spotsMax
	}
	return from, spot
}

// search looks for a batch from the record at a place on.
func (s *shelf) search(b *protocol.Batch, at ref) (ref, error) {
	if at.segment == 0 {
		at.segment, at.offset = s.oldest(), 0
	}
	for {
		if at.offset >= s.sizes[at.segment] {
			at.segment, at.offset = at.segment+1, 0
			if s.sizes[at.segment] == 0 {
				return ref{}, fmt.Errorf("entry %d of member %d is in no segment: %w", b.Seq, b.Origin, ErrDamaged)
			}
		}
		k, size, head, err := s.peek(at)
		if err != nil {
			return ref{}, err
		}
		at.size = size
		if k == kindBatch && head.Origin == b.Origin && head.Identity == b.Identity && head.Seq >= b.Seq {
			if head.Seq == b.Seq {
				return at, nil
			}
			return ref{}, fmt.Errorf("segment %d at byte %d: entry %d of member %d where %d is looked for: %w",
				at.segment, at.offset, head.Seq, b.Origin, b.Seq, ErrDamaged)
		}
		at.offset += int64(size)
	}
}

func (s *shelf) oldest() uint64 {
	oldest := uint64(0)
	for segment := range s.sizes {
		if oldest == 0 || segment < oldest {
			oldest = segment
		}
	}
	return oldest
}

// reread lets go of what is in memory of segments: it may have been mended.
func (s *shelf) reread() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pages[:])
}

// peek returns the kind and size of the record at a place, and of a batch whose
// it is. It does not look whether the record is whole.
func (s *shelf) peek(at ref) (k kind, size int, head protocol.Batch, err error) {
	data, err := s.read(at, recordHeaderBytes)
	if err != nil {
		return 0, 0, head, err
	}
	word := binary.LittleEndian.Uint32(data)
	k, size = kind(word>>24), recordHeaderBytes+int(word&recordBytesMax)
	if k == 0 || at.offset+int64(size) > s.sizes[at.segment] {
		return 0, 0, head, fmt.Errorf("segment %d at byte %d: %w: %w", at.segment, at.offset, errTorn, ErrDamaged)
	}
	if k == kindBatch && size >= recordHeaderBytes+wire.BatchHeaderBytes {
		if data, err = s.read(at, recordHeaderBytes+wire.BatchHeaderBytes); err == nil {
			head = wire.PlaceOf(data[recordHeaderBytes:])
		}
	}
	return k, size, head, err
}

// read returns the bytes of a segment from a place on, at least so many.
func (s *shelf) read(at ref, need int) ([]byte, error) {
	for i := range s.pages {
		p := &s.pages[i]
		if begin := at.offset - p.from; p.segment == at.segment && begin >= 0 && begin+int64(need) <= int64(len(p.data)) {
			return p.data[begin:], nil
		}
	}
	size := min(int64(max(need, pageBytes)), s.sizes[at.segment]-at.offset)
	if size < int64(need) {
		return nil, fmt.Errorf("segment %d at byte %d: %w: %w", at.segment, at.offset, errTorn, ErrDamaged)
	}
	s.mu.Unlock() // others go on meanwhile
	data, err := s.handles.read(at, int(size))
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	s.pages[s.page] = page{at.segment, at.offset, data}
	s.page = (s.page + 1) % pagesMax
	return data, nil
}

// load reads the bytes of a batch.
func (s *shelf) load(b *protocol.Batch) error {
	at, err := s.find(b)
	if err != nil {
		return err
	}
	found, err := s.batch(at)
	switch {
	case err != nil:
		return err
	case !isAgain(&found, b):
		return fmt.Errorf("segment %d at byte %d: another batch than was kept: %w", at.segment, at.offset, ErrDamaged)
	}
	b.Bytes, b.Parked = found.Bytes, 0
	return nil
}

// isAgain reports whether a batch is the one that was parked.
func isAgain(found, parked *protocol.Batch) bool {
	return found.Origin == parked.Origin && found.Identity == parked.Identity && found.Seq == parked.Seq && found.Count == parked.Count &&
		found.Time == parked.Time && found.Size() == parked.Size()
}

// next reads the batch of a stream that follows so many entries, of the newest of
// the lives of its origin that has one.
func (s *shelf) next(origin member.ID, have uint64) (protocol.Batch, error) {
	b := protocol.Batch{Origin: origin, Seq: have + 1}
	var lives []member.Identity
	s.mu.Lock()
	if int(origin) < len(s.streams) {
		for i := range s.streams[origin] {
			lives = append(lives, s.streams[origin][i].identity)
		}
	}
	s.mu.Unlock()
	err := errors.New("nothing of that member is in the journal")
	for _, life := range slices.Backward(lives) {
		var at ref
		b.Identity = life
		if at, err = s.find(&b); err == nil {
			return s.batch(at)
		}
	}
	return b, err
}

// batch reads the batch at a place.
func (s *shelf) batch(at ref) (b protocol.Batch, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := s.read(at, at.size)
	if err != nil {
		return b, err
	}
	k, body, _, err := nextRecord(data[:at.size])
	if err == nil && k == kindBatch {
		_, err = wire.DecodeBatch(body, &b)
	}
	if err != nil || k != kindBatch {
		return b, fmt.Errorf("segment %d at byte %d: %w", at.segment, at.offset, errors.Join(err, ErrDamaged))
	}
	return b, nil
}

// each calls visit with the batches of a segment, in order, until it returns
// false.
func (s *shelf) each(segment uint64, visit func(protocol.Batch) bool) (more bool, err error) {
	s.mu.Lock()
	end := s.sizes[segment]
	s.mu.Unlock()
	for at := (ref{segment: segment}); at.offset < end; at.offset += int64(at.size) {
		s.mu.Lock()
		k, size, _, err := s.peek(at)
		s.mu.Unlock()
		if err != nil {
			return false, err
		}
		if at.size = size; k != kindBatch {
			continue
		}
		b, err := s.batch(at)
		if err != nil || !visit(b) {
			return false, err
		}
	}
	return true, nil
}

// older returns what a start did not read into memory: the batches of the older
// parts that are not passed over, in the order in which they were kept. An
// error while they are read ends the journal.
func (j *Journal) older(parts []*part) iter.Seq[protocol.Batch] {
	recovered := j.state // as of the start
	recovered.base.Have = slices.Clone(j.state.base.Have)
	return func(yield func(protocol.Batch) bool) {
		for _, p := range parts {
			if !p.older || p.covered {
				continue
			}
			more, err := j.shelf.each(p.number, func(b protocol.Batch) bool {
				return recovered.passes(&b) || yield(b)
			})
			if err != nil && j.failed == nil {
				j.failed = fmt.Errorf("journal: recover: %w", err)
			}
			if !more {
				return
			}
		}
	}
}

// Load reads the bytes of a parked batch.
func (j *Journal) Load(b *protocol.Batch) error {
	if err := j.shelf.load(b); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Bytes returns the size of the folder, in bytes. Any goroutine may ask.
func (j *Journal) Bytes() int64 { return j.size.Load() }

// IsFull reports whether the folder has the size that it may have.
func (j *Journal) IsFull() bool { return j.cfg.BytesMax > 0 && j.Bytes() >= j.cfg.BytesMax }

// measure notes the size of the folder.
func (j *Journal) measure() {
	j.size.Store(j.bytes + j.archive.bytes() + anchorPlaces*anchorPlaceBytes)
}

// Err returns why the journal cannot be used any more; nil if it can.
func (j *Journal) Err() error { return j.failed }
