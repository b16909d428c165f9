package delta

import (
	"testing"
	"time"
)

// TestWindow: round trips, in milliseconds, with the bytes that each carried, and
// the window after the last one. It begins at 64 KiB and is always what limits.
func TestWindow(t *testing.T) {
	const kib = 1 << 10
	limits := windowLimits{most: 256 * kib, near: 128 * kib, calm: 200 * time.Millisecond}
	again := func(times, trip int) []int {
		trips := make([]int, times)
		for i := range trips {
			trips[i] = trip
		}
		return trips
	}
	tests := []struct {
		name   string
		trips  []int
		bytes  int
		window int
	}{
		{"it grows by what arrives", again(3, 10), 16 * kib, 112 * kib},
		{"up to a limit on a long way", again(50, 400), 16 * kib, 256 * kib},
		{"and less where queues make it long", append(again(1, 10), again(50, 90)...), 16 * kib, 128 * kib},
		{"a queue halves it", append(again(2, 10), 300), 16 * kib, 48 * kib},
		{"once in a round trip", append(again(2, 10), 300, 310), 16 * kib, 48 * kib},
		{"not below the least", append(again(1, 10), 300, 700, 1500, 3000, 6000, 9000), 16 * kib, windowBytesMin},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trip, w := new(trip), &window{bytes: windowBytesFirst}
			now := time.Second
			for i, ms := range test.trips {
				sample := time.Duration(ms) * time.Millisecond
				if i == 0 || ms != 310 {
					now += sample
				}
				trip.measure(now, sample)
				w.blocked = true
				w.adapt(trip, now, sample, test.bytes, limits)
			}
			if w.bytes != test.window {
				t.Errorf("%d KiB, want %d", w.bytes/kib, test.window/kib)
			}
		})
	}
	idle := &window{bytes: windowBytesFirst}
	idle.adapt(&trip{srtt: 1, shortest: 1}, time.Second, 1, kib, limits)
	if idle.bytes != windowBytesFirst {
		t.Error("a window that limits nothing grows")
	}
}

// TestTrip follows RFC 6298.
func TestTrip(t *testing.T) {
	var trip trip
	trip.measure(time.Second, 80*time.Millisecond)
	if trip.srtt != 80*time.Millisecond || trip.rttvar != 40*time.Millisecond {
		t.Errorf("after one sample srtt %v, rttvar %v", trip.srtt, trip.rttvar)
	}
	trip.measure(2*time.Second, 160*time.Millisecond)
	if trip.srtt != 90*time.Millisecond || trip.rttvar != 50*time.Millisecond || trip.shortest != 80*time.Millisecond {
		t.Errorf("after two samples srtt %v, rttvar %v, shortest %v", trip.srtt, trip.rttvar, trip.shortest)
	}
	if trip.drained != 2*time.Second+80*time.Millisecond {
		t.Errorf("queues have drained at %v", trip.drained)
	}
}
