package backup

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/wire"
)

// Folder is the log in a data folder, which is read and not changed; its member
// may run.
type Folder struct {
	view  *journal.View
	about About
}

// OpenFolder opens a folder. The names are those of the members, in their order;
// they are called by letters if there are none.
func OpenFolder(path string, names []string) (*Folder, error) {
	files, err := journal.ReadOnly(path)
	if err != nil {
		return nil, err
	}
	view, err := journal.Look(files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &Folder{view: view, about: About{Name: path, Members: names, Oldest: view.Begin() + 1, Settled: view.End(), Have: view.Have}}
	if names == nil {
		f.about.Members = Letters(view.Members)
	}
	if len(f.about.Members) != view.Members {
		return nil, errors.Join(fmt.Errorf("%s is of %d members, the list has %d", path, view.Members, len(names)), view.Close())
	}
	return f, nil
}

// About returns what the folder had when it was opened.
func (f *Folder) About() About { return f.about }

// Close gives back what is open.
func (f *Folder) Close() error { return f.view.Close() }

// batchesAtOnce is how many batches are read together.
const batchesAtOnce = 64

func (f *Folder) eachBatch(ctx context.Context, after, to uint64, visit func(first uint64, b *protocol.Batch) bool) error {
	var batches [batchesAtOnce]protocol.Batch
	for after < to {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		first, n, err := f.view.Read(after, batches[:])
		for i := range n {
			b := &batches[i]
			if !visit(first, b) {
				return nil
			}
			first += uint64(b.Count)
			after = first - 1
		}
		if err != nil || n == 0 {
			return fmt.Errorf("position %d cannot be read: %w", after+1, err)
		}
	}
	return nil
}

// Entries reads the segments.
func (f *Folder) Entries(ctx context.Context, from, to uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		more := true
		err := f.eachBatch(ctx, from-1, to, func(first uint64, b *protocol.Batch) bool {
			e := Entry{Position: first, Origin: b.Origin, Seq: b.Seq, Time: uint64(b.Time)}
			for key, payload := range wire.Payloads(b).Keyed() {
				if e.Position >= from && e.Position <= to {
					e.Key, e.Payload = string(key), payload
					entry := e
					more = yield(&entry, nil)
				}
				if !more {
					return false
				}
				e.Position++
				e.Seq++
			}
			return true
		})
		if err != nil && more {
			yield(nil, err)
		}
	}
}
