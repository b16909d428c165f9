package delta

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// judgeLoss finds flights that something later has overtaken for too long.
func (d *Delta) judgeLoss(l *link) {
	if l.presence.reliable {
		return
	}
	overdue := d.overdue(l)
	if d.now-d.wokeAt < overdue {
		return // acknowledgements may wait to be read
	}
	d.loseBefore(l, d.now-overdue, min(l.cursor.largestAcked, l.cursor.flights.end))
}

// loseBefore loses the flights below a number that left before a time.
func (d *Delta) loseBefore(l *link, left time.Duration, end uint64) {
	for number := l.cursor.flights.first; number < end; number++ {
		if f := l.cursor.flights.at(number); !f.done && f.sentAt < left {
			d.lose(l, f)
		}
	}
	l.cursor.popDone()
}

// lose has what a flight carried sent again, and what it told told again.
func (d *Delta) lose(l *link, f *flight) {
	l.cursor.lose(f)
	l.report.sent = l.report.acked
	if f.relays {
		clear(l.relays.sent)
	}
}

// onTimeout sends the oldest flight again when nothing was acknowledged for
// too long, and with it what only told facts: they go again whole. To a peer
// that is not heard goes all that is older than the time-out, since only its
// row, through others, tells what is missing. A rewind is the
// last resort when all flights are through and the peer still lacks something.
func (d *Delta) onTimeout(l *link) {
	if !l.presence.up || d.now < d.timeoutAt(l) {
		return
	}
	if l.cursor.flights.len() > 0 {
		d.loseOld(l, d.timeout(l))
	} else {
		l.cursor.unsendAll()
	}
	l.cursor.backoff++
	l.cursor.progressed = d.now
}

// timeoutAt returns when that is due.
func (d *Delta) timeoutAt(l *link) time.Duration {
	c := &l.cursor
	if flies := c.flights.len() > 0; flies && l.presence.reliable || !flies && (len(c.lost) > 0 || !d.lacks(l)) {
		return protocol.Never
	}
	return max(c.progressed, c.oldest(), d.wokeAt) + d.timeout(l)
}

func (d *Delta) loseOld(l *link, timeout time.Duration) {
	for number := l.cursor.flights.first; number < l.cursor.flights.end; number++ {
		f := l.cursor.flights.at(number)
		if number > l.cursor.flights.first && (d.hears(l) && len(f.spans) > 0 || d.now-f.sentAt < timeout) {
			break
		}
		if !f.done {
			d.lose(l, f)
		}
	}
	l.cursor.popDone()
}

// lacks reports whether the peer does not hold all that was sent to it.
func (d *Delta) lacks(l *link) bool {
	for j := range l.cursor.sent {
		if l.cursor.sent[j].have > d.known(l, member.ID(j)) {
			return true
		}
	}
	return l.cursor.own.have > d.known(l, d.cfg.Self)
}

// overtaken takes flights as arrived when the peer's row, which may have come
// through others, shows all that they carried. One without batches carried only
// facts, which go whole with every message to a peer that is not heard: it need not
// be waited for.
func (d *Delta) overtaken(l *link) {
	for number := l.cursor.flights.first; number < l.cursor.flights.end; number++ {
		f := l.cursor.flights.at(number)
		if f.done || len(f.spans) == 0 && d.hears(l) {
			continue // what was only told is acknowledged, or told again
		}
		if slices.ContainsFunc(f.spans, func(s span) bool { return d.known(l, s.stream) < s.last }) {
			return
		}
		f.done = true
		l.cursor.inFlight -= f.size
		l.cursor.moved(d.now)
	}
}
