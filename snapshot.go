package chatterbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/wire"
)

// snapshots keeps the application's state: a file for each, named by its
// position, of which the newest whole one counts. After the state come its
// position and a checksum.
type snapshots struct {
	files journal.FS
	turn  turn // of who writes or reads a file

	mu   sync.Mutex   // guards all below
	name string       // file of the newest; "": there is none
	at   uint64       // its position
	size uint64       // bytes of its state
	sum  uint32       // its checksum
	open journal.File // the newest, once a peer asked for it; else nil
}

const (
	snapshotPrefix = "snapshot-"
	// snapshotDir is the folder of snapshots in the data folder.
	snapshotDir  = "snapshots"
	trailerBytes = 12
)

// openSnapshots finds the snapshots in the data folder; without one they are in
// memory.
func openSnapshots(cfg *node.Config) (*snapshots, error) {
	s := &snapshots{files: cfg.Snapshots, turn: newTurn()}
	switch {
	case s.files != nil:
	case cfg.DataDir == "":
		s.files = new(journal.Memory)
	default:
		var err error
		if s.files, err = journal.Folder(filepath.Join(cfg.DataDir, snapshotDir)); err != nil {
			return nil, fmt.Errorf("chatterbox: snapshots: %w", err)
		}
	}
	switch kept, err := s.newest(); {
	case err == nil:
		s.now(kept)
		_ = kept.file.Close() // it was only read
	case !errors.Is(err, ErrNoSnapshot):
		return nil, err
	}
	return s, nil
}

func (s *snapshots) position() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Position(s.at)
}

// Snapshot stores the state of the application that includes exactly the
// entries up to a position: write is called once, by this goroutine, and what
// it writes replaces the former snapshot once all is durable; after an error
// the former one stays. Nothing may be applied to the state while write runs.
// [Node.Restore] reads it, here and at members that lack what was compacted,
// for as long as the entries after it are retained. A large state that is kept
// elsewhere may be written as a reference.
//
// Snapshot does not compact. Usually Compact follows, with the same position,
// or a lower one that leaves other readers something to read.
func (n *Node) Snapshot(ctx context.Context, at Position, write func(io.Writer) error) error {
	switch settled := n.history.Settled(); {
	case n.isClosed():
		return n.err
	case context.Cause(ctx) != nil:
		return fmt.Errorf("chatterbox: snapshot: %w", context.Cause(ctx))
	case uint64(at) > settled:
		return fmt.Errorf("chatterbox: snapshot at %d, but only %d entries have settled", at, settled)
	}
	if err := n.await(ctx, n.snapshots.turn, func() string { return "another snapshot is written" }); err != nil {
		return err
	}
	defer n.snapshots.turn.pass()
	return n.snapshots.store(uint64(at), write)
}

// turn has an element as long as nobody has the turn: who waits for it can be
// interrupted, other than at a mutex.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t.pass()
	return t
}

// pass gives the turn back.
func (t turn) pass() { t <- struct{}{} }

// store writes a snapshot beside the former one, and only then removes that. The
// caller has the turn.
func (s *snapshots) store(at uint64, write func(io.Writer) error) error {
	name := fmt.Sprintf("%s%020d", snapshotPrefix, at)
	if name == s.name { // which only changes in here
		name += "-again" // the former one stays until this one is whole
	}
	size, sum, err := s.write(name, at, write)
	if err != nil {
		return errors.Join(err, s.remove(func(other string) bool { return other == name }))
	}
	s.now(&kept{name: name, at: at, size: size, sum: sum})
	return s.remove(func(other string) bool { return other != name })
}

// now makes a file the newest snapshot.
func (s *snapshots) now(k *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		_ = s.open.Close() // it was only read
	}
	s.name, s.at, s.size, s.sum, s.open = k.name, k.at, uint64(k.size), k.sum, nil
}

func (s *snapshots) write(name string, at uint64, write func(io.Writer) error) (size int64, checksum uint32, err error) {
	if err := s.remove(func(other string) bool { return other == name }); err != nil {
		return 0, 0, err
	}
	file, err := s.files.Create(name)
	if err != nil {
		return 0, 0, fmt.Errorf("chatterbox: snapshot: %w", err)
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	out := &steadyWriter{file: file}
	if err := write(io.MultiWriter(out, sum)); err != nil {
		return 0, 0, errors.Join(err, file.Close())
	}
	end := out.at
	trailer := binary.LittleEndian.AppendUint64(nil, at)
	_, _ = sum.Write(trailer) // never fails
	_, err = out.Write(binary.LittleEndian.AppendUint32(trailer, sum.Sum32()))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = s.files.SyncDir()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("chatterbox: snapshot: %w", err)
	}
	return end, sum.Sum32(), nil
}

// steadyBytes is how much of a snapshot is written before it is synced: whoever syncs
// something else on that disk, as the journal does for each entry, waits for that much.
const steadyBytes = 4 << 20

// steadyWriter writes to a file, one piece behind the other, which reach the disk as they
// come.
type steadyWriter struct {
	file       journal.File
	at, synced int64
}

func (w *steadyWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var wrote int
		wrote, err = w.file.WriteAt(p[n:min(len(p), n+int(w.synced+steadyBytes-w.at))], w.at)
		n, w.at = n+wrote, w.at+int64(wrote)
		if err == nil && w.at-w.synced >= steadyBytes {
			err, w.synced = w.file.Sync(), w.at
		}
	}
	return n, err
}

// remove removes the snapshots that a function picks.
func (s *snapshots) remove(picks func(name string) bool) error {
	names, err := s.files.List()
	for _, name := range names {
		if strings.HasPrefix(name, snapshotPrefix) && picks(name) {
			err = errors.Join(err, s.files.Remove(name))
		}
	}
	if err != nil {
		return fmt.Errorf("chatterbox: remove a snapshot: %w", err)
	}
	return nil
}

// kept is a snapshot that is open to be read, until file is closed.
type kept struct {
	name string
	file journal.File
	at   uint64 // its position
	size int64  // bytes of its state
	sum  uint32 // of the state and the position
}

func (k *kept) reader() io.Reader { return io.NewSectionReader(k.file, 0, k.size) }

// newest opens the newest snapshot that is whole. The caller has the turn, or is alone.
func (s *snapshots) newest() (*kept, error) {
	names, err := s.files.List()
	if err != nil {
		return nil, fmt.Errorf("chatterbox: snapshots: %w", err)
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if !strings.HasPrefix(name, snapshotPrefix) {
			continue
		}
		file, err := s.files.Open(name)
		if err != nil {
			return nil, fmt.Errorf("chatterbox: read a snapshot: %w", err)
		}
		k := &kept{name: name, file: file}
		whole, err := k.look()
		switch {
		case whole:
			return k, nil
		case err != nil:
			return nil, errors.Join(fmt.Errorf("chatterbox: read a snapshot: %w", err), file.Close())
		}
		_ = file.Close() // it was only read
	}
	return nil, ErrNoSnapshot
}

// lookBytes is how much of a snapshot is in memory at once while it is looked at.
const lookBytes = 256 << 10

// look reads a snapshot through, and reports whether it is whole: then its size and its
// position are known.
func (k *kept) look() (whole bool, err error) {
	size, err := k.file.Size()
	if err != nil || size < trailerBytes {
		return false, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{io.NewSectionReader(k.file, 0, size-4)}, make([]byte, lookBytes)); err != nil {
		return false, err
	}
	trailer := make([]byte, trailerBytes)
	if _, err := k.file.ReadAt(trailer, size-trailerBytes); err != nil {
		return false, err
	}
	k.size, k.at, k.sum = size-trailerBytes, binary.LittleEndian.Uint64(trailer), sum.Sum32()
	return binary.LittleEndian.Uint32(trailer[8:]) == k.sum, nil
}

// part returns what a peer asked for, behind the end the checksum; At is 0 if it is not there.
func (s *snapshots) part(ask wire.Ask) (wire.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == "" || ask.At != 0 && ask.At != s.at || ask.Offset > s.size {
		return wire.Part{}, nil
	}
	if s.open == nil {
		file, err := s.files.Open(s.name)
		if err != nil {
			return wire.Part{}, err
		}
		s.open = file
	}
	part := wire.Part{At: s.at, Size: s.size, Offset: ask.Offset}
	if ask.At != 0 && ask.Offset == s.size {
		part.Bytes = binary.LittleEndian.AppendUint32(nil, s.sum)
		return part, nil
	}
	part.Bytes = make([]byte, min(wire.PartBytesMax, s.size-ask.Offset))
	_, err := s.open.ReadAt(part.Bytes, int64(ask.Offset))
	return part, err
}

// close gives back what is open.
func (s *snapshots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		_ = s.open.Close() // it was only read
		s.open = nil
	}
}
