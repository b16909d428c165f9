package history

import (
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// tail is what is held and has not settled, for those who watch. If there is an
// archive only the newest part is in memory.
type tail struct {
	streams []rest
	count   uint64 // arrivals so far
	bytes   int64  // of all batches in memory
}

// rest is the tail of one stream.
type rest struct {
	arrivals []arrival
	gone     uint64        // the last entry of those that are only in the archive
	time     clock.Time    // no batch is earlier of those that have not settled
	at       time.Duration // when the first of these came
}

type arrival struct {
	number uint64
	at     time.Duration
	batch  protocol.Batch // with a reference
}

func newTail(members int) tail { return tail{streams: make([]rest, members)} }

func (t *tail) add(b *protocol.Batch, at time.Duration) {
	b.Buffer.Retain()
	t.count++
	t.bytes += int64(b.Size())
	s := &t.streams[b.Origin]
	s.arrivals = append(s.arrivals, arrival{t.count, at, *b})
}

// settle forgets what a settled batch ends, or leaves behind.
func (t *tail) settle(b *protocol.Batch) {
	s := &t.streams[b.Origin]
	s.time = b.Time + 1
	for len(s.arrivals) > 0 && s.arrivals[0].batch.Seq <= b.Seq {
		t.drop(s)
	}
}

// begin forgets what has settled by so many entries of each stream.
func (t *tail) begin(have []uint64) {
	for i := range min(len(t.streams), len(have)) {
		s := &t.streams[i]
		for len(s.arrivals) > 0 && s.arrivals[0].batch.Last() <= have[i] {
			t.drop(s)
		}
	}
}

// first returns the time of the first batch, or one before it, and when it came,
// or when one before it did; have is how many entries have settled. It reports
// whether there is any.
func (s *rest) first(have uint64) (time clock.Time, at time.Duration, there bool) {
	switch {
	case s.gone > have:
		return s.time, s.at, true
	case len(s.arrivals) > 0:
		return s.arrivals[0].batch.Time, s.arrivals[0].at, true
	}
	return 0, 0, false
}

// keep forgets what a stream does not have.
func (t *tail) keep(s *rest, has func(*protocol.Batch) bool) {
	kept := s.arrivals[:0]
	for i := range s.arrivals {
		if b := &s.arrivals[i].batch; !has(b) {
			t.bytes -= int64(b.Size())
			b.Buffer.Release()
			continue
		}
		kept = append(kept, s.arrivals[i])
	}
	clear(s.arrivals[len(kept):])
	s.arrivals = kept
}

// drop takes the first arrival of a stream out of memory.
func (t *tail) drop(s *rest) {
	first := &s.arrivals[0].batch
	t.bytes -= int64(first.Size())
	first.Buffer.Release()
	s.arrivals[0] = arrival{}
	s.arrivals = s.arrivals[1:]
}

// shorten leaves the newest batches in memory that have no more bytes than
// that.
func (t *tail) shorten(bytesMax int64, places *places) {
	for t.bytes > bytesMax {
		var oldest *rest
		settled := uint64(0)
		for i := range t.streams {
			s := &t.streams[i]
			if len(s.arrivals) > 0 && (oldest == nil || s.arrivals[0].number < oldest.arrivals[0].number) {
				oldest, settled = s, places.streams[i].have
			}
		}
		first := &oldest.arrivals[0]
		if oldest.gone <= settled {
			oldest.time, oldest.at = first.batch.Time, first.at
		}
		oldest.gone = first.batch.Last()
		t.drop(oldest)
	}
}

// tailShare is the part of the memory for the tail, if there is an archive.
const tailShare = 4

// Held adds batches that are held from now on. What has settled already needs no
// word.
func (l *Log) Held(batches []protocol.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	for i := range batches {
		if b := &batches[i]; b.Last() > l.places.streams[b.Origin].have {
			l.tail.add(b, now)
		}
	}
	if l.archive != nil {
		l.tail.shorten(l.config.BytesMax/tailShare, &l.places)
	}
	l.wake()
}

// Follow takes up a view: the streams of who was let go end, those of who came
// back go on, and those of who joined begin. What was held beyond an end is forgotten, and whoever waits for it is
// told.
func (l *Log) Follow(v *member.View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grow(len(v.Places))
	for place := range v.Places {
		l.follow(v, member.ID(place))
	}
	l.followed = v.Number
	l.wake()
}

func (l *Log) follow(v *member.View, origin member.ID) {
	p, s := &v.Places[origin], &l.tail.streams[origin]
	if back := p.ReturnAfter(l.followed); back != nil {
		s.gone = min(s.gone, back.Cut)
	}
	if delete(l.cuts, origin); p.Role == member.Gone {
		l.cuts[origin] = p.Base
		s.gone = min(s.gone, p.Base)
	}
	l.tail.keep(s, func(b *protocol.Batch) bool {
		from, to := v.Span(origin, b.Identity)
		return b.Seq > from && b.Last() <= to
	})
}

// Waiting returns the lowest logical time of what is held and has not settled,
// and how long the oldest of it has been held; 0 and 0 if there is none.
func (l *Log) Waiting() (first clock.Time, longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	for i := range l.tail.streams {
		time, at, there := l.tail.streams[i].first(l.places.streams[i].have)
		if there && (first == 0 || time < first) {
			first = time
		}
		if there {
			longest = max(longest, now-at)
		}
	}
	return first, longest
}

// Seen is how much of each stream one who watches has seen before it settled. The
// zero value is nothing.
type Seen struct{ have []uint64 }

// Watch is Read, and if nothing has settled after the position it also returns
// the batches that have not settled and were not seen, those of one stream in
// the order in which they came; their First is 0.
func (l *Log) Watch(after uint64, seen *Seen, dst []Batch) (n int, more <-chan struct{}, err error) {
	if archive := l.archiveFor(after); archive != nil {
		n, err = l.readArchive(archive, after, dst)
		return n, nil, err
	}
	for {
		n, more, missing, err := l.watch(after, seen, dst)
		if missing.origin < 0 {
			return n, more, err
		}
		if n, err = l.readMissing(missing, seen, dst); n > 0 || err != nil {
			return n, nil, err
		}
	}
}

// missing is what of a stream is to be read from the archive: what follows have
// entries. There is nothing if origin is -1.
type missing struct {
	origin int
	have   uint64
}

// watch is Watch as far as the memory goes.
func (l *Log) watch(after uint64, seen *Seen, dst []Batch) (n int, more <-chan struct{}, _ missing, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	none := missing{origin: -1}
	if n, more, err = l.read(after, dst); n > 0 || err != nil {
		return n, nil, none, err
	}
	for len(seen.have) < len(l.tail.streams) {
		seen.have = append(seen.have, 0)
	}
	var fresh []arrival
	for origin := range l.tail.streams {
		s := &l.tail.streams[origin]
		if have := max(seen.have[origin], l.places.streams[origin].have); have < s.gone {
			return 0, nil, missing{origin, have}, nil
		}
		for i := range s.arrivals {
			if s.arrivals[i].batch.Seq > seen.have[origin] {
				fresh = append(fresh, s.arrivals[i])
			}
		}
	}
	slices.SortFunc(fresh, func(a, b arrival) int { return int(a.number) - int(b.number) })
	for n < min(len(dst), len(fresh)) {
		dst[n] = Batch{Batch: fresh[n].batch}
		dst[n].Buffer.Retain()
		seen.have[dst[n].Origin] = dst[n].Last()
		n++
	}
	if n > 0 {
		more = nil
	}
	return n, more, none, nil
}

// readMissing reads what is not in memory any more. There is none, and no error
// either, if it has settled meanwhile.
func (l *Log) readMissing(what missing, seen *Seen, dst []Batch) (int, error) {
	b, err := l.archive.Next(member.ID(what.origin), what.have)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case l.places.streams[what.origin].have > what.have:
			return 0, nil
		case l.over != nil:
			return 0, l.over
		}
		return 0, err
	}
	if l.config.Prepare != nil {
		b.Prepared = l.config.Prepare(&b)
	}
	dst[0] = Batch{Batch: b}
	seen.have[what.origin] = b.Last()
	return 1, nil
}
