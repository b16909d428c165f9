package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lmittmann/tint"

	"chatterbox/internal/term"
)

// Console is where a command reads and writes: data to Stdout, talk to Stderr,
// progress to Stderr only where it is a terminal.
type Console struct {
	Stdin  io.Reader
	Stdout *Output
	Stderr io.Writer

	Live bool             // Stderr is a terminal: progress may be drawn there
	Seen bool             // Stdout is one too
	Out  term.Style       // how Stdout is painted
	Talk term.Style       // how Stderr is painted
	Size func() term.Size // of the terminal that Stderr is

	mu      sync.Mutex // guards all below
	files   []*SideFile
	folders []tempFolder
	signals signals
	lost    bool // something that should have been written was not
}

// NewConsole looks at the files, and at the environment for NO_COLOR and TERM.
func NewConsole(stdin io.Reader, stdout, stderr *os.File, getenv func(string) string) *Console {
	able := getenv("TERM") != "dumb"
	painted := able && getenv("NO_COLOR") == ""
	live := able && term.IsTerminal(stderr)
	return &Console{
		Stdin: stdin, Stdout: NewOutput(stdout), Stderr: stderr,
		Live: live,
		Seen: live && term.IsTerminal(stdout),
		Out:  term.Style(painted && term.IsTerminal(stdout)),
		Talk: term.Style(painted && live),
		Size: func() term.Size { return term.SizeOf(stderr) },
	}
}

// Errorf says on stderr that something failed.
func (c *Console) Errorf(format string, args ...any) {
	fmt.Fprintf(c.Stderr, "%s %s\n", c.Talk.Bad("chatterbox:"), fmt.Sprintf(format, args...))
}

// Lostf says on stderr that something is lost which should have been written.
// The command then fails, unless it found out something worse.
func (c *Console) Lostf(format string, args ...any) {
	c.mu.Lock()
	c.lost = true
	c.mu.Unlock()
	c.Errorf(format, args...)
}

// Notef says something on stderr.
func (c *Console) Notef(format string, args ...any) {
	fmt.Fprintf(c.Stderr, format+"\n", args...)
}

// JSON writes a value to stdout, as one line.
func (c *Console) JSON(value any) { WriteJSON(c.Stdout, value) }

// WriteJSON writes a value as one line. What cannot be written is for the
// writer to remember.
func WriteJSON(w io.Writer, value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err) // our own types
	}
	_, _ = w.Write(append(line, '\n'))
}

// Screen returns a screen on stderr, which draws only on a terminal.
func (c *Console) Screen() *term.Screen { return term.NewScreen(c.Stderr, c.Live, c.Size) }

// Logger returns the log for --verbose: coloured on a terminal, plain
// otherwise, and only warnings when not verbose.
func (c *Console) Logger(verbose bool) *slog.Logger { return c.LoggerAbove(c.Screen(), verbose) }

// LogFlags say how a command that stays tells what happens.
type LogFlags struct {
	Log     Choice `default:"text" oneof:"text,json" help:"How what happens is logged to stderr: text or json, a line each."`
	Level   Choice `name:"log-level" default:"info" oneof:"debug,info,warn,error" help:"From which level on: debug, info, warn or error."`
	Verbose bool   `short:"v" help:"Short for --log-level=debug."`
}

// Start returns the log. Of what is said again and again only the first lines
// are written, and then how many were left out; end says the rest of that.
func (f *LogFlags) Start(c *Console) (log *slog.Logger, end func()) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.Level.Value)); err != nil {
		panic(err) // one of four words
	}
	if f.Verbose {
		level = slog.LevelDebug
	}
	var handler slog.Handler
	if f.Log.Value == "json" {
		handler = slog.NewJSONHandler(c.Stderr, &slog.HandlerOptions{Level: level})
	} else {
		handler = c.textHandler(c.Screen(), level)
	}
	few := newLimited(handler)
	return slog.New(few), few.limits.end
}

// LoggerAbove returns a log whose lines do not fall into what is drawn.
func (c *Console) LoggerAbove(drawn *term.Screen, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(c.textHandler(drawn, level))
}

func (c *Console) textHandler(drawn *term.Screen, level slog.Level) slog.Handler {
	if c.Live {
		return tint.NewTextHandler(drawn, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly + ".000", NoColor: !bool(c.Talk),
		})
	}
	return slog.NewTextHandler(drawn, &slog.HandlerOptions{Level: level})
}

// settle closes what was opened, says what was lost, and returns the status
// that all of it comes to.
func (c *Console) settle(status Status) Status {
	c.mu.Lock()
	files := c.files
	c.files = nil
	c.mu.Unlock()
	for _, file := range files {
		if err := file.Close(); err != nil {
			c.Lostf("%v", err)
		}
	}
	if err := c.Stdout.Close(); err != nil {
		c.Lostf("stdout: %v: not all of the result was written", err)
	}
	c.mu.Lock()
	if c.lost {
		status = status.unlessWorse()
	}
	c.mu.Unlock()
	if c.signalled() && !c.obeyed() {
		c.Errorf("interrupted")
	}
	c.dieIfKilled()
	return status
}
