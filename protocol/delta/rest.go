package delta

import "time"

// Rest gives how long no tick is needed unless something comes: until the next
// sign of life is due, once all members hear each other and hold everything.
func (d *Delta) Rest() time.Duration {
	if !d.agreed || !d.contact || d.logBytes > 0 {
		return 0
	}
	for j := range d.streams {
		if s := &d.streams[j]; s.waiting || s.pull.active {
			return 0
		}
	}
	rest := d.cfg.KeepAlive
	for i := range d.links {
		if l := &d.links[i]; l.peer != d.cfg.Self {
			rest = min(rest, d.linkRest(l))
		}
	}
	return rest
}

// linkRest is the same for one link: nothing is under way on it in either
// direction, and the peer needs nothing that others say.
func (d *Delta) linkRest(l *link) time.Duration {
	switch {
	case !l.up, !d.hearsAll(l), !d.mine.hears.Has(l.peer), d.news(l), d.ended() && !l.knowsEnd():
		return 0
	case l.owed, l.flights.len() > 0, len(l.lost) > 0, len(l.leased) > 0, len(l.pulls) > 0:
		return 0
	}
	return max(0, min(l.spoke+d.cfg.KeepAlive, l.heard+d.silenceMax(l))-d.now)
}
