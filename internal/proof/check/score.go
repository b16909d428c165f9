package check

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// exactTuple: the result of a member equals what unlimited integers give over
// the batches that it holds, in order.
func exactTuple(c *checker) rule {
	var known []result
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		key := c.past.keyOf(m, e.Member)
		want, ok := resultOf(known, key)
		if !ok {
			want = c.compute(m, e.Member)
			want.key = key
			known = append(known, want)
		}
		if want.unknown {
			return
		}
		if e.Note != want.text {
			c.violated(e, "prints %s for what is worth %s", e.Note, want.text)
		}
		if n, s, w := unpack(e.State); n != want.count || s.Cmp(want.sum) != 0 || w.Cmp(want.weighted) != 0 {
			c.violated(e, "has the tuple (%d,%d,%d) where exact integers give (%d,%d,%d)", n, s, w, want.count, want.sum, want.weighted)
		}
	}
}

// result is the worth of the first entries of each stream.
type result struct {
	key           []uint64
	count         uint64
	sum, weighted *big.Int
	text          string
	unknown       bool // a stream does not begin here, or has a gap
}

// doubts reports whether a stream is the own one of a member that was let go: what it says
// less of it for a while it only has others confirm.
func (m *witness) doubts(stream, own member.ID) bool { return stream == own && m.gone.Has(own) }

// counts returns how many entries of each stream count for what a member prints: all that
// it holds but what it wrote itself and others have yet to confirm.
func (m *witness) counts(self member.ID) []uint64 {
	counts := slices.Clone(m.held)
	if m.doubts(self, self) {
		counts[self] -= min(m.doubted, counts[self])
	}
	return counts
}

// keyOf names the batches that count for what a member prints: how many entries of each
// stream, and of which life of its origin.
func (h *history) keyOf(m *witness, self member.ID) []uint64 {
	key := m.counts(self)
	for j := range h.streams {
		key = append(key, uint64(h.heldOf(m, j).identity))
	}
	return key
}

func resultOf(known []result, key []uint64) (result, bool) {
	for i := range known {
		if slices.Equal(known[i].key, key) {
			return known[i], true
		}
	}
	return result{}, false
}

// compute adds up one entry after the other, the plainest way there is. What
// was drawn for an entry is known only as far as all before it are.
func (c *checker) compute(m *witness, self member.ID) result {
	r := result{sum: new(big.Int), weighted: new(big.Int)}
	var place, number, product big.Int
	have := make([]uint64, len(c.past.streams))
	for _, b := range c.past.inOrder(m, m.counts(self)) {
		if b.seq != have[b.stream]+1 {
			r.unknown = true // another check is about that
			return r
		}
		have[b.stream] = b.end() - 1
		for seq := b.seq; seq < b.end(); seq++ {
			r.count++
			number.SetUint64(c.numbers(b.stream, seq))
			r.sum.Add(r.sum, &number)
			r.weighted.Add(r.weighted, product.Mul(place.SetUint64(r.count), &number))
		}
	}
	r.text = fmt.Sprintf("(%d,%s)", r.count, decimal(r.weighted))
	return r
}

// inOrder returns the batches that a member holds in the total order, of each stream so
// many entries.
func (h *history) inOrder(m *witness, counts []uint64) []placed {
	var all []placed
	for j := range h.streams {
		s := h.heldOf(m, j)
		for _, b := range s.batches[:s.after(counts[j])] {
			all = append(all, placed{stream: member.ID(j), identity: s.identity, batch: b})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		if (key{a.time, a.stream, a.seq}).before(key{b.time, b.stream, b.seq}) {
			return -1
		}
		return 1
	})
	return all
}

// decimal returns W/2^53 as the shortest decimal that reads back as the nearest
// float64, ties to even.
func decimal(weighted *big.Int) string {
	var exact big.Float
	exact.SetInt(weighted)
	exact.SetMantExp(&exact, -53)
	nearest, _ := exact.Float64()
	return strconv.FormatFloat(nearest, 'f', -1, 64)
}

// unpack takes count, sum and weighted sum out of a state of the score
// workload: the count, then both sums in two words each, the lower one first.
func unpack(state [6]uint64) (count uint64, sum, weighted *big.Int) {
	return state[0], wide(state[1], state[2]), wide(state[3], state[4])
}

func wide(low, high uint64) *big.Int {
	n := new(big.Int).SetUint64(high)
	return n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(low))
}

// sameText: all members that are complete print the same; and where all that
// run are connected in the end, all of them do.
func sameText(c *checker) rule {
	return func(e *trace.Event) {
		for k := range c.past.members {
			other := c.past.members[k].final
			alike := c.past.header.Alike && !c.past.isGone(member.ID(k)) && !c.past.isGone(e.Member)
			if c.past.members[k].branch != c.past.members[e.Member].branch {
				continue
			}
			if other == nil || member.ID(k) == e.Member || !(e.Complete && other.Complete || alike) {
				continue
			}
			if other.Note != e.Note || other.Hash != e.Hash {
				c.violated(e, "prints %s (order %x, complete %v), but member %d prints %s (order %x, complete %v)",
					e.Note, e.Hash, e.Complete, member.ID(k), other.Note, other.Hash, other.Complete)
			}
			return
		}
	}
}

// exactlyOnce: what is delivered was appended by its origin; and where all is
// connected in the end, all that was appended is delivered everywhere. That
// nothing is delivered twice follows from the rising keys of append-only.
func exactlyOnce(c *checker) rule {
	invented := noInvention(c)
	return func(e *trace.Event) {
		if e.Kind != trace.Phase {
			invented(e)
			return
		}
		if e.Note != PhaseEnd || !c.past.header.Progress || c.past.parted() {
			return
		}
		all := c.past.appended()
		for k := range c.past.members {
			if got := c.past.members[k].position; got != all && !c.past.isGone(member.ID(k)) {
				horizon, by := c.past.members[k].horizon()
				c.violated(e, "member %d delivered %d of %d entries; its horizon is %s, set by stream %d", member.ID(k), got, all, horizon, by)
			}
		}
	}
}

// appended counts the entries of all streams.
func (h *history) appended() (entries uint64) {
	for j := range h.streams {
		entries += min(h.streams[j].longest(), h.newest.ends[j])
	}
	return entries
}

// horizon returns the lowest promise published, and which stream it is of.
func (m *witness) horizon() (clock.Time, member.ID) {
	lowest := 0
	for j := range m.published {
		if m.published[j].Promise < m.published[lowest].Promise {
			lowest = j
		}
	}
	return m.published[lowest].Promise, member.ID(lowest)
}
