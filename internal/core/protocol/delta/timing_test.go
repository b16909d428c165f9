package delta

import (
	"testing"
	"time"
)

// TestWaits of a link, in milliseconds, with ticks of 10 ms and a keep-alive of
// 100 ms.
func TestWaits(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name                         string
		trip                         trip
		heard                        bool
		attempts                     uint
		timeout, quiet, silent, pace int
	}{
		{"never measured", trip{}, true, 0, 100, 100, 300, 0},
		{"a short way", trip{srtt: ms, rttvar: ms / 4}, true, 0, 20, 20, 300, 0},
		{"a long way", trip{srtt: 400 * ms, rttvar: 50 * ms}, true, 0, 600, 600, 800, 0},
		{"the same in vain", trip{srtt: 400 * ms, rttvar: 50 * ms}, true, 1, 1200, 600, 800, 0},
		{"patience has an end", trip{srtt: 5000 * ms, rttvar: 50 * ms}, true, 4, 2000, 3000, 2000, 0},
		{"not heard", trip{srtt: 400 * ms}, false, 0, 100, 600, 800, 0},
		{"queues on the way", trip{srtt: 400 * ms, rttvar: 50 * ms, drained: 1600 * ms}, true, 0, 600, 600, 800, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := New(Config{Members: 3, Identity: 10, Datagram: true})
			l := &d.links[1]
			d.now = 1000 * ms
			l.trip, l.cursor.backoff = test.trip, test.attempts
			l.presence.everHeard, l.presence.heard = test.heard, d.now
			got := [...]time.Duration{d.timeout(l), d.quiet(l), d.silenceMax(l), d.pace(l)}
			for i, want := range [...]int{test.timeout, test.quiet, test.silent, test.pace} {
				if max(got[i], 0) != time.Duration(want)*ms {
					t.Errorf("time-out, quiet time, silence, pace: %v, want %d in place %d", got, want, i)
				}
			}
		})
	}
}
