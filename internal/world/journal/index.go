package journal

import (
	"encoding/binary"
	"fmt"
	"sort"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// The index says where the batches of each position lie. It is a row of files
// of fixed records in the order of positions, each file named by its first one.
// It can be had again from the segments, so it is synced only before a base
// that it reaches to: what is above the base is settled once more by a restart,
// and put into the index again.

const (
	// entryBytes is the size of a record of the index, in bytes.
	entryBytes = 48
	// indexBytesKept is how much of the index waits in memory before it is
	// written.
	indexBytesKept = 64 << 10
)

func indexName(first uint64) string { return fmt.Sprintf("%0*d%s", numberDigits, first, indexSuffix) }

// ref is where the record of a batch lies.
type ref struct {
	segment uint64
	offset  int64
	size    int // bytes of the record
}

// entry is a record of the index: a settled batch, its place in the order, and
// where it lies.
type entry struct {
	first  uint64 // position of its first entry
	origin member.ID
	seq    uint64
	count  uint32
	time   clock.Time
	at     ref
}

func entryOf(b *protocol.Batch, first uint64, at ref) entry {
	return entry{first: first, origin: b.Origin, seq: b.Seq, count: b.Count, time: b.Time, at: at}
}

// last returns the position of the last entry of the batch.
func (e *entry) last() uint64 { return e.first + uint64(e.count) - 1 }

// is reports whether a batch is the one that the record is about.
func (e *entry) is(b *protocol.Batch) bool {
	return b.Origin == e.origin && b.Seq == e.seq && b.Count == e.count && b.Time == e.time
}

func appendEntry(p []byte, e entry) []byte {
	start := len(p)
	p = binary.LittleEndian.AppendUint64(p, e.first)
	p = binary.LittleEndian.AppendUint64(p, e.seq)
	p = binary.LittleEndian.AppendUint64(p, uint64(e.time))
	p = binary.LittleEndian.AppendUint32(p, uint32(e.at.segment))
	p = binary.LittleEndian.AppendUint32(p, uint32(e.at.offset))
	p = binary.LittleEndian.AppendUint32(p, uint32(e.at.size))
	p = binary.LittleEndian.AppendUint32(p, e.count)
	p = binary.LittleEndian.AppendUint32(p, uint32(e.origin))
	return binary.LittleEndian.AppendUint32(p, checksum(p[start:], nil))
}

func decodeEntry(p []byte) (entry, error) {
	if checksum(p[:entryBytes-4], nil) != binary.LittleEndian.Uint32(p[entryBytes-4:]) {
		return entry{}, fmt.Errorf("index: %w: %w", errTorn, ErrDamaged)
	}
	e := entry{
		first: binary.LittleEndian.Uint64(p),
		seq:   binary.LittleEndian.Uint64(p[8:]),
		time:  clock.Time(binary.LittleEndian.Uint64(p[16:])),
		at: ref{
			segment: uint64(binary.LittleEndian.Uint32(p[24:])),
			offset:  int64(binary.LittleEndian.Uint32(p[28:])),
			size:    int(binary.LittleEndian.Uint32(p[32:])),
		},
		count:  binary.LittleEndian.Uint32(p[36:]),
		origin: member.ID(binary.LittleEndian.Uint16(p[40:])),
	}
	if e.first == 0 || e.count == 0 || e.at.size < recordHeaderBytes || e.at.size > recordHeaderBytes+recordBytesMax {
		return entry{}, fmt.Errorf("index with impossible values: %+v: %w", e, ErrDamaged)
	}
	return e, nil
}

// indexFile is one file of the index.
type indexFile struct {
	first   uint64 // position of its first entry
	records int    // that are written
	handle  *handle
}

// read returns records of the file from a number on.
func (f *indexFile) read(from, count int) ([]entry, error) {
	data := make([]byte, count*entryBytes)
	if n, err := f.handle.file.ReadAt(data, int64(from)*entryBytes); n < len(data) {
		return nil, fmt.Errorf("index %d: %w", f.first, err)
	}
	return decodeEntries(data)
}

// decodeEntries reads records of which each goes on where the one before ends.
func decodeEntries(data []byte) ([]entry, error) {
	all := make([]entry, len(data)/entryBytes)
	for i := range all {
		var err error
		if all[i], err = decodeEntry(data[i*entryBytes:]); err != nil {
			return nil, err
		}
		if i > 0 && all[i].first != all[i-1].last()+1 {
			return nil, fmt.Errorf("index goes on at position %d after %d: %w", all[i].first, all[i-1].last(), ErrDamaged)
		}
	}
	return all, nil
}

// find returns the number of the first record whose batch ends behind a
// position; records if there is none.
func (f *indexFile) find(after uint64) (number int, err error) {
	number = sort.Search(f.records, func(i int) bool {
		one, readErr := f.read(i, 1)
		if readErr != nil {
			err = readErr
			return true
		}
		return one[0].last() > after
	})
	return number, err
}

// listIndex lists the files of the index by their first positions.
func listIndex(fs FS) ([]uint64, error) { return numbered(fs, indexSuffix) }
