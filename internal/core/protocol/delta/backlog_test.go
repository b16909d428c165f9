package delta

import (
	"testing"
	"time"
)

// TestBacklogForWhoWasNotMeasured: there is room for what the window takes and a little
// more, if a peer is heard or others hear it; who is absent limits nobody.
func TestBacklogForWhoWasNotMeasured(t *testing.T) {
	const share = 64 << 20
	little := windowBytesFirst + aheadOfSend
	for _, test := range []struct {
		name         string
		heard, known bool          // by this member, by others
		risen        time.Duration // since its row rose
		rate         float64
		want         int
	}{
		{"nobody heard it", false, false, 0, 0, share},
		{"it was heard", true, true, 0, 0, little},
		{"others hear it", false, true, 0, 0, little},
		{"others heard it once", false, true, patience, 0, share},
		{"others hear it, and it is measured", false, true, 0, 1 << 20, share},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := New(Config{Members: 3, Identity: 10})
			d.now = d.cfg.FirstContactWait + patience
			l := &d.links[1]
			l.presence.everHeard, l.confirmed.rate = test.heard, test.rate
			if test.known {
				d.frontier.rows[1] = newRow(3, 11, d.now-test.risen)
			}
			if most := d.backlogMax(l, share); most != test.want {
				t.Errorf("the backlog may have %d bytes, want %d", most, test.want)
			}
		})
	}
}
