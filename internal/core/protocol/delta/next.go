package delta

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Next returns when the next tick is due unless something comes: the earliest time
// at which a machine does what only the passing of time shows. As long as anything
// is under way that is the next one.
func (d *Delta) Next() time.Duration {
	next := protocol.Never
	switch {
	case d.farewell.Begun():
		return d.now
	case d.choosing(), d.suspects() && !d.allTogether():
		return d.now
	case d.now < d.cfg.FirstContactWait:
		next = d.cfg.FirstContactWait
	}
	for i := range d.links {
		if l := &d.links[i]; l.peer != d.cfg.Self {
			next = min(next, d.hearsAt(l), d.linkAt(l))
		}
	}
	for j := range d.streams {
		if w := &d.streams[j].want; !d.roster.Writes(member.ID(j)) && (w.waiting || w.active) {
			return d.now
		}
	}
	return next
}

// hearsAt returns when it changes, or is to be told, whether a peer is heard.
func (d *Delta) hearsAt(l *link) time.Duration {
	switch {
	case d.frontier.mine.hears.Has(l.peer) != d.hearsMember(l):
		return d.now
	case d.hears(l):
		return l.presence.heard + d.silenceMax(l) + 1
	}
	return protocol.Never
}

// linkAt returns when something has to be said to a peer, or done about it.
func (d *Delta) linkAt(l *link) time.Duration {
	c := &l.cursor
	switch {
	case !l.presence.up:
		return protocol.Never
	case d.roster.IsGone(l.peer) && !d.hears(l):
		return l.report.spoke + d.cfg.KeepAlive
	case !d.hears(l), c.flights.len() > 0, len(c.lost) > 0, len(l.help.streams) > 0, len(l.pulls) > 0, l.presence.awaited(d.now), d.mayLack(l):
		return d.now
	case d.news(l), l.acks.due, d.ended() && !l.report.endTold:
		return l.report.spoke + d.pace(l)
	}
	return min(l.report.spoke+d.keepAlive(l), d.timeoutAt(l), d.relayAt(l), d.snapshotAt(l))
}

// mayLack reports whether a peer is not known to hold all that is held here.
func (d *Delta) mayLack(l *link) bool {
	for j := range d.streams {
		if d.known(l, member.ID(j)) < d.frontier.held(member.ID(j)) {
			return true
		}
	}
	return false
}
