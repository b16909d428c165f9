package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// console is where a command reads and writes: data to stdout, talk to stderr.
type console struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	getenv func(string) string
	live   bool  // stderr is a terminal: progress may be drawn there
	out    style // how stdout is painted
	talk   style // how stderr is painted
	width  func() int
}

// newConsole looks at the files, and at the environment for NO_COLOR and TERM.
func newConsole(stdin io.Reader, stdout, stderr *os.File, getenv func(string) string) *console {
	able := getenv("TERM") != "dumb"
	painted := able && getenv("NO_COLOR") == ""
	live := able && term.IsTerminal(int(stderr.Fd()))
	return &console{
		stdin: stdin, stdout: stdout, stderr: stderr,
		getenv: getenv,
		live:   live,
		out:    style(painted && term.IsTerminal(int(stdout.Fd()))),
		talk:   style(painted && live),
		width:  func() int { return terminalWidth(stderr) },
	}
}

// widthDefault is how many columns a terminal has that does not say.
const widthDefault = 80

func terminalWidth(file *os.File) int {
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return widthDefault
	}
	return width
}

// errorf says on stderr that something failed.
func (c *console) errorf(format string, args ...any) {
	fmt.Fprintf(c.stderr, "%s %s\n", c.talk.bad("chatterbox:"), fmt.Sprintf(format, args...))
}

// notef says something on stderr.
func (c *console) notef(format string, args ...any) {
	fmt.Fprintf(c.stderr, format+"\n", args...)
}

// logger gives the log for --verbose: coloured on a terminal, plain otherwise,
// and only warnings when not verbose.
func (c *console) logger(verbose bool) *slog.Logger { return c.loggerAbove(newScreen(c), verbose) }

// loggerAbove gives a log whose lines do not fall into what is drawn.
func (c *console) loggerAbove(drawn *screen, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	if c.live {
		return slog.New(tint.NewTextHandler(drawn, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly + ".000", NoColor: !bool(c.talk),
		}))
	}
	return slog.New(slog.NewTextHandler(drawn, &slog.HandlerOptions{Level: level}))
}

// style paints text for a terminal; false leaves it plain.
type style bool

func (s style) good(text string) string   { return s.paint("32", text) }
func (s style) warn(text string) string   { return s.paint("33", text) }
func (s style) bad(text string) string    { return s.paint("31;1", text) }
func (s style) strong(text string) string { return s.paint("1", text) }
func (s style) faint(text string) string  { return s.paint("2", text) }
func (s style) accent(text string) string { return s.paint("36", text) }

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
