package delta

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
)

// What is here keeps apart what must not meet: members that go by another
// history of the list, and incarnations whose data is older than what they told.

// remind tells another incarnation of a peer what it is known to hold: an incarnation that
// remembers less has old data, and nobody else can see that for certain.
func (d *Delta) remind(l *link, m *protocol.Message) {
	if !l.report.reminds || l.row == nil || !d.boundTo(l) {
		return
	}
	l.report.reminds = false
	r := protocol.Row{Member: l.peer, Identity: l.presence.identity, Version: l.row.version, Binding: d.frontier.mine.binding}
	for j := range d.streams {
		stream := member.ID(j)
		mark := clock.Mark{Have: d.known(l, stream)}
		if stream == l.peer {
			mark = d.frontier.mine.mark(stream).Merge(mark)
		}
		if mark != (clock.Mark{}) {
			r.Marks = append(r.Marks, protocol.StreamMark{Stream: stream, Mark: mark})
		}
	}
	m.Rows = append(m.Rows, r)
}

// said returns the most that this member can ever have said of itself.
func (d *Delta) said() roster.Said {
	own := d.frontier.mine.mark(d.cfg.Self)
	own.Promise = max(own.Promise, d.clock.Now(), d.promiseOf())
	return roster.Said{Version: d.frontier.mine.version, Own: own, Held: func(stream member.ID) uint64 { return d.frontier.held(stream) }}
}

// judgeOwn stops this member if a peer that goes by the same binding holds more
// of the own stream than was ever written here.
func (d *Delta) judgeOwn(of *row, mark clock.Mark) {
	if d.roster.Shares(of.binding) && mark.Have > d.frontier.held(d.cfg.Self) {
		d.stop()
	}
}

// stop ends this incarnation: from here on it only tells everybody why.
func (d *Delta) stop() {
	d.farewell.Begin(&d.roster, &d.cfg, d.now, &d.fx, func(peer member.ID) (bool, uint64) {
		return d.links[peer].presence.up, d.links[peer].presence.outSession
	})
}

// isOutdated reports whether a member that counts denies entries of its own that
// are held here. It is reminded of them.
func (d *Delta) isOutdated(l *link, m *protocol.Message) bool {
	if !d.roster.IsOutdated(m, d.isHeldBeyond) {
		return false
	}
	l.report.reminds = true
	return true
}

// isHeldBeyond reports whether an entry is held that a promise denies.
func (d *Delta) isHeldBeyond(mark protocol.StreamMark) bool {
	s := &d.streams[mark.Stream]
	switch {
	case mark.Have >= d.frontier.held(mark.Stream):
		return false
	case mark.Have < s.base:
		return mark.Promise >= d.frontier.base.Time
	}
	return s.log.at(s.find(mark.Have)).Time <= mark.Promise
}

// metAll reports whether every peer has answered this incarnation.
func (d *Delta) metAll() bool {
	return !slices.ContainsFunc(d.links, func(l link) bool { return l.peer != d.cfg.Self && !l.presence.met && !d.roster.IsGone(l.peer) })
}

// follows reports whether a batch that is next by its number is so by its time
// too: after the one before it, and after all that its stream promised. Before
// all agreed a promise may be of an observer, about another stream.
func (d *Delta) follows(b *protocol.Batch) bool {
	late := d.roster.Agreed() && b.Time <= d.frontier.mine.mark(b.Origin).Promise
	return b.Time > d.streams[b.Origin].last && !late
}

// contradicts notes that a batch cannot be of the stream that is held here.
func (d *Delta) contradicts(b *protocol.Batch) {
	d.counts.Refused++
	d.roster.Contradicts(b)
}

// compare looks whether a batch that came again is the one that is held, as
// far as it is kept.
func (d *Delta) compare(s *stream, b *protocol.Batch) {
	if s.log.len() == 0 || b.Seq < s.log.at(s.log.first).Seq {
		return
	}
	if held := s.log.at(s.find(b.Seq - 1)); !held.Equal(b) {
		d.contradicts(b)
	}
}

// judgeStashed looks whether a batch that waited beyond a gap fits what closed
// the gap.
func (d *Delta) judgeStashed(s *stream, b *protocol.Batch) {
	if have := d.frontier.held(b.Origin); b.Last() <= have {
		d.compare(s, b)
	} else {
		d.contradicts(b)
	}
}

// isObserved reports whether an observer is what was heard last at a place.
func (d *Delta) isObserved(place member.ID) bool {
	l := &d.links[place]
	return l.presence.identity != 0 && !d.boundTo(l)
}

// knowsOfAgreement reports whether somebody said that all agreed, so that this
// member will go by that if it does not yet.
func (d *Delta) knowsOfAgreement() bool {
	return d.roster.Agreed() || slices.ContainsFunc(d.links, func(l link) bool { return l.row != nil && l.row.knows })
}
