package explore

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/state"
)

// ledger is a journal that never fails: what a restart gets back. Copies share
// what they have in common, so nothing in it is ever changed in place.
type ledger struct {
	durable protocol.Recovered
	// group is what was kept since the last sync that wrote something. What is
	// settled and what may be forgotten wait there until something must be
	// durable, and are lost in a crash.
	group []protocol.Effects
	must  bool
}

// keep takes the durable parts of effects into the next sync.
func (l *ledger) keep(e *protocol.Effects) {
	kept := protocol.Effects{
		Binding: slices.Clone(e.Binding), Agreed: e.Agreed, Bound: e.Bound, Append: slices.Clone(e.Append), Settled: e.Settled,
		Base: copyOf(e.Base), Reset: copyOf(e.Reset), Vote: e.Vote, View: e.View,
	}
	must := e.Vote != nil || e.View != nil || e.Binding != nil || e.Agreed || e.Bound != 0 || e.Reset != nil || len(e.Append) > 0
	if must || e.Settled != 0 || e.Base != nil {
		l.group = append(slices.Clip(l.group), kept)
	}
	l.must = l.must || must
}

// sync makes durable what was kept, if something must be.
func (l *ledger) sync() {
	if !l.must {
		l.join()
		return
	}
	for i := range l.group {
		l.write(&l.group[i])
	}
	l.group, l.must = nil, false
}

// join makes one of what waits: the latest of each kind is all that counts.
func (l *ledger) join() {
	if len(l.group) < 2 {
		return
	}
	var joined protocol.Effects
	for i := range l.group {
		joined.Settled = max(joined.Settled, l.group[i].Settled)
		if base := l.group[i].Base; base != nil {
			joined.Base = base
		}
	}
	l.group = []protocol.Effects{joined}
}

func (l *ledger) write(e *protocol.Effects) {
	d := &l.durable
	if e.Binding != nil {
		d.Binding = e.Binding
	}
	d.Agreed = d.Agreed || e.Agreed
	d.Bound = max(d.Bound, e.Bound)
	if e.Reset != nil {
		l.begin(e.Reset)
	}
	d.Batches = append(slices.Clip(d.Batches), e.Append...)
	if e.Vote != nil {
		d.Voted = e.Vote
	}
	if e.View != nil {
		d.View = e.View
	}
	d.Settled = max(d.Settled, e.Settled)
	if e.Base != nil && e.Reset == nil {
		l.begin(e.Base)
	}
}

// begin forgets what a base stands for.
func (l *ledger) begin(base *protocol.Snapshot) {
	l.durable.Base = *base
	l.durable.Batches = slices.DeleteFunc(slices.Clone(l.durable.Batches), func(b protocol.Batch) bool {
		return b.Last() <= base.Have[b.Origin]
	})
}

func copyOf(s *protocol.Snapshot) *protocol.Snapshot {
	if s == nil {
		return nil
	}
	return &protocol.Snapshot{Time: s.Time, Have: slices.Clone(s.Have), State: s.State}
}

// recover returns what another life continues with. What waited is lost.
func (l *ledger) recover() *protocol.Recovered {
	l.group, l.must = nil, false
	r := l.durable
	r.Base = *copyOf(&r.Base)
	r.Batches, r.Binding = slices.Clone(r.Batches), slices.Clone(r.Binding)
	return &r
}

func (l *ledger) appendState(w *state.Words) {
	d := &l.durable
	w.Snapshot(&d.Base)
	w.Batches(d.Batches)
	state.PutAll(w, []clock.Time{d.Bound, d.Settled})
	state.PutAll(w, d.Binding)
	w.Flags(d.Agreed)
	putView(w, d.View)
	if v := d.Voted; v != nil {
		state.PutAll(w, []uint64{v.Number, v.Lineage, v.Vote.Promised.Round, uint64(v.Vote.Promised.Place), v.Vote.Accepted.Round, uint64(v.Vote.Accepted.Place), uint64(v.Vote.Clock)})
		state.PutAll(w, v.Vote.Have)
		putView(w, v.View)
	}
	state.Put(w, len(l.group))
	for i := range l.group { // between two flushes only what may wait is left
		state.Put(w, l.group[i].Settled)
		w.Flags(l.group[i].Base != nil)
		if l.group[i].Base != nil {
			w.Snapshot(l.group[i].Base)
		}
	}
}

// find returns a batch that was kept, nil if there is none.
func (l *ledger) find(b *protocol.Batch) *protocol.Batch {
	for i := range l.durable.Batches {
		if k := &l.durable.Batches[i]; k.Origin == b.Origin && k.Seq == b.Seq && k.Identity == b.Identity {
			return k
		}
	}
	return nil
}

// holds returns how many entries of a stream a restart would come back with.
func (l *ledger) holds(stream member.ID) uint64 {
	have := l.durable.Base.Have[stream]
	for i := range l.durable.Batches {
		if b := &l.durable.Batches[i]; b.Origin == stream && b.Seq == have+1 {
			have = b.Last()
		}
	}
	if v := l.durable.View; v != nil && v.Places[stream].Role == member.Gone {
		have = min(have, v.Places[stream].Base)
	}
	return have
}

// putView appends a view by its lineage, which tells it from all others.
func putView(w *state.Words, v *member.View) {
	lineage := uint64(0)
	if v != nil {
		lineage = v.Lineage
	}
	state.Put(w, lineage)
}
