package delta

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// TestWalkIsTheTotalOrder: a walk meets exactly the batches from the cursors
// up to the limit, sorted as batches are.
func TestWalkIsTheTotalOrder(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		members := rapid.IntRange(1, 20).Draw(t, "members")
		d := New(Config{Members: members, Identity: 1})
		limit := clock.Time(rapid.Uint64Range(0, 40).Draw(t, "limit"))
		cursors := make([]uint64, members)
		var want []protocol.Batch
		for j := range d.streams {
			want = append(want, fillStream(t, d, member.ID(j), cursors, limit)...)
		}
		slices.SortFunc(want, func(a, b protocol.Batch) int { return a.Compare(&b) })

		o, got := new(order), 0
		for d.walk(o, cursors, limit); len(o.heads) > 0; d.advance(o) {
			stream := o.heads[0].stream
			b := d.streams[stream].log.at(cursors[stream])
			if got == len(want) || b.Compare(&want[got]) != 0 {
				t.Fatalf("batch %d is %d/%d@%d, want %v", got, b.Origin, b.Seq, b.Time, want[got:])
			}
			got++
			cursors[stream]++
		}
		if got != len(want) {
			t.Fatalf("the walk ended after %d of %d batches", got, len(want))
		}
	})
}

// fillStream gives a stream a few batches and a cursor among them, and gives
// those that a walk up to the limit must meet.
func fillStream(t *rapid.T, d *Delta, stream member.ID, cursors []uint64, limit clock.Time) []protocol.Batch {
	var want []protocol.Batch
	steps := rapid.SliceOfN(rapid.Uint64Range(1, 8), 0, 8).Draw(t, "steps")
	cursors[stream] = rapid.Uint64Range(0, uint64(len(steps))).Draw(t, "cursor")
	time := clock.Time(0)
	for i, step := range steps {
		time += clock.Time(step)
		b := protocol.Batch{Origin: stream, Seq: uint64(i + 1), Count: 1, Time: time}
		*d.streams[stream].log.push() = b
		if uint64(i) >= cursors[stream] && time <= limit {
			want = append(want, b)
		}
	}
	return want
}
