package delta

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// TestStableFollowsThePlainMinimum: whichever rows rise in whichever order,
// looking only where something may have risen finds what looking at all marks
// finds.
func TestStableFollowsThePlainMinimum(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		members := rapid.SampledFrom([]int{1, 2, 5, 70}).Draw(t, "members")
		d := New(Config{Members: members, Identity: 1})
		plain := clock.NewMatrix(members)
		for k := range d.frontier.rows {
			d.frontier.rows[k] = newRow(members, 1, 0)
		}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			k, floor := rapid.IntRange(0, members-1).Draw(t, "row"), rapid.Uint64Range(0, 9).Draw(t, "floor")
			for j := range members {
				mark := clock.Mark{Promise: clock.Time(floor + uint64(rapid.IntRange(0, 2).Draw(t, "over")))}
				d.frontier.rows[k].marks.Merge(j, mark)
				plain[k][j] = plain[k][j].Merge(mark)
			}
			if d.frontier.stabilize(); d.frontier.stable != plain.Stable() {
				t.Fatalf("stable is %v, want %v", d.frontier.stable, plain.Stable())
			}
		}
	})
}

// TestLazyRowsTellNoLess: a row of a large cluster, of which it is noted only
// from some moment on which marks change and rise, never says that a mark is
// older than it is, and is exact once it is noted.
func TestLazyRowsTellNoLess(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		const members = detailFrom
		d := New(Config{Members: members, Identity: 1})
		lazy, exact := newRow(members, 1, 0), newRow(members, 1, 0)
		exact.noteChanges()
		exact.noteRises()
		begin := d.frontier.changes
		noted := uint64(0) // what changed later is noted
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			stream := member.ID(rapid.IntRange(0, 4).Draw(t, "stream"))
			d.now += time.Millisecond
			d.frontier.rose(lazy, stream, d.now)
			d.frontier.changes--
			d.frontier.rose(exact, stream, d.now)
			if noted == 0 && rapid.IntRange(0, 9).Draw(t, "note") == 0 {
				lazy.noteChanges()
				lazy.noteRises()
				noted = d.frontier.changes
			}
			for j := range 5 {
				if lazy.stamp(j) < exact.stamp(j) || lazy.roseAt(j) < exact.roseAt(j) {
					t.Fatalf("stream %d: %d at %v, want at least %d at %v", j, lazy.stamp(j), lazy.roseAt(j), exact.stamp(j), exact.roseAt(j))
				}
				if noted > 0 && exact.stamp(j) > noted && lazy.stamp(j) != exact.stamp(j) {
					t.Fatalf("stream %d: %d, want %d", j, lazy.stamp(j), exact.stamp(j))
				}
			}
		}
		if lazy.newest != exact.newest || lazy.newest <= begin {
			t.Fatalf("newest is %d and %d, after %d", lazy.newest, exact.newest, begin)
		}
	})
}

// TestRowsAreWrittenDownOnce: peers that know the same share the memory of a
// row; what each one gets is what changed since it was told.
func TestRowsAreWrittenDownOnce(t *testing.T) {
	d := New(Config{Members: 3, Identity: 1})
	for j, have := range []uint64{5, 6, 7} {
		d.frontier.raise(member.ID(j), clock.Mark{Have: have})
	}
	since := d.frontier.changes - 2
	var messages [3]protocol.Message
	for i, from := range []uint64{since, since, 0} {
		d.addRow(&messages[i], d.frontier.mine, 0, from)
	}
	streams := func(m *protocol.Message) (all []member.ID) {
		for _, mark := range m.Rows[0].Marks {
			all = append(all, mark.Stream)
		}
		return all
	}
	if a, b := streams(&messages[0]), streams(&messages[1]); !slices.Equal(a, []member.ID{1, 2}) || !slices.Equal(b, a) {
		t.Errorf("marks of streams %v and %v, want 1 and 2", a, b)
	}
	if c := streams(&messages[2]); !slices.Equal(c, []member.ID{0, 1, 2}) {
		t.Errorf("marks of streams %v, want all", c)
	}
	if &messages[0].Rows[0].Marks[0] != &messages[1].Rows[0].Marks[0] || &messages[0].Rows[0].Marks[0] == &messages[2].Rows[0].Marks[0] {
		t.Error("equal rows lie in two places, or unequal ones in one")
	}
	if d.addRow(new(protocol.Message), d.frontier.mine, 0, d.frontier.changes) {
		t.Error("a row without news was added")
	}
}

// TestSharedRowsLackNothing: in a large cluster a peer gets all that changed
// since it was told, and at most about twice as much, from few rows for all.
func TestSharedRowsLackNothing(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		const members = detailFrom
		d := New(Config{Members: members, Identity: 1})
		for range 200 {
			stream := member.ID(rapid.IntRange(0, members-1).Draw(t, "stream"))
			d.frontier.raise(stream, clock.Mark{Have: d.frontier.changes})
		}
		for range 50 {
			since := rapid.Uint64Range(0, d.frontier.changes-1).Draw(t, "since")
			told, needed := map[member.ID]bool{}, 0
			for _, mark := range d.scratch.row(d.frontier.mine, 0, since).Marks {
				told[mark.Stream] = true
			}
			for j := range members {
				if d.frontier.mine.stamp(j) > since {
					needed++
					if !told[member.ID(j)] {
						t.Fatalf("stream %d changed since %d and is not told", j, since)
					}
				}
			}
			if len(told) > 2*needed+surplusMax {
				t.Fatalf("%d marks where %d are needed", len(told), needed)
			}
		}
	})
}

// TestRelayedRowsTakeTurns: a message to a peer that hears nobody has only so
// many marks of others, and all rows go in the end.
func TestRelayedRowsTakeTurns(t *testing.T) {
	const members = 200
	d := New(Config{Members: members, Identity: 1})
	for k := 1; k < members; k++ {
		d.frontier.rows[k] = newRow(members, member.Identity(k+1), 0)
		d.frontier.rose(d.frontier.rows[k], 0, d.now)
	}
	told := map[member.ID]bool{}
	l := &d.links[1]
	for range members*members/relayedMarksMax + 2 {
		d.now += d.acquaintedAt()
		m := new(protocol.Message)
		d.relayRows(l, m)
		marks := 0
		for i := range m.Rows {
			marks += len(m.Rows[i].Marks)
			told[m.Rows[i].Member] = true
		}
		if marks >= relayedMarksMax+members {
			t.Fatalf("%d marks in one message", marks)
		}
	}
	if len(told) != members-2 {
		t.Errorf("rows of %d members went, want those of all but the two", len(told))
	}
}

// TestPaceGrowsWithTheMembers and is none for small clusters.
func TestPaceGrowsWithTheMembers(t *testing.T) {
	got := ""
	for _, members := range []int{3, 8, 16, 32, 64, 1000} {
		got += fmt.Sprintf("%d: %v; ", members, paceOf(members))
	}
	if want := "3: 0s; 8: 0s; 16: 5.12ms; 32: 20.48ms; 64: 64ms; 1000: 1s; "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
