package explore

import (
	"encoding/binary"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/state"
	"chatterbox/internal/world/wire"
)

// The words of a tally.
const (
	countWord  = 0 // entries
	digestWord = 1 // of all of them, in order
)

// fact is a batch by its content: what everybody must mean by its name.
type fact struct {
	origin   member.ID
	identity member.Identity
	seq      uint64
	time     clock.Time
	count    uint32
	content  uint64 // hash of the payload
}

func factOf(b *protocol.Batch) fact {
	var payload state.Words
	payload.Bytes(b.Bytes[wire.BatchHeaderBytes:])
	return fact{b.Origin, b.Identity, b.Seq, b.Time, b.Count, payload.Hash()}
}

func (f *fact) last() uint64 { return f.seq + uint64(f.count) - 1 }

// before reports whether the fact comes first in the total order.
func (f *fact) before(other *fact) bool {
	switch {
	case f.time != other.time:
		return f.time < other.time
	case f.origin != other.origin:
		return f.origin < other.origin
	}
	return f.seq < other.seq
}

// tally is the application's state: words of what it was told.
type tally [2]uint64

// tallyOf returns a tally that fold wrote; that of nothing of no bytes.
func tallyOf(state []byte) (t tally) {
	for i := range t {
		if len(state) > 0 {
			t[i] = binary.LittleEndian.Uint64(state[8*i:])
		}
	}
	return t
}

// fold adds a batch to a tally. It is a driver.Fold that leaves state as it is, for
// states of a member share it.
func fold(state []byte, next *protocol.Batch) []byte {
	t, f := tallyOf(state), factOf(next)
	t.add(&f)
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, t[countWord]), t[digestWord])
}

func (t *tally) add(f *fact) {
	t[countWord] += uint64(f.count)
	digest := t[digestWord]
	for _, word := range [...]uint64{uint64(f.origin), uint64(f.identity), f.seq, uint64(f.time), uint64(f.count), f.content} {
		digest = state.Mix(digest, word)
	}
	t[digestWord] = digest
}

// app is the application of one life: the digest of the order after each batch
// that was delivered to it.
type app struct {
	state     tally
	delivered []fact
	steps     []step // the first one is where the life began
}

// step is a place in the order: entries before it, and their digest.
type step struct{ count, digest uint64 }

// start notes where the order begins for this life.
func (a *app) start() {
	a.steps = []step{{a.state[countWord], a.state[digestWord]}}
}

// end returns how many entries were delivered, those that a snapshot stood for
// included.
func (a *app) end() uint64 { return a.state[countWord] }

// deliver takes the next batch, and says whether it comes later in the order
// than the one before.
func (a *app) deliver(f fact) bool {
	rises := len(a.delivered) == 0 || a.delivered[len(a.delivered)-1].before(&f)
	a.state.add(&f)
	a.delivered = append(a.delivered, f)
	a.steps = append(a.steps, step{a.state[countWord], a.state[digestWord]})
	return rises
}

// differs returns a place in the order before which two applications were not
// told the same. Batches have one entry each, so places meet.
func (a *app) differs(other *app) (uint64, bool) {
	if len(a.steps) == 0 || len(other.steps) == 0 {
		return 0, false
	}
	from := max(a.steps[0].count, other.steps[0].count)
	to := min(a.end(), other.end())
	for at := from; at <= to; at++ {
		if a.steps[at-a.steps[0].count].digest != other.steps[at-other.steps[0].count].digest {
			return at, true
		}
	}
	return 0, false
}

func (a *app) appendState(w *state.Words) {
	state.PutAll(w, a.state[:])
	state.Put(w, len(a.steps))
	for _, s := range a.steps {
		state.Put(w, s.digest)
	}
}
