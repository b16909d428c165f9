package job

import "time"

const (
	// marginMin is how long before its deadline a tuple that is not final is
	// taken at least. Writing it and ending the process are covered by it.
	marginMin = 60 * time.Millisecond
	// marginMax is what a long grace phase sets aside without a reason.
	marginMax = 250 * time.Millisecond
	// marginPart is the part of the grace phase that is set aside within these
	// bounds: machines may be busy, and a late tuple counts for nothing.
	marginPart = 20
	// marginFactor is how many times what was measured is set aside: the next
	// time may be slower.
	marginFactor = 2
	// marginShare is the largest part of the grace phase that is set aside.
	marginShare = 4
	// closeFor is how long before the deadline the process begins to end.
	closeFor = 30 * time.Millisecond
)

// margin is how long before the deadline the outcome is taken. It grows with
// what the taking was seen to cost, which depends on how much is held but not
// settled, and with how late this process is woken up on a busy machine. The
// run's goroutine owns it.
type margin struct {
	cost time.Duration // of taking an outcome; falls slowly
	lag  time.Duration // of waking up; falls slowly
	last time.Time     // the last sample
}

// observeCost notes how long it took to take an outcome.
func (m *margin) observeCost(took time.Duration) { m.cost = max(took, m.cost/2) }

// observeLag notes that a sample begins now, and so how late it is.
func (m *margin) observeLag(now time.Time) {
	if !m.last.IsZero() {
		m.lag = max(now.Sub(m.last)-ProgressEvery, m.lag*7/8)
	}
	m.last = now
}

// length returns the margin for a grace phase of the given length.
func (m *margin) length(grace time.Duration) time.Duration {
	byDefault := min(max(grace/marginPart, marginMin), marginMax)
	return max(min(byDefault+marginFactor*(m.cost+m.lag), grace/marginShare), marginMin)
}
