// Package board shows a run on the terminal: how far the members of a cluster
// are, what the failure map does to them, and what came of it.
//
// A [Board] is the table of a whole cluster and a [Line] that of one member;
// both are drawn over themselves while the run goes on. [PrintReport] writes
// tuples and verdict in the end.
package board

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/term"
)

// Board shows how far the members of a cluster are, a line each, and what the
// failure map does when it does it.
type Board struct {
	screen *term.Screen
	style  term.Style
	names  member.List
	runFor time.Duration
	epoch  time.Time
	coming []failure.Event // of the map, the earliest first
	rows   []boardRow
	words  *words
}

// boardRow is what is known of a member.
type boardRow struct {
	progress job.Progress
	speed    term.Speed
}

// term.BarColumns is how wide the bar of the phases is.

// New makes the board of a run that begins now, takes so long, and in which
// events go wrong. It is drawn on screen in a style.
func New(screen *term.Screen, style term.Style, names member.List, runFor time.Duration, events failure.Map) *Board {
	b := &Board{
		screen: screen, style: style, names: names, runFor: runFor,
		epoch: cluster.Begin(), coming: inTime(events), rows: make([]boardRow, len(names)),
	}
	b.words = newWords(names, style, b.epoch)
	return b
}

// Progress takes in how far a member is, and draws if it is time to.
func (b *Board) Progress(id member.ID, progress job.Progress) {
	row := &b.rows[id]
	row.progress = progress
	now := time.Now()
	row.speed.Observe(progress.Count, now)
	b.words.observe(id, row, now)
	b.Tick()
}

// Tick says what the map has done, and draws if it is time to.
func (b *Board) Tick() {
	for len(b.coming) > 0 && b.coming[0].At <= time.Since(b.epoch) {
		b.words.happens(b.coming[0], b.epoch.Add(b.coming[0].At))
		b.screen.Say(b.event(b.coming[0]))
		b.coming = b.coming[1:]
	}
	if b.screen.Due() {
		b.screen.Draw(b.lines())
	}
}

// Line shows what a member wrote to stderr.
func (b *Board) Line(id member.ID, line string) {
	b.screen.Say(b.style.Faint(b.names[id].Name+":") + " " + line)
}

// Epoch returns when the run began, for times of the map.
func (b *Board) Epoch() time.Time { return b.epoch }

// Clear takes the board away.
func (b *Board) Clear() { b.screen.Clear() }

// event returns what the map does, in the map's own words.
func (b *Board) event(event failure.Event) string {
	text := strings.Join(strings.Fields(event.String()), " ")
	switch event.Action {
	case failure.Heal, failure.Resume, failure.Restart, failure.Start:
		return b.style.Good(text)
	}
	return b.style.Warn(text)
}

func (b *Board) lines() []string {
	lines := []string{"", b.phaseLine()}
	lines = append(lines, b.words.lines(b.rows, time.Now())...)
	lines = append(lines, b.style.Faint(term.Pad("member", b.nameWidth())+"            held         settled         rate  hears"))
	for i := range b.rows {
		lines = append(lines, b.rowLine(i))
	}
	return append(lines, "")
}

func (b *Board) phaseLine() string {
	phase := "start"
	for i := range b.rows {
		if p := b.rows[i].progress.Phase; p != "" {
			phase = p
			break
		}
	}
	passed := time.Since(b.epoch)
	return fmt.Sprintf("%s %s %s of %s", b.style.Strong(term.Pad(phase, 5)),
		b.style.Accent(term.Bar(passed.Seconds()/b.runFor.Seconds(), term.BarColumns)), term.Tenths(passed), term.Tenths(b.runFor))
}

func (b *Board) nameWidth() int {
	width := len("member")
	for _, m := range b.names {
		width = max(width, term.Columns(m.Name))
	}
	return width
}

func (b *Board) rowLine(i int) string {
	row := &b.rows[i]
	settled := term.Pad(term.Grouped(row.progress.Settled), -14)
	if row.progress.Settled == row.progress.Count {
		settled = b.style.Good(settled)
	}
	return fmt.Sprintf("%s  %s  %s  %s  %s", b.style.Strong(term.Pad(b.names[i].Name, b.nameWidth())),
		term.Pad(term.Grouped(row.progress.Count), -14), settled, term.Pad(term.PerSecond(row.speed.Rate), -11), hears(b.style, b.names, i, row.progress.Heard))
}

// inTime sorts events by their time.
func inTime(events failure.Map) []failure.Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b failure.Event) int { return cmp.Compare(a.At, b.At) })
	return sorted
}
