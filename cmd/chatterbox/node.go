package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/board"
	"chatterbox/internal/show/live"
	"chatterbox/internal/term"
	"chatterbox/internal/world/node"
)

// nodeCommand runs one member: the classic task's program.
type nodeCommand struct {
	memberFlags
	cli.RunFlags
	hiddenFlags
}

// Help shows how to use the command.
func (nodeCommand) Help() string {
	return `Prints one line, (COUNT,SCORE): the entries of all members, and the sum of i*m_i over them in their common order. Exit status: 0 complete, 2 something is missing, 3 failure.

Examples, with peers.json being ["127.0.0.1:3000", "127.0.0.1:3001", "127.0.0.1:3002"]:

    chatterbox node -p 3000 & chatterbox node -p 3001 & chatterbox node -p 3002
    chatterbox node -h 10.0.0.1 --insecure --send-for 60 --wait-for 10 --with-seed 7`
}

// Contradictions reads the peers file too, so that its mistakes are told with
// those of the flags.
func (c *nodeCommand) Contradictions(wrong *cli.Mistakes) {
	c.RunFlags.Contradictions(wrong)
	c.memberFlags.contradictions(wrong)
	c.hiddenFlags.bind(c.members, wrong)
}

// Run runs the member to its tuple.
func (c *nodeCommand) Run(console *cli.Console) error {
	ctx, kill := console.Interruptible()
	listener, err := c.accept(ctx)
	if err != nil {
		return err
	}
	limitMemory(c.memoryBytes())
	screen := console.Screen()
	cfg := c.job(console, screen, listener)
	cfg.Interrupt = ctx.Done()
	watch, stop := c.watch(console, screen)
	cfg.Progress = watch
	var printed *job.Outcome
	cfg.Print = func(outcome *job.Outcome) {
		stop()
		printed = outcome
		c.print(console, outcome)
	}
	end, err := c.record(&cfg)
	if err != nil {
		return err
	}
	defer end(console)
	go c.follow(c.members)
	if err := job.Run(kill, cfg); err != nil {
		stop()
		return err
	}
	if !printed.Complete {
		return cli.Partial
	}
	return nil
}

// memoryBytes returns the most that entries may take.
func (c *nodeCommand) memoryBytes() int { return int(c.Memory.Value) << 20 }

// memoryRestBytes is what all but the entries may take before the collector
// begins to work hard: by default a member stays below 300 MiB in all.
const memoryRestBytes = 64 << 20

// limitMemory sets the limit, unless the environment has set another one.
func limitMemory(entries int) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(entries) + memoryRestBytes)
	}
}

// job makes the run of the flags.
func (c *nodeCommand) job(console *cli.Console, screen *term.Screen, listener net.Listener) job.Config {
	return job.Config{
		Node: node.Config{
			Members: c.members, Self: c.self, Listener: listener, TLS: c.tls,
			Protocol: node.Protocol(c.Protocol.Value), BatchEntriesMax: int(c.Batch.Value),
			Tick: c.tick(c.Tick.Duration, c.self), DataDir: c.DataDir.Value, MemoryBytesMax: c.memoryBytes(),
			Impose: c.impose(c.self), Log: console.LoggerAbove(screen, c.Verbose),
		},
		SendFor: c.SendFor.Duration, WaitFor: c.WaitFor.Duration,
		Seed: c.Seed(console), Rate: c.Rate.Value, Messages: c.Messages.Value,
	}
}

// print writes the one line of data, and on stderr what is missing.
func (c *nodeCommand) print(console *cli.Console, outcome *job.Outcome) {
	switch {
	case c.JSON:
		console.JSON(outcome)
	case c.Exact:
		fmt.Fprintf(console.Stdout, "(%d,%s)\n", outcome.Count, outcome.Exact)
	default:
		fmt.Fprintf(console.Stdout, "(%d,%s)\n", outcome.Count, outcome.Score)
	}
	if outcome.Complete {
		return
	}
	console.Errorf("partial: the tuple counts what is held here, %s settled; missing is:", strconv.FormatUint(outcome.Settled.Count, 10))
	for _, reason := range outcome.Reasons {
		console.Notef("  %s", reason)
	}
}

// watch returns what shows the progress of a member: to the parent that asked
// for reports, else on a terminal as one line that is drawn again and again.
// The second function takes that line away.
func (c *nodeCommand) watch(console *cli.Console, screen *term.Screen) (show func(job.Progress), stop func()) {
	if reports := c.reports(); reports != nil {
		return reports, func() {}
	}
	if !console.Live {
		return nil, func() {}
	}
	line := board.NewLine(screen, console.Talk, c.members, c.self, c.SendFor.Duration+c.WaitFor.Duration)
	return line.Show, line.Stop
}

// hiddenFlags are what the cluster command tells the processes of its members.
type hiddenFlags struct {
	FailureMap   cli.Text  `hidden:"" help:"Break this member's links as the failure map says."`
	FailureEpoch cli.Whole `hidden:"" help:"When the failure map began, in nanoseconds since 1970."`
	ReportFD     cli.Whole `hidden:"" name:"report-fd" max:"1000000" help:"File descriptor that gets the progress as JSON lines."`
	Trace        cli.Text  `hidden:"" help:"File that gets the trace of this member."`

	WatchFD  cli.Whole `hidden:"" name:"watch-fd" max:"1000000" help:"File descriptor that gets what happens, as a thinned trace."`
	ChangeFD cli.Whole `hidden:"" name:"change-fd" max:"1000000" help:"File descriptor from which further lines of the failure map come."`

	events   failure.Map
	schedule *atomic.Pointer[failure.Schedule] // of events; nil if nothing is ever imposed
	epoch    time.Time
	sender   *live.Sender // nil if nobody watches
}

// bind reads the failure map.
func (f *hiddenFlags) bind(members member.List, wrong *cli.Mistakes) {
	f.epoch = cluster.Moment(int64(f.FailureEpoch.Value))
	if f.FailureMap.Value == "" || members == nil {
		return
	}
	var err error
	if f.events, err = cli.ReadMap(f.FailureMap.Value); err == nil {
		err = f.change(members)
	}
	if err != nil {
		wrong.Addf("--failure-map %q: %v", f.FailureMap.Value, err)
	}
}

// change lets the map as it is now count from now on.
func (f *hiddenFlags) change(members member.List) error {
	schedule, err := f.events.Bind(members)
	if err != nil {
		return err
	}
	if f.schedule == nil {
		f.schedule = new(atomic.Pointer[failure.Schedule])
	}
	f.schedule.Store(schedule)
	return nil
}

// follow lets lines of the failure map that come later happen when they come,
// until the pipe ends. What is no such line is left out.
func (f *hiddenFlags) follow(members member.List) {
	if f.ChangeFD.Value == 0 || f.schedule == nil {
		return
	}
	lines := bufio.NewScanner(os.NewFile(uintptr(f.ChangeFD.Value), "changes"))
	for lines.Scan() {
		before := f.events
		more, err := failure.Parse(strings.NewReader(lines.Text()), "change")
		if err != nil {
			continue
		}
		f.events = append(f.events, more...)
		if f.change(members) != nil {
			f.events = before
		}
	}
}

// impose returns how the links from a member fail at present; nil without a map.
func (f *hiddenFlags) impose(self member.ID) func(to member.ID) failure.Link {
	if f.schedule == nil {
		return nil
	}
	return func(to member.ID) failure.Link { return f.schedule.Load().Link(self, to, time.Since(f.epoch)) }
}

// tick returns the tick of a member whose clock runs too fast or too slow when
// it starts.
func (f *hiddenFlags) tick(tick time.Duration, self member.ID) time.Duration {
	if f.schedule == nil {
		return tick
	}
	speed := 1.0
	for _, event := range f.schedule.Load().Members() {
		if event.Member == self && event.Action == failure.Clock && event.At <= time.Since(f.epoch) {
			speed = event.Speed
		}
	}
	return time.Duration(float64(tick) / speed)
}

// reports returns what writes the progress for the parent; nil if there is none.
// A parent that is gone needs no member any more.
func (f *hiddenFlags) reports() func(job.Progress) {
	if f.ReportFD.Value == 0 {
		return nil
	}
	encoder := json.NewEncoder(os.NewFile(uintptr(f.ReportFD.Value), "reports"))
	return func(progress job.Progress) {
		if f.sender != nil {
			progress.Thinned = f.sender.Unseen()
		}
		if err := encoder.Encode(progress); err != nil {
			os.Exit(int(cli.Failed))
		}
	}
}

// record lets the run write its trace to files that the parent merges: one of
// what happens on the node's loop, and one of its result. The function ends
// them when all is over.
func (c *nodeCommand) record(cfg *job.Config) (end func(*cli.Console), err error) {
	header := c.Header(c.members, cfg.Seed)
	if c.WatchFD.Value > 0 {
		c.sender = live.NewSender(os.NewFile(uintptr(c.WatchFD.Value), "events"), header, func() time.Duration { return time.Since(c.epoch) })
		cfg.Node.Watcher = trace.NewRecorder(c.sender, c.self, len(c.members)).Light(c.sender)
		show := cfg.Print
		cfg.Print = func(outcome *job.Outcome) {
			final := finalEvent(c.self, outcome)
			c.sender.Tell(&final)
			show(outcome)
		}
	}
	if c.Trace.Value == "" {
		return func(*cli.Console) { c.unwatch() }, nil
	}
	events, err := newRecording(c.Trace.Value+cluster.TraceSuffix, header, c.epoch)
	if err != nil {
		return nil, err
	}
	result, err := newRecording(c.Trace.Value+cluster.ResultSuffix, header, c.epoch)
	if err != nil {
		return nil, err
	}
	var sink trace.Sink = events
	if c.sender != nil {
		sink = trace.Tee(events, c.sender)
	}
	cfg.Node.Watcher = trace.NewRecorder(sink, c.self, len(c.members))
	show := cfg.Print
	cfg.Print = func(outcome *job.Outcome) {
		result.write(finalEvent(c.self, outcome), outcome.Taken)
		show(outcome)
	}
	return func(console *cli.Console) {
		c.unwatch()
		for _, r := range []*recording{events, result} {
			if err := r.end(); err != nil {
				console.Errorf("trace: %v", err)
			}
		}
	}, nil
}

// unwatch tells whoever watches that all is over.
func (c *nodeCommand) unwatch() {
	if c.sender != nil {
		c.sender.Close()
	}
}

// finalEvent returns the event that tells the result of a member.
func finalEvent(self member.ID, outcome *job.Outcome) trace.Event {
	digest, err := strconv.ParseUint(outcome.Digest, 16, 64)
	if err != nil {
		panic(err) // our own text
	}
	return trace.Event{
		Kind: trace.Final, Member: self, Position: outcome.Count, Hash: digest, State: outcome.State,
		Complete: outcome.Complete, Note: fmt.Sprintf("(%d,%s)", outcome.Count, outcome.Score),
	}
}

// recording writes events straight to a file, so that nothing is lost when
// the process is killed. Their times count from an epoch that all members
// share. One goroutine at a time may use it.
type recording struct {
	epoch  time.Time
	file   *os.File
	line   []byte
	events uint64
	err    error // the first one; nothing is written after it
}

func newRecording(path string, header trace.Header, epoch time.Time) (*recording, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	r := &recording{epoch: epoch, file: file}
	var first bytes.Buffer
	err = trace.NewWriter(&first, header).Flush()
	r.append(first.Bytes()) // a disk that is full already loses the trace, and not the run
	return r, err
}

// Tell writes one event that happens now.
func (r *recording) Tell(e *trace.Event) { r.write(*e, time.Now()) }

// write writes one event.
func (r *recording) write(e trace.Event, at time.Time) {
	e.At = max(at.Sub(r.epoch), 0)
	r.events++
	r.append(append(trace.AppendJSON(r.line[:0], &e), '\n'))
}

// append writes a line. What cannot be written leaves a gap, so it is the last
// line: the name of the file then says that it is not whole, at once, for this
// process may be killed before it can say so in another way.
func (r *recording) append(line []byte) {
	if r.line = line; r.err != nil {
		return
	}
	if _, r.err = r.file.Write(line); r.err != nil {
		_ = os.Rename(r.file.Name(), r.file.Name()+cluster.LostSuffix) // else the missing end says it
	}
}

// end writes the end and returns the first error of all.
func (r *recording) end() error {
	r.append(trace.AppendEnd(r.line[:0], r.events))
	return errors.Join(r.err, r.file.Close())
}
