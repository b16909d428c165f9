package delta

import "time"

// confirmation measures how fast a member comes to hold the own entries.
type confirmation struct {
	bytes  int    // of own batches that it holds
	number uint64 // of the next own batch in the log

	rate      float64       // bytes per second; 0: not measured
	since     time.Duration // when the present measurement began; 0: none is on
	sinceSize int
}

// backlog counts the bytes of own batches.
type backlog struct {
	appended, trimmed int
	room              int
}

// confirm counts which own batches a member holds by now.
func (d *Delta) confirm(l *link) {
	c, s := &l.confirmed, &d.streams[d.cfg.Self]
	r := d.rows[l.peer]
	if d.reader || r == nil {
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
		d.rate(c, before, l.window/2, max(rateFor, l.srtt))
	}
}

// rateFor is the shortest time over which a rate is measured.
const rateFor = 50 * time.Millisecond

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
	aheadOfSend  = 256 << 10 // bytes that may wait to be sent to a peer that is there
	backlogFloor = 64 << 10  // bytes that may always wait
)

// Room gives the bytes that may be submitted now. A peer that is there limits
// the backlog to what its window takes; one that is absent to this origin's
// share of the memory; each to what can be drained in time.
func (d *Delta) Room() int { return d.own.room }

func (d *Delta) updateRoom() {
	d.own.room = 0
	if d.reader || d.closed || !d.contact {
		return
	}
	share := d.cfg.share()
	room := share
	if !d.cfg.KeepAll {
		room -= d.own.appended - d.own.trimmed // what all hold may still have to wait for others to settle
	}
	for i := range d.links {
		if l := &d.links[i]; l.peer != d.cfg.Self {
			room = min(room, d.backlogMax(l, share)-(d.own.appended-max(l.confirmed.bytes, d.own.trimmed)))
		}
	}
	d.own.room = room
}

func (d *Delta) backlogMax(l *link, share int) int {
	most, c := share, &l.confirmed
	if d.cfg.DrainFor > 0 && c.rate > 0 {
		most = min(most, max(backlogFloor, int(c.rate*d.cfg.DrainFor.Seconds())))
	}
	// Who was not measured yet may turn out to be slow.
	unknown := l.everHeard && c.rate == 0 || !l.everHeard && d.now < d.cfg.FirstContactWait
	if l.up && (d.hears(l) || !d.cfg.Datagram) || unknown {
		most = min(most, l.window+min(aheadOfSend, d.shareOfAll()))
	}
	return most
}

// busyFlights is how many messages must be on their way to each peer before a
// small batch waits: under less load every entry leaves at once.
const busyFlights = 3

// Busy says whether all peers that are there still have own entries on the way.
func (d *Delta) Busy() bool {
	busy := false
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self || !l.up || !d.hears(l) {
			continue
		}
		if l.flights.len() < busyFlights && len(l.lost) == 0 {
			return false
		}
		busy = true
	}
	return busy
}
