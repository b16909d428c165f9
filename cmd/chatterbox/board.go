package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/cluster"
	"chatterbox/failure"
	"chatterbox/job"
	"chatterbox/member"
)

// board shows how far the members of a cluster are, a line each, and what the
// failure map does when it does it.
type board struct {
	screen *screen
	style  style
	names  member.List
	runFor time.Duration
	epoch  time.Time
	coming []failure.Event // of the map, the earliest first
	rows   []boardRow
}

// boardRow is what is known of a member.
type boardRow struct {
	progress job.Progress
	speed    speed
}

// boardColumns is how wide the bar of the phases is.
const boardColumns = 24

func newBoard(console *console, names member.List, runFor time.Duration, events failure.Map) *board {
	return &board{
		screen: newScreen(console), style: console.talk, names: names, runFor: runFor,
		epoch: time.Now(), coming: inTime(events), rows: make([]boardRow, len(names)),
	}
}

// progress takes in how far a member is, and draws if it is time to.
func (b *board) progress(id member.ID, progress job.Progress) {
	row := &b.rows[id]
	row.progress = progress
	row.speed.observe(progress.Count, time.Now())
	b.tick()
}

// tick says what the map has done, and draws if it is time to.
func (b *board) tick() {
	for len(b.coming) > 0 && b.coming[0].At <= time.Since(b.epoch) {
		b.screen.say(b.event(b.coming[0]))
		b.coming = b.coming[1:]
	}
	if b.screen.due() {
		b.screen.draw(b.lines())
	}
}

// line shows what a member wrote to stderr.
func (b *board) line(id member.ID, line string) {
	b.screen.say(b.style.faint(b.names[id].Name+":") + " " + line)
}

// event says what the map does, in the map's own words.
func (b *board) event(event failure.Event) string {
	text := strings.Join(strings.Fields(event.String()), " ")
	switch event.Action {
	case failure.Heal, failure.Resume, failure.Restart, failure.Start:
		return b.style.good(text)
	}
	return b.style.warn(text)
}

func (b *board) lines() []string {
	lines := []string{"", b.phaseLine(), b.style.faint(
		pad("member", b.nameWidth()) + "            held         settled         rate  hears")}
	for i := range b.rows {
		lines = append(lines, b.rowLine(i))
	}
	return append(lines, "")
}

func (b *board) phaseLine() string {
	phase := "start"
	for i := range b.rows {
		if p := b.rows[i].progress.Phase; p != "" {
			phase = p
			break
		}
	}
	passed := time.Since(b.epoch)
	return fmt.Sprintf("%s %s %s of %s", b.style.strong(pad(phase, 5)),
		b.style.accent(bar(passed.Seconds()/b.runFor.Seconds(), boardColumns)), tenths(passed), tenths(b.runFor))
}

func (b *board) nameWidth() int {
	width := len("member")
	for _, m := range b.names {
		width = max(width, columns(m.Name))
	}
	return width
}

func (b *board) rowLine(i int) string {
	row := &b.rows[i]
	settled := pad(grouped(row.progress.Settled), -14)
	if row.progress.Settled == row.progress.Count {
		settled = b.style.good(settled)
	}
	return fmt.Sprintf("%s  %s  %s  %s  %s", b.style.strong(pad(b.names[i].Name, b.nameWidth())),
		pad(grouped(row.progress.Count), -14), settled, pad(perSecond(row.speed.rate), -11), hears(b.style, b.names, i, row.progress.Heard))
}

// inTime sorts events by their time.
func inTime(events failure.Map) []failure.Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b failure.Event) int { return cmp.Compare(a.At, b.At) })
	return sorted
}

// printReport writes each member's tuple and the verdict to stdout.
func printReport(console *console, report *cluster.Report, exact bool) {
	rows := [][]string{{"member", "tuple", "result"}}
	for i := range report.Members {
		rows = append(rows, reportRow(console.out, &report.Members[i], exact))
	}
	table(console.stdout, rows)
	verdict := report.Verdict()
	word := verdict.String()
	switch verdict {
	case cluster.Agree:
		word = console.out.good(word)
	case cluster.Partial:
		word = console.out.warn(word)
	default:
		word = console.out.bad(word)
	}
	fmt.Fprintf(console.stdout, "%s: %s\n", word, report.Describe())
}

func reportRow(style style, m *cluster.Member, exact bool) []string {
	if m.Outcome == nil {
		return []string{m.Name, "-", style.bad(m.Fate())}
	}
	score := m.Outcome.Score
	if exact {
		score = m.Outcome.Exact
	}
	result := style.good("complete")
	if !m.Outcome.Complete {
		result = style.warn("partial, missing " + strings.Join(m.Outcome.Missing, " "))
	}
	return []string{m.Name, fmt.Sprintf("(%d,%s)", m.Outcome.Count, score), result}
}
