package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// ledger plays a member whose log settles: what was kept settles in the order
// of times, and a base follows. It knows what lies at each position.
type ledger struct {
	tb      testing.TB
	rng     *rand.Rand
	disk    Memory
	files   FS // the disk, or what a test makes of it
	cfg     Config
	j       *Journal
	now     time.Time
	kept    []protocol.Batch // in the order of keeping, all lives together
	durable int              // of kept
	settled int              // of kept: they settle in the order of keeping here
	stable  int              // of kept: covered by a base

	older, loaded int // batches that were read one by one at a start, and later
}

func newLedger(tb testing.TB, seed uint64, retain Retain) *ledger {
	l := &ledger{tb: tb, rng: rand.New(rand.NewPCG(seed, 1)), now: time.UnixMilli(1_000_000)}
	l.files = &l.disk
	l.cfg = testConfig()
	l.cfg.SegmentBytesMax = 600 + int(seed%5)*400
	l.cfg.LoadBytesMax, l.cfg.PlacesMax = 1+int(seed%4)*1000, 1+int(seed%7)*3
	l.cfg.Retain, l.cfg.Now = &retain, func() time.Time { return l.now }
	l.start()
	return l
}

// start begins a life, and settles again what is above the base.
func (l *ledger) start() {
	l.tb.Helper()
	j, life, err := Open(l.files, l.cfg)
	if err != nil {
		l.tb.Fatal(err)
	}
	l.j, l.settled, l.stable = j, 0, 0
	if r := life.Recovered; r != nil {
		position := positionOf(r.Base.Have)
		for l.stable < len(l.kept) && uint64(l.stable) < position {
			l.stable++ // one entry a batch
		}
		l.recover(r)
	}
	l.settled, l.durable = l.stable, len(l.kept)
	l.settle(l.rng.IntN(l.durable - l.settled + 1))
}

// recover compares what a journal gave back with what was kept.
func (l *ledger) recover(r *protocol.Recovered) {
	l.tb.Helper()
	n := l.stable
	for b := range r.All() {
		if want := &l.kept[n]; want.Origin != b.Origin || want.Seq != b.Seq || !slices.Equal(want.Bytes, b.Bytes) {
			l.tb.Fatalf("batch %d is %d/%d, not %d/%d", n, b.Origin, b.Seq, want.Origin, want.Seq)
		}
		n++
	}
	l.kept = l.kept[:n]
	if r.Older != nil && l.j.Err() != nil {
		l.tb.Fatal(l.j.Err())
	}
	for range r.Older {
		l.older++
	}
}

// load loads batches that are not stable: one after the other from anywhere on,
// and any.
func (l *ledger) load() {
	l.tb.Helper()
	if l.stable == l.durable {
		return
	}
	i := l.stable + l.rng.IntN(l.durable-l.stable)
	for range 6 {
		want := l.kept[i]
		b := want
		b.Bytes, b.Parked = nil, uint32(len(want.Bytes))
		if err := l.j.Load(&b); err != nil || !slices.Equal(b.Bytes, want.Bytes) || b.Parked != 0 {
			l.tb.Fatalf("%d/%d is not read again: %v", b.Origin, b.Seq, err)
		}
		l.loaded++
		if i++; i == l.durable || l.rng.IntN(4) == 0 {
			i = l.stable + l.rng.IntN(l.durable-l.stable)
		}
	}
}

// end ends a life in one of three ways.
func (l *ledger) end() {
	switch l.rng.IntN(3) {
	case 0:
		if err := l.j.Close(); err != nil {
			l.tb.Fatal(err)
		}
	case 1:
		l.disk.Kill()
	case 2:
		l.disk.Crash(func(n int) (int, int) { return 0, l.rng.IntN(n + 1) })
	}
}

func (l *ledger) keep(count int) {
	for range count {
		origin := member.ID(l.rng.IntN(members))
		seq := uint64(1)
		for i := range l.kept {
			if l.kept[i].Origin == origin {
				seq = l.kept[i].Last() + 1
			}
		}
		payload := fmt.Sprintf("%d:%s", len(l.kept), strings.Repeat("x", l.rng.IntN(120)))
		b := sealed(l.tb, payload, protocol.Batch{Origin: origin, Identity: member.Identity(origin) + 1, Seq: seq, Time: clock.Time(len(l.kept) + 1)})
		l.j.Keep(protocol.Effects{Append: []protocol.Batch{b}})
		l.kept = append(l.kept, b)
	}
	if err := l.j.Sync(); err != nil {
		l.tb.Fatal(err)
	}
	l.durable = len(l.kept)
}

func (l *ledger) settle(count int) {
	count = min(count, l.durable-l.settled)
	l.j.Order(l.kept[l.settled : l.settled+count])
	l.settled += count
}

// cover lets the base go on to a number of batches that have settled.
func (l *ledger) cover(through int) {
	if l.stable = max(l.stable, through); l.stable == 0 {
		return
	}
	base := protocol.Snapshot{Time: l.kept[l.stable-1].Time, Have: make([]uint64, members)}
	for i := range l.kept[:l.stable] {
		base.Have[l.kept[i].Origin] = l.kept[i].Last()
	}
	l.j.Keep(protocol.Effects{Base: &base})
}

// judge reads everything that can be read, from a random position on, and
// compares it.
func (l *ledger) judge() {
	l.tb.Helper()
	a := l.j.Archive()
	begin := a.Begin()
	if a.End() != uint64(l.settled) || begin > a.End() {
		l.tb.Fatalf("from %d to %d can be read, %d have settled", begin+1, a.End(), l.settled)
	}
	if begin > 0 {
		if _, _, err := a.Read(begin-1, make([]protocol.Batch, 1)); err == nil {
			l.tb.Fatalf("position %d is read, which is below what is kept", begin)
		}
	}
	var dst [5]protocol.Batch
	for after := begin + uint64(l.rng.IntN(int(a.End()-begin)+1)); after < a.End(); {
		first, n, err := a.Read(after, dst[:])
		if err != nil || n == 0 || first != after+1 {
			l.tb.Fatalf("after %d: %d batches from %d on, %v", after, n, first, err)
		}
		for i := range n {
			want := &l.kept[after]
			if got := &dst[i]; got.Origin != want.Origin || got.Seq != want.Seq || !slices.Equal(got.Bytes, want.Bytes) {
				l.tb.Fatalf("position %d has %d/%d, not %d/%d", after+1, got.Origin, got.Seq, want.Origin, want.Seq)
			}
			after++
		}
	}
}

// live lets random things happen, with restarts between.
func (l *ledger) live(steps int) {
	l.tb.Helper()
	for range steps {
		switch l.rng.IntN(8) {
		case 0, 1, 2:
			l.keep(1 + l.rng.IntN(4))
		case 3, 4:
			l.settle(l.rng.IntN(6))
		case 5, 6:
			l.cover(l.stable + l.rng.IntN(l.settled-l.stable+1))
		case 7:
			if l.rng.IntN(4) == 0 {
				l.end()
				l.start()
			}
		}
		l.now = l.now.Add(time.Second)
		l.judge()
		l.load()
	}
}

// TestPositionsNeverChange reads the history again and again, over restarts of
// all kinds; without a limit everything stays.
func TestPositionsNeverChange(t *testing.T) {
	for seed := range uint64(60) {
		l := newLedger(t, seed, Retain{})
		l.live(150)
		if begin := l.j.Archive().Begin(); begin != 0 {
			t.Fatalf("seed %d: nothing was compacted, and what can be read begins behind %d", seed, begin)
		}
	}
}

// lazy is a folder that never syncs its index.
type lazy struct{ *Memory }

func (f lazy) Create(name string) (File, error) {
	file, err := f.Memory.Create(name)
	if strings.HasSuffix(name, ".idx") {
		return lazyFile{file}, err
	}
	return file, err
}

type lazyFile struct{ File }

func (lazyFile) Sync() error { return nil }

// TestIndexIsSyncedBeforeTheBase shows that it must be: else what can be read is
// lost with the power.
func TestIndexIsSyncedBeforeTheBase(t *testing.T) {
	l := newLedger(t, 1, Retain{})
	l.disk.Kill()
	l.files = lazy{&l.disk}
	l.start()
	for range 20 {
		l.keep(2)
		l.settle(2)
		l.cover(l.settled)
	}
	l.keep(1)
	l.disk.Crash(nil)
	l.files = &l.disk
	l.start()
	if begin := l.j.Archive().Begin(); begin == 0 {
		t.Error("everything can be read though the index was never synced: nothing looks at that")
	}
	l.judge()
}

// TestCompactedHistoryGoes: what is compacted goes, and nothing else.
func TestCompactedHistoryGoes(t *testing.T) {
	gone := 0
	for seed := range uint64(60) {
		l := newLedger(t, seed, Retain{Hold: true, Bytes: 1, Age: 1})
		compacted := 0
		for range 20 {
			l.live(10)
			compacted = max(compacted, l.settled-l.rng.IntN(10))
			l.j.Archive().Compact(uint64(max(compacted, 0)))
			if begin := l.j.Archive().Begin(); begin > uint64(max(compacted, 0)) {
				t.Fatalf("seed %d: compacted up to %d, and what can be read begins behind %d", seed, compacted, begin)
			} else if begin > 0 {
				gone++
			}
		}
	}
	if gone == 0 {
		t.Error("nothing ever went")
	}
}

// TestHistoryIsBoundedByBytesAndAge while all members hold everything.
func TestHistoryIsBoundedByBytesAndAge(t *testing.T) {
	for what, retain := range map[string]Retain{"bytes": {Bytes: 6000}, "age": {Age: 40 * time.Second}} {
		l := newLedger(t, 1, retain)
		for i := range 300 {
			l.keep(2)
			l.settle(2)
			l.cover(l.settled)
			l.now = l.now.Add(time.Second)
			l.judge()
			if i%90 == 89 {
				l.end()
				l.start()
			}
		}
		if size := l.disk.Size(); size > 30_000 {
			t.Errorf("%s: %d bytes on disk", what, size)
		}
		if a := l.j.Archive(); a.End()-a.Begin() < 20 {
			t.Errorf("%s: only %d to %d can be read", what, a.Begin()+1, a.End())
		}
	}
}

// TestRestartReadsOnlyWhatIsNeeded: of segments that are kept to be read again
// a start reads the heads.
func TestRestartReadsOnlyWhatIsNeeded(t *testing.T) {
	l := newLedger(t, 2, Retain{})
	for range 200 {
		l.keep(3)
		l.settle(3)
		l.cover(l.settled)
	}
	if err := l.j.Close(); err != nil {
		t.Fatal(err)
	}
	names := segmentsOf(t, &l.disk)
	if len(names) < 20 {
		t.Fatalf("%d segments", len(names))
	}
	middle := l.disk.Change(names[10])
	middle[len(middle)-1] ^= 1
	l.start()
	var dst [1000]protocol.Batch
	var damage error
	for after := uint64(0); after < l.j.Archive().End() && damage == nil; {
		_, n, err := l.j.Archive().Read(after, dst[:])
		after, damage = after+uint64(n), err
	}
	if !errors.Is(damage, ErrDamaged) || !strings.Contains(damage.Error(), "segment") {
		t.Errorf("what is damaged in a segment that a start does not read: %v", damage)
	}
	shorten(&l.disk, names[12], 100)
	l.disk.Kill()
	if _, _, err := Open(&l.disk, l.cfg); !errors.Is(err, ErrDamaged) {
		t.Errorf("a shortened one: %v", err)
	}
}

// TestDamagedIndexIsNeverBelieved damages each bit of the index: what can still
// be read is right, and the rest is refused.
func TestDamagedIndexIsNeverBelieved(t *testing.T) {
	l := newLedger(t, 3, Retain{})
	l.keep(9)
	l.settle(9)
	l.cover(7)
	l.keep(1)
	if err := l.j.Close(); err != nil {
		t.Fatal(err)
	}
	whole := l.disk.Clone()
	name := indexName(1)
	for bit := range 8 * len(whole.Change(name)) {
		disk := whole.Clone()
		flip(disk, name, bit)
		j, life := open(t, disk, l.cfg)
		j.Order(life.Recovered.Batches[:2])
		a := j.Archive()
		var dst [1]protocol.Batch
		for after := a.Begin(); after < a.End(); after++ {
			first, n, err := a.Read(after, dst[:])
			if err == nil && (n != 1 || first != after+1 || !slices.Equal(dst[0].Bytes, l.kept[after].Bytes)) {
				t.Fatalf("bit %d: position %d has %d/%d", bit, after+1, dst[0].Origin, dst[0].Seq)
			}
		}
	}
}

// FuzzIndex puts anything where the index may be, with checksums that are
// right: nothing panics, and what can be read is what lies at its position.
func FuzzIndex(f *testing.F) {
	l := newLedger(f, 3, Retain{})
	l.keep(9)
	l.settle(9)
	l.cover(7)
	l.keep(1)
	if err := l.j.Close(); err != nil {
		f.Fatal(err)
	}
	name := indexName(1)
	var bodies []byte
	for data := l.disk.Change(name); len(data) >= entryBytes; data = data[entryBytes:] {
		bodies = append(bodies, data[:entryBytes-4]...)
	}
	f.Add(bodies)
	f.Add(bodies[:len(bodies)-(entryBytes-4)])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, bodies []byte) {
		var data []byte
		for ; len(bodies) >= entryBytes-4; bodies = bodies[entryBytes-4:] {
			body := bodies[:entryBytes-4]
			data = binary.LittleEndian.AppendUint32(append(data, body...), checksum(body, nil))
		}
		disk := l.disk.Clone()
		disk.files[name] = &memoryFile{data: data, disk: slices.Clone(data)}
		j, life := open(t, disk, l.cfg)
		j.Order(life.Recovered.Batches[:2])
		a := j.Archive()
		if err := a.Newest(5, func(member.ID, uint64, uint32, uint64) {}); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		var dst [3]protocol.Batch
		for after := a.Begin(); after < a.End(); after++ {
			first, n, err := a.Read(after, dst[:])
			for i := range n {
				if err == nil && !slices.Contains(payloadsOf(l.kept), string(dst[i].Bytes)) {
					t.Fatalf("position %d has what was never kept", first)
				}
			}
		}
		closed(t, j)
	})
}

func payloadsOf(batches []protocol.Batch) []string {
	var all []string
	for i := range batches {
		all = append(all, string(batches[i].Bytes))
	}
	return all
}
