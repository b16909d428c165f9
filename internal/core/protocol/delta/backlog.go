package delta

import (
	"math"
	"time"
)

// confirmation measures how fast a member comes to hold the own entries.
type confirmation struct {
	bytes  int    // of own batches that it holds
	number uint64 // of the next own batch in the log

	rate      float64       // bytes per second; 0: not measured
	since     time.Duration // when the present measurement began; 0: none is on
	sinceSize int
}

// backlog counts bytes of batches.
type backlog struct {
	held              int // of all origins
	parked            int // of these, which only the journal has
	outlines          int // of memory for what is parked
	appended, trimmed int // of own ones
	room              int // bytes that ways and memory still take; 0 or less: nothing may be submitted
	kept              int // bytes that count for the share of the memory

	back comeback // what a member that was let go is to write again
}

// confirm counts which own batches a member holds by now.
func (d *Delta) confirm(l *link) {
	c, s := &l.confirmed, &d.streams[d.cfg.Self]
	r := d.frontier.rows[l.peer]
	if d.roster.Observes() || r == nil {
		return
	}
	if c.number < s.log.first {
		c.number, c.bytes = s.log.first, d.own.trimmed
	}
	before := c.bytes
	have := r.mark(d.cfg.Self).Have
	for c.number < s.log.end && s.log.at(c.number).Last() <= have {
		c.bytes += s.log.at(c.number).Size()
		c.number++
	}
	if c.bytes > before {
		d.rate(c, before, l.window.bytes/2, max(rateFor, l.trip.srtt))
	}
}

// rate measures how fast a member takes the own batches. As long as more than
// a little waits for it, that is what the way to it can carry; otherwise it
// could carry more. A period is at least a round trip: acknowledgements come in
// bunches.
func (d *Delta) rate(c *confirmation, before, little int, period time.Duration) {
	if c.since == 0 {
		c.since, c.sinceSize = max(d.now, 1), before
		return
	}
	passed := d.now - c.since
	if passed < period {
		return
	}
	sample := float64(c.bytes-c.sinceSize) / passed.Seconds()
	waiting := d.own.appended - c.bytes
	if waiting > little && c.rate > 0 {
		c.rate += (sample - c.rate) * min(1, passed.Seconds()/(2*period.Seconds()))
	} else {
		c.rate = max(c.rate, sample)
	}
	c.since, c.sinceSize = d.now, c.bytes
	if waiting == 0 {
		c.since = 0 // idle from here on: that says nothing
	}
}

const (
	outlineShare = 4         // of so many parts of a writer's share of the memory one is for what is left of its parked batches: who knows less of what is stable has more of it
	aheadOfSend  = 256 << 10 // bytes that may wait to be sent to a peer that is there
	backlogFloor = 64 << 10  // bytes that may always wait
)

// Room returns how many bytes the next own batch may have. A peer that is there
// limits the backlog to what its window takes; one that is absent to this
// origin's share of the memory, or with a journal not at all; each to what can be
// drained in time. A window may be exceeded by the last batch, the share may not,
// but by a batch that is alone.
func (d *Delta) Room() int {
	switch {
	case d.own.room <= 0 || d.farewell.Begun() || len(d.own.back.orphans) > 0:
		return 0
	case d.own.kept == 0 || d.parks():
		return math.MaxInt
	}
	return d.share() - d.own.kept
}

func (d *Delta) updateRoom() {
	d.own.room = 0
	if d.roster.Observes() || d.isEnding() || !d.contact {
		return
	}
	share, kept := d.share(), 0
	if !d.cfg.KeepAll {
		kept = d.own.appended - d.own.trimmed // what all hold may still have to wait for others to settle
	}
	room := share - kept
	if d.parks() {
		room = share/outlineShare - d.streams[d.cfg.Self].log.parked.memory
	}
	for i := range d.links {
		if l := &d.links[i]; l.peer != d.cfg.Self && !d.roster.IsGone(l.peer) {
			waiting := d.own.appended - max(l.confirmed.bytes, d.own.trimmed)
			room, kept = min(room, d.backlogMax(l, share)-waiting), max(kept, waiting)
		}
	}
	d.own.room, d.own.kept = room, kept
}

func (d *Delta) backlogMax(l *link, share int) int {
	most, c := share, &l.confirmed
	if d.parks() {
		most = math.MaxInt
	}
	if d.cfg.DrainFor > 0 && c.rate > 0 {
		most = min(most, max(backlogFloor, int(c.rate*d.cfg.DrainFor.Seconds())))
	}
	// Who was not measured yet may turn out to be slow, and so may who is heard by others only.
	unknown := !l.presence.everHeard && d.now < d.cfg.FirstContactWait
	unknown = unknown || most < math.MaxInt && c.rate == 0 && (l.presence.everHeard || d.isThere(l.peer))
	if l.presence.up && (d.hears(l) || !d.cfg.Datagram) || unknown {
		most = min(most, l.window.bytes+min(aheadOfSend, d.shareOfAll()))
	}
	return most
}

// busyFlights is how many messages must be on their way to each peer before a
// small batch waits: under less load every entry leaves at once.
const busyFlights = 3

// Busy reports whether all peers that are there still have own entries on the way.
func (d *Delta) Busy() bool {
	busy := false
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self || !l.presence.up || !d.hears(l) {
			continue
		}
		if l.cursor.flights.len() < busyFlights && len(l.cursor.lost) == 0 {
			return false
		}
		busy = true
	}
	return busy
}
