package delta

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// lacking returns member 0 of four that lacks five entries of stream 3, which
// members 1 and 2 have. All are heard, and no way was measured.
func lacking(now time.Duration) *Delta {
	d := New(Config{Members: 4, Identity: 10, Datagram: true})
	for place := range 4 {
		d.bind(member.ID(place), member.Identity(10+place))
	}
	for place := 1; place < 4; place++ {
		l := &d.links[place]
		l.presence.identity, l.presence.everHeard = member.Identity(10+place), true
		l.row = d.frontier.rowOf(member.ID(place), l.presence.identity, 0)
		if place < 3 {
			l.row.marks.Set(3, clock.Mark{Have: 5})
		}
	}
	d.streams[3].want = want{waiting: true, missed: now, most: 5, leader: 2}
	return d
}

// asksMeanwhile has time pass, with all peers heard, and returns what is asked meanwhile.
func (d *Delta) asksMeanwhile(length time.Duration) (asked []string) {
	for until := d.now + length; d.now < until; d.now += d.cfg.Tick {
		for i := range d.links {
			d.links[i].presence.heard = d.now
		}
		d.seek(3)
		for i := range d.links {
			l := &d.links[i]
			for _, pull := range l.pulls {
				asked = append(asked, fmt.Sprintf("%d %v", l.peer, !pull.Cancel))
			}
			l.pulls = nil
		}
	}
	return asked
}

// TestWant: whom a member asks for what it lacks, and whom it tells to end, after
// each event. The quiet time is 100 ms, and the origin gets 400 ms more.
func TestWant(t *testing.T) {
	const ms = time.Millisecond
	d := lacking(1000 * ms)
	d.now = 1000 * ms
	w := &d.streams[3].want
	steps := []struct {
		name   string
		event  func()
		length time.Duration
		asked  []string
	}{
		{"the origin is waited for", func() {}, 500 * ms, nil},
		{"then who told first is asked", func() {}, 150 * ms, []string{"2 true"}},
		{"it does not help: the next one is", func() {}, 100 * ms, []string{"2 false", "1 true"}},
		{"which helps", func() { w.came = d.now + 1 }, 150 * ms, nil},
		{"and is asked on", func() { w.came = d.now + 300*ms }, 400 * ms, []string{"1 true"}},
		{"the origin is back", func() { w.came, w.direct = d.now+1, d.now+1 }, 50 * ms, []string{"1 false"}},
	}
	for _, step := range steps {
		step.event()
		got := d.asksMeanwhile(step.length)
		slices.Sort(got)
		slices.Sort(step.asked)
		if !slices.Equal(got, step.asked) {
			t.Errorf("%s: %q, want %q", step.name, got, step.asked)
		}
	}
}
