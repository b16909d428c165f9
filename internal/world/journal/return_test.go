package journal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// TestWhoComesBackHasBothOfItsTimes writes four batches of c, of which two are in the
// order when it is let go; it comes back, and writes the other two again, at c and at a,
// in one segment and in many, with a crash after each step. What counts is there, and
// at c what is still to be written again; each folder is whole.
func TestWhoComesBackHasBothOfItsTimes(t *testing.T) {
	out := changed(t, founders(), member.Change{Kind: member.Evict, Identity: 3}, 0, 0, 2)
	back := changed(t, out, member.Change{Kind: member.Rejoin, Identity: 3}, 0, 0, 2)
	pen := back.Places[2].Pen()
	write := func(identity member.Identity, seq, time uint64) protocol.Effects {
		text := fmt.Sprint("entry ", seq)
		return protocol.Effects{Append: []protocol.Batch{sealed(t, text, protocol.Batch{Origin: 2, Identity: identity, Seq: seq, Time: clock.Time(time)})}}
	}
	again := write(pen, 3, 23)
	again.View = back // a peer may tell both at once
	steps := []protocol.Effects{
		{Binding: member.Binding{1, 2, 3}, Agreed: true},
		write(3, 1, 11), write(3, 2, 12), write(3, 3, 13), write(3, 4, 14),
		{View: out},
		again, write(pen, 4, 24), write(pen, 5, 25),
		{Base: &protocol.Snapshot{Time: 24, Have: []uint64{0, 0, 4}}, Bound: 99},
	}
	for _, self := range []member.ID{0, 2} {
		for _, size := range []int{1 << 20, 1} {
			var disk Memory
			cfg := testConfig()
			cfg.Self, cfg.Identity, cfg.SegmentBytesMax, cfg.Retain = self, member.Identity(self+1), size, &Retain{}
			for i, step := range steps {
				j, _ := open(t, &disk, cfg)
				j.Keep(step)
				synced(t, j)
				disk.Kill()
				j, life := open(t, &disk, cfg)
				if diff := cmp.Diff(heldAfter(i, self == 2), places(life.Recovered)); diff != "" {
					t.Errorf("member %d, segments of %d, after step %d: %s", self, size, i, diff)
				}
				closed(t, j)
				if report, err := Inspect(&disk); err != nil || len(report.Damages) > 0 || report.Refusal != nil {
					t.Errorf("member %d, segments of %d, after step %d: %+v, %v", self, size, i, report, err)
				}
			}
		}
	}
}

// heldAfter returns what a folder gives back after a step, that of c or another one.
func heldAfter(step int, own bool) []string {
	old := []string{"2/1@11 entry 1", "2/2@12 entry 2", "2/3@13 entry 3", "2/4@14 entry 4"}
	renewed := []string{"2/3@23 entry 3", "2/4@24 entry 4", "2/5@25 entry 5"}
	switch {
	case step < 5:
		return append([]string(nil), old[:step]...)
	case step == 9:
		return renewed[2:]
	case own:
		return slices.Concat(old, renewed[:step-5])
	}
	return slices.Concat(old[:2], renewed[:step-5])
}
