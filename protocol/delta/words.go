package delta

import (
	"slices"

	"chatterbox/protocol/state"
)

// AppendState appends everything that decides how this reducer goes on. Two
// reducers of one Config with equal words behave alike, but for what they
// count for people. Stamps of changes only count by their order, so their
// ranks are written: states that differ in the number of changes that led to
// them are one.
func (d *Delta) AppendState(w *state.Words) {
	ranks := d.ranks()
	state.PutAll(w, []uint64{uint64(d.cfg.Identity), d.cfg.Life, uint64(d.now), uint64(d.wokeAt), uint64(d.clock.Now()), uint64(d.bound)})
	state.PutAll(w, d.binding)
	w.Flags(d.rebound, d.agreed, d.reader, d.contact, d.closed, d.urgent, d.tick)
	state.PutAll(w, []uint64{uint64(d.settled), uint64(d.stable), uint64(d.told), uint64(d.hearsAt)})
	state.PutAll(w, []int{d.trimmed, d.logBytes, d.own.appended, d.own.trimmed, d.own.room})
	w.Snapshot(&d.base)
	state.PutAll(w, d.delivered)
	state.PutAll(w, d.fronts)
	state.Put(w, ranks.of(d.changes))
	state.Put(w, ranks.of(d.published))
	for i := range d.streams {
		d.streams[i].appendState(w)
	}
	for _, r := range d.rows {
		r.appendState(w, ranks)
	}
	d.mine.appendUnless(w, d.rows[d.cfg.Self], ranks)
	for i := range d.links {
		d.links[i].row.appendUnless(w, d.rows[i], ranks)
		d.links[i].before.appendState(w, ranks)
		d.links[i].appendState(w, ranks)
	}
}

func (s *stream) appendState(w *state.Words) {
	state.PutAll(w, []uint64{s.base, uint64(s.last), s.log.first, s.log.end})
	for number := s.log.first; number < s.log.end; number++ {
		w.Batch(s.log.at(number))
	}
	w.Batches(s.ahead)
	state.Put(w, s.aheadSize)
	w.Flags(s.waiting, s.pull.active)
	state.PutAll(w, []int64{int64(s.missed), int64(s.came), int64(s.direct), int64(s.pull.from), int64(s.pull.asked), int64(s.pull.vain)})
	w.Set(s.pull.tried)
	state.PutAll(w, []uint64{s.pull.had, s.most, uint64(s.leader)})
}

// appendUnless appends a row, or only that it is the one that was listed.
func (r *row) appendUnless(w *state.Words, listed *row, ranks ranks) {
	w.Flags(r == listed)
	if r != listed {
		r.appendState(w, ranks)
	}
}

func (r *row) appendState(w *state.Words, ranks ranks) {
	w.Flags(r != nil, r != nil && r.knows)
	if r == nil {
		return
	}
	state.PutAll(w, []uint64{uint64(r.identity), r.version, r.binding, uint64(r.stable), ranks.of(r.meta)})
	w.Set(r.hears)
	w.Vector(r.marks.Vector())
	state.Put(w, ranks.of(r.newest))
	ranks.put(w, r.stamps)
	state.Put(w, r.risen)
	state.PutAll(w, r.rose)
}

func (l *link) appendState(w *state.Words, ranks ranks) {
	w.Flags(l.up, l.reliable, l.everHeard, l.bindings, l.met, l.owed, l.expectant, l.blocked, l.stableAcked, l.recalls)
	state.PutAll(w, []uint64{uint64(l.identity), l.session, l.outSession, l.largestAcked, uint64(l.told), uint64(l.older)})
	state.PutAll(w, l.past)
	state.PutAll(w, []uint64{ranks.of(l.rowSent), ranks.of(l.rowAcked)})
	ranks.put(w, l.relayed)
	state.PutAll(w, []int64{
		int64(l.heard), int64(l.windowedAt), int64(l.srtt), int64(l.rttvar), int64(l.shortest), int64(l.drained), int64(l.detour), int64(l.progressed),
		int64(l.relayedAt), int64(l.guestsAt), int64(l.spoke), int64(l.snapshotAt), int64(l.askedUntil), int64(l.heldUntil), int64(l.endTold),
		int64(l.heardFrom), int64(l.back),
	})
	state.PutAll(w, []int{l.owedSize, l.inFlight, l.window, int(l.backoff), int(l.pushes), l.relayedNext})
	state.PutAll(w, l.lease)
	state.PutAll(w, l.leased)
	state.PutAll(w, l.pushedAt)
	state.PutAll(w, l.fullAt)
	state.Put(w, len(l.received))
	for _, r := range l.received {
		state.Put(w, r.First)
		state.Put(w, r.Last)
	}
	state.Put(w, len(l.pulls))
	for _, p := range l.pulls {
		state.Put(w, p.Stream)
		w.Flags(p.Cancel)
	}
	state.PutAll(w, []uint64{l.own.have, l.own.number})
	state.Put(w, len(l.sent))
	for _, h := range l.sent {
		state.PutAll(w, []uint64{h.have, h.number})
	}
	appendSpans(w, l.lost)
	l.confirmed.appendState(w)
	state.Put(w, l.flights.first)
	state.Put(w, l.flights.end)
	for number := l.flights.first; number < l.flights.end; number++ {
		l.flights.at(number).appendState(w, ranks)
	}
}

func (c *confirmation) appendState(w *state.Words) {
	state.PutAll(w, []int64{int64(c.bytes), int64(c.number), int64(c.since), int64(c.sinceSize)})
	w.Float(c.rate)
}

func (f *flight) appendState(w *state.Words, ranks ranks) {
	state.PutAll(w, []uint64{uint64(f.sentAt), f.session, uint64(f.size), ranks.of(f.stamp)})
	w.Flags(f.relays, f.stable, f.done, f.acked)
	appendSpans(w, f.spans)
}

func appendSpans(w *state.Words, spans []span) {
	state.Put(w, len(spans))
	for _, s := range spans {
		state.Put(w, s.stream)
		state.Put(w, s.first)
		state.Put(w, s.last)
	}
}

// ranks are all stamps in use, and 0, each once and in order.
type ranks []uint64

// ranks gathers every place that holds a stamp of a change.
func (d *Delta) ranks() ranks {
	all := make(ranks, 0, 64)
	all = append(all, 0, d.changes, d.published)
	for _, r := range d.rows {
		all = r.stampsIn(all)
	}
	all = d.mine.stampsIn(all)
	for i := range d.links {
		l := &d.links[i]
		all = append(l.before.stampsIn(l.row.stampsIn(all)), l.rowSent, l.rowAcked)
		all = append(all, l.relayed...)
		for number := l.flights.first; number < l.flights.end; number++ {
			all = append(all, l.flights.at(number).stamp)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *row) stampsIn(all ranks) ranks {
	if r == nil {
		return all
	}
	return append(append(all, r.meta, r.newest), r.stamps...)
}

// of gives the rank of a stamp.
func (r ranks) of(stamp uint64) uint64 {
	rank, found := slices.BinarySearch(r, stamp)
	if !found {
		panic("delta: a stamp of a change that was not gathered")
	}
	return uint64(rank)
}

func (r ranks) put(w *state.Words, stamps []uint64) {
	state.Put(w, len(stamps))
	for _, stamp := range stamps {
		state.Put(w, r.of(stamp))
	}
}
