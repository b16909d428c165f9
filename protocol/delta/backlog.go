package delta

import "time"

// confirmation measures how fast a member comes to hold the own entries.
type confirmation struct {
	bytes  int    // of own batches that it holds
	number uint64 // of the next own batch in the log
	at     time.Duration

	rate      float64 // bytes per second; 0: not measured
	since     time.Duration
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
	have := r.marks[d.cfg.Self].Have
	for c.number < s.log.end && s.log.at(c.number).Last() <= have {
		c.bytes += s.log.at(c.number).Size()
		c.number++
	}
	if c.bytes > before {
		d.rate(l, before)
		c.at = d.now
	}
}

// rateFor is the shortest time over which a rate is measured.
const rateFor = 20 * time.Millisecond

func (d *Delta) rate(l *link, before int) {
	c := &l.confirmed
	if d.now-c.at > absentAfter || c.since == 0 {
		c.since, c.sinceSize = d.now, before // it was away or idle: measure from here
		return
	}
	passed := d.now - c.since
	if passed < rateFor {
		return
	}
	sample := float64(c.bytes-c.sinceSize) / passed.Seconds()
	if d.own.appended-c.bytes > l.window/2 && c.rate > 0 {
		c.rate += (sample - c.rate) / 4
	} else {
		c.rate = max(c.rate, sample)
	}
	c.since, c.sinceSize = d.now, c.bytes
}

const (
	absentAfter  = 500 * time.Millisecond // without progress for so long a member is absent
	aheadOfSend  = 256 << 10              // bytes that may wait to be sent to a peer that is there
	backlogFloor = 256 << 10              // bytes that may always wait
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
	share := d.cfg.MemoryBytesMax / d.cfg.Members
	room := share
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
	if l.up && d.hears(l) && (d.own.appended == c.bytes || d.now-c.at <= absentAfter) {
		most = min(most, l.window+aheadOfSend)
	}
	return most
}

// Busy says whether all peers that are there still have own entries on the way.
func (d *Delta) Busy() bool {
	busy := false
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self || !l.up || !d.hears(l) {
			continue
		}
		if l.inFlight == 0 && len(l.lost) == 0 {
			return false
		}
		busy = true
	}
	return busy
}
