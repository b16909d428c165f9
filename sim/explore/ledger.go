package explore

import (
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/state"
)

// ledger is a journal that never fails: what a restart gets back. Copies share
// what they have in common, so nothing in it is ever changed in place.
type ledger struct {
	base    protocol.Snapshot
	batches []protocol.Batch
	bound   clock.Time
	binding member.Binding
	// waiting is a base that lets the journal forget, and therefore may wait
	// until something else is written.
	waiting *protocol.Snapshot
}

// keep writes down the durable parts of effects.
func (l *ledger) keep(e *protocol.Effects) {
	if e.Binding != nil || e.Bound != 0 || e.Reset != nil || len(e.Append) > 0 {
		l.write(e)
	}
	if e.Base != nil && e.Reset == nil {
		waiting := copyOf(e.Base)
		l.waiting = &waiting
	}
}

func (l *ledger) write(e *protocol.Effects) {
	if l.waiting != nil {
		l.begin(*l.waiting)
		l.waiting = nil
	}
	if e.Binding != nil {
		l.binding = slices.Clone(e.Binding)
	}
	l.bound = max(l.bound, e.Bound)
	if e.Reset != nil {
		l.begin(copyOf(e.Reset))
	}
	l.batches = append(slices.Clip(l.batches), e.Append...)
}

// begin forgets what a base stands for.
func (l *ledger) begin(base protocol.Snapshot) {
	l.base = base
	l.batches = slices.DeleteFunc(slices.Clone(l.batches), func(b protocol.Batch) bool {
		return b.Last() <= base.Have[b.Origin]
	})
}

func copyOf(s *protocol.Snapshot) protocol.Snapshot {
	return protocol.Snapshot{Time: s.Time, Have: slices.Clone(s.Have), State: s.State}
}

// recover gives what another life continues with. What waited is lost.
func (l *ledger) recover() *protocol.Recovered {
	l.waiting = nil
	return &protocol.Recovered{
		Base: copyOf(&l.base), Batches: slices.Clone(l.batches), Bound: l.bound, Binding: slices.Clone(l.binding),
	}
}

func (l *ledger) appendState(w *state.Words) {
	w.Snapshot(&l.base)
	w.Batches(l.batches)
	state.Put(w, l.bound)
	state.PutAll(w, l.binding)
	w.Flags(l.waiting != nil)
	if l.waiting != nil {
		w.Snapshot(l.waiting)
	}
}

// holds gives how many entries of a stream a restart would come back with.
func (l *ledger) holds(stream member.ID) uint64 {
	have := l.base.Have[stream]
	for i := range l.batches {
		if b := &l.batches[i]; b.Origin == stream && b.Seq == have+1 {
			have = b.Last()
		}
	}
	return have
}
