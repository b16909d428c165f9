package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/dashboard"
	"chatterbox/internal/show/thin"
	"chatterbox/internal/term"
)

// replayCommand shows a trace on a page.
type replayCommand struct {
	File      cli.Text `arg:"" name:"trace" help:"The trace, JSON lines, as sim --trace and cluster --trace write it."`
	Dashboard cli.Text `default:"127.0.0.1:0" placeholder:"ADDR" help:"Where the page is; port 0 chooses one."`
}

// Help shows how to use the command.
func (replayCommand) Help() string {
	return `Serves a page that plays the trace: play, pause, step, rewind, and links to a position. Its address is printed on stderr. It ends when it is interrupted.

Examples:

    chatterbox sim --seed 7 --trace run.jsonl; chatterbox replay run.jsonl
    chatterbox replay run.jsonl --dashboard 127.0.0.1:7070`
}

// Run serves the page until it is interrupted.
func (c *replayCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	size, err := measure(c.File.Value)
	if err != nil {
		return err
	}
	page, err := newPage(console, dashboard.Config{
		Address: c.Dashboard.Value, Mode: dashboard.Replay, Title: filepath.Base(c.File.Value), Header: size.header,
		WriteTrace: func(w io.Writer) error { return copyFile(w, c.File.Value) },
	})
	if err != nil {
		return err
	}
	defer page.Close() //nolint:errcheck // it ends in any case
	err = page.Load(size.header, func(sink trace.Sink) error { return c.tell(ctx, page, size, sink) })
	switch {
	case errors.Is(err, trace.ErrIncomplete):
		console.Notef("note: %v", err)
		page.Notice("The trace is not complete: " + err.Error() + ".")
	case err != nil:
		return fmt.Errorf("%s: %w", c.File.Value, err)
	}
	<-ctx.Done()
	return nil
}

// extent is how much there is in a trace.
type extent struct {
	header trace.Header
	events int
	last   time.Duration
}

// measure counts the lines of a trace without reading all of what they say.
func measure(path string) (*extent, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the trace: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	reader, err := trace.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	size := &extent{header: reader.Header()}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the trace: %w; give a file, not a pipe", err)
	}
	buffer, tail := make([]byte, 1<<20), []byte{}
	for {
		n, err := file.Read(buffer)
		size.events += bytes.Count(buffer[:n], []byte("\n"))
		tail = append(tail[max(0, len(tail)-4096):], buffer[max(0, n-4096):n]...)
		if err != nil {
			break // the proper reading tells what is wrong
		}
	}
	size.last = lastTime(tail)
	return size, nil
}

// lastTime finds the time of the last event among the last bytes of a trace.
func lastTime(tail []byte) time.Duration {
	at := bytes.LastIndex(tail, []byte(`"at":`))
	if at < 0 {
		return 0
	}
	var last int64
	for _, digit := range tail[at+len(`"at":`):] {
		if digit < '0' || digit > '9' {
			break
		}
		last = last*10 + int64(digit-'0')
	}
	return time.Duration(last)
}

const (
	// shownMax is how many events a page is told of a trace; a longer one is
	// thinned, and the page says so.
	shownMax = 250_000
	// windowMin is the shortest time in which events are thinned.
	windowMin = 40 * time.Millisecond
	windows   = 4000
)

// tell reads the trace to its end, and thins a long one.
func (c *replayCommand) tell(ctx context.Context, page *dashboard.Dashboard, size *extent, sink trace.Sink) error {
	file, err := os.Open(c.File.Value)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	reader, err := trace.NewReader(file)
	if err != nil {
		return err
	}
	var thinner *thin.Thinner
	if size.events > shownMax {
		thinner = thinnerFor(size.header, size.last, sink)
		sink = thinner
	}
	var event trace.Event
	for err = reader.Next(&event); err == nil && ctx.Err() == nil; err = reader.Next(&event) {
		sink.Tell(&event)
	}
	if thinner != nil {
		thinner.Flush(event.At)
		page.Thinned(thinner.Unseen())
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// thinnerFor returns what thins a run of that length for a page.
func thinnerFor(header trace.Header, length time.Duration, sink trace.Sink) *thin.Thinner {
	window := max(windowMin, length/windows)
	return thin.New(len(header.Members), window, max(1, int(shownMax*window/max(window, length))), sink)
}

func copyFile(w io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	_, err = io.Copy(w, file)
	return err
}

// simPage shows a simulated run on a page, on which links and members can be
// broken: then the run is simulated again, with what was clicked in its map.
type simPage struct {
	page *dashboard.Dashboard

	mu     sync.Mutex // guards config
	config sim.Config
}

// show serves the page, simulates the run, and stays until ctx ends.
func (c *simCommand) show(ctx context.Context, console *cli.Console) error {
	s := &simPage{config: c.config}
	header, err := sim.Prepare(s.config)
	if err != nil {
		return err
	}
	config := dashboard.Config{
		Address: c.Dashboard.Value, Mode: dashboard.Simulated, Title: c.title(), Header: header, Act: s.act, Data: header.Journal, WriteTrace: s.write,
	}
	if s.page, err = newPage(console, config); err != nil {
		return err
	}
	defer s.page.Close() //nolint:errcheck // it ends in any case
	_, done, err := cli.Until(ctx, func() (struct{}, error) { return struct{}{}, s.load(c.config) })
	switch {
	case err != nil:
		return err
	case !done:
		return cli.ErrInterrupted // there is nothing to see yet
	}
	<-ctx.Done()
	return nil
}

func (c *simCommand) title() string {
	switch {
	case c.FailureMap.Value != "":
		return filepath.Base(c.FailureMap.Value)
	case c.Mutant.Value != "":
		return "mutant " + c.Mutant.Value
	default:
		return fmt.Sprintf("seed %d", c.config.Seed)
	}
}

// load simulates a run on the page, and says what is wrong with it.
func (s *simPage) load(config sim.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	header, err := sim.Prepare(config)
	if err != nil {
		return err
	}
	var result sim.Result
	err = s.page.Load(header, func(sink trace.Sink) (err error) {
		thinner := thinnerFor(header, config.Lasts(), sink)
		config.Sink = thinner
		result, err = sim.Run(config)
		thinner.Flush(result.Virtual)
		s.page.Thinned(thinner.Unseen())
		return err
	})
	if err != nil {
		return err
	}
	notice := ""
	if result.Failed() {
		notice = fmt.Sprintf("%s in this run; the first one: %s", term.Plural(result.Count, "broken promise"), result.Violations[0].String())
	}
	s.page.Notice(notice)
	s.config = result.Config() // with the map that was drawn
	s.config.Sink = nil
	return nil
}

// act simulates the run again with one more line in its failure map.
func (s *simPage) act(line failure.Event) error {
	s.mu.Lock()
	config := s.config
	s.mu.Unlock()
	config.Map = append(config.Map[:len(config.Map):len(config.Map)], line)
	return s.load(config)
}

// write writes the trace of the present run: it is made once more.
func (s *simPage) write(w io.Writer) error {
	s.mu.Lock()
	config := s.config
	s.mu.Unlock()
	header, err := sim.Prepare(config)
	if err != nil {
		return err
	}
	writer := trace.NewWriter(w, header)
	config.Sink = writer
	_, err = sim.Run(config)
	return errors.Join(err, writer.Close())
}
