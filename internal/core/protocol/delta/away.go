package delta

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// What is here lets a member be away as planned, so that settling waits neither for it
// nor for its restart: it promises that nothing of its own comes up to a time far ahead
// of all that it knows of, and goes on behind that when it is back. That is durable
// before it is told, as any bound of its clock; so the promise is one like any other, and
// its clock really is there. Only who hears of it does not follow with its own clock,
// for then the promise would be used up at once.

// awaySpan is how far ahead that is: at 100,000 batches a second of all members
// together it lasts for eight days, and there is room for 30 million stops.
const awaySpan clock.Time = 1 << 36

// onAway has this member promise ahead, for it is about to stop. It takes no own batches
// any more, and has no part in choosing views: what it would vote is by its new clock,
// which nobody is to follow before it is back.
func (d *Delta) onAway() {
	d.suspicion.self = true
	d.promiseAhead()
}

// promiseAhead moves the clock behind all promises that are known: who else is away may
// come back first then.
func (d *Delta) promiseAhead() {
	if !d.cfg.Changes || d.closed || !d.roster.Agreed() || d.roster.Observes() || d.roster.Size() == 1 {
		return
	}
	latest := d.clock.Now()
	for k, r := range d.frontier.rows {
		if r == nil {
			continue
		}
		if promise := r.mark(member.ID(k)).Promise; promise < clock.Infinity {
			latest = max(latest, promise)
		}
	}
	d.clock.Merge(latest + awaySpan)
	d.reserve()
	d.pending.urgent = true
}

// isTold reports whether all members that are there hold the own stream, and know what was
// promised of it.
func (d *Delta) isTold() bool {
	own := d.frontier.mine.mark(d.cfg.Self)
	for k, r := range d.frontier.rows {
		l := &d.links[k]
		if l.peer == d.cfg.Self || !l.presence.up || !d.hearsMember(l) || d.roster.IsGone(l.peer) {
			continue
		}
		if r == nil || r.mark(d.cfg.Self).Have < own.Have || r.mark(d.cfg.Self).Promise < own.Promise {
			return false
		}
	}
	return true
}

// isEnding reports whether this member writes no more.
func (d *Delta) isEnding() bool { return d.closed || d.suspicion.self }

// isAhead reports whether a promise is so far ahead that only who is away as planned,
// or was, gives it.
func (d *Delta) isAhead(promise clock.Time) bool {
	return d.cfg.Changes && promise > d.clock.Now()+awaySpan/2
}

// isAway reports whether a member is away as planned, as far as is known: nothing waits
// for it, and nobody without data has come in its stead.
func (d *Delta) isAway(place member.ID) bool {
	r := d.frontier.rows[place]
	return r != nil && d.isAhead(r.mark(place).Promise) && !d.isObserved(place)
}
