package cluster

import (
	"testing"
	"time"
)

// TestMomentIsTheSameInAllProcesses, also in one that was stopped between
// reading the one clock and the other.
func TestMomentIsTheSameInAllProcesses(t *testing.T) {
	unixNano := time.Now().UnixNano()
	readings := 0
	stopped := func() (wall, steady time.Time) {
		now := time.Now()
		if readings++; readings%4 != 0 {
			return now.Round(0).Add(-7 * time.Millisecond), now
		}
		return now.Round(0), now
	}
	one, other := Moment(unixNano), moment(unixNano, stopped)
	if apart := other.Sub(one).Abs(); apart > 5*time.Millisecond {
		t.Errorf("two processes are %v apart", apart)
	}
	if since := time.Since(Begin()); since < 0 {
		t.Errorf("a cluster begins in the future: %v", since)
	}
}
