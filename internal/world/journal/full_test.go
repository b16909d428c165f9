package journal

import (
	"strings"
	"testing"

	"chatterbox/internal/core/protocol"
)

// TestAFullFolderDrainsThoughNothingMoreIsWritten: one group may be larger than all
// the folder, and it is in the segment that is written to. Once the base covers it
// and nobody is to read it again there is room, without anything else to write.
func TestAFullFolderDrainsThoughNothingMoreIsWritten(t *testing.T) {
	for name, retain := range map[string]*Retain{"nothing is kept": nil, "little is kept": {Bytes: 256}, "all is kept": {Hold: true}} {
		t.Run(name, func(t *testing.T) {
			var disk Memory
			cfg := testConfig()
			cfg.SegmentBytesMax, cfg.BytesMax, cfg.Retain = 512, 4<<10, retain
			j, _ := open(t, &disk, cfg)
			b := makeBatch(t, 1, 1, strings.Repeat("p", 5<<10))
			j.Keep(protocol.Effects{Append: []protocol.Batch{b}})
			synced(t, j)
			j.Order([]protocol.Batch{b})
			if !j.IsFull() {
				t.Fatalf("the folder has %d bytes, and is not full", j.Bytes())
			}
			j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: b.Time, Have: []uint64{0, 1, 0}}})
			synced(t, j)
			held := retain != nil && retain.Hold
			if j.IsFull() != held {
				t.Errorf("all is covered, and of %d bytes %d are left", cfg.BytesMax, j.Bytes())
			}
			if held { // until its reader lets go
				j.Archive().Compact(1)
				synced(t, j)
				if j.IsFull() {
					t.Errorf("all was let go, and of %d bytes %d are left", cfg.BytesMax, j.Bytes())
				}
			}
			segments := j.open().number
			for range 10 {
				synced(t, j)
			}
			if more := j.open().number - segments; more > 0 {
				t.Errorf("%d segments were begun for nothing", more)
			}
			closed(t, j)
			if _, life := open(t, &disk, cfg); len(life.Recovered.Batches) > 0 || life.Recovered.Base.Have[1] != 1 {
				t.Errorf("recovered is %+v", life.Recovered)
			}
		})
	}
}

// TestAFullFolderGivesBackItsIndex also of what settled all at once: no file of the
// index is larger than a segment, so that all but the last one can go.
func TestAFullFolderGivesBackItsIndex(t *testing.T) {
	const batches = 500
	var disk Memory
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.BytesMax, cfg.Retain = 3<<10, 24<<10, &Retain{Bytes: 4 << 10}
	j, _ := open(t, &disk, cfg)
	var all []protocol.Batch
	for n := uint64(1); n <= batches; n++ {
		all = append(all, makeBatch(t, 1, n, "p"))
	}
	j.Keep(protocol.Effects{Append: all})
	synced(t, j)
	j.Order(all)
	j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: all[batches-1].Time, Have: []uint64{0, batches, 0}}})
	synced(t, j)
	if j.IsFull() {
		t.Errorf("all is covered, and of %d bytes %d are left, %d of them in %d files of the index", cfg.BytesMax, j.Bytes(), j.archive.bytes(), len(j.archive.files))
	}
	end := j.archive.end
	closed(t, j)
	j, _ = open(t, &disk, cfg)
	if a := j.Archive(); a.End() != end || j.IsFull() {
		t.Errorf("after a restart positions end at %d, before at %d; %d bytes", a.End(), end, j.Bytes())
	}
	closed(t, j)
}
