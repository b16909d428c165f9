package delta

import "time"

// trip is how long the way to a peer and back takes.
type trip struct {
	srtt, rttvar time.Duration // smoothed round trip time and its deviation (RFC 6298); 0: not measured
	shortest     time.Duration // shortest round trip of this session
	drained      time.Duration // when what the last round trip waited in queues has drained, if nothing more is sent
}

// window is how many bytes may be on their way to a peer.
type window struct {
	bytes     int
	adaptedAt time.Duration // when it last shrank
	blocked   bool          // it kept something from being sent
}

// measure takes a round trip time (RFC 6298).
func (t *trip) measure(now, sample time.Duration) {
	if t.srtt == 0 {
		t.srtt, t.rttvar, t.shortest = sample, sample/2, sample
	} else {
		t.rttvar += ((t.srtt - sample).Abs() - t.rttvar) / 4
		t.srtt += (sample - t.srtt) / 8
		t.shortest = min(t.shortest, sample)
	}
	t.drained = now + sample - t.shortest
}

// windowLimits are what windows may grow to.
type windowLimits struct {
	most int           // bytes, on a long way
	near int           // bytes, where queues make a way long and not distance
	calm time.Duration // more than that over the shortest round trip means that queues fill
}

// windowLimits returns the limits of all windows: near is the share of a peer in
// what goes to all of them together.
func (d *Delta) windowLimits() windowLimits {
	return windowLimits{
		most: d.cfg.WindowBytesMax,
		near: min(d.cfg.WindowBytesMax, windowBytesNear, d.shareOfAll()),
		calm: max(queuesMax, 2*paceOf(d.roster.Len())),
	}
}

// shareOfAll returns the bytes to one peer that go together with as many to each
// other one.
func (d *Delta) shareOfAll() int { return max(windowBytesFirst, windowBytesAll/d.roster.Len()) }

// adapt adapts the window to a round trip that a message of some size took: it
// grows while it is what limits, and halves when queues on the way make it slow.
// A large window needs a long way: bytes that wait in queues only leave the
// caches (compare TCP Vegas, Brakmo and Peterson 1995).
func (w *window) adapt(t *trip, now, sample time.Duration, size int, limits windowLimits) {
	most, queued := limits.most, sample-t.shortest
	if t.srtt > 2*t.shortest {
		most = limits.near
	}
	switch rested := now-w.adaptedAt > sample; {
	case queued > limits.calm && rested:
		w.bytes, w.adaptedAt = max(windowBytesMin, w.bytes/2), now
	case w.bytes > most && rested:
		w.bytes, w.adaptedAt = max(most, w.bytes/2), now
	case queued <= limits.calm/2 && w.blocked && w.bytes < most:
		w.bytes = min(w.bytes+size, most)
		w.blocked = false
	}
}
