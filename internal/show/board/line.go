package board

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/term"
)

// Line shows the progress of one member.
type Line struct {
	screen  *term.Screen
	style   term.Style
	members member.List
	self    member.ID
	runFor  time.Duration
	speed   term.Speed
	stopped bool
}

// NewLine makes the line of a member whose run takes so long.
func NewLine(screen *term.Screen, style term.Style, members member.List, self member.ID, runFor time.Duration) *Line {
	return &Line{screen: screen, style: style, members: members, self: self, runFor: runFor}
}

// Show takes in how far the member is, and draws the line.
func (w *Line) Show(p job.Progress) {
	if w.stopped {
		return
	}
	w.speed.Observe(p.Count, time.Now())
	settled := fmt.Sprintf("%s settled", term.Grouped(p.Settled))
	if p.Settled == p.Count {
		settled = w.style.Good(settled)
	}
	w.screen.Draw([]string{fmt.Sprintf("%s %s  %s left  %s held  %s  %s%s",
		w.style.Strong(term.Pad(p.Phase, len(job.PhaseGrace))),
		w.style.Accent(term.Bar(1-p.Left.Seconds()/w.runFor.Seconds(), 16)), term.Tenths(p.Left),
		term.Grouped(p.Count), term.PerSecond(w.speed.Rate), settled,
		after("  hears ", hears(w.style, w.members, int(w.self), p.Heard))+after("  waits for ", w.style.Warn(awaited(w.members, p.Awaits))))})
}

// awaited names the members that settling waits for.
func awaited(members member.List, places []int) string {
	var names []string
	for _, place := range places {
		names = append(names, members[place].Name)
	}
	return strings.Join(names, " ")
}

// Stop takes the line away.
func (w *Line) Stop() {
	w.stopped = true
	w.screen.Clear()
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
func hears(style term.Style, members member.List, self int, heard []bool) string {
	var names []string
	for peer, yes := range heard {
		switch {
		case peer == self:
		case yes:
			names = append(names, members[peer].Name)
		default:
			names = append(names, style.Bad("·"))
		}
	}
	return strings.Join(names, " ")
}
