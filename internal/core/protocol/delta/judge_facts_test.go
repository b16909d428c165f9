package delta_test

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/script"
)

// look judges what a member knows after it synced and sent.
func (j *judge) look(s *storm, n *stormNode, flushed bool) {
	status := n.reducer.Status()
	j.agreed = j.agreed || status.Agreed
	j.learn(s, n, &status)
	if !flushed || !j.agreed || !j.aware[n.id] {
		return
	}
	j.promises(n, &status)
	j.beliefs(n, &status)
	j.trimmed(s, n, &status)
	j.memory(s, n, &status)
}

// learn takes what a member shows the others from now on as the truth.
func (j *judge) learn(s *storm, n *stormNode, status *protocol.Status) {
	if n.bound() || n.view != nil && j.aware[n.id] {
		if j.truthIn[n.number()] == nil {
			j.truthIn[n.number()] = holdings{}
		}
		j.truth.merge(n.identity, status.Held, j.places)
		j.truthIn[n.number()].merge(n.identity, status.Held, j.places)
	}
	if n.bound() {
		j.published[n.id] = max(j.published[n.id], status.Held[n.id].Promise)
	}
	if status.Agreed {
		j.aware[n.id] = true
		until := status.Horizon
		if s.comes() {
			until = status.Settled // a stream that had ended may go on behind what has settled
		}
		j.horizon[n.id] = max(j.horizon[n.id], until)
	}
}

// promises: no batch with the promised time or less lies outside the entries
// that the promise names.
func (j *judge) promises(n *stormNode, status *protocol.Status) {
	for stream, mark := range status.Held {
		if w, ok := j.find(member.ID(stream), mark.Have+1); ok && w.time <= mark.Promise && w.seq <= j.cut(member.ID(stream)) && w.view <= n.number() {
			j.fault("promise", "member %d promises %d for stream %d with %d entries, but %+v was written", n.id, mark.Promise, stream, mark.Have, w)
		}
	}
}

// beliefs: what a member believes of a peer is no more than the truth, and
// never less than it believed before.
func (j *judge) beliefs(n *stormNode, status *protocol.Status) {
	for k, known := range status.Known {
		for stream, mark := range known {
			before := &j.known[n.id][k][stream]
			if mark.Have < before.Have || mark.Promise < before.Promise {
				j.fault("forgets", "member %d knew that %d holds %v of stream %d, now it says %v", n.id, k, *before, stream, mark)
			}
			*before = mark
			if truth := j.said(n, k, stream); mark.Have > truth.Have || mark.Promise > truth.Promise {
				j.fault("belief", "member %d believes that %d holds %v of stream %d, which holds %v", n.id, k, mark, stream, truth)
			}
		}
	}
}

// trimmed: what is stable or forgotten anywhere, every incarnation that counts holds.
func (j *judge) trimmed(s *storm, n *stormNode, status *protocol.Status) {
	stable := clock.Infinity
	for k := range s.nodes {
		if n.counts(k) {
			for stream := range status.Held {
				mark := j.truth.of(n.tenant(k), stream)
				if next, ok := j.find(member.ID(stream), mark.Have+1); s.comes() && (!ok || next.time > status.Stable) {
					continue // who comes holds what is stable, and need not know that it is all
				}
				if n.goesOn(stream, status.Stable) {
					stable = min(stable, mark.Promise)
				}
			}
		}
	}
	if status.Stable > stable {
		j.fault("trim", "member %d takes %d for stable, but that is only %d", n.id, status.Stable, stable)
	}
	for stream, have := range status.Trimmed {
		for k := range s.nodes {
			if !n.counts(k) {
				continue
			}
			if held := j.truth.of(n.tenant(k), stream).Have; held < have {
				j.fault("trim", "member %d forgot %d entries of stream %d, of which %d holds %d", n.id, have, stream, k, held)
			}
		}
	}
}

// goesOn reports whether a stream may have entries up to a time in the view of a member
// beyond those that it was cut behind.
func (n *stormNode) goesOn(stream int, until clock.Time) bool {
	if n.view == nil {
		return true
	}
	p := &n.view.Places[stream]
	return p.Role != member.Gone && (len(p.Returns) == 0 || p.Returns[len(p.Returns)-1].Start < until)
}

// counts reports whether a place counts in the view of a member.
func (n *stormNode) counts(place int) bool {
	if n.view == nil {
		return place < n.places
	}
	return place < len(n.view.Places) && n.view.Places[place].Role != member.Gone
}

// memory: the batches of all origins fit into the limit; a batch is submitted
// as long as there is any room, so each origin may exceed its share by one. That
// holds after a restart too, when what was trimmed and not told to the journal
// yet is there again.
func (j *judge) memory(s *storm, n *stormNode, status *protocol.Status) {
	size := s.sizeMax
	if size == 0 {
		size = 100
	}
	if limit := s.weather.memory; limit > 0 && status.LogBytes > limit+s.members*size {
		j.fault("memory", "member %d holds %d bytes, %d are allowed", n.id, status.LogBytes, limit)
	}
}

// finished judges the end of a storm after which everything healed and closed.
func (j *judge) finished(s *storm) {
	for _, n := range s.nodes {
		if n.reducer == nil {
			j.fault("progress", "member %d does not run", n.id)
			return
		}
		status := n.reducer.Status()
		switch {
		case !status.Complete || !status.Done:
			j.fault("progress", "member %d is complete: %t, done: %t, %+v", n.id, status.Complete, status.Done, status)
		case j.position[n.id] != len(j.order) || j.state[n.id] != j.states[len(j.order)].state:
			j.fault("progress", "member %d delivered %d of %d batches", n.id, j.position[n.id], len(j.order))
		case status.LogBytes != 0 || n.owns != 0 && status.Orphans == 0:
			j.fault("memory", "member %d keeps %d bytes and %d batches", n.id, status.LogBytes, n.owns)
		}
	}
	all := 0
	for place, stream := range j.streams {
		for i := range stream {
			if stream[i].last <= j.cut(member.ID(place)) {
				all++
			}
		}
	}
	if all != len(j.order) {
		j.fault("progress", "%d batches were written, %d delivered", all, len(j.order))
	}
}

// gathered judges the end of a storm in which data was lost: nothing more
// settles, but all members hold the same and would tell the same.
func (j *judge) gathered(s *storm) {
	first := j.everything(s.nodes[0])
	for _, n := range s.nodes[1:] {
		if all := j.everything(n); all != first {
			j.fault("gather", "member %d has %v, member 0 has %v", n.id, all, first)
		}
	}
}

// everything folds what a member delivered and what it holds beyond that.
func (j *judge) everything(n *stormNode) script.Tally {
	state, latest := j.state[n.id], place{}
	for b := range n.reducer.Tentative() {
		if b.Parked == 0 {
			j.alive(n, b, "keeps")
		}
		here := place{time: b.Time, origin: b.Origin, seq: b.Seq}
		if latest != (place{}) && (here.time < latest.time || here.time == latest.time && here.origin < latest.origin) {
			j.fault("order", "member %d keeps %v after %v", n.id, here, latest)
		}
		latest = here
		state.Add(b)
	}
	return state
}
