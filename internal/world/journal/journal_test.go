package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

const members = 3

func testConfig() Config {
	return Config{Cluster: "test", Self: 1, Members: members, List: 77, Identity: 0xabc, SegmentBytesMax: 1 << 20}
}

// makeBatch makes the batch number n of an origin: one entry a batch.
func makeBatch(tb testing.TB, origin member.ID, n uint64, payload string) protocol.Batch {
	tb.Helper()
	return sealed(tb, payload, protocol.Batch{Origin: origin, Identity: member.Identity(origin) + 1, Seq: n, Time: clock.Time(10 * n)})
}

// makeBatchAt makes the batch number n of member 1 with a time.
func makeBatchAt(tb testing.TB, n uint64, at clock.Time, payload string) protocol.Batch {
	tb.Helper()
	return sealed(tb, payload, protocol.Batch{Origin: 1, Identity: 2, Seq: n, Time: at})
}

func sealed(tb testing.TB, payload string, place protocol.Batch) protocol.Batch {
	tb.Helper()
	room := len(payload) + 256
	builder := wire.NewBuilder(protocol.NewPool(room, 1), room)
	if !builder.Add([]byte(payload)) {
		tb.Fatal("no room for a payload")
	}
	b := builder.Take()
	b.Origin, b.Identity, b.Seq, b.Time = place.Origin, place.Identity, place.Seq, place.Time
	wire.Seal(&b)
	return b
}

func open(tb testing.TB, fs FS, cfg Config) (*Journal, Life) {
	tb.Helper()
	j, life, err := Open(fs, cfg)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	return j, life
}

func synced(tb testing.TB, j *Journal) {
	tb.Helper()
	if err := j.Sync(); err != nil {
		tb.Fatalf("sync: %v", err)
	}
}

func closed(tb testing.TB, j *Journal) {
	tb.Helper()
	if err := j.Close(); err != nil {
		tb.Fatalf("close: %v", err)
	}
}

// places returns what is recovered as text, batch by batch.
func places(r *protocol.Recovered) []string {
	var all []string
	for i := range r.Batches {
		b := &r.Batches[i]
		all = append(all, fmt.Sprintf("%d/%d@%s %s", b.Origin, b.Seq, b.Time, wire.Payloads(b).At(0)))
	}
	return all
}

func TestRestartContinuesWithAllThatWasKept(t *testing.T) {
	var disk Memory
	j, life := open(t, &disk, testConfig())
	if life.Identity != 0xabc || life.Count != 1 || life.Recovered != nil {
		t.Fatalf("first life: %+v", life)
	}
	j.Keep(protocol.Effects{Bound: 1000, Append: []protocol.Batch{makeBatch(t, 1, 1, "x"), makeBatch(t, 0, 1, "y")}})
	j.Keep(protocol.Effects{Binding: member.Binding{5, 0xabc, 0}})
	synced(t, j)
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 2, "z")}, Bound: 2000})
	closed(t, j)

	other := testConfig()
	other.Identity = 0xdef // drawn anew at each start, and not used when there is one
	_, life = open(t, &disk, other)
	if life.Identity != 0xabc || life.Count != 2 {
		t.Fatalf("second life: %+v", life)
	}
	want := []string{"1/1@10 x", "0/1@10 y", "1/2@20 z"}
	if diff := cmp.Diff(want, places(life.Recovered)); diff != "" {
		t.Error(diff)
	}
	if r := life.Recovered; r.Bound != 2000 || !slices.Equal(r.Binding, member.Binding{5, 0xabc, 0}) {
		t.Errorf("recovered bound %s, binding %v", r.Bound, r.Binding)
	}
}

func TestBaseHidesWhatItCovers(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	for n := uint64(1); n <= 4; n++ {
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 0, n, "a"), makeBatch(t, 2, n, "c")}})
	}
	base := protocol.Snapshot{Time: 30, Have: []uint64{3, 0, 2}, State: []byte("what the application keeps")}
	j.Keep(protocol.Effects{Base: &base})
	closed(t, j)
	_, life := open(t, &disk, testConfig())
	if diff := cmp.Diff([]string{"2/3@30 c", "0/4@40 a", "2/4@40 c"}, places(life.Recovered)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(base, life.Recovered.Base); diff != "" {
		t.Error(diff)
	}
}

func TestBaseAloneCostsNoSync(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	syncs := 0
	disk.Fail = func(operation, _ string) error {
		if operation == "sync" {
			syncs++
		}
		return nil
	}
	base := protocol.Snapshot{Time: 1, Have: make([]uint64, members)}
	j.Keep(protocol.Effects{Base: &base})
	synced(t, j)
	synced(t, j)
	if syncs != 0 {
		t.Errorf("a base alone cost %d syncs", syncs)
	}
	j.Keep(protocol.Effects{Reset: &base, Base: &base})
	synced(t, j)
	if syncs != 1 {
		t.Errorf("a reset cost %d syncs, want 1", syncs)
	}
}

func TestCoveredSegmentsAreRemoved(t *testing.T) {
	var disk Memory
	cfg := testConfig()
	cfg.SegmentBytesMax = 2000
	j, _ := open(t, &disk, cfg)
	for n := uint64(1); n <= 200; n++ {
		j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 0, n, strings.Repeat("p", 100))}, Bound: clock.Time(n)})
		if n > 10 {
			j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: clock.Time(10 * (n - 10)), Have: []uint64{n - 10, 0, 0}}})
		}
		synced(t, j)
		if size := disk.Size(); size > 4*cfg.SegmentBytesMax {
			t.Fatalf("%d bytes on disk after batch %d", size, n)
		}
	}
	disk.Crash(nil)
	_, life := open(t, &disk, cfg)
	if got := places(life.Recovered); len(got) != 10 || !strings.HasPrefix(got[0], "0/191@1910") {
		t.Errorf("recovered %v", got)
	}
	if life.Recovered.Bound != 200 {
		t.Errorf("bound %s", life.Recovered.Bound)
	}
}

func TestForeignFolderIsRefused(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	if _, _, err := Open(&disk, testConfig()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("two processes on one folder: %v", err)
	}
	closed(t, j)
	for what, change := range map[string]func(*Config){
		"cluster": func(c *Config) { c.Cluster = "other" },
		"member":  func(c *Config) { c.Self = 0 },
		"number":  func(c *Config) { c.Members = 4 },
		"list":    func(c *Config) { c.List = 78 },
	} {
		cfg := testConfig()
		change(&cfg)
		if _, _, err := Open(&disk, cfg); !errors.Is(err, ErrForeign) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	open(t, &disk, testConfig())
}

// TestFolderWithTheListAsItWasWrittenGoesOn opens a folder whose headers have the
// hash of a list before addresses had a normal form.
func TestFolderWithTheListAsItWasWrittenGoesOn(t *testing.T) {
	var disk Memory
	j, life := open(t, &disk, testConfig())
	closed(t, j)
	cfg := testConfig()
	cfg.List, cfg.ListAsWritten = 78, testConfig().List
	j, again := open(t, &disk, cfg)
	if again.Identity != life.Identity || again.Count != life.Count+1 {
		t.Errorf("life %+v goes on as %+v", life, again)
	}
	closed(t, j)
	cfg.ListAsWritten = 0
	j, _ = open(t, &disk, cfg) // the newest segment has the normal form by now
	closed(t, j)
}

func TestMistakesOfConfigurationAreNamedTogether(t *testing.T) {
	_, _, err := Open(&Memory{}, Config{Cluster: strings.Repeat("x", 300), Self: member.CountMax, Members: 3, SegmentBytesMax: -1})
	for _, part := range []string{"300 bytes", "member 4096 of 3", "no identity", "segments of -1"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	closed(t, j)
	putVersion(t, &disk, Version+1)
	if _, _, err := Open(&disk, testConfig()); err == nil || !strings.Contains(err.Error(), "version 4") {
		t.Errorf("error: %v", err)
	}
}

// putVersion has the first segment say that another version wrote it.
func putVersion(tb testing.TB, disk *Memory, version byte) {
	tb.Helper()
	file := disk.Change(segmentName(1))
	_, body, _, err := nextRecord(file)
	if err != nil {
		tb.Fatal(err)
	}
	body[len(magic)] = version
	appendRecord(file[:0], kindHead, body)
}

// TestSettledTimeWaitsForTheNextSync: it costs no sync of its own, and never
// comes back without the batches that it is about.
func TestSettledTimeWaitsForTheNextSync(t *testing.T) {
	var disk Memory
	j, _ := open(t, &disk, testConfig())
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 0, 1, "a")}, Settled: 5})
	synced(t, j)
	j.Keep(protocol.Effects{Settled: 10})
	synced(t, j)
	disk.Crash(nil)
	j, life := open(t, &disk, testConfig())
	if got := life.Recovered.Settled; got != 5 {
		t.Errorf("settled up to %s after a crash, want 5", got)
	}
	j.Keep(protocol.Effects{Settled: 10})
	closed(t, j)
	_, life = open(t, &disk, testConfig())
	if got := life.Recovered.Settled; got != 10 {
		t.Errorf("settled up to %s after it was closed, want 10", got)
	}
}
