package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// severalSegments returns a disk with four segments or more, the first of which
// are covered and gone, after a clean stop.
func severalSegments(t *testing.T) *Memory {
	t.Helper()
	disk := &Memory{}
	cfg := testConfig()
	cfg.SegmentBytesMax = 700
	for n := uint64(1); n <= 30; {
		j, _ := open(t, disk, cfg)
		for ; n%8 != 0; n++ {
			j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, strings.Repeat("p", 60)), makeBatch(t, 0, n, "q")}})
			if n > 20 {
				j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 100, Have: []uint64{n - 20, n - 20, 0}}})
			}
			synced(t, j)
		}
		n++
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n-1, "p"), makeBatch(t, 0, n-1, "q")}})
		closed(t, j)
	}
	return disk
}

func segmentsOf(t *testing.T, disk *Memory) []string {
	t.Helper()
	names, err := disk.List()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
}

func shorten(disk *Memory, name string, size int) {
	disk.files[name].data = disk.files[name].data[:size]
}

// TestMissingPieceIsNoticed takes pieces out of a folder: each segment, the
// first ones, the last ones, all of them; the end of each segment, at each
// record and in between; the anchor.
func TestMissingPieceIsNoticed(t *testing.T) {
	whole := severalSegments(t)
	names := segmentsOf(t, whole)
	if len(names) < 4 || names[0] == segmentName(1) {
		t.Fatalf("segments %v", names)
	}
	damaged := func(what string, take func(disk *Memory)) {
		t.Helper()
		disk := whole.Clone()
		take(disk)
		_, life, err := Open(disk, testConfig())
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: %v, %+v", what, err, life)
		}
		if again := disk.Size(); again > whole.Size() {
			t.Fatalf("%s: a folder that was refused was changed", what)
		}
	}
	for i, name := range names {
		damaged("without "+name, func(disk *Memory) { delete(disk.files, name) })
		damaged("without all up to "+name, func(disk *Memory) {
			for _, other := range names[:i+1] {
				delete(disk.files, other)
			}
		})
		damaged("without all from "+name, func(disk *Memory) {
			for _, other := range names[i:] {
				delete(disk.files, other)
			}
		})
		for size := range len(whole.Change(name)) {
			damaged(name+" shortened", func(disk *Memory) { shorten(disk, name, size) })
		}
	}
	damaged("without the anchor", func(disk *Memory) { delete(disk.files, anchorName) })
	damaged("with an empty anchor", func(disk *Memory) { shorten(disk, anchorName, 0) })
	damaged("with another's anchor", func(disk *Memory) {
		cfg := testConfig()
		cfg.Identity = 0xdef
		var other Memory
		j, _ := open(t, &other, cfg)
		closed(t, j)
		disk.files[anchorName] = other.files[anchorName]
	})
	if _, life := open(t, whole.Clone(), testConfig()); len(life.Recovered.Batches) == 0 {
		t.Error("the whole folder is empty")
	}
}

// TestShortenedSegmentIsNoticedAfterAKill: while the machine runs the anchor
// proves all that was acknowledged.
func TestShortenedSegmentIsNoticedAfterAKill(t *testing.T) {
	whole, _ := threeGroups(t)
	for size := range len(whole.Change(segmentName(1))) {
		disk := whole.Clone()
		shorten(disk, segmentName(1), size)
		if _, _, err := Open(disk, testConfig()); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes are left: %v", size, err)
		}
	}
}

// TestTailThatWasNeverSyncedIsMadeDurable: what a start gives back stays, and
// what is left of an old end keeps nobody from starting.
func TestTailThatWasNeverSyncedIsMadeDurable(t *testing.T) {
	for _, failure := range []error{ErrEnded, errDisk} {
		var disk Memory
		j, _ := open(t, &disk, testConfig())
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 1, "p")}})
		synced(t, j)
		disk.Fail = func(operation, _ string) error {
			if operation == "sync" {
				return failure
			}
			return nil
		}
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 2, "p")}})
		if j.Sync() == nil {
			t.Fatal("a sync that fails succeeds")
		}
		disk.Fail = nil
		disk.Kill()
		for life := range 3 {
			_, back := open(t, &disk, testConfig())
			if got := len(back.Recovered.Batches); got != 2 {
				t.Fatalf("%v, start %d: %d batches, want 2", failure, life, got)
			}
			disk.Crash(nil)
		}
	}
}

// TestAgreementOutlivesItsSegments: that all agreed is known after clean stops
// with a base that covers everything.
func TestAgreementOutlivesItsSegments(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	j.Keep(protocol.Effects{Binding: member.Binding{1, 2, 3}})
	j.Keep(protocol.Effects{Agreed: true})
	synced(t, j)
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 1, "p")}, Settled: 10})
	j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 10, Have: []uint64{0, 1, 0}}})
	closed(t, j)
	for start := range 4 {
		j, life := open(t, &disk, testConfig())
		if r := life.Recovered; !r.Agreed || r.Settled != 10 {
			t.Fatalf("start %d: agreed %v, settled %s", start, r.Agreed, r.Settled)
		}
		if names := segmentsOf(t, &disk); len(names) != 1 {
			t.Errorf("start %d: segments %v", start, names)
		}
		closed(t, j)
	}
}

// TestSettledTimeOfAHeadHasItsBatches: a segment that is begun for a group must
// not tell that what is in the group is settled before the group is written.
func TestSettledTimeOfAHeadHasItsBatches(t *testing.T) {
	cfg := testConfig()
	cfg.SegmentBytesMax = 400
	var disk Memory
	j, _ := open(t, &disk, cfg)
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 1, strings.Repeat("p", 100))}})
	synced(t, j)
	writes := 0
	disk.Fail = func(operation, name string) error {
		if operation == "write" && name == segmentName(2) {
			writes++
		}
		if writes == 2 { // its head is there, its first group is not
			return ErrEnded
		}
		return nil
	}
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 2, strings.Repeat("p", 200))}, Settled: 20})
	if j.Sync() == nil {
		t.Fatal("the group was written")
	}
	disk.Fail = nil
	disk.Crash(nil)
	if _, life := open(t, &disk, cfg); life.Recovered.Settled != 0 || len(life.Recovered.Batches) != 1 {
		t.Errorf("settled up to %s with %d batches", life.Recovered.Settled, len(life.Recovered.Batches))
	}
}

// version1 returns a copy of a folder that version 1 of the format left after a
// crash: five segments, the end of the last one torn.
func version1(t *testing.T) string { return folderBy(t, "version1") }

// folderBy returns a copy of a folder that a version of the format left.
func folderBy(t *testing.T, version string) string {
	t.Helper()
	path := t.TempDir()
	if err := os.CopyFS(path, os.DirFS(filepath.Join("testdata", version))); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVersion1IsRead(t *testing.T) {
	folder, err := Folder(version1(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2/1@10 of c", "2/2@20 of c"}
	for n := uint64(3); n <= 9; n++ {
		own := makeBatch(t, 1, n, strings.Repeat("p", 60))
		other := makeBatch(t, 0, n, "of a")
		want = append(want, places(&protocol.Recovered{Batches: []protocol.Batch{own, other}})...)
	}
	slices.Sort(want)
	for life := uint64(3); life <= 5; life++ {
		j, back := open(t, folder, testConfig())
		got := places(back.Recovered)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if r := back.Recovered; r.Bound != 2000 || r.Settled != 60 || !r.Agreed || r.Base.Time != 20 || back.Count != life {
			t.Errorf("life %d: %+v", back.Count, r)
		}
		closed(t, j)
	}
}

// TestVersion2IsRead: two lives that ended well, with an index, the state of an
// application in the base, and no views.
func TestVersion2IsRead(t *testing.T) {
	folder, err := Folder(folderBy(t, "version2"))
	if err != nil {
		t.Fatal(err)
	}
	state := make([]byte, 0, formerStateBytes)
	for _, word := range []uint64{7, 2, 3, 4, 5, 6} {
		state = binary.LittleEndian.AppendUint64(state, word)
	}
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.Retain = 700, &Retain{}
	for life := uint64(3); life <= 4; life++ { // the second time as this version writes it
		j, back := open(t, folder, cfg)
		r := back.Recovered
		if len(r.Batches) != 2 || r.Bound != 2000 || !r.Agreed || !slices.Equal(r.Base.Have, []uint64{7, 7, 0}) || !bytes.Equal(r.Base.State, state) || back.Count != life {
			t.Errorf("life %d: %+v", back.Count, r)
		}
		var dst [20]protocol.Batch
		if first, n, err := j.Archive().Read(0, dst[:]); err != nil || first != 1 || n != 14 {
			t.Errorf("life %d: %d batches from %d on can be read again, %v", back.Count, n, first, err)
		}
		closed(t, j)
	}
}

// TestMissingPieceOfVersion1IsNoticed: streams go on without a gap, whatever
// heads say.
func TestMissingPieceOfVersion1IsNoticed(t *testing.T) {
	for number := uint64(1); number <= 4; number++ {
		path := version1(t)
		if err := os.Remove(filepath.Join(path, segmentName(number))); err != nil {
			t.Fatal(err)
		}
		folder, err := Folder(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(folder, testConfig()); !errors.Is(err, ErrDamaged) {
			t.Errorf("without segment %d: %v", number, err)
		}
		if _, err := os.Stat(filepath.Join(path, anchorName)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without segment %d: a folder that was refused was changed", number)
		}
	}
}
