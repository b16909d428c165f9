package main

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/job"
	"chatterbox/member"
)

// watch gives what shows the progress of a member: to the parent that asked
// for reports, else on a terminal as one line that is drawn again and again.
// The second function takes that line away.
func (c *nodeCommand) watch(console *console, screen *screen) (show func(job.Progress), stop func()) {
	if reports := c.reports(); reports != nil {
		return reports, func() {}
	}
	if !console.live {
		return nil, func() {}
	}
	w := &watcher{screen: screen, style: console.talk, members: c.members, self: c.self, runFor: c.SendFor.Duration + c.WaitFor.Duration}
	return w.show, w.stop
}

// watcher shows the progress of one member.
type watcher struct {
	screen  *screen
	style   style
	members member.List
	self    member.ID
	runFor  time.Duration
	speed   speed
	stopped bool
}

func (w *watcher) show(p job.Progress) {
	if w.stopped {
		return
	}
	w.speed.observe(p.Count, time.Now())
	settled := fmt.Sprintf("%s settled", grouped(p.Settled))
	if p.Settled == p.Count {
		settled = w.style.good(settled)
	}
	w.screen.draw([]string{fmt.Sprintf("%s %s  %s left  %s held  %s  %s%s",
		w.style.strong(pad(p.Phase, len(job.PhaseGrace))),
		w.style.accent(bar(1-p.Left.Seconds()/w.runFor.Seconds(), 16)), tenths(p.Left),
		grouped(p.Count), perSecond(w.speed.rate), settled,
		after("  hears ", hears(w.style, w.members, int(w.self), p.Heard)))})
}

func (w *watcher) stop() {
	w.stopped = true
	w.screen.clear()
}

// after puts a label before a text that is not empty.
func after(label, text string) string {
	if text == "" {
		return ""
	}
	return label + text
}

// hears names the peers that a member hears directly; a dot is one that it
// does not hear.
func hears(style style, members member.List, self int, heard []bool) string {
	var names []string
	for peer, yes := range heard {
		switch {
		case peer == self:
		case yes:
			names = append(names, members[peer].Name)
		default:
			names = append(names, style.bad("·"))
		}
	}
	return strings.Join(names, " ")
}

// speed is how fast a count rises, as a moving average.
type speed struct {
	rate  float64 // a second
	count uint64
	at    time.Time
}

// observe notes the count at a time.
func (s *speed) observe(count uint64, at time.Time) {
	passed := at.Sub(s.at).Seconds()
	if !s.at.IsZero() && passed > 0 && count >= s.count {
		s.rate = (s.rate + float64(count-s.count)/passed) / 2
	}
	s.count, s.at = count, at
}
