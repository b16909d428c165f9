package delta

import (
	"slices"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// judgeLoss finds flights that something later has overtaken for too long.
func (d *Delta) judgeLoss(l *link) {
	if l.reliable || d.mutant == mutant.NoRewind {
		return
	}
	patience := l.srtt + max(2*l.rttvar, d.cfg.Tick)
	if d.now-d.wokeAt < patience {
		return // acknowledgements may wait to be read
	}
	late := d.now - patience
	for number := l.flights.first; number < l.flights.end && number < l.largestAcked; number++ {
		if f := l.flights.at(number); !f.done && f.sentAt < late {
			l.lose(f)
		}
	}
	l.popDone()
}

// lose has what the flight carried sent again.
func (l *link) lose(f *flight) {
	f.done = true
	l.inFlight -= f.size
	for _, s := range f.spans {
		l.again(s)
	}
	l.rowSent = l.rowUnderWay()
	if f.relays {
		clear(l.relayed)
	}
}

// again puts a range among those to be sent again, the first entries of a
// stream first: a receiver whose buffer for what comes after a gap is full can
// take nothing else.
func (l *link) again(s span) {
	i := len(l.lost)
	l.lost = append(l.lost, s)
	for ; i > 0 && s.before(l.lost[i-1]); i-- {
		l.lost[i] = l.lost[i-1]
	}
	l.lost[i] = s
}

func (s span) before(other span) bool {
	return s.stream < other.stream || s.stream == other.stream && s.first < other.first
}

// holds says whether the range has all of a batch.
func (s span) holds(b *protocol.Batch) bool {
	return s.stream == b.Origin && s.first <= b.Seq && b.Last() <= s.last
}

// flies says whether a batch is on its way to the peer.
func (l *link) flies(b *protocol.Batch) bool {
	for number := l.flights.first; number < l.flights.end; number++ {
		if f := l.flights.at(number); !f.done && anyHolds(f.spans, b) {
			return true
		}
	}
	return false
}

// waits says whether a batch is among what was lost and goes again.
func (l *link) waits(b *protocol.Batch) bool { return anyHolds(l.lost, b) }

func anyHolds(spans []span, b *protocol.Batch) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.holds(b) })
}

// timeout gives how long to wait for any sign that something arrived; a sign may
// itself wait for the peer's tick (compare max_ack_delay in RFC 9002).
func (d *Delta) timeout(l *link) time.Duration {
	wait := unmeasuredTicks * d.cfg.Tick
	switch {
	case !d.hears(l):
		wait = max(wait, 2*l.detour)
	case l.srtt > 0:
		wait = max(l.srtt+max(4*l.rttvar, d.cfg.Tick), 2*d.cfg.Tick+d.pace(l))
	}
	return min(wait<<min(l.backoff, 10), timeoutMax)
}

// onTimeout sends the oldest flight again when nothing was acknowledged for
// too long, and with it what only told facts: they go again whole. To a peer
// that is not heard goes all that is older than the time-out, since only its
// row, through others, tells what is missing. A rewind is the
// last resort when all flights are through and the peer still lacks something.
func (d *Delta) onTimeout(l *link) {
	timeout := d.timeout(l)
	if !l.up || d.now-max(l.progressed, l.oldest(), d.wokeAt) < timeout || d.mutant == mutant.NoRewind {
		return
	}
	switch {
	case l.flights.len() > 0 && !l.reliable:
		d.loseOld(l, timeout)
	case l.flights.len() == 0 && len(l.lost) == 0 && d.lacks(l):
		l.unsendAll()
	default:
		return
	}
	l.backoff++
	l.progressed = d.now
}

// oldest gives when the oldest flight was sent; 0 if there is none. It may be
// younger than the last progress: those before it may have been given up.
func (l *link) oldest() time.Duration {
	if l.flights.len() == 0 {
		return 0
	}
	return l.flights.at(l.flights.first).sentAt
}

func (d *Delta) loseOld(l *link, timeout time.Duration) {
	for number := l.flights.first; number < l.flights.end; number++ {
		f := l.flights.at(number)
		if number > l.flights.first && (d.hears(l) && len(f.spans) > 0 || d.now-f.sentAt < timeout) {
			break
		}
		if !f.done {
			l.lose(f)
		}
	}
	l.popDone()
}

// lacks says whether the peer does not hold all that was sent to it.
func (d *Delta) lacks(l *link) bool {
	for j := range l.sent {
		if l.sent[j].have > d.known(l, member.ID(j)) {
			return true
		}
	}
	return l.own.have > d.known(l, d.cfg.Self)
}

// overtaken takes flights as arrived when the peer's row, which may have come
// through others, shows all that they carried.
func (d *Delta) overtaken(l *link) {
	for number := l.flights.first; number < l.flights.end; number++ {
		f := l.flights.at(number)
		if f.done {
			continue
		}
		if len(f.spans) == 0 && d.hears(l) {
			continue // what was only told is acknowledged, or told again
		}
		if !d.covers(l, f) {
			return
		}
		f.done = true
		l.inFlight -= f.size
		l.progressed, l.backoff = d.now, 0
		if f.size > 0 && !d.hears(l) {
			l.goRound(d.now - f.sentAt)
		}
	}
}

// goRound measures how long a sign of arrival takes through others.
func (l *link) goRound(sample time.Duration) {
	if l.detour == 0 {
		l.detour = sample
	}
	l.detour += (sample - l.detour) / 4
}

// covers says whether the peer is known to hold all that a flight carried. One
// without batches carried only facts, which go whole with every message to a
// peer that is not heard: it need not be waited for.
func (d *Delta) covers(l *link, f *flight) bool {
	for _, s := range f.spans {
		if d.known(l, s.stream) < s.last {
			return false
		}
	}
	return true
}
