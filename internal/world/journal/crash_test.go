package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// threeGroups returns a disk with three groups in one segment, as its process
// left it when it was killed, and where each of them begins.
func threeGroups(t *testing.T) (*Memory, []int) {
	t.Helper()
	disk := &Memory{}
	j, _ := open(t, disk, testConfig())
	var starts []int
	for n := uint64(1); n <= 3; n++ {
		starts = append(starts, int(j.open().bytes))
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, "payload")}, Binding: member.Binding{1, 2, 3}})
		synced(t, j)
	}
	disk.Kill()
	return disk, starts
}

// flip changes one bit of a file.
func flip(disk *Memory, name string, bit int) { disk.Change(name)[bit/8] ^= 1 << (bit % 8) }

func TestEveryDamagedBitIsNoticed(t *testing.T) {
	whole, _ := threeGroups(t)
	for bit := range 8 * len(whole.Change(segmentName(1))) {
		disk := whole.Clone()
		flip(disk, segmentName(1), bit)
		_, _, err := Open(disk, testConfig())
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "segment 1") || !strings.Contains(err.Error(), "byte") {
			t.Fatalf("bit %d of byte %d was changed: %v", bit%8, bit/8, err)
		}
	}
}

// TestDamagedAnchorChangesNothing damages each bit of what only tells of the
// rest.
func TestDamagedAnchorChangesNothing(t *testing.T) {
	whole, _ := threeGroups(t)
	for bit := range 8 * len(whole.Change(anchorName)) {
		disk := whole.Clone()
		flip(disk, anchorName, bit)
		if _, life := open(t, disk, testConfig()); len(life.Recovered.Batches) != 3 {
			t.Fatalf("bit %d was changed: %d batches", bit, len(life.Recovered.Batches))
		}
	}
}

// TestDamagedLastGroupIsNeverDelivered damages what nothing proves to have been
// synced, for the anchor's last word was lost with the power: it passes for a
// crash while it was written.
func TestDamagedLastGroupIsNeverDelivered(t *testing.T) {
	whole, starts := threeGroups(t)
	whole.Crash(nil)
	for bit := 8 * starts[2]; bit < 8*len(whole.Change(segmentName(1))); bit++ {
		disk := whole.Clone()
		flip(disk, segmentName(1), bit)
		if _, life := open(t, disk, testConfig()); len(life.Recovered.Batches) != 2 {
			t.Fatalf("bit %d was changed: %d batches", bit, len(life.Recovered.Batches))
		}
	}
}

func TestUnfinishedEndIsCutOffAndLogged(t *testing.T) {
	disk, starts := threeGroups(t)
	disk.Crash(nil)
	file := disk.files[segmentName(1)]
	file.data = file.data[:starts[2]+20]
	var log bytes.Buffer
	cfg := testConfig()
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	j, life := open(t, disk, cfg)
	if len(life.Recovered.Batches) != 2 {
		t.Errorf("%d batches", len(life.Recovered.Batches))
	}
	if !strings.Contains(log.String(), "unfinished end is cut off") {
		t.Errorf("log: %s", log.String())
	}
	closed(t, j)
	_, life = open(t, disk, testConfig())
	if len(life.Recovered.Batches) != 2 || life.Count != 3 {
		t.Errorf("after another start: %d batches, life %d", len(life.Recovered.Batches), life.Count)
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	j.Keep(protocol.Effects{Bound: 5})
	disk.Fail = func(operation, _ string) error {
		if operation == "sync" {
			return errDisk
		}
		return nil
	}
	first := j.Sync()
	disk.Fail = nil
	j.Keep(protocol.Effects{Bound: 6})
	if second := j.Sync(); first == nil || !errors.Is(second, errDisk) {
		t.Errorf("after a failed sync: %v, then %v", first, second)
	}
}

func TestFullDiskIsNotFinal(t *testing.T) {
	disk := Memory{BytesMax: 2000}
	j, _ := open(t, &disk, testConfig())
	acked := 0
	var err error
	for n := uint64(1); err == nil; n++ {
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, strings.Repeat("p", 50))}})
		if err = j.Sync(); err == nil {
			acked++
		}
	}
	if again := j.Sync(); acked < 5 || !errors.Is(err, protocol.ErrNoRoom) || !strings.Contains(err.Error(), "no space left") || again == nil {
		t.Fatalf("%d syncs, then %v, then %v", acked, err, again)
	}
	copied := disk.Clone() // as its process would leave it now
	disk.Resize(0)
	synced(t, j)
	disk.Crash(nil)
	for _, c := range []struct {
		disk *Memory
		want int
	}{{copied, acked}, {&disk, acked + 1}} {
		if _, life := open(t, c.disk, testConfig()); len(life.Recovered.Batches) != c.want {
			t.Errorf("%d batches recovered, %d acknowledged", len(life.Recovered.Batches), c.want)
		}
	}
}

// A sync that says that the disk is full, as some file systems do that find
// room for what was written only then, has lost what it was about.
func TestFullDiskInASyncIsFinal(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	j.Keep(protocol.Effects{Bound: 5})
	disk.Fail = func(operation, _ string) error {
		if operation == "sync" {
			return syscall.ENOSPC
		}
		return nil
	}
	first := j.Sync()
	disk.Fail = nil
	if second := j.Sync(); first == nil || errors.Is(first, protocol.ErrNoRoom) || second == nil {
		t.Errorf("after a sync without room: %v, then %v", first, second)
	}
}

// TestFullDiskIsWaitedForAtEveryByte has the disk full after each number of
// bytes (each fifth where CI does not want all), with all that a life writes to it: segments, the index, the anchor. A
// little room is made each time, and in the end everything is there. The process may
// also end whenever the disk is full; with the last group it does.
func TestFullDiskIsWaitedForAtEveryByte(t *testing.T) {
	var whole Memory
	if err := new(history).live(t, &whole); err != nil {
		t.Fatal(err)
	}
	waits, crashes, every := 0, 0, draw.Of(1, 5)
	for size := 1; size < whole.Size(); size += every {
		disk := Memory{BytesMax: size}
		var h history
		var left []*Memory // the disk as it was whenever it was full
		var then []history
		h.room = func() {
			waits++
			if size%4 == 0 {
				left, then = append(left, disk.Clone()), append(then, h.clone())
			}
			disk.Resize(max(disk.Size(), disk.BytesMax) + 150)
		}
		if err := h.live(t, &disk); err != nil || h.relied < batchesInAll-1 {
			t.Fatalf("%d bytes: %d batches of %d, %v", size, h.relied, batchesInAll, err)
		}
		disk.Crash(nil)
		left, then = append(left, &disk), append(then, h.clone())
		for i := range left {
			crashes++
			left[i].Resize(0)
			if err := then[i].live(t, left[i]); err != nil {
				t.Fatalf("%d bytes, left after %d waits: %v", size, i+1, err)
			}
		}
	}
	if t.Logf("%d waits for room, %d starts after one", waits, crashes); waits < 5000/every || crashes < 2000/every {
		t.Error("this proves little")
	}
}

// FuzzRecovery puts anything where a segment may be: Open must not panic, and
// what it accepts it must accept again.
func FuzzRecovery(f *testing.F) {
	var disk Memory
	j, _, err := Open(&disk, testConfig())
	if err != nil {
		f.Fatal(err)
	}
	j.Keep(protocol.Effects{Bound: 9, Binding: member.Binding{1, 2, 3}, Base: &protocol.Snapshot{Have: make([]uint64, members)}})
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(f, 1, 1, "payload")}, Vote: voteOf(f, 2, 3), View: viewOf(f, 2)})
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	whole := slices.Clone(disk.Change(segmentName(1)))
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var disk Memory
		anchor, err := createAnchor(&disk)
		if err != nil || anchor.begin(&disk) != nil {
			t.Fatal(err)
		}
		disk.files[segmentName(1)] = &memoryFile{data: data, disk: slices.Clone(data)}
		j, _, err := Open(&disk, testConfig())
		if err != nil {
			return
		}
		closed(t, j)
		open(t, &disk, testConfig())
	})
}
