package journal

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/world/wire"
)

// settledFolder returns the folder of a member that was stopped: a few small
// segments, with an index of all their batches, and the batches by position.
func settledFolder(t testing.TB) (*Memory, []protocol.Batch) {
	t.Helper()
	return folderOf(t, true)
}

// folderOf returns such a folder, or that of a member that was killed before the
// index had anything.
func folderOf(t testing.TB, indexed bool) (*Memory, []protocol.Batch) {
	t.Helper()
	disk := &Memory{}
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.Retain = 700, &Retain{}
	var all []protocol.Batch
	have := make([]uint64, members)
	for range 2 {
		j, _ := open(t, disk, cfg)
		j.Keep(protocol.Effects{Binding: member.Binding{1, 2, 3}, Agreed: true})
		for range 3 {
			n := len(all)
			origin := member.ID(n % members)
			have[origin]++
			b := sealed(t, strings.Repeat("x", n), protocol.Batch{
				Origin: origin, Identity: member.Identity(origin) + 1, Seq: have[origin], Time: clock.Time(10 * (n + 1)),
			})
			all = append(all, b)
			j.Keep(protocol.Effects{Append: []protocol.Batch{b}, Bound: b.Time})
			synced(t, j)
			j.Order([]protocol.Batch{b})
			settled := protocol.Effects{Settled: b.Time}
			if indexed {
				settled.Base = &protocol.Snapshot{Time: b.Time, Have: slices.Clone(have)}
			}
			j.Keep(settled)
		}
		if indexed {
			closed(t, j)
		} else {
			disk.Kill()
		}
	}
	return disk, all
}

// eachBit visits bits of each file of a folder, changed in a copy.
func eachBit(t *testing.T, whole *Memory, visit func(disk *Memory, name string, at int64)) {
	t.Helper()
	names, err := whole.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for bit := 0; bit < 8*len(whole.Change(name)); bit += flipEvery() {
			if gap := bit / 8 % anchorPlaceBytes; name == anchorName && gap >= anchorRecordBytes {
				continue // nothing stands between the places of the anchor
			}
			disk := whole.Clone()
			flip(disk, name, bit)
			visit(disk, name, int64(bit/8))
		}
	}
}

// flipEvery returns which bits are flipped: in CI each one, else every eleventh, so that
// all eight of a byte have their turn.
func flipEvery() int {
	return draw.Of(1, 11)
}

// TestEveryFlippedBitIsFoundWhereItIs changes each bit of a folder. It is found
// with file and place; nothing else than what was written is ever read; and
// where the folder or a peer knows what stood there, it stands there again.
func TestEveryFlippedBitIsFoundWhereItIs(t *testing.T) {
	t.Run("settled", func(t *testing.T) { flipEach(t, true) })
	t.Run("killed", func(t *testing.T) { flipEach(t, false) })
}

func flipEach(t *testing.T, indexed bool) {
	t.Helper()
	whole, all := folderOf(t, indexed)
	last := uint64(0)
	if indexed {
		last = 6
	}
	if r, err := Inspect(whole); err != nil || len(r.Damages) > 0 || r.Refusal != nil || r.Last != last || r.Segments < 2 {
		t.Fatalf("a whole folder: %+v, %v", r, err)
	}
	bits, mended, fromPeers, every := 0, 0, 0, flipEvery()
	eachBit(t, whole, func(disk *Memory, name string, at int64) {
		bits++
		report, err := Inspect(disk)
		if err != nil {
			t.Fatalf("%s, byte %d: %v", name, at, err)
		}
		n := slices.IndexFunc(report.Damages, func(d Damage) bool { return d.File == name && d.Offset <= at && at < d.Offset+d.Bytes })
		if n < 0 {
			t.Fatalf("%s, byte %d: found %v", name, at, report.Damages)
		}
		readsRight(t, disk, all)
		if strings.HasSuffix(name, indexSuffix) {
			cfg := testConfig()
			cfg.Retain, cfg.WholeIndex = &Retain{}, true
			if _, _, err := Open(disk.Clone(), cfg); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s, byte %d: started: %v", name, at, err)
			}
		}
		asked := 0
		repaired, err := Repair(disk, func(_ *Report, place Place) (protocol.Batch, error) {
			asked++
			if place.First > 0 {
				return all[place.First-1], nil // one entry a batch
			}
			for _, b := range all {
				if b.Origin == place.Origin && b.Seq == place.Seq {
					return b, nil
				}
			}
			return protocol.Batch{}, errors.New("there is none")
		})
		if err != nil {
			t.Fatalf("%s, byte %d: %v", name, at, err)
		}
		if len(repaired.Mended) == 0 {
			if len(repaired.Why) == 0 || !errors.Is(repaired.Why[0], errUnknown) {
				t.Fatalf("%s, byte %d: not mended, for %v", name, at, repaired.Why)
			}
			return
		}
		if !bytes.Equal(disk.Change(name), whole.Change(name)) {
			t.Fatalf("%s, byte %d: other bytes stand there now", name, at)
		}
		if mended++; asked > 0 {
			fromPeers++
		}
		if repaired.Report.Refusal != nil {
			t.Fatalf("%s, byte %d: mended, and a start is refused: %v", name, at, repaired.Report.Refusal)
		}
	})
	batchBits := 0
	for i := range all {
		batchBits += 8 * (recordHeaderBytes + len(all[i].Bytes))
	}
	if t.Logf("%d bits, %d mended, %d of them from peers", bits, mended, fromPeers); max(fromPeers*every-batchBits, batchBits-fromPeers*every) >= every*len(all) {
		t.Errorf("%d bits of batches, %d mended from peers", batchBits, fromPeers)
	}
}

// readsRight demands that what can be read, before a start and after it, is what
// was written.
func readsRight(t *testing.T, disk *Memory, all []protocol.Batch) {
	t.Helper()
	right := func(read func(after uint64, dst []protocol.Batch) (uint64, int, error), begin, end uint64) {
		t.Helper()
		var dst [1]protocol.Batch
		for after := begin; after < min(end, uint64(len(all))); after++ {
			if first, n, err := read(after, dst[:]); err == nil && n > 0 && (first != after+1 || !bytes.Equal(dst[0].Bytes, all[after].Bytes)) {
				t.Fatalf("position %d is not what was written", after+1)
			}
		}
	}
	if v, err := Look(disk); err == nil {
		right(v.Read, v.Begin(), v.End())
	}
	disk = disk.Clone() // a start changes it
	cfg := testConfig()
	cfg.Retain = &Retain{}
	j, life, err := Open(disk, cfg)
	if err != nil {
		return
	}
	for i := range life.Recovered.Batches {
		b := &life.Recovered.Batches[i]
		if !slices.ContainsFunc(all, func(w protocol.Batch) bool { return bytes.Equal(w.Bytes, b.Bytes) }) {
			t.Fatalf("batch %d/%d is not what was written", b.Origin, b.Seq)
		}
	}
	right(j.Archive().Read, j.Archive().Begin(), j.Archive().End())
}

// TestMendRefusesOtherBatches: only what stood there is put back.
func TestMendRefusesOtherBatches(t *testing.T) {
	disk, all := settledFolder(t)
	v, err := Look(disk)
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := v.archive.lookUp(2, 1)
	if err != nil {
		t.Fatal(err)
	}
	name := segmentName(entries[0].at.segment)
	flip(disk, name, 8*(int(entries[0].at.offset)+entries[0].at.size-1))
	report, err := Inspect(disk)
	if err != nil || len(report.Damages) != 1 || len(report.Damages[0].Settled) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	before := slices.Clone(disk.Change(name))
	give := func(b protocol.Batch) Source {
		return func(*Report, Place) (protocol.Batch, error) { return b, nil }
	}
	another := sealed(t, string(wire.Payloads(&all[2]).At(0)), protocol.Batch{Origin: all[2].Origin, Identity: 77, Seq: all[2].Seq, Time: all[2].Time})
	for _, other := range []protocol.Batch{all[0], sealed(t, "12345678", all[2]), another, {}} {
		repaired, err := Repair(disk, give(other))
		if err != nil || len(repaired.Why) != 1 || len(repaired.Mended) > 0 || !bytes.Equal(before, disk.Change(name)) {
			t.Errorf("took %+v: %+v, %v", other, repaired, err)
		}
	}
	if repaired, err := Repair(disk, nil); err != nil || len(repaired.Why) != 1 || !bytes.Equal(before, disk.Change(name)) {
		t.Errorf("mended from nothing: %+v, %v", repaired, err)
	}
	if repaired, err := Repair(disk, give(all[2])); err != nil || len(repaired.Mended) != 1 {
		t.Errorf("%+v, %v", repaired, err)
	}
}

// TestReaderHasBatchesPutBack: a batch that is damaged while its member runs is
// put back where it lay, and no other one.
func TestReaderHasBatchesPutBack(t *testing.T) {
	disk, all := settledFolder(t)
	cfg := testConfig()
	cfg.Retain = &Retain{}
	j, _ := open(t, disk, cfg)
	a := j.Archive()
	place, err := a.Lacking(2)
	if err != nil || place.First != 3 || place.Life != all[2].Identity {
		t.Fatalf("%+v, %v", place, err)
	}
	flip(disk, segmentName(place.at.segment), 8*(int(place.at.offset)+place.at.size-1))
	var dst [1]protocol.Batch
	if _, n, err := a.Read(2, dst[:]); n > 0 || !errors.Is(err, ErrDamaged) {
		t.Fatalf("%d batches, %v", n, err)
	}
	if err := a.Mend(place, &all[0]); err == nil {
		t.Error("took another batch")
	}
	if err := a.Mend(place, &all[2]); err != nil {
		t.Error(err)
	}
	if _, n, err := a.Read(2, dst[:]); n != 1 || err != nil || !bytes.Equal(dst[0].Bytes, all[2].Bytes) {
		t.Errorf("%d batches, %v", n, err)
	}
	closed(t, j)
}

// TestFolderIsReadBesideItsMember: what is looked at while a member runs is
// right, and an unfinished end is no damage.
func TestFolderIsReadBesideItsMember(t *testing.T) {
	disk, all := settledFolder(t)
	cfg := testConfig()
	cfg.Retain = &Retain{}
	j, _ := open(t, disk, cfg)
	v, err := Look(disk)
	if err != nil || v.Begin() != 0 || v.End() != uint64(len(all)) || v.Self != 1 || !slices.Equal(v.Have, []uint64{2, 2, 2}) {
		t.Fatalf("%+v, %v", v, err)
	}
	j.Keep(protocol.Effects{Append: []protocol.Batch{makeBatch(t, 1, 3, "p")}})
	synced(t, j)
	name := segmentName(j.open().number)
	file := disk.files[name]
	file.data = append(file.data, appendRecord(nil, kindMark, markBody(len(file.data)))[:10]...)
	r, err := Inspect(disk)
	if err != nil || len(r.Damages) > 0 || r.Unfinished != 10 || r.Refusal != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestViewIsAheadOfTheIndex: a member writes its index late; what has settled is
// known from the segments, in the order, and nothing that has not.
func TestViewIsAheadOfTheIndex(t *testing.T) {
	for _, retain := range []*Retain{{}, nil} {
		disk := &Memory{}
		cfg := testConfig()
		cfg.SegmentBytesMax, cfg.Retain = 700, retain
		j, _ := open(t, disk, cfg)
		j.Keep(protocol.Effects{Binding: member.Binding{1, 2, 3}, Agreed: true})
		all := []protocol.Batch{makeBatch(t, 2, 1, "two"), makeBatch(t, 0, 1, "zero"), makeBatch(t, 0, 2, "more"), makeBatch(t, 1, 1, "one"), makeBatch(t, 1, 2, "not yet")}
		all[3].Time, all[4].Time = 20, 21
		for _, n := range []int{3, 4} { // their times are in the bytes too
			again := sealed(t, []string{3: "one", 4: "not yet"}[n], all[n])
			all[n] = again
		}
		want := []string{"zero", "two", "more", "one"} // by time, then by origin
		for i := range all {
			j.Keep(protocol.Effects{Append: all[i : i+1]})
			synced(t, j)
		}
		j.Keep(protocol.Effects{Settled: 20, Bound: 30})
		synced(t, j)
		look := func(begin uint64) {
			t.Helper()
			v, err := Look(disk)
			if err != nil || v.Begin() != begin || v.End() != 4 || !slices.Equal(v.Have, []uint64{2, 1, 1}) {
				t.Fatalf("%+v, %v", v, err)
			}
			var dst [9]protocol.Batch
			first, n, err := v.Read(begin, dst[:])
			if err != nil || n != len(want)-int(begin) || first != begin+1 {
				t.Fatalf("%d batches from %d on, %v", n, first, err)
			}
			for i := range n {
				if got := string(wire.Payloads(&dst[i]).At(0)); got != want[int(begin)+i] {
					t.Errorf("position %d is %q", int(begin)+i+1, got)
				}
			}
		}
		look(0)
		if retain == nil { // then nothing below the base is kept
			j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: 10, Have: []uint64{1, 0, 1}}, Bound: 40})
			synced(t, j)
			closed(t, j)
			j, _ = open(t, disk, cfg) // its head has the base
			look(2)
		}
		closed(t, j)
	}
}

// FuzzInspect looks at folders of any content, and mends what they say
// themselves.
func FuzzInspect(f *testing.F) {
	whole, _ := settledFolder(f)
	f.Add(whole.Change(segmentName(1)), whole.Change(indexName(1)), whole.Change(anchorName))
	f.Add([]byte("chatlog"), []byte{1}, []byte{2})
	f.Fuzz(func(t *testing.T, segment, index, anchor []byte) {
		disk := &Memory{files: map[string]*memoryFile{
			segmentName(1): {data: slices.Clone(segment)}, indexName(1): {data: slices.Clone(index)}, anchorName: {data: slices.Clone(anchor)},
		}}
		if _, err := Inspect(disk); err != nil {
			return
		}
		if v, err := Look(disk); err == nil {
			_, _, _ = v.Read(v.Begin(), make([]protocol.Batch, 4)) // whatever it says
		}
		if _, err := Repair(disk, nil); err != nil {
			t.Fatal(err)
		}
	})
}
