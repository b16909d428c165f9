package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// drawEvery is how often a screen is drawn anew at most.
const drawEvery = 100 * time.Millisecond

// Screen is a few lines at the end of a terminal that are drawn again and
// again; what is said meanwhile scrolls away above them. On anything but a
// terminal it only says. Any goroutine may use it.
type Screen struct {
	out  io.Writer
	size func() Size

	mu    sync.Mutex // guards all below
	live  bool
	drawn int // lines on the terminal now
	last  time.Time
	lines []string
}

// NewScreen makes a screen on out. It draws only where live says that out is a
// terminal, within what size says then.
func NewScreen(out io.Writer, live bool, size func() Size) *Screen {
	return &Screen{out: out, live: live, size: size}
}

// Due reports whether it is time to draw again.
func (s *Screen) Due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live && time.Since(s.last) >= drawEvery
}

// Draw replaces the lines. What does not fit into the terminal is left out.
func (s *Screen) Draw(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	s.lines, s.last = lines, time.Now()
	s.paint("")
}

// Say writes a line above the screen.
func (s *Screen) Say(line string) { _, _ = s.Write([]byte(line + "\n")) }

// Write writes whole lines above the screen; it never fails.
func (s *Screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paint(string(text))
	return len(text), nil
}

// Clear takes the screen away. Whoever still draws draws for nobody.
func (s *Screen) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines, s.live = nil, false
	s.paint("")
}

// paint goes back to where the screen began, and writes what was said and the
// lines over it, all at once so that it does not flicker. What is not
// overwritten is erased. The caller holds the mutex.
func (s *Screen) paint(said string) {
	var text strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA\r", s.drawn)
		said = strings.ReplaceAll(said, "\n", eraseLine+"\n")
	}
	text.WriteString(said)
	before := s.drawn - strings.Count(said, "\n")
	s.drawn = 0
	if len(s.lines) > 0 {
		size := s.size()
		shown := Crop(s.lines, size.Lines-linesSpared)
		for _, line := range shown {
			text.WriteString(Cut(line, size.Columns-1) + eraseLine + "\n")
		}
		s.drawn = len(shown)
	}
	if before > s.drawn {
		text.WriteString("\x1b[J") // to the end of the terminal
	}
	_, _ = io.WriteString(s.out, text.String())
}

const (
	eraseLine = "\x1b[K" // from the cursor to the end of its line
	// linesSpared are left free: the last line, where the cursor stands, and
	// the first, for some terminals scroll when all of them is erased.
	linesSpared = 2
)

// Crop shortens lines to a number of them; the last one then says how many are
// left out.
func Crop(lines []string, most int) []string {
	most = max(most, 1)
	if len(lines) <= most {
		return lines
	}
	cropped := append([]string{}, lines[:most-1]...)
	return append(cropped, fmt.Sprintf("… and %d lines more than fit here", len(lines)-most+1))
}
