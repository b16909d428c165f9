package backup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
)

// Target is the folder that a member of a new cluster begins with.
type Target struct {
	Folder  string
	Members member.List
	Names   []string // of the members, as the cluster calls them
	Self    member.ID
}

// syncBytes is about how much is made durable together, in bytes.
const syncBytes = 4 << 20

// Restore makes a member's folder of a backup: what the backup has is its settled
// log, at the same positions. All members of the cluster must begin with folders
// of the same backup. They are other lives of the members than those that wrote
// it, the same ones whoever makes the folders: a member of the former cluster, or
// one with a folder of another backup, is told apart and refused by name.
//
// The folder must not be there yet, or be empty. It is there only once it is
// whole and durable.
func Restore(ctx context.Context, from *File, to Target) error {
	if about := from.About(); !slices.Equal(about.Members, to.Names) {
		return fmt.Errorf("the backup is of members %v, the list has %v: they must be the same, in the same order", about.Members, to.Names)
	}
	if err := vacant(to.Folder); err != nil {
		return err
	}
	partial := to.Folder + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := fill(ctx, from, to, partial); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Rename(partial, to.Folder); err != nil {
		return err
	}
	return syncParent(to.Folder)
}

// vacant removes the folder if it is empty, and refuses it if it is not.
func vacant(folder string) error {
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: a folder that was in use is not overwritten; name another one, or move this one away", folder)
	}
	return os.Remove(folder)
}

// syncParent makes durable that a folder has its name.
func syncParent(folder string) error {
	parent, err := os.Open(folder + "/..")
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// identities returns the lives that begin with a backup.
func identities(digest string, members member.List) member.Binding {
	binding := make(member.Binding, len(members))
	for i := range binding {
		sum := sha256.Sum256(fmt.Appendf(nil, "chatterbox restore, version 1: %s, %x, %d", digest, members.Hash(), i))
		binding[i] = member.Identity(binary.LittleEndian.Uint64(sum[:]) | 1) // never 0
	}
	return binding
}

// fill writes the journal of a member that holds exactly what the backup has,
// and knows that all others hold it too.
func fill(ctx context.Context, from *File, to Target, folder string) error {
	files, err := journal.Folder(folder)
	if err != nil {
		return err
	}
	binding := identities(from.Digest(), to.Members)
	j, _, err := journal.Open(files, journal.Config{
		Self: to.Self, Members: len(to.Members), List: to.Members.Hash(), Identity: binding[to.Self], Retain: &journal.Retain{},
	})
	if err != nil {
		return err
	}
	w := writer{journal: j, batcher: newBatcher(binding)}
	j.Keep(protocol.Effects{Binding: binding, Agreed: true})
	err = w.writeAll(ctx, from)
	return errors.Join(err, j.Close())
}

// writer puts batches into a journal.
type writer struct {
	journal *journal.Journal
	batcher *batcher
	have    []uint64 // entries of each stream so far
	pending []protocol.Batch
	bytes   int // of pending
	time    clock.Time
}

func (w *writer) writeAll(ctx context.Context, from *File) error {
	about := from.About()
	if err := w.begin(ctx, from); err != nil {
		return err
	}
	for e, err := range from.Entries(ctx, about.Oldest, about.Settled) {
		if err != nil {
			return err
		}
		ended, err := w.batcher.add(e)
		if err == nil {
			err = w.put(ended)
		}
		if err != nil {
			return err
		}
	}
	if err := w.put(w.batcher.take()); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	if !slices.Equal(w.have, about.Have) {
		return fmt.Errorf("the backup says that members have %v entries, and has %v", about.Have, w.have)
	}
	w.journal.Keep(protocol.Effects{
		Bound: max(w.time, 1), Settled: w.time, Base: &protocol.Snapshot{Time: w.time, Have: w.have},
	})
	return w.journal.Sync()
}

// begin lets the journal begin where the backup does: what is before it is not
// kept any more.
func (w *writer) begin(ctx context.Context, from *File) error {
	about := from.About()
	count, first := make([]uint64, len(about.Members)), clock.Time(0)
	if about.Settled >= about.Oldest {
		for e, err := range from.Entries(ctx, about.Oldest, about.Settled) {
			if err != nil {
				return err
			}
			if first == 0 {
				first = clock.Time(e.Time)
			}
			count[e.Origin]++
		}
	}
	w.have = make([]uint64, len(about.Members))
	before := uint64(0)
	for i := range w.have {
		if about.Have[i] < count[i] {
			return fmt.Errorf("the backup has %d entries of member %s, and says that there are %d", count[i], about.Members[i], about.Have[i])
		}
		w.have[i] = about.Have[i] - count[i]
		before += w.have[i]
	}
	if before != about.Oldest-1 {
		return fmt.Errorf("the backup begins at position %d, with %d entries before it", about.Oldest, before)
	}
	if before > 0 {
		snapshot := &protocol.Snapshot{Time: max(first, 1) - 1, Have: slices.Clone(w.have)}
		w.journal.Keep(protocol.Effects{Reset: snapshot})
		w.journal.Restore(snapshot)
	}
	return w.journal.Sync()
}

// put takes a batch; none has Count 0.
func (w *writer) put(b protocol.Batch) error {
	if b.Count == 0 {
		return nil
	}
	if b.Seq != w.have[b.Origin]+1 {
		return fmt.Errorf("entry %d of member %d follows entry %d", b.Seq, b.Origin+1, w.have[b.Origin])
	}
	w.have[b.Origin], w.time = b.Last(), b.Time
	w.pending = append(w.pending, b)
	if w.bytes += len(b.Bytes); w.bytes < syncBytes {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	w.journal.Keep(protocol.Effects{Append: w.pending})
	err := w.journal.Sync()
	if err == nil {
		w.journal.Order(w.pending)
	}
	w.pending, w.bytes = w.pending[:0], 0
	return err
}
