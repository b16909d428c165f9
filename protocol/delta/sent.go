package delta

import (
	"slices"
	"time"

	"chatterbox/member"
)

// horizon is how far a stream was sent to a peer.
type horizon struct {
	have   uint64 // entries
	number uint64 // of the next batch in the log
}

// horizon gives how far a stream was sent to a peer, to be moved on.
func (d *Delta) horizon(l *link, stream member.ID) *horizon {
	if stream == d.cfg.Self {
		return &l.own
	}
	if l.sent == nil {
		l.sent = make([]horizon, d.cfg.Members)
	}
	return &l.sent[stream]
}

// sentTo gives how far a stream was sent to a peer.
func (d *Delta) sentTo(l *link, stream member.ID) horizon {
	switch {
	case stream == d.cfg.Self:
		return l.own
	case l.sent == nil:
		return horizon{}
	}
	return l.sent[stream]
}

// unsend forgets what was sent of a stream that turns out not to count: what is
// sent of the one in its place, under the same numbers, is another.
func (d *Delta) unsend(l *link, stream member.ID) {
	if stream == d.cfg.Self || l.sent != nil {
		*d.horizon(l, stream) = horizon{}
	}
	of := func(s span) bool { return s.stream == stream }
	l.lost = slices.DeleteFunc(l.lost, of)
	for number := l.flights.first; number < l.flights.end; number++ {
		f := l.flights.at(number)
		f.spans = slices.DeleteFunc(f.spans, of)
	}
}

// unsendAll forgets how far all streams were sent.
func (l *link) unsendAll() {
	l.own = horizon{}
	clear(l.sent)
}

// leasedUntil gives until when a stream is relayed to the peer.
func (l *link) leasedUntil(stream member.ID) time.Duration {
	if l.lease == nil {
		return 0
	}
	return l.lease[stream]
}

func (l *link) endLease(stream member.ID) {
	if l.lease != nil {
		l.lease[stream] = 0
	}
}

// rowUnderWay gives the change counter of the newest row that the peer has or
// that may still arrive: what was lost of it before needs no telling again.
func (l *link) rowUnderWay() uint64 {
	for number := l.flights.end; number > l.flights.first; number-- {
		if f := l.flights.at(number - 1); !f.done {
			return max(f.stamp, l.rowAcked)
		}
	}
	return l.rowAcked
}
