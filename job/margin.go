package job

import (
	"sync/atomic"
	"time"
)

const (
	// marginMin is how long before its deadline a tuple that is not final is
	// taken at least. Writing it and ending the process are covered by it.
	marginMin = 40 * time.Millisecond
	// marginFactor is how many times the measured time is set aside: the next
	// time may be slower.
	marginFactor = 4
	// marginShare is the largest part of the grace phase that is set aside.
	marginShare = 2
)

// margin is how long before the deadline the outcome is taken. It grows with
// what the taking was seen to cost, which depends on how much is held but not
// settled, and on how busy the machine is.
type margin struct{ measured atomic.Int64 }

// observe notes how long it took to take an outcome.
func (m *margin) observe(took time.Duration) { m.measured.Store(int64(took)) }

// length gives the margin for a grace phase of the given length.
func (m *margin) length(grace time.Duration) time.Duration {
	wanted := marginMin + marginFactor*time.Duration(m.measured.Load())
	return max(min(wanted, grace/marginShare), marginMin)
}
