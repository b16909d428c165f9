package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"chatterbox/internal/core/member"
)

// anchorName is the file that proves how far the journal was synced.
const anchorName = "anchor"

// anchor says that the segment is there and was synced up to size. Whatever
// is missing of that was lost, and not left unfinished by a crash: the anchor is
// written after what it is about was synced.
type anchor struct {
	identity member.Identity
	segment  uint64 // 0: none was begun yet
	size     uint64 // bytes
}

// An anchor has three places. The first two are written in turn, each synced
// before the other one is written, so that one of them is whole at any time.
// The last is written after every sync of a group, without one of its own: it
// is there when only the process ends, and mostly when power fails.
const (
	anchorPlaces      = 3
	anchorPlaceBytes  = 512
	anchorLoose       = anchorPlaces - 1
	anchorRecordBytes = recordHeaderBytes + 24
)

func appendAnchor(p []byte, a anchor) []byte {
	p = binary.LittleEndian.AppendUint64(p, uint64(a.identity))
	p = binary.LittleEndian.AppendUint64(p, a.segment)
	return binary.LittleEndian.AppendUint64(p, a.size)
}

func decodeAnchor(p []byte) (anchor, error) {
	if len(p) != 24 {
		return anchor{}, fmt.Errorf("anchor of %d bytes", len(p))
	}
	return anchor{
		identity: member.Identity(binary.LittleEndian.Uint64(p)),
		segment:  binary.LittleEndian.Uint64(p[8:]),
		size:     binary.LittleEndian.Uint64(p[16:]),
	}, nil
}

// proves reports whether a says more than b.
func (a anchor) proves(b anchor) bool {
	return a.segment > b.segment || a.segment == b.segment && a.size > b.size
}

// anchorFile is the open file of the anchor.
type anchorFile struct {
	file   File
	place  int    // which of the first two places is written next
	synced anchor // what the other one of them holds
	body   []byte // of the record, and the whole one: memory that is used again
	record []byte
}

// readAnchor opens the anchor and reads what it proves. There is none yet in a
// new folder and in one of version 1, and one with nothing in it where the very
// first start was interrupted; then found is false.
func readAnchor(files FS) (f *anchorFile, proof anchor, found bool, err error) {
	file, err := files.Open(anchorName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, anchor{}, false, nil
	}
	if err != nil {
		return nil, anchor{}, false, err
	}
	f = &anchorFile{file: file}
	data, err := readAll(file)
	for place := 0; place < anchorPlaces && err == nil; place++ {
		k, body, _, torn := nextRecord(data[min(place*anchorPlaceBytes, len(data)):])
		if torn != nil || k != kindAnchor {
			continue
		}
		var a anchor
		if a, err = decodeAnchor(body); err != nil {
			break
		}
		if place != anchorLoose && !f.synced.proves(a) {
			f.synced, f.place = a, 1-place
		}
		if !found || a.proves(proof) {
			proof, found = a, true
		}
	}
	return f, proof, found, err
}

// createAnchor makes the anchor of a folder that has none. It proves nothing,
// but is there before the first segment that relies on it.
func createAnchor(files FS) (*anchorFile, error) {
	file, err := files.Create(anchorName)
	if err != nil {
		return nil, err
	}
	return &anchorFile{file: file}, nil
}

// begin makes sure that what was read is durable before any other place is
// written: it may be in the cache only.
func (f *anchorFile) begin(files FS) error {
	f.place = 1 - f.place
	for range 2 {
		if err := f.put(f.synced); err != nil {
			return err
		}
	}
	return files.SyncDir()
}

// put makes durable what an anchor proves.
func (f *anchorFile) put(a anchor) error {
	if err := f.write(a, f.place); err != nil {
		return err
	}
	f.place, f.synced = 1-f.place, a
	return f.file.Sync()
}

// note writes what an anchor proves, and leaves it to the system to make it
// durable.
func (f *anchorFile) note(a anchor) error { return f.write(a, anchorLoose) }

func (f *anchorFile) write(a anchor, place int) error {
	f.body = appendAnchor(f.body[:0], a)
	f.record = appendRecord(f.record[:0], kindAnchor, f.body)
	_, err := f.file.WriteAt(f.record, int64(place)*anchorPlaceBytes)
	return err
}

// missing returns what of a proof is not there, given the segments that are
// and the size of the newest one.
func (a anchor) missing(numbers []uint64, size int64) error {
	if len(numbers) == 0 {
		if a.segment == 0 {
			return nil
		}
		return fmt.Errorf("segment %d and all before it are missing: %w", a.segment, ErrDamaged)
	}
	switch newest := slices.Max(numbers); {
	case a.segment > newest:
		return fmt.Errorf("segment %d is missing: %w", a.segment, ErrDamaged)
	case a.segment == newest && a.size > uint64(size):
		return fmt.Errorf("segment %d ends at byte %d; it was written and synced up to byte %d: %w", newest, size, a.size, ErrDamaged)
	}
	return nil
}
