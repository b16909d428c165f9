package delta

import "time"

// All that this member waits for derives from four bases: the tick, of which two
// pass when two members look after something one after the other; the round trip
// of a link, smoothed; the time of a keep-alive; and the patience.

// patience is the longest that anybody waits between two attempts at anything.
const patience = 2 * time.Second

// Waits in shares of the patience, and in times of other bases.
const (
	standStillMax   = patience / 2  // a row that does not rise for so long stands still: its member may be gone, or need help though it can ask
	leaseMin        = patience / 2  // a request is good for at least so long
	originMax       = patience / 4  // so much longer an origin that was heard is waited for at most: the nearest holder may be far
	slotHeard       = patience / 8  // one holder's slot at a peer that is heard
	queuesMax       = patience / 10 // more than that over the shortest round trip means that queues fill on the way
	snapshotWaitMin = patience / 20 // between two snapshots to the same peer
	rateFor         = patience / 40 // a rate is measured over so long at least

	heardKeepAlives   = 3  // a peer that misses so many keep-alives is not heard any more
	probesOfKeepAlive = 5  // to a peer that is not heard, in the time of one keep-alive
	acquaintAfter     = 2  // keep-alives in which members of a large cluster hear of each other directly
	unmeasuredTicks   = 10 // so long an answer may take over a way that was not measured yet
	leaseQuiets       = 10 // a request is good for so many quiet times
	rotateQuiets      = 2  // without progress for so many, somebody else is asked
	originQuiets      = 4  // so much longer an origin that was heard is waited for: it may be slow, or its link come up next
)

// barMax is the longest that who was let go for being away is not taken back.
const barMax = 5 * time.Minute

// awayMax is how long a member that is away as planned is waited for at least: until then
// it costs no more than what the others keep for it.
const awayMax = 5 * time.Minute

// stayLimits is for how many times the time that members wait for one that is away it
// must have been back so that earlier times do not count.
const stayLimits = 20

// oneTrip returns how long what left just now may take to be answered.
func (d *Delta) oneTrip(l *link) time.Duration { return max(l.trip.srtt, 2*d.cfg.Tick) }

// overdue returns how old a message is for certain that something later has
// overtaken, if it was only overtaken (RFC 9002).
func (d *Delta) overdue(l *link) time.Duration {
	return l.trip.srtt + max(2*l.trip.rttvar, d.cfg.Tick)
}

// timeout returns how long to wait for any sign that something arrived; a sign may
// itself wait for the peer's tick (compare max_ack_delay in RFC 9002).
func (d *Delta) timeout(l *link) time.Duration {
	wait := unmeasuredTicks * d.cfg.Tick
	if d.hears(l) && l.trip.srtt > 0 {
		wait = max(l.trip.srtt+max(4*l.trip.rttvar, d.cfg.Tick), 2*d.cfg.Tick+d.pace(l))
	}
	return min(wait<<min(l.cursor.backoff, 10), patience)
}

// quiet returns D1 for the way to one peer: how long nothing must come of it
// before others step in. A slow way to somebody else does not count: it would
// make all detours as slow.
func (d *Delta) quiet(l *link) time.Duration {
	if l.trip.srtt == 0 {
		return unmeasuredTicks * d.cfg.Tick
	}
	return d.stretch(l)
}

// stretch returns the longer of two ticks and one and a half round trips: how often
// a peer is told the same kind of news at most.
func (d *Delta) stretch(l *link) time.Duration {
	return max(2*d.cfg.Tick, min(l.trip.srtt, patience)*3/2)
}

// quietRound returns the quiet time for a peer that is not heard: its signs come
// round through somebody who is, two ways at least. How long a round trip took
// when it was heard says nothing any more.
func (d *Delta) quietRound() time.Duration {
	shortest := patience
	for i := range d.links {
		if via := &d.links[i]; via.peer != d.cfg.Self && d.hears(via) {
			shortest = min(shortest, d.stretch(via))
		}
	}
	return min(2*shortest, patience)
}

// silenceMax is how long a peer that is heard may be silent.
func (d *Delta) silenceMax(l *link) time.Duration {
	return max(heardKeepAlives*d.cfg.KeepAlive, min(2*l.trip.srtt, patience))
}

// keepAlive returns how long to be silent to a peer at most. One that is not heard
// is tried more often while anything depends on it: its first answer after a heal
// is what all else waits for.
func (d *Delta) keepAlive(l *link) time.Duration {
	if d.hears(l) || d.idle() {
		return d.cfg.KeepAlive
	}
	return max(2*d.cfg.Tick, d.cfg.KeepAlive/probesOfKeepAlive)
}

const (
	paceFrom     = 9                     // members from which on rows are paced: among fewer an entry settles as soon as it can
	paceOfPair   = 20 * time.Microsecond // what two messages cost, and half of the time is for other work
	paceOfMember = time.Millisecond      // a member sends no more than 1,000 rows a second, to whomever
)

// paceOf returns how long a row that no batch carries waits after the last message
// to the same peer: rows of all to all are what a large cluster could spend all of
// its time on.
func paceOf(members int) time.Duration {
	if members < paceFrom {
		return 0
	}
	n := time.Duration(members)
	return min(n*n*paceOfPair, n*paceOfMember)
}

// pace returns how long such a row waits for one peer.
// Where queues fill on the way it waits longer: rows of every tick would keep a
// slow link seconds behind.
func (d *Delta) pace(l *link) time.Duration {
	return max(paceOf(d.roster.Len()), (l.trip.drained-d.now-queuesMax)/2)
}

// acquaintedAt returns until when members of a large cluster have time to hear of
// each other directly: passing on everybody's row to everybody meanwhile would
// cost with the fourth power of the members.
func (d *Delta) acquaintedAt() time.Duration {
	if d.roster.Len() < detailFrom {
		return 0
	}
	return acquaintAfter * d.cfg.KeepAlive
}
