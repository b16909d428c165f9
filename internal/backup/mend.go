package backup

import (
	"context"
	"errors"
	"fmt"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
)

// Mend puts back what is damaged in a folder that no member runs on: what follows
// from the folder itself, and settled batches from another log, which may be nil.
// What it puts back has to fit exactly where it lay.
func Mend(ctx context.Context, path string, from Log) (journal.Repaired, error) {
	if _, err := journal.ReadOnly(path); err != nil { // it must be there
		return journal.Repaired{}, err
	}
	files, err := journal.Folder(path)
	if err != nil {
		return journal.Repaired{}, err
	}
	lock, err := files.Lock()
	if err != nil {
		return journal.Repaired{}, err
	}
	var source journal.Source
	if from != nil {
		source = func(report *journal.Report, place journal.Place) (protocol.Batch, error) {
			return batchAt(ctx, report, place, from)
		}
	}
	repaired, err := journal.Repair(files, source)
	return repaired, errors.Join(err, lock.Close())
}

// batchAt returns the batch of a place, made of what another log has there.
func batchAt(ctx context.Context, report *journal.Report, place journal.Place, from Log) (protocol.Batch, error) {
	about := from.About()
	switch {
	case place.First == 0:
		return protocol.Batch{}, fmt.Errorf("%s tells what has settled, by position", about.Name)
	case about.Oldest > place.First || about.Settled < place.Last():
		return protocol.Batch{}, fmt.Errorf("%s has positions %d to %d", about.Name, about.Oldest, about.Settled)
	case len(report.Binding) != len(about.Members):
		return protocol.Batch{}, fmt.Errorf("%s is of %d members, the folder of %d", about.Name, len(about.Members), len(report.Binding))
	}
	b := newBatcher(report.Binding)
	for e, err := range from.Entries(ctx, place.First, place.Last()) {
		if err != nil {
			return protocol.Batch{}, err
		}
		if ended, err := b.add(e); err != nil || ended.Count > 0 {
			return protocol.Batch{}, errors.Join(fmt.Errorf("%s has other entries at positions %d to %d", about.Name, place.First, place.Last()), err)
		}
	}
	return b.take(), nil
}

// Inspect reads everything in a folder and changes nothing.
func Inspect(path string) (*journal.Report, error) {
	files, err := journal.ReadOnly(path)
	if err != nil {
		return nil, err
	}
	return journal.Inspect(files)
}
