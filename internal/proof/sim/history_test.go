package sim

import (
	"testing"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/journal"
)

// brokenArchive is an archive with a mistake.
type brokenArchive struct {
	*journal.Archive
	read func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error)
}

func (a brokenArchive) Read(after uint64, dst []protocol.Batch) (uint64, int, error) {
	return a.read(a.Archive, after, dst)
}

// forgetful is an archive that never says that anything is gone.
type forgetful struct{ *journal.Archive }

func (forgetful) Begin() uint64 { return 0 }

// TestBrokenHistoryIsCaught shows that the readers look: whoever breaks what
// they are given is caught within a few seeds.
func TestBrokenHistoryIsCaught(t *testing.T) {
	const seeds = 60
	reading := func(read func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error)) func(*journal.Archive) history.Archive {
		return func(a *journal.Archive) history.Archive { return brokenArchive{a, read} }
	}
	for name, archive := range map[string]func(*journal.Archive) history.Archive{
		"leaves one out": reading(func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error) {
			first, n, err := a.Read(after, dst)
			if n < 2 {
				return first, n, err
			}
			first += uint64(dst[0].Count)
			return first, copy(dst, dst[1:n]), err
		}),
		"shifts positions": reading(func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error) {
			first, n, err := a.Read(after, dst)
			return first + 1, n, err
		}),
		"swaps neighbours": reading(func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error) {
			first, n, err := a.Read(after, dst)
			if n > 1 && dst[0].Count == dst[1].Count {
				dst[0], dst[1] = dst[1], dst[0]
			}
			return first, n, err
		}),
		"gives something for what is gone": reading(func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error) {
			return a.Read(max(after, a.Begin()), dst)
		}),
		"does not say what is gone": func(a *journal.Archive) history.Archive { return forgetful{a} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := NewRunner()
			for seed := range uint64(seeds) {
				found := runWith(t, runner, seed, archive)
				if len(found) == 0 {
					continue
				}
				if found[0] != onePosition && found[0] != readersSeeAll {
					t.Fatalf("seed %d: %s", seed, found[0])
				}
				t.Logf("%d seeds: %s", seed+1, found[0])
				return
			}
			t.Errorf("not caught in %d seeds", seeds)
		})
	}
}

// runWith runs a cluster whose readers see their archives changed, and returns
// the names of what they found broken.
func runWith(t *testing.T, r *Runner, seed uint64, archive func(*journal.Archive) history.Archive) (names []string) {
	t.Helper()
	shape := Draw(seed, 3)
	shape.History, shape.Journal = true, true
	w, err := r.prepare(Config{Seed: seed, Members: 3, Shape: &shape}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	w.archive = archive
	for _, v := range append(w.guarded(), w.found...) {
		names = append(names, v.Check)
	}
	r.queue.reset()
	r.frames.reset()
	return names
}

// TestReadersReadFromDiskAndMemory shows that both happen, and compactions.
func TestReadersReadFromDiskAndMemory(t *testing.T) {
	disk := 0
	runner := NewRunner()
	for seed := range uint64(6) {
		found := runWith(t, runner, seed, func(a *journal.Archive) history.Archive {
			return brokenArchive{a, func(a *journal.Archive, after uint64, dst []protocol.Batch) (uint64, int, error) {
				first, n, err := a.Read(after, dst)
				disk += n
				return first, n, err
			}}
		})
		if len(found) > 0 {
			t.Errorf("seed %d: %v", seed, found)
		}
	}
	if disk == 0 {
		t.Error("nothing was ever read from disk")
	}
	t.Logf("%d batches from disk", disk)
}
