package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// drawEvery is how often a screen is drawn anew at most.
const drawEvery = 100 * time.Millisecond

// screen is a few lines at the end of a terminal that are drawn again and
// again; what is said meanwhile scrolls away above them. On anything but a
// terminal it only says. Any goroutine may use it.
type screen struct {
	out   io.Writer
	live  bool
	width func() int

	mu    sync.Mutex // guards all below
	drawn int        // lines on the terminal now
	last  time.Time
	lines []string
}

func newScreen(console *console) *screen {
	return &screen{out: console.stderr, live: console.live, width: console.width}
}

// due says whether it is time to draw again.
func (s *screen) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live && time.Since(s.last) >= drawEvery
}

// draw replaces the lines.
func (s *screen) draw(lines []string) {
	if !s.live {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines, s.last = lines, time.Now()
	s.paint("")
}

// say writes a line above the screen.
func (s *screen) say(line string) { _, _ = s.Write([]byte(line + "\n")) }

// Write writes whole lines above the screen; it never fails.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paint(string(text))
	return len(text), nil
}

// clear takes the screen away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = nil
	s.paint("")
}

// paint goes back to where the screen began, and writes what was said and the
// lines, all at once so that it does not flicker. The caller holds the mutex.
func (s *screen) paint(said string) {
	var text strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA\r\x1b[J", s.drawn)
	}
	text.WriteString(said)
	for _, line := range s.lines {
		text.WriteString(cut(line, s.width()-1))
		text.WriteByte('\n')
	}
	s.drawn = len(s.lines)
	_, _ = io.WriteString(s.out, text.String())
}

// cut shortens a line to a number of columns; colours take none.
func cut(line string, columns int) string {
	seen, escaped := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escaped = true
		case escaped:
			escaped = r != 'm'
		case seen == columns:
			return line[:i] + "\x1b[0m"
		default:
			seen++
		}
	}
	return line
}

// columns counts what a text takes on a terminal; colours take nothing.
func columns(text string) int {
	seen, escaped := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escaped = true
		case escaped:
			escaped = r != 'm'
		default:
			seen++
		}
	}
	return seen
}

// pad fills a text up to a number of columns, on the left if that is negative.
func pad(text string, width int) string {
	missing := max(width, -width) - columns(text)
	switch {
	case missing <= 0:
		return text
	case width < 0:
		return strings.Repeat(" ", missing) + text
	}
	return text + strings.Repeat(" ", missing)
}

// table writes rows in columns that are as wide as they must be. Columns whose
// head begins with a space are aligned to the right.
func table(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for i, head := range rows[0] {
		for _, row := range rows {
			widths[i] = max(widths[i], columns(row[i]))
		}
		if strings.HasPrefix(head, " ") {
			widths[i] = -widths[i]
		}
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = pad(cell, widths[i])
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}
