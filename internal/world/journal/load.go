package journal

import (
	"errors"
	"fmt"
	"sync"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

const (
	// handlesMax is how many segments are open to be read at a time.
	handlesMax = 16
	// loadBytesMax is how much is read at a time, but for one batch that is
	// larger.
	loadBytesMax = 256 << 10
	// loadGapMax is how many bytes between two batches are read along.
	loadGapMax = 4 << 10
)

// handle is an open file that several readers may use.
type handle struct {
	file   File
	refs   int
	doomed bool // it is closed when nobody uses it any more
}

// handles are the segments that are open to be read. They may be used by several
// goroutines.
type handles struct {
	fs FS

	mu   sync.Mutex // guards below
	open map[uint64]*handle
}

func newHandles(fs FS) *handles { return &handles{fs: fs, open: map[uint64]*handle{}} }

// doom closes the handle of a segment that is to be removed.
func (h *handles) doom(segment uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.close(segment)
}

func (h *handles) close(segment uint64) {
	if one := h.open[segment]; one != nil {
		delete(h.open, segment)
		one.doomed = true
		one.rest()
	}
}

// rest closes the handle if nobody uses or will use it. Nothing was written, so
// there is nothing to learn from an error.
func (h *handle) rest() {
	if h.doomed && h.refs == 0 {
		_ = h.file.Close()
	}
}

func (h *handles) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for segment := range h.open {
		h.close(segment)
	}
}

// spare closes the oldest segment that nobody uses if there are too many.
func (h *handles) spare() {
	if len(h.open) <= handlesMax {
		return
	}
	oldest := uint64(0)
	for segment, one := range h.open {
		if one.refs == 0 && (oldest == 0 || segment < oldest) {
			oldest = segment
		}
	}
	h.close(oldest)
}

// acquire returns the open file of a segment, for the caller to release.
func (h *handles) acquire(segment uint64) (*handle, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := h.open[segment]
	if one == nil {
		file, err := h.fs.Open(segmentName(segment))
		if err != nil {
			return nil, err
		}
		one = &handle{file: file}
		h.open[segment] = one
	}
	one.refs++
	h.spare()
	return one, nil
}

func (h *handles) release(one *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one.refs--
	one.rest()
}

// read returns so many bytes of a segment from a place on.
func (h *handles) read(at ref, size int) ([]byte, error) {
	segment, err := h.acquire(at.segment)
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	read, err := segment.file.ReadAt(data, at.offset)
	h.release(segment)
	if read < size {
		return nil, errors.Join(err, ErrDamaged)
	}
	return data, nil
}

// load reads batches from the segments, as many as are not too much at a time,
// and at least one.
func (a *Archive) load(entries []entry, dst []protocol.Batch) (n int, err error) {
	for n, total := 0, 0; n < len(entries); {
		run := runOf(entries[n:])
		size := int(entries[n+run-1].at.offset-entries[n].at.offset) + entries[n+run-1].at.size
		if total += size; n > 0 && total > loadBytesMax {
			return n, nil
		}
		whole, err := a.loadRun(entries[n:n+run], size, dst[n:])
		if n += whole; err != nil && n > 0 {
			return n, nil // the next call begins there
		}
		if err != nil {
			return 0, fmt.Errorf("journal: position %d, segment %d at byte %d: %w", entries[0].first, entries[0].at.segment, entries[0].at.offset, err)
		}
	}
	return len(entries), nil
}

// runOf returns how many of the batches lie close together, one behind the
// other.
func runOf(entries []entry) int {
	run, total := 1, entries[0].at.size
	for ; run < len(entries); run++ {
		before, next := &entries[run-1].at, &entries[run].at
		gap := next.offset - before.offset - int64(before.size)
		total += int(gap) + next.size
		if next.segment != before.segment || gap < 0 || gap > loadGapMax || total > loadBytesMax {
			break
		}
	}
	return run
}

// loadRun reads batches that lie close together, and returns how many are whole
// before the first that is not.
func (a *Archive) loadRun(entries []entry, size int, dst []protocol.Batch) (whole int, err error) {
	from := entries[0].at
	data, err := a.handles.read(from, size)
	if err != nil {
		return 0, err
	}
	for i := range entries {
		at := int(entries[i].at.offset - from.offset)
		k, body, _, err := nextRecord(data[at : at+entries[i].at.size])
		if err != nil || k != kindBatch {
			return i, errors.Join(err, ErrDamaged)
		}
		rest, err := wire.DecodeBatch(body, &dst[i])
		if err != nil || len(rest) > 0 || !entries[i].is(&dst[i]) {
			return i, errors.Join(err, ErrDamaged)
		}
	}
	return len(entries), nil
}
