package journal

import (
	"errors"
	"fmt"

	"chatterbox/internal/core/member"
)

// openArchive makes of what was found what can be read again.
func (j *Journal) openArchive(found *recovery) error {
	if j.cfg.Retain == nil {
		return nil
	}
	a := &Archive{fs: j.fs, shelf: j.shelf, bytesMax: j.cfg.SegmentBytesMax, handles: newHandles(j.fs), lives: make([]member.Identity, j.cfg.Members)}
	copy(a.lives, j.state.binding)
	for place := range a.lives {
		if v := j.state.view; v != nil && place < len(v.Places) && len(v.Places[place].Returns) > 0 {
			a.lives[place] = 0
			a.mixed.Add(member.ID(place))
		}
	}
	j.archive = a
	if j.cfg.WholeIndex {
		if err := checkIndex(j.fs, j.state.position()); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	j.limitSegments(found.parts)
	whole, err := a.open(j.state.position())
	if err == nil && whole && len(found.parts) > 0 {
		first := found.parts[0]
		gone, damage := a.topOf(first.number-1, first.before, coveredBy(found.parts, first.before, a.end))
		if a.begin = max(a.begin, gone); damage != nil {
			whole, err = false, a.reset(a.end)
		}
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if !whole && a.end > 0 && len(j.segments) > 0 && j.state.covers(j.segments[0].held) {
		j.cfg.Log.Warn("journal: the index of positions is damaged or missing: what settled before cannot be read again", "up_to", a.end)
	}
	return nil
}

// limitSegments finds for each segment from an earlier life the first head that
// knew that it is covered.
func (j *Journal) limitSegments(parts []*part) {
	for i := range j.segments {
		for _, later := range parts[min(i+1, len(parts)):] {
			if later.state.base.Have != nil && later.state.covers(j.segments[i].held) {
				j.segments[i].limit, j.segments[i].since = later.state.position(), whenBegun(later)
				break
			}
		}
	}
}

// coveredBy returns a position that no batch exceeds of what was held at some
// time, by the first head that knew that it is covered.
func coveredBy(parts []*part, all []held, otherwise uint64) uint64 {
	for _, p := range parts {
		if p.state.base.Have != nil && p.state.covers(all) {
			return min(p.state.position(), otherwise)
		}
	}
	return otherwise
}

// open opens the index and cuts it off behind a position, that of the base. It
// reports whether it reaches to there: if not, nothing up to there can be read.
func (a *Archive) open(position uint64) (whole bool, err error) {
	a.begin, a.end = position, position
	firsts, err := listIndex(a.fs)
	if err != nil {
		return false, err
	}
	for _, first := range firsts {
		file, err := a.fs.Open(indexName(first))
		if err != nil {
			return false, fmt.Errorf("index %d: %w", first, err)
		}
		size, err := file.Size()
		if err != nil {
			return false, errors.Join(fmt.Errorf("index %d: %w", first, err), file.Close())
		}
		a.files = append(a.files, &indexFile{first: first, records: int(size / entryBytes), handle: &handle{file: file}})
	}
	if err := a.cutBehind(position); err != nil {
		return false, err
	}
	if !a.reaches(position) {
		return position == 0, a.dropFiles(len(a.files))
	}
	if len(a.files) > 0 {
		a.begin = a.files[0].first - 1
	}
	return true, nil
}

// cutBehind cuts off what is behind a position.
func (a *Archive) cutBehind(position uint64) error {
	for last := len(a.files) - 1; last >= 0; last-- {
		f := a.files[last]
		number, _ := f.find(position) // what cannot be read there was not synced
		if f.first > position {
			number = 0
		}
		if number > 0 {
			f.records = number
			if err := f.handle.file.Truncate(int64(number) * entryBytes); err != nil {
				return fmt.Errorf("index %d: %w", f.first, err)
			}
			return nil
		}
		if err := errors.Join(f.handle.file.Close(), a.fs.Remove(indexName(f.first))); err != nil {
			return fmt.Errorf("index %d: %w", f.first, err)
		}
		a.files = a.files[:last]
	}
	return nil
}

// reaches reports whether the index goes up to a position without a gap.
func (a *Archive) reaches(position uint64) bool {
	for i := len(a.files) - 1; i >= 0; i-- {
		f := a.files[i]
		first, err := f.read(0, 1)
		last, err2 := f.read(f.records-1, 1)
		if err != nil || err2 != nil || first[0].first != f.first || last[0].last() != position {
			return false
		}
		position = f.first - 1
	}
	return len(a.files) > 0 || position == 0
}

// scanRecords is how many records of the index are read at a time.
const scanRecords = 1024

// topOf returns the last position of the batches in segments up to a number,
// in which was held what held says. It does not exceed limit.
func (a *Archive) topOf(segment uint64, all []held, limit uint64) (top uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := 0
	passed := make([]bool, len(all))
	for origin, h := range all {
		if passed[origin] = h.last == 0; !passed[origin] {
			missing++
		}
	}
	look := func(entries []entry) (more bool) {
		for i := range entries {
			e := &entries[i]
			if e.first > limit || missing == 0 {
				return false
			}
			if e.at.segment <= segment {
				top = e.last()
			}
			if int(e.origin) < len(all) && !passed[e.origin] && e.seq+uint64(e.count)-1 >= all[e.origin].last {
				passed[e.origin] = true
				missing--
			}
		}
		return missing > 0
	}
	for _, f := range a.files {
		for from := 0; from < f.records; from += scanRecords {
			entries, err := f.read(from, min(scanRecords, f.records-from))
			if err != nil || !look(entries) {
				return top, err
			}
		}
	}
	entries, err := decodeEntries(a.pending)
	look(entries)
	return top, err
}
