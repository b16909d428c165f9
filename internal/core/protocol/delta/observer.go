package delta

import (
	"cmp"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// An observer is an incarnation without data at a place that is bound to an earlier one: it
// only reads. Members that do not hear the place learn of it through others.

// freshObserver forgets what an observer said it holds before it knew
// who writes where.
func (d *Delta) freshObserver(l *link) {
	if l.row != nil && !l.row.knows && !d.boundTo(l) {
		l.row = nil
		d.tieRow(l)
		d.rewind(l)
	}
}

const (
	// observedFor is how long after it was last heard a reader is waited for, unless
	// members have another time for each other.
	observedFor = 10 * time.Second
	// observedShare: of so many parts of the memory one is for what it lacks.
	observedShare = 8
)

// observed returns up to when what is stable may be forgotten: what somebody lacks who
// has a place and does not count is kept if it is little, as long as it is there or was
// a moment ago. So it gets all, in order, and no snapshot; and nobody waits for it.
func (d *Delta) observed(stable clock.Time) clock.Time {
	limit := d.lackedByReaders(stable)
	if base := d.frontier.base.Time; limit > base || stable <= base {
		d.frontier.trimmedAt = d.now
	} else if d.now-d.frontier.trimmedAt >= cmp.Or(d.cfg.EvictAfter, observedFor) {
		return stable // who does not come on is not waited for
	}
	return limit
}

// lackedByReaders returns up to when those hold all.
func (d *Delta) lackedByReaders(limit clock.Time) clock.Time {
	if !d.cfg.Changes || d.roster.Observes() || d.own.held > min(d.cfg.MemoryBytesMax/observedShare, d.share()/2) {
		return limit
	}
	patience := cmp.Or(d.cfg.EvictAfter, observedFor)
	for i := range d.links {
		l := &d.links[i]
		switch {
		case !d.roster.IsGone(l.peer):
		case l.row != nil && d.roster.Owns(l.peer, l.presence.identity):
			if d.now-l.presence.heard < patience {
				limit = min(limit, l.row.marks.Horizon())
			}
		case d.now-d.frontier.viewedAt < patience && d.roster.View().Places[l.peer].IsSeated(): // it was not heard yet
			return d.frontier.base.Time
		}
	}
	return limit
}

// observerAt returns when the row of an observer goes on to the
// peer, which may be the one that can send to it. Nobody says whom of these it
// hears, so their rows go to all, but seldom: when they rose with a sign of life,
// else in the time after which others may take the incarnation for gone.
func (d *Delta) observerAt(l *link, at member.ID) time.Duration {
	g := &d.links[at]
	switch {
	case !d.roster.Agreed() || at == l.peer || at == d.cfg.Self || g.row == nil || d.boundTo(g):
		return protocol.Never
	case g.row.risen > l.relays.observersAt:
		return l.relays.observersAt + d.cfg.KeepAlive
	}
	return l.relays.observersAt + standStillMax
}

// relayObserver adds the row of an observer, whole: who takes another
// life for the present one forgets it.
func (d *Delta) relayObserver(l *link, m *protocol.Message, at member.ID) bool {
	return d.now >= d.observerAt(l, at) && d.addRow(m, d.links[at].row, at, 0)
}

// tellWhole has the own row told from the beginning now and then if it is that of an
// observer, and messages may be late: who took an earlier incarnation for the
// present one meanwhile forgot what this one had told, and nobody can know that.
func (d *Delta) tellWhole(l *link) {
	if d.roster.Observes() && !l.presence.reliable && d.now-l.report.wholeAt >= standStillMax {
		l.report.forgetRow()
		l.report.wholeAt = d.now
	}
}

// standsStill reports whether the incarnation of a peer that others speak of may be gone:
// it is neither heard, nor do others show that it comes on.
func (d *Delta) standsStill(l *link) bool {
	return d.roster.Agreed() && !d.hears(l) && (l.row == nil || d.now-l.row.risen >= standStillMax)
}

// hearOf takes the incarnation that others speak of for the present one.
func (d *Delta) hearOf(l *link, identity member.Identity) {
	d.forget(l, identity)
	l.row.risen = d.now
}
