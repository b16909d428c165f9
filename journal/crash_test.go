package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

var errPower = errors.New("power is gone")

// history is what a member kept and what its journal acknowledged.
type history struct {
	batches []string // origin/seq@time payload, in the order of keeping
	bounds  []clock.Time
	kept    int // batches and bounds kept so far
	acked   int // batches and bounds acknowledged by a sync
}

// write runs a fixed piece of work until it is done or the disk fails: groups
// of different sizes, over several segments, with bounds and bases.
func (h *history) write(t *testing.T, fs FS) {
	t.Helper()
	cfg := testConfig()
	cfg.SegmentBytesMax = 900
	j, life, err := Open(fs, cfg)
	if err != nil {
		return
	}
	next := uint64(1)
	if r := life.Recovered; r != nil {
		next = r.Base.Have[1] + uint64(len(r.Batches)) + 1
	}
	for ; next <= 12; next++ {
		b := makeBatch(t, 1, next, strings.Repeat("p", int(next%5)*20))
		j.Keep(protocol.Effects{Append: []protocol.Batch{b}, Bound: b.Time + 100})
		h.batches = append(h.batches[:next-1], fmt.Sprintf("1/%d@%d", next, b.Time))
		h.bounds = append(h.bounds[:next-1], b.Time+100)
		if h.kept = int(next); next%3 == 0 {
			continue
		}
		if j.Sync() != nil {
			return
		}
		if h.acked = int(next); next > 4 {
			j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: b.Time - 40, Have: []uint64{0, next - 4, 0}}})
		}
	}
	if j.Close() == nil {
		h.acked = h.kept
	}
}

// judge compares what is recovered with the history: all that was
// acknowledged, and nothing that is not a prefix of what was kept.
func (h *history) judge(r *protocol.Recovered) error {
	if r == nil {
		if h.acked > 0 {
			return fmt.Errorf("%d batches were acknowledged, nothing is recovered", h.acked)
		}
		return nil
	}
	last := int(r.Base.Have[1])
	for i := range r.Batches {
		b := &r.Batches[i]
		if last++; b.Seq != uint64(last) || fmt.Sprintf("1/%d@%d", b.Seq, b.Time) != h.batches[last-1] {
			return fmt.Errorf("batch %d/%d@%s at place %d", b.Origin, b.Seq, b.Time, last)
		}
	}
	if last < h.acked || last > h.kept {
		return fmt.Errorf("%d batches recovered, %d were acknowledged and %d kept", last, h.acked, h.kept)
	}
	if h.acked > 0 && r.Bound < h.bounds[h.acked-1] {
		return fmt.Errorf("bound %s recovered, %s was acknowledged", r.Bound, h.bounds[h.acked-1])
	}
	return nil
}

// TestCrashAtEveryStepRecoversAnAcknowledgedPrefix loses power at each
// operation of the disk in turn, with each number of unsynced bytes surviving,
// and again at each operation of the recovery.
func TestCrashAtEveryStepRecoversAnAcknowledgedPrefix(t *testing.T) {
	for crashAt := 1; ; crashAt++ {
		crashed := false
		for survive := range 301 {
			var disk Memory
			var h history
			disk.Fail = powerLossAt(crashAt)
			h.write(t, &disk)
			if crashed = disk.Fail("", "") != nil; !crashed {
				break
			}
			disk.Crash(func(unsynced int) int { return min(unsynced, survive) })
			if err := h.recoverTwice(&disk, survive); err != nil {
				t.Fatalf("power lost at operation %d, %d bytes survive: %v", crashAt, survive, err)
			}
		}
		if !crashed {
			t.Logf("%d operations", crashAt-1)
			return
		}
	}
}

// powerLossAt lets all operations from the n-th on fail.
func powerLossAt(n int) func(string, string) error {
	return func(string, string) error {
		if n--; n < 0 {
			return errPower
		}
		return nil
	}
}

// recoverTwice loses power during the first recovery too.
func (h *history) recoverTwice(disk *Memory, survive int) error {
	cfg := testConfig()
	disk.Fail = powerLossAt(survive % 6)
	if j, life, err := Open(disk, cfg); err == nil {
		if err := h.judge(life.Recovered); err != nil {
			return err
		}
		_ = j.file.Close()
	} else if !errors.Is(err, errPower) {
		return err
	}
	disk.Fail = nil
	disk.Crash(func(unsynced int) int { return min(unsynced, survive/2) })
	_, life, err := Open(disk, cfg)
	if err != nil {
		return err
	}
	return h.judge(life.Recovered)
}

func TestWorkGoesOnAfterEachCrash(t *testing.T) {
	var disk Memory
	var h history
	for crashAt := 3; h.acked < 12; crashAt++ {
		disk.Fail = powerLossAt(crashAt)
		h.write(t, &disk)
		disk.Crash(func(unsynced int) int { return unsynced / 2 })
	}
	disk.Fail = nil
	_, life := open(t, &disk, testConfig())
	if err := h.judge(life.Recovered); err != nil {
		t.Error(err)
	}
}

// threeGroups gives a disk with three groups in one segment, as after a crash,
// and where each of them begins.
func threeGroups(t *testing.T) (*Memory, []int) {
	t.Helper()
	disk := &Memory{}
	j, _ := open(t, disk, testConfig())
	var starts []int
	for n := uint64(1); n <= 3; n++ {
		starts = append(starts, j.size)
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, "payload")}, Binding: member.Binding{1, 2, 3}})
		sync(t, j)
	}
	disk.Crash(nil)
	return disk, starts
}

func TestEveryDamagedByteIsNoticed(t *testing.T) {
	_, starts := threeGroups(t)
	size := func() int { disk, _ := threeGroups(t); return disk.Size() }()
	for at := range size {
		disk, _ := threeGroups(t)
		disk.Change(segmentName(1))[at] ^= 0x40
		_, life, err := Open(disk, testConfig())
		switch {
		case at < starts[2] && !errors.Is(err, ErrDamaged):
			t.Fatalf("byte %d of %d was changed: %v", at, size, err)
		case at < starts[2] && !strings.Contains(err.Error(), "segment 1"):
			t.Fatalf("the error does not say where: %v", err)
		case at >= starts[2] && err != nil:
			t.Fatalf("byte %d of the last group was changed: %v", at, err)
		case at >= starts[2] && len(life.Recovered.Batches) != 2:
			t.Fatalf("byte %d of the last group was changed: %d batches", at, len(life.Recovered.Batches))
		}
	}
}

func TestUnfinishedEndIsCutOffAndLogged(t *testing.T) {
	disk, starts := threeGroups(t)
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

func TestMissingSegmentIsNoticed(t *testing.T) {
	var disk Memory
	for range 3 {
		j, _ := open(t, &disk, testConfig())
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 1, "p")}})
		closed(t, j)
	}
	delete(disk.files, segmentName(2))
	if _, _, err := Open(&disk, testConfig()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "segment 2 is missing") {
		t.Errorf("error: %v", err)
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	j.Keep(protocol.Effects{Bound: 5})
	disk.Fail = func(operation, _ string) error {
		if operation == "sync" {
			return errPower
		}
		return nil
	}
	first := j.Sync()
	disk.Fail = nil
	j.Keep(protocol.Effects{Bound: 6})
	if second := j.Sync(); first == nil || !errors.Is(second, errPower) {
		t.Errorf("after a failed sync: %v, then %v", first, second)
	}
}

func TestFullDiskLosesNothingAcknowledged(t *testing.T) {
	disk := Memory{BytesMax: 2000}
	cfg := testConfig()
	j, _ := open(t, &disk, cfg)
	acked := 0
	var err error
	for n := uint64(1); err == nil; n++ {
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, n, strings.Repeat("p", 50))}})
		if err = j.Sync(); err == nil {
			acked++
		}
	}
	if acked < 5 || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "start again") {
		t.Fatalf("%d syncs, then %v", acked, err)
	}
	disk.Crash(func(unsynced int) int { return unsynced })
	disk.BytesMax = 0
	_, life := open(t, &disk, cfg)
	if got := len(life.Recovered.Batches); got != acked {
		t.Errorf("%d batches recovered, %d acknowledged", got, acked)
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
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(f, 1, 1, "payload")}})
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	whole := slices.Clone(disk.Change(segmentName(1)))
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		file := &memoryFile{data: data, synced: len(data)}
		disk := Memory{files: map[string]*memoryFile{segmentName(1): file}}
		j, _, err := Open(&disk, testConfig())
		if err != nil {
			return
		}
		closed(t, j)
		open(t, &disk, testConfig())
	})
}
