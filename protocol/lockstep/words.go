package lockstep

import "chatterbox/protocol/state"

// AppendState appends everything that decides how this reducer goes on. Two
// reducers of one Config with equal words behave alike, but for what they
// count for people.
func (l *Lockstep) AppendState(w *state.Words) {
	state.PutAll(w, []uint64{uint64(l.config.Identity), l.config.Life, uint64(l.now), uint64(l.nextBeat), uint64(l.clock.Now()), uint64(l.bound)})
	state.PutAll(w, l.binding)
	w.Flags(l.rebound, l.agreed, l.reader, l.closing, l.contacted)
	state.PutAll(w, []uint64{l.hash, l.version, uint64(l.stable), uint64(l.sinceBase)})
	w.Set(l.hears)
	for i := range l.streams {
		l.streams[i].appendState(w)
	}
	w.Batches(l.held.all())
	state.Put(w, l.held.bytes)
	w.Batch(&l.waiting)
	for i := range l.peers {
		l.peers[i].appendState(w)
	}
	state.Put(w, l.unstable.bytes)
	state.Put(w, len(l.unstable.entries))
	for _, entry := range l.unstable.entries {
		state.PutAll(w, []uint64{uint64(entry.time), uint64(entry.bytes)})
	}
	state.PutAll(w, l.state[:])
	w.Batches(l.leftover)
}

func (s *stream) appendState(w *state.Words) {
	state.PutAll(w, []uint64{s.have, s.committed, s.delivered, uint64(s.last), uint64(s.promise)})
	w.Batch(&s.buffer)
}

func (p *peer) appendState(w *state.Words) {
	p.bound.appendState(w)
	p.guest.appendState(w)
	w.Flags(p.visited)
	p.link.appendState(w)
}

func (v *view) appendState(w *state.Words) {
	state.PutAll(w, []uint64{uint64(v.identity), v.session, uint64(v.horizon), v.hash, uint64(v.stable), v.version, uint64(v.seen)})
	w.Flags(v.marks != nil)
	w.Vector(v.marks)
	w.Set(v.hears)
}

func (k *link) appendState(w *state.Words) {
	w.Flags(k.up, k.reliable, k.reply, k.due, k.again, k.timing, k.asking, k.toldEnd, k.direct, k.doubted, k.relayed != nil, k.guests != nil)
	state.PutAll(w, []uint64{k.made, k.numbers, k.sent, k.told, k.toldHave, k.anyAck})
	state.PutAll(w, []int64{int64(k.sentAt), int64(k.askedAt), int64(k.trip.smooth), int64(k.trip.deviation)})
	state.PutAll(w, []int64{int64(k.after.retry), int64(k.after.relay), int64(k.after.rows), int64(k.after.tries), int64(k.after.rowTries)})
	state.PutAll(w, k.relayed)
	state.PutAll(w, k.guests)
}
