package board

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/job/runs"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/term"
)

// Simulations returns how far a number of simulated runs is, how fast they go, and
// what was drawn for the last one.
func Simulations(style term.Style, t *runs.Totals, all uint64, now time.Time) []string {
	passed := now.Sub(t.Began)
	rate := float64(t.Done) / max(passed.Seconds(), 1e-9)
	line := fmt.Sprintf("%s %s of %s runs, %.0f/s, %s of virtual time",
		style.Accent(term.Bar(float64(t.Done)/float64(all), term.BarColumns)), term.Grouped(t.Done), term.Grouped(all), rate,
		term.Short(t.Virtual.Round(time.Second)))
	if left := time.Duration(float64(all-t.Done) / rate * float64(time.Second)); rate > 0 && left >= time.Second && left < 100*time.Hour {
		line += ", " + term.Short(left.Round(time.Second)) + " to go"
	}
	lines := []string{line}
	if len(t.Failed) > 0 {
		lines = append(lines, style.Bad(fmt.Sprintf("%d failed; seed %d breaks %s", len(t.Failed), t.First.Config().Seed, t.First.Violations[0].Check)))
	}
	if t.Last.Shape != nil {
		lines = append(lines, style.Faint(drawn(&t.Last)))
	}
	return lines
}

// Run is a sink that shows on a screen how far a single simulated run is.
type Run struct {
	screen *term.Screen
	style  term.Style
	length time.Duration
	began  time.Time
	events uint64
}

// NewRun makes the sink of a run of so much virtual time.
func NewRun(screen *term.Screen, style term.Style, length time.Duration) *Run {
	return &Run{screen: screen, style: style, length: length, began: time.Now()}
}

// lookEvery is after how many events a run looks at the clock.
const lookEvery = 1024

// Tell counts an event, and draws now and then.
func (r *Run) Tell(e *trace.Event) {
	if r.events++; r.events%lookEvery == 0 && r.screen.Due() {
		r.screen.Draw([]string{fmt.Sprintf("%s %s of %s of virtual time, %s events, %s",
			r.style.Accent(term.Bar(e.At.Seconds()/r.length.Seconds(), term.BarColumns)), term.Tenths(e.At), term.Short(r.length),
			term.Grouped(r.events), term.PerSecond(float64(r.events)/time.Since(r.began).Seconds()))})
	}
}

// Shrinking returns how far a failing run is made smaller.
func Shrinking(style term.Style, done, all int, smallest *sim.Config) []string {
	return []string{fmt.Sprintf("%s making the run smaller: %d of %d runs; so far %s, %s",
		style.Accent(term.Bar(float64(done)/float64(all), term.BarColumns)), done, all,
		term.Plural(smallest.Members, "member"), term.Plural(len(smallest.Map), "line"))}
}

// drawn returns what was drawn for a run.
func drawn(c *sim.Config) string {
	words := []string{fmt.Sprintf("seed %d: %s of %s", c.Seed, term.Plural(c.Members, "member"), c.Protocol)}
	for _, switched := range []struct {
		on   bool
		word string
	}{{c.Shape.Journal, "with journals"}, {c.Shape.Streams, "over streams"}, {!c.Shape.Streams, "over datagrams"}} {
		if switched.on {
			words = append(words, switched.word)
		}
	}
	if len(c.Map) == 0 {
		return strings.Join(words, " ") + ", nothing fails"
	}
	return fmt.Sprintf("%s, %s of failures: %s", strings.Join(words, " "), term.Plural(len(c.Map), "line"), strings.Join(kindsOf(c.Map), ", "))
}

// kindsOf names what goes wrong in a map, each kind once.
func kindsOf(m failure.Map) []string {
	var kinds []string
	for _, event := range m {
		switch event.Action {
		case failure.Heal, failure.Resume, failure.Restart, failure.Start:
			continue
		}
		if word := event.Action.String(); !slices.Contains(kinds, word) {
			kinds = append(kinds, word)
		}
	}
	slices.Sort(kinds)
	return kinds
}
