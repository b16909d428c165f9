package cluster

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"syscall"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/live"
	"chatterbox/internal/world/transport"
)

// crew is the state of a running cluster. Run's goroutine owns it.
type crew struct {
	config    Config
	peers     member.List
	peersPath string
	events    []failure.MemberEvent // still to do, the earliest first
	backups   []backup              // still to make
	seats     []seat
	running   int
	news      chan news // from the goroutines of processes
	asked     time.Time // when all were told to end; zero: not yet
	late      bool      // those who were beyond their deadline were killed
	told      trace.Log // what the crew itself tells the trace
	lines     []line    // of the map, still to be told, the earliest first
	merger    *live.Merger
}

// seat is the place of a member, taken by one process after the other.
type seat struct {
	process *process // nil while none runs
	started time.Time
	lives   int          // processes so far
	amnesic bool         // an earlier process had data that is lost
	killed  []int        // those of them that did not end in good order
	exit    int          // of the last process that ended
	outcome *job.Outcome // that it printed
	printed time.Time
	ended   time.Time
	broken  string // what the map did to it, until it is undone
	errors  []string
}

// news is what a process's goroutines tell: a line, progress, or its end.
type news struct {
	id       member.ID
	line     string
	progress *job.Progress
	ended    *process
	exit     int
}

const (
	// newsMax is how many news may wait for the crew.
	newsMax = 256
	// never is later than anything that happens.
	never = time.Duration(math.MaxInt64)
	// What the map does to members.
	brokenByCrash   = "crashed"
	brokenByPause   = "paused"
	brokenFromStart = "not started"
	// brokenByInterrupt is what an interrupt does to who has no time to print.
	brokenByInterrupt = "interrupted"
	// exitNever stands for a member that was never started.
	exitNever = -1
)

func newCrew(config Config, peers member.List, peersPath string) *crew {
	c := &crew{
		config: config, peers: peers, peersPath: peersPath,
		seats: make([]seat, len(peers)),
		news:  make(chan news, newsMax),
	}
	if config.Schedule != nil {
		c.events = config.Schedule.Members()
		c.backups = backupsOf(c.events)
	}
	c.lines = linesOf(config.Map, config.RunFor)
	if config.Watch != nil {
		c.merger = live.NewMerger(c.since, config.Watch)
	}
	for i := range c.seats {
		c.seats[i].exit = exitNever
	}
	return c
}

// run starts the members and follows the map until no process is left and
// none will start.
func (c *crew) run(ctx, kill context.Context) (*Report, error) {
	defer c.watch()()
	c.tell(trace.Event{Kind: trace.Phase, Note: "send"})
	if err := c.startAll(); err != nil {
		return nil, err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for c.running > 0 || c.startsLater() || c.mayStart() {
		timer.Reset(c.untilNext())
		select {
		case news := <-c.news:
			if err := c.hear(news); err != nil {
				return nil, err
			}
		case <-timer.C:
			if err := c.act(); err != nil {
				return nil, err
			}
		case <-ticker.C:
			c.config.Tick()
		case change := <-c.config.Changes:
			change.Answer <- c.change(change.Event)
		case <-c.interrupt(ctx):
			c.ask()
		case <-kill.Done():
			c.killAll()
			return nil, errors.New("cluster: stopped before its members had printed their tuples")
		}
	}
	report := c.report()
	if c.config.Trace != nil {
		report.TraceLost = c.writeTrace()
	}
	return report, nil
}

// startsLater reports whether the map starts somebody within the time of the run.
func (c *crew) startsLater() bool {
	for _, event := range c.events {
		starts := event.Action == failure.Start || event.Action == failure.Restart
		if starts && event.At < c.config.RunFor && c.seats[event.Member].outcome == nil {
			return true
		}
	}
	return false
}

// interrupt returns the channel of ctx until its end was heeded.
func (c *crew) interrupt(ctx context.Context) <-chan struct{} {
	if !c.asked.IsZero() {
		return nil
	}
	return ctx.Done()
}

// ask tells all members to end. Nothing more is done to them, for a crashed or
// paused one could not hear it.
func (c *crew) ask() {
	c.asked = time.Now()
	c.events, c.lines = nil, nil
	for i := range c.seats {
		if p := c.seats[i].process; p != nil {
			p.signal(syscall.SIGCONT)
			p.signal(os.Interrupt)
		}
	}
}

// startAll starts everybody but those that the map lets start later.
func (c *crew) startAll() error {
	for i := range c.seats {
		if c.config.Schedule != nil && c.config.Schedule.Absent(member.ID(i)) {
			c.seats[i].broken = brokenFromStart
			continue
		}
		if err := c.start(member.ID(i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *crew) start(id member.ID) error {
	seat := &c.seats[id]
	process, err := start(c.config.Executable, c.arguments(id), listener{
		progress: func(p job.Progress) { c.news <- news{id: id, progress: &p} },
		line:     func(line string) { c.news <- news{id: id, line: line} },
		watch:    c.reading(),
	}, ChildEnvironment(c.config.Members))
	if err != nil {
		return err
	}
	seat.process, seat.started, seat.broken = process, time.Now(), ""
	c.late = false
	seat.lives++
	c.running++
	go func() { c.news <- news{id: id, ended: process, exit: process.wait()} }()
	return nil
}

// hear takes news in.
func (c *crew) hear(news news) error {
	seat := &c.seats[news.id]
	switch {
	case news.progress != nil:
		c.config.Progress(news.id, *news.progress)
	case news.ended != nil:
		c.running--
		seat.process, seat.exit = nil, news.exit
		if outcome := news.ended.outcome(); outcome != nil {
			seat.outcome = outcome
		}
		seat.printed, seat.ended = news.ended.stdout.at, time.Now()
		if c.interrupted(seat.exit) && seat.broken == "" {
			seat.broken = brokenByInterrupt
		}
		c.noteEnd(news.id)
		return c.portTaken(seat)
	default:
		seat.errors = append(seat.errors, news.line)
		seat.errors = seat.errors[max(0, len(seat.errors)-errorLinesMax):]
		c.config.Line(news.id, news.line)
	}
	return nil
}

// interrupted reports whether a process was ended by the crew's own asking, and
// not by a crash of its own.
func (c *crew) interrupted(exit int) bool {
	early := exit == exitSignal+int(syscall.SIGINT)
	late := exit == exitSignal+int(syscall.SIGKILL) && c.late
	return !c.asked.IsZero() && (early || late)
}

// portTaken finds out whether a member ended because somebody else has its
// port: then the cluster starts again on other ports.
func (c *crew) portTaken(seat *seat) error {
	if seat.exit == exitFailed && strings.Contains(strings.Join(seat.errors, "\n"), transport.PortInUse) {
		return errPortTaken
	}
	return nil
}

// untilNext returns the time until the next event or, when there is none, until
// nobody may be running any more.
func (c *crew) untilNext() time.Duration {
	next := c.deadline()
	if c.late {
		next = never
	}
	if len(c.events) > 0 {
		next = min(next, c.events[0].At, c.nextCopy())
	}
	if len(c.lines) > 0 {
		next = min(next, c.lines[0].at)
	}
	return max(0, next-c.since())
}

func (c *crew) since() time.Duration { return time.Since(c.config.Epoch) }

// deadline is when the last process must have ended, patience included.
func (c *crew) deadline() time.Duration {
	if !c.asked.IsZero() {
		return c.asked.Sub(c.config.Epoch) + askedFor
	}
	last := c.config.Epoch
	for i := range c.seats {
		if c.seats[i].started.After(last) {
			last = c.seats[i].started
		}
	}
	return last.Sub(c.config.Epoch) + c.config.RunFor + patience
}

// act does the events whose time has come, and ends processes that are late.
func (c *crew) act() error {
	if !c.late && c.since() >= c.deadline() {
		c.killLate()
	}
	c.tellLines()
	if err := c.keepCopies(); err != nil {
		return err
	}
	for len(c.events) > 0 && c.events[0].At <= c.since() {
		event := c.events[0]
		c.events = c.events[1:]
		if err := c.do(event); err != nil {
			return err
		}
	}
	return nil
}

// do carries out one event; what makes no sense now does nothing.
func (c *crew) do(event failure.MemberEvent) error {
	seat := &c.seats[event.Member]
	switch event.Action {
	case failure.Start, failure.Restart:
		if seat.process == nil && seat.outcome == nil {
			return c.start(event.Member)
		}
		return nil
	}
	if seat.process == nil {
		return nil
	}
	switch event.Action {
	case failure.Crash, failure.Kill: // the machine cannot fail without us
		return c.crash(event.Member, check.DataKept)
	case failure.CrashLosingData:
		return c.crash(event.Member, check.DataLost)
	case failure.CrashRestoring:
		return c.crashRestoring(event)
	case failure.Pause:
		c.tell(trace.Event{Kind: trace.Pause, Member: event.Member})
		seat.process.signal(syscall.SIGSTOP)
		seat.broken = brokenByPause
	case failure.Resume:
		c.tell(trace.Event{Kind: trace.Resume, Member: event.Member})
		seat.process.signal(syscall.SIGCONT)
		seat.broken = ""
	}
	return nil
}

// crash kills a member's process and waits for its end, so that it can start
// again on the same port; what becomes of its data says one of the notes of
// package check.
func (c *crew) crash(id member.ID, note string) error {
	seat := &c.seats[id]
	seat.broken = brokenByCrash
	crashed := seat.process
	crashed.signal(os.Kill)
	for seat.process == crashed {
		if err := c.hear(<-c.news); err != nil {
			return err
		}
	}
	seat.outcome = nil
	seat.amnesic = seat.amnesic || note == check.DataLost || c.config.DataDir == ""
	c.tellCrash(id, note)
	if note == check.DataLost && c.config.DataDir != "" {
		return os.RemoveAll(c.dataDir(id))
	}
	return nil
}

// killLate ends those who did not end by themselves.
func (c *crew) killLate() {
	c.late = true
	for i := range c.seats {
		if p := c.seats[i].process; p != nil {
			c.config.Log.Warn("killed: it did not end at its deadline", slog.String("member", c.peers[i].Name))
			p.signal(os.Kill)
		}
	}
}

// killAll ends all processes and waits for their ends.
func (c *crew) killAll() {
	for i := range c.seats {
		if p := c.seats[i].process; p != nil {
			p.signal(os.Kill)
		}
	}
	for c.running > 0 {
		_ = c.hear(<-c.news)
	}
}

func (c *crew) report() *Report {
	report := &Report{Members: make([]Member, len(c.seats))}
	if schedule, err := c.config.Map.Bind(c.peers); err == nil {
		report.schedule = schedule
	}
	for i := range c.seats {
		seat := &c.seats[i]
		report.Members[i] = Member{
			Name: c.peers[i].Name, Outcome: seat.outcome, Exit: seat.exit,
			Broken: seat.broken, Errors: seat.errors, Amnesic: seat.amnesic,
		}
		if seat.outcome != nil {
			report.Members[i].Printed = seat.printed.Sub(seat.started)
			report.Members[i].Ended = seat.ended.Sub(seat.started)
			report.Elapsed = max(report.Elapsed, seat.printed.Sub(c.config.Epoch))
		}
	}
	return report
}
