package journal

import (
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Latest reads the last batches of an origin that have settled, as many as have
// entriesMax entries and bytesMax bytes at most, and calls each with them in their
// order. It looks through as many batches of others as it takes, up to
// latestRecordsMax.
func (a *Archive) Latest(origin member.ID, entriesMax, bytesMax int, each func(*protocol.Batch)) error {
	entries, err := a.latestOf(origin, entriesMax, bytesMax)
	if err != nil {
		return err
	}
	var batches [scanRecords]protocol.Batch
	for len(entries) > 0 {
		n, err := a.load(entries[:min(len(entries), len(batches))], batches[:])
		if err != nil {
			return err
		}
		for i := range n {
			each(&batches[i])
		}
		entries = entries[n:]
	}
	return nil
}

// latestRecordsMax is how many records of the index Latest looks at.
const latestRecordsMax = 1 << 20

// latestOf finds the batches in the index, from its end backwards.
func (a *Archive) latestOf(origin member.ID, entriesMax, bytesMax int) ([]entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	looked, found := 0, []entry(nil)
	take := func(part []entry) (more bool) {
		for i := range slices.Backward(part) {
			e := &part[i]
			if looked++; e.origin != origin {
				continue
			}
			entriesMax, bytesMax = entriesMax-int(e.count), bytesMax-e.at.size
			if entriesMax < 0 || bytesMax < 0 || e.first <= a.begin {
				return false
			}
			found = append(found, *e)
		}
		return looked < latestRecordsMax
	}
	pending, err := decodeEntries(a.pending)
	more := err == nil && take(pending)
	for k := len(a.files) - 1; k >= 0 && more; k-- {
		f := a.files[k]
		for end := f.records; end > 0 && more; end -= scanRecords {
			from := max(0, end-scanRecords)
			part, wrong := f.read(from, end-from)
			if wrong != nil {
				return nil, wrong
			}
			more = take(part)
		}
	}
	slices.Reverse(found)
	return found, err
}
