package workload

import "time"

// Phases says when a run's send phase and its grace phase end, as times since
// the node's start. Members tell each other what is left of both, and the
// earlier end counts, so that all of them stop together though they start one
// after the other.
type Phases struct {
	SendEnd  time.Duration // no own entries from then on
	GraceEnd time.Duration // the deadline: the process ends
}

// NewPhases makes the phases of a run that starts now and sends and waits for
// so long.
func NewPhases(now, send, grace time.Duration) Phases {
	end := later(now, send)
	return Phases{SendEnd: end, GraceEnd: later(end, grace)}
}

// Left returns what is left of the time until each end, 0 if it is past.
func (p Phases) Left(now time.Duration) (send, grace time.Duration) {
	return max(p.SendEnd-now, 0), max(p.GraceEnd-now, 0)
}

// Adopt takes over what a peer says is left, where that ends earlier, and says
// whether anything changed. Neither end moves into the past.
func (p *Phases) Adopt(now, send, grace time.Duration) bool {
	before := *p
	p.SendEnd = min(p.SendEnd, later(now, send))
	p.GraceEnd = min(p.GraceEnd, later(now, grace))
	return *p != before
}

// later returns the end of what is left, without overflow.
func later(now, left time.Duration) time.Duration {
	end := now + max(left, 0)
	if end < now {
		return 1<<63 - 1
	}
	return end
}

// Stop ends the send phase now, if it has not ended yet.
func (p *Phases) Stop(now time.Duration) { p.SendEnd = min(p.SendEnd, now) }
