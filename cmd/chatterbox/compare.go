package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"chatterbox/internal/cli"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/comparison"
	"chatterbox/internal/term"
)

// compareCommand sets protocols side by side under failure maps.
type compareCommand struct {
	Protocols cli.Text    `default:"delta,lockstep" placeholder:"LIST" help:"Protocols, with commas between: delta, lockstep."`
	Maps      cli.Text    `placeholder:"LIST" help:"Failure maps, with commas between: files, names of shipped ones, or nothing-fails. If not given, nothing-fails and all shipped ones."`
	Seeds     cli.Whole   `placeholder:"5" min:"1" max:"100000" help:"Runs of each protocol under each map, each from another seed: 5, or 1 with --real, if not given."`
	Seed      cli.Seed    `placeholder:"1" help:"The first seed."`
	Real      bool        `help:"Run real processes over real sockets on this machine, instead of simulations."`
	Nodes     cli.Whole   `default:"5" min:"1" max:"64" help:"How many members."`
	Rate      cli.Whole   `default:"50" min:"1" max:"100000" help:"Entries a second that each member writes."`
	SendFor   cli.Seconds `default:"3" min:"100ms" max:"1h" help:"How long members write. A bare number is seconds."`
	WaitFor   cli.Seconds `default:"5" min:"100ms" max:"1h" help:"How long they have left then."`
	JSON      bool        `name:"json" help:"Print one JSON object instead."`
	CSV       bool        `name:"csv" help:"Print CSV instead."`
	Markdown  bool        `help:"Print Markdown instead."`
	HTML      cli.Text    `name:"html" placeholder:"FILE" help:"Write a page with plots as well."`

	protocols []string
	maps      []namedMap
}

// namedMap is a failure map and how it is called.
type namedMap struct {
	name     string
	events   failure.Map
	schedule *failure.Schedule
}

// Help shows how to use the command.
func (compareCommand) Help() string {
	return `Every run is judged by all checks, and measured by its trace: what is written and agreed, how soon all agree after the map's last change, how soon entries settle everywhere, and what they cost. Simulated figures are of virtual time: they are the same on every machine. Exit status: 0 all promises hold, 1 one is broken, 3 failure.

Examples:

    chatterbox compare
    chatterbox compare --maps nothing-fails,halves-cut-and-healed-agree --seeds 20
    chatterbox compare --html report.html
    chatterbox compare --real --maps halves-cut-and-healed-agree`
}

// nothingFails is the name of the map without lines.
const nothingFails = "nothing-fails"

// seedsSimulated is how many seeds each row has if nobody says.
const seedsSimulated = 5

// Contradictions reads the maps, so that their mistakes are told with those of
// the flags.
func (c *compareCommand) Contradictions(wrong *cli.Mistakes) {
	for _, name := range strings.Split(c.Protocols.Value, ",") {
		if name = strings.TrimSpace(name); name != sim.Delta && name != sim.Lockstep {
			wrong.Addf("--protocols %q: %q is none of delta, lockstep", c.Protocols.Value, name)
		} else if !slices.Contains(c.protocols, name) {
			c.protocols = append(c.protocols, name)
		}
	}
	if outputs := countTrue(c.JSON, c.CSV, c.Markdown); outputs > 1 {
		wrong.Addf("--json, --csv and --markdown exclude each other: give one of them")
	}
	if c.Nodes.Mistake() == "" {
		c.readMaps(wrong)
	}
	if !c.Seed.Given {
		c.Seed.Value = 1
	}
	switch {
	case c.Seeds.Value > 0:
	case c.Real:
		c.Seeds.Value = 1
	default:
		c.Seeds.Value = seedsSimulated
	}
}

func countTrue(flags ...bool) int {
	n := 0
	for _, flag := range flags {
		if flag {
			n++
		}
	}
	return n
}

func (c *compareCommand) readMaps(wrong *cli.Mistakes) {
	names := []string{nothingFails}
	for _, shipment := range failure.Shipped() {
		names = append(names, shipment.Name)
	}
	if c.Maps.Value != "" {
		names = strings.Split(c.Maps.Value, ",")
	}
	for _, name := range names {
		m := namedMap{name: strings.TrimSpace(name), events: failure.Map{}}
		var err error
		if m.name != nothingFails {
			m.events, err = cli.ReadMap(m.name)
		}
		if err == nil {
			m.schedule, err = m.events.Bind(cluster.Names(int(c.Nodes.Value)))
		}
		if err != nil {
			wrong.Addf("--maps %q: %v", m.name, err)
			continue
		}
		m.name = strings.TrimSuffix(filepath.Base(m.name), ".txt")
		c.maps = append(c.maps, m)
	}
}

// compared is a run of a comparison.
type compared struct {
	protocol string
	failures *namedMap
	seed     uint64
}

// runs lists all runs, those of a row together.
func (c *compareCommand) runs() []compared {
	var runs []compared
	for i := range c.maps {
		for _, protocol := range c.protocols {
			for k := range c.Seeds.Value {
				runs = append(runs, compared{protocol, &c.maps[i], c.Seed.Value + k})
			}
		}
	}
	return runs
}

// Run makes the runs and prints the table.
func (c *compareCommand) Run(console *cli.Console) error {
	var page *cli.SideFile
	if c.HTML.Value != "" {
		var err error
		if page, err = console.SideFile("--html", c.HTML.Value); err != nil {
			return err
		}
	}
	ctx, kill := console.Interruptible()
	runs := c.runs()
	figures, err := c.measure(ctx, kill, console, runs)
	if err != nil {
		return err
	}
	table := comparison.Table{Made: c.made(), Command: c.line()}
	for i, f := range figures {
		if f != nil {
			table.Add(runs[i].protocol, runs[i].failures.name, *f)
		}
	}
	if len(table.Rows) > 0 {
		c.print(console, &table, page)
	}
	switch {
	case table.Broken() > 0:
		return cli.Violated
	case ctx.Err() != nil:
		return cli.ErrInterrupted
	}
	return nil
}

// figures are what runs come to, by their number; nil where a run was not made.
type figures struct {
	mu   sync.Mutex // guards all
	done int
	all  []*comparison.Figures
}

// add notes what a run comes to and returns how many runs were made.
func (f *figures) add(i int, of *comparison.Figures) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[i] = of
	f.done++
	return f.done
}

// soFar returns what the runs made so far come to.
func (f *figures) soFar() []*comparison.Figures {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// measure makes the runs until somebody interrupts: simulated ones on all
// cores, real ones one after the other.
func (c *compareCommand) measure(ctx, kill context.Context, console *cli.Console, runs []compared) ([]*comparison.Figures, error) {
	figures := &figures{all: make([]*comparison.Figures, len(runs))}
	if c.Real {
		err := c.measureReal(ctx, kill, console, runs, figures)
		return figures.soFar(), err
	}
	screen := console.Screen()
	defer screen.Clear()
	_, _, err := cli.Until(ctx, func() (struct{}, error) { return struct{}{}, c.measureSimulated(ctx, console, screen, runs, figures) })
	return figures.soFar(), err
}

func (c *compareCommand) measureReal(ctx, kill context.Context, console *cli.Console, runs []compared, figures *figures) error {
	for i := 0; i < len(runs) && ctx.Err() == nil; i++ {
		console.Notef("%d of %d: %s under %s", i+1, len(runs), runs[i].protocol, runs[i].failures.name)
		of, err := c.runReal(ctx, kill, console, &runs[i])
		if err != nil {
			return err
		}
		figures.add(i, of)
	}
	return nil
}

func (c *compareCommand) measureSimulated(ctx context.Context, console *cli.Console, screen *term.Screen, runs []compared, figures *figures) error {
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range runs {
		if ctx.Err() != nil {
			break
		}
		work.Go(func() error {
			of, err := c.runSimulated(&runs[i])
			if err != nil || ctx.Err() != nil {
				return err
			}
			n := figures.add(i, of)
			if screen.Due() {
				screen.Draw([]string{fmt.Sprintf("%s %d of %d runs: %s under %s",
					console.Talk.Accent(term.Bar(float64(n)/float64(len(runs)), term.BarColumns)), n, len(runs), runs[i].protocol, runs[i].failures.name)})
			}
			return nil
		})
	}
	return work.Wait()
}

// The network and the members of simulated runs: the same for all, so that
// protocols and maps alone make the difference.
const (
	compareTick     = 10 * time.Millisecond
	compareWake     = 100 * time.Microsecond
	compareDelayMin = time.Millisecond
	compareDelayMax = 5 * time.Millisecond
	compareBatch    = 1
)

// shape is everything of a simulated run besides its protocol and map.
func (c *compareCommand) shape() *sim.Shape {
	shape := &sim.Shape{
		Ending: sim.Unended, Tick: compareTick, Wake: compareWake, DelayMin: compareDelayMin, DelayMax: compareDelayMax, Streams: true,
		Journal: true, SegmentBytesMax: 1 << 20, TrimNoticeBytes: 16 << 10, BatchMax: compareBatch,
		MemoryBytesMax: 16 << 20, MessageBytesMax: 64 << 10, WindowBytesMax: 4 << 20,
	}
	for range c.Nodes.Value {
		shape.Rates = append(shape.Rates, float64(c.Rate.Value))
	}
	return shape
}

func (c *compareCommand) runSimulated(run *compared) (*comparison.Figures, error) {
	config := sim.Config{
		Protocol: run.protocol, Seed: run.seed, Members: int(c.Nodes.Value), SendFor: c.SendFor.Duration, GraceFor: c.WaitFor.Duration,
		Map: run.failures.events, Shape: c.shape(),
	}
	header, err := sim.Prepare(config)
	if err != nil {
		return nil, err
	}
	meter := comparison.NewMeter(header, sim.Numbers(header.Seed))
	config.Sink = meter
	result, err := sim.Run(config)
	if err != nil {
		return nil, err
	}
	figures := meter.Figures()
	for _, violation := range result.Violations[min(len(figures.Broken), len(result.Violations)):] {
		figures.Broken = append(figures.Broken, violation.String()) // what only the world sees: a panic
	}
	return &figures, nil
}

// runReal runs a cluster of processes and reads its trace.
func (c *compareCommand) runReal(ctx, kill context.Context, console *cli.Console, run *compared) (*comparison.Figures, error) {
	folder, err := console.TempDir()
	if err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(folder, "trace.jsonl"))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it goes away with its folder
	flags := cli.RunFlags{}
	flags.SendFor.Duration, flags.WaitFor.Duration, flags.Tick.Duration = c.SendFor.Duration, c.WaitFor.Duration, compareTick
	flags.Protocol.Value, flags.Rate.Value, flags.Memory.Value = run.protocol, c.Rate.Value, compareMemory
	show := show{console: console, nodes: int(c.Nodes.Value), flags: &flags, events: run.failures.events, schedule: run.failures.schedule, trace: file, quiet: true}
	report, err := show.runWithin(ctx, kill, run.seed)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, nil //nolint:nilnil // interrupted: it is no run to compare
	}
	if report.Verdict() == cluster.Failed {
		return nil, fmt.Errorf("%s under %s: %s", run.protocol, run.failures.name, report.Describe())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return measureTrace(file)
}

// compareMemory is how many MiB of entries a real member keeps, see
// [cli.RunFlags].
const compareMemory = 192

// measureTrace measures a run by its trace.
func measureTrace(in io.Reader) (*comparison.Figures, error) {
	reader, err := trace.NewReader(in)
	if err != nil {
		return nil, err
	}
	meter := comparison.NewMeter(reader.Header(), sim.Numbers(reader.Header().Seed))
	var event trace.Event
	for err = reader.Next(&event); err == nil; err = reader.Next(&event) {
		meter.Tell(&event)
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	figures := meter.Figures()
	return &figures, nil
}

func (c *compareCommand) print(console *cli.Console, table *comparison.Table, page *cli.SideFile) {
	var err error
	switch {
	case c.JSON:
		err = table.JSON(console.Stdout)
	case c.CSV:
		err = table.CSV(console.Stdout)
	case c.Markdown:
		err = table.Markdown(console.Stdout)
	default:
		fmt.Fprintln(console.Stdout, table.Made)
		term.Table(console.Stdout, table.Cells())
		for _, row := range table.Rows {
			for i := range row.Runs {
				for _, broken := range row.Runs[i].Broken {
					fmt.Fprintf(console.Stdout, "%s %s under %s: %s\n", console.Out.Bad("broken:"), row.Protocol, row.Map, broken)
				}
			}
		}
	}
	if page != nil {
		err = errors.Join(err, table.Page(page))
	}
	_ = err // whatever cannot be written, console and file remember
}

// made returns how the runs were made.
func (c *compareCommand) made() string {
	runs := fmt.Sprintf("%s from seed %d on for each row, %s each, %d entries/s written by each for %s, then %s to settle.",
		term.Plural(int(c.Seeds.Value), "run"), c.Seed.Value, term.Plural(int(c.Nodes.Value), "member"), c.Rate.Value, term.Short(c.SendFor.Duration), term.Short(c.WaitFor.Duration))
	if c.Real {
		return fmt.Sprintf("Real processes on one machine (%s): %s", processor(), runs)
	}
	return fmt.Sprintf("Simulated, in virtual time, so that the figures are the same on every processor: %s Messages take %s to %s; ticks are %s.",
		runs, term.Short(compareDelayMin), term.Short(compareDelayMax), term.Short(compareTick))
}

// processor names the machine's processor as well as it is known.
func processor() string {
	name := runtime.GOARCH
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(data), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			name = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
		}
	}
	return fmt.Sprintf("%s, %s", name, term.Plural(runtime.NumCPU(), "core"))
}

// line is the command line that makes the table again.
func (c *compareCommand) line() string {
	words := []string{"chatterbox compare"}
	add := func(given bool, format string, args ...any) {
		if given {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(c.Real, "--real")
	add(c.Protocols.Value != "delta,lockstep", "--protocols %s", c.Protocols.Value)
	add(c.Maps.Value != "", "--maps %s", c.Maps.Value)
	add(true, "--seeds %d", c.Seeds.Value)
	add(c.Seed.Value != 1, "--seed %d", c.Seed.Value)
	add(c.Nodes.Value != 5, "--nodes %d", c.Nodes.Value)
	add(c.Rate.Value != 50, "--rate %d", c.Rate.Value)
	add(c.SendFor.Duration != 3*time.Second, "--send-for %s", c.SendFor.Duration)
	add(c.WaitFor.Duration != 5*time.Second, "--wait-for %s", c.WaitFor.Duration)
	return strings.Join(words, " ")
}
