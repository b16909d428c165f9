package journal

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// TestAnythingKeptIsReadAgain over restarts of all kinds, as long as no base
// covers it.
func TestAnythingKeptIsReadAgain(t *testing.T) {
	older, loaded := 0, 0
	for seed := range uint64(60) {
		l := newLedger(t, seed, Retain{Bytes: 1})
		for range 30 {
			l.keep(5)
			l.load()
			if l.rng.IntN(5) == 0 {
				l.end()
				l.start()
			}
			if l.rng.IntN(3) == 0 {
				l.settle(10)
				l.cover(l.stable + l.rng.IntN(l.settled-l.stable+1))
			}
		}
		older, loaded = older+l.older, loaded+l.loaded
	}
	if older == 0 || loaded == 0 {
		t.Errorf("%d batches were read one by one at a start, and %d later", older, loaded)
	}
}

// readings counts the bytes that are read of segments.
type readings struct {
	*Memory
	bytes int
}

func (r *readings) Open(name string) (File, error) {
	file, err := r.Memory.Open(name)
	if strings.HasSuffix(name, ".log") {
		file = readFile{file, r}
	}
	return file, err
}

type readFile struct {
	File
	r *readings
}

func (f readFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	f.r.bytes += n
	return n, err
}

// backlog keeps so many batches of all origins in turn, without a base.
func backlog(tb testing.TB, fs FS, count int) (*Journal, []protocol.Batch) {
	tb.Helper()
	j, _ := open(tb, fs, backlogConfig())
	kept := make([]protocol.Batch, count)
	for i := range kept {
		kept[i] = makeBatch(tb, member.ID(i%members), uint64(i/members+1), strings.Repeat("x", 3000))
		j.Keep(protocol.Effects{Append: kept[i : i+1]})
		synced(tb, j)
	}
	return j, kept
}

func backlogConfig() Config {
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.PlacesMax, cfg.LoadBytesMax = 1<<20, 16, 1<<20
	return cfg
}

// parkedOf returns a batch as who parked it knows it.
func parkedOf(b *protocol.Batch) protocol.Batch {
	p := *b
	p.Bytes, p.Parked = nil, uint32(len(b.Bytes))
	return p
}

// TestABacklogIsReadOnce by each who reads it from its beginning, though they
// read different streams, and at their own pace.
func TestABacklogIsReadOnce(t *testing.T) {
	const count = 3000
	disk := &readings{Memory: &Memory{}}
	j, kept := backlog(t, disk, count)
	disk.bytes = 0
	for reader := range members {
		for i := reader; i < count; i += members {
			b := parkedOf(&kept[i])
			if err := j.Load(&b); err != nil || !slices.Equal(b.Bytes, kept[i].Bytes) {
				t.Fatalf("%d/%d is not read again: %v", b.Origin, b.Seq, err)
			}
		}
	}
	if most := members * disk.Size() * 11 / 10; disk.bytes > most {
		t.Errorf("%d bytes are read of %d, by %d readers", disk.bytes, disk.Size(), members)
	}
}

// TestDamageInABacklogIsSaid, and nothing else is given in its place.
func TestDamageInABacklogIsSaid(t *testing.T) {
	for what, harm := range map[string]func(data []byte) []byte{
		"a bit of a payload": func(data []byte) []byte { data[len(data)-2000] ^= 1; return data },
		"a length":           func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
		"zeros":              func(data []byte) []byte { clear(data[len(data)/2 : len(data)/2+6000]); return data },
	} {
		disk := new(Memory)
		j, kept := backlog(t, disk, 2000)
		names := segmentsOf(t, disk)
		harm(disk.Change(names[1]))
		said := 0
		for i := range kept {
			b := parkedOf(&kept[i])
			switch err := j.Load(&b); {
			case errors.Is(err, ErrDamaged) && strings.Contains(err.Error(), "segment 2 at byte"):
				said++
			case err != nil:
				t.Fatalf("%s: %v", what, err)
			case !slices.Equal(b.Bytes, kept[i].Bytes):
				t.Fatalf("%s: batch %d is another one", what, i)
			}
		}
		if said == 0 {
			t.Errorf("%s: nothing was said", what)
		}
		disk.Kill()
		if _, _, err := Open(disk, backlogConfig()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: a start says %v", what, err)
		}
	}
}

// TestAStartReadsABacklogPieceByPiece: what has to be in memory is bounded, and
// all is there.
func TestAStartReadsABacklogPieceByPiece(t *testing.T) {
	disk := new(Memory)
	j, kept := backlog(t, disk, 3000)
	closed(t, j)
	j, life := open(t, disk, backlogConfig())
	defer closed(t, j)
	inMemory := 0
	for i := range life.Recovered.Batches {
		inMemory += len(life.Recovered.Batches[i].Bytes)
	}
	if most := 2 << 20; inMemory > most || inMemory == 0 {
		t.Errorf("%d bytes are in memory, want up to %d of %d", inMemory, most, disk.Size())
	}
	n := 0
	for b := range life.Recovered.All() {
		if want := &kept[n]; b.Origin != want.Origin || b.Seq != want.Seq || !slices.Equal(b.Bytes, want.Bytes) {
			t.Fatalf("batch %d is %d/%d, want %d/%d", n, b.Origin, b.Seq, want.Origin, want.Seq)
		}
		n++
	}
	if n != len(kept) || j.Err() != nil {
		t.Errorf("%d of %d batches, %v", n, len(kept), j.Err())
	}
}

// TestDamageThatAStartMeetsLateEndsIt: it is read a second time.
func TestDamageThatAStartMeetsLateEndsIt(t *testing.T) {
	disk := new(Memory)
	j, _ := backlog(t, disk, 3000)
	closed(t, j)
	j, life := open(t, disk, backlogConfig())
	data := disk.Change(segmentsOf(t, disk)[1])
	data[len(data)/2] ^= 1
	for range life.Recovered.All() {
	}
	if err := j.Sync(); !errors.Is(err, ErrDamaged) || !errors.Is(j.Err(), ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// TestAFullFolderTakesABase at once, for only that makes room.
func TestAFullFolderTakesABase(t *testing.T) {
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.BytesMax = 1000, 5000
	disk := new(Memory)
	j, _ := open(t, disk, cfg)
	n := uint64(0)
	for !j.IsFull() {
		n++
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, "payload")}})
		synced(t, j)
		if size := int64(disk.Size()); j.Bytes() < size-8 || j.Bytes() > size+anchorPlaces*anchorPlaceBytes {
			t.Fatalf("says %d bytes, the folder has %d", j.Bytes(), size)
		}
	}
	j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 1 << 20, Have: []uint64{0, n, 0}}})
	synced(t, j)
	if j.IsFull() {
		t.Errorf("%d bytes of %d after nothing is needed any more", j.Bytes(), cfg.BytesMax)
	}
	closed(t, j)
	j, _ = open(t, disk, cfg)
	defer closed(t, j)
	if size := int64(disk.Size()); j.Bytes() < size-8 || j.Bytes() > size+anchorPlaces*anchorPlaceBytes {
		t.Errorf("after a restart says %d bytes, the folder has %d", j.Bytes(), size)
	}
}
