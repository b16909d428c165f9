package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/job/runs"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/show/board"
	"chatterbox/internal/term"
)

// simCommand runs clusters in virtual time.
type simCommand struct {
	Nodes      cli.Whole   `placeholder:"5" min:"1" max:"1024" help:"How many members."`
	Protocol   cli.Choice  `placeholder:"delta" oneof:"delta,lockstep" help:"How members agree: delta or lockstep."`
	Seed       cli.Seed    `placeholder:"1" help:"What is drawn is drawn from it; the first one of several runs."`
	Seeds      cli.Whole   `placeholder:"1" min:"1" max:"1000000000" help:"How many seeds to run, on all cores."`
	SendFor    cli.Seconds `placeholder:"5" min:"100ms" max:"1h" help:"How long members send, in virtual time. A bare number is seconds."`
	WaitFor    cli.Seconds `placeholder:"5" min:"100ms" max:"1h" help:"How long they have left then, in virtual time."`
	FailureMap cli.Text    `placeholder:"FILE" help:"What goes wrong: a failure map, the name of a shipped one, or a case that sim wrote. If not given it is drawn from the seed."`
	Mutant     cli.Text    `placeholder:"NAME" help:"Run the broken variant of that name until a check catches it; list prints the names."`
	Changes    bool        `help:"Have members let others go as well, as drawn from the seed; --wait-for is 90s then if not given."`
	EvictAfter cli.Seconds `placeholder:"10s" min:"100ms" max:"1h" help:"Have members that are away for so long be let go by the others; with --changes drawn from the seed if not given."`
	Trace      cli.Text    `placeholder:"FILE" help:"Write the trace of a single run, as JSON lines; - is stdout."`
	Save       cli.Text    `placeholder:"FILE" help:"Write the smallest run found that fails, as a case, and its diagram beside it, as .svg."`
	Dashboard  cli.Text    `placeholder:"ADDR" help:"Play a single run on a page in the browser, such as 127.0.0.1:7070; port 0 chooses one. Clicks change the run."`
	Cost       bool        `help:"Print what the runs cost as well: quantiles over all of them."`
	Baseline   cli.Text    `placeholder:"FILE" help:"Compare the cost with a table that --cost printed earlier; the exit status is 4 where it is worse by more than a tenth."`
	Ablate     bool        `help:"Leave out each rule of the protocol in turn, or those that --mutant names with commas between, and print what that does to promises and cost."`
	Shrink     cli.Whole   `default:"400" max:"100000" placeholder:"RUNS" help:"How many runs may go into making a failing run smaller; 400 if not given."`
	JSON       bool        `name:"json" help:"Print one JSON object instead."`

	config   sim.Config
	rules    []mutant.Mutant // that --ablate leaves out
	baseline []cost.Row      // nil: there is none
}

// Help shows how to use the command.
func (simCommand) Help() string {
	return `Members are made of the real reducers, driver, journal and wire format; network, disks, clocks and crashes come from the seed. Every check is applied to every run. A mutant is the protocol without one of its rules: a patch of the source, so --mutant needs that and Go, and builds a program first. Exit status: 0 all promises hold, 1 one is broken (the mutant is caught), 3 failure, 4 the runs cost more than the baseline says.

Examples:

    chatterbox sim --seeds 1000
    chatterbox sim --seeds 1000 --protocol lockstep --nodes 7
    chatterbox sim --seed 7 --failure-map halves-cut-and-healed-agree --trace run.jsonl
    chatterbox sim --seeds 2000 --cost
    chatterbox sim --mutant list
    chatterbox sim --mutant promise-without-prefix`
}

// mutantSeeds is how many random runs a mutant gets to show itself.
const mutantSeeds = 250

// Contradictions makes the configuration of the flags.
func (c *simCommand) Contradictions(wrong *cli.Mistakes) {
	if c.Mutant.Value == "list" {
		return
	}
	c.config = sim.Config{
		Protocol: c.Protocol.Value, Members: int(c.Nodes.Value), Mutant: mutant.Mutant(c.Mutant.Value),
		SendFor: c.SendFor.Duration, GraceFor: c.WaitFor.Duration, Changes: c.Changes, EvictAfter: c.EvictAfter.Duration,
	}
	if c.Ablate {
		c.chooseRules(wrong)
	}
	if c.FailureMap.Value != "" {
		c.readMap(wrong)
	}
	if !c.Seed.Given && c.config.Seed == 0 {
		c.Seed.Value = 1
	}
	if c.Seed.Given || c.config.Seed == 0 {
		c.config.Seed = c.Seed.Value
	}
	if c.config.Mutant != mutant.None {
		c.chooseMutant(wrong)
	}
	if c.Trace.Value != "" && c.Seeds.Value > 1 {
		wrong.Addf("--trace %s is for a single run: leave --seeds %d out", c.Trace.Value, c.Seeds.Value)
	}
	c.readBaseline(wrong)
	if c.Ablate && (c.Dashboard.Value != "" || c.Trace.Value != "" || c.JSON) {
		wrong.Addf("--ablate prints a table of many runs: leave --dashboard, --trace and --json out")
	}
	if c.Dashboard.Value != "" && (c.Seeds.Value > 1 || c.Trace.Value != "" || c.JSON) {
		wrong.Addf("--dashboard %s plays a single run: leave --seeds, --trace and --json out; the page has the trace at /trace", c.Dashboard.Value)
	}
	if len(*wrong) == 0 {
		sound := c.config
		sound.Mutant = mutant.None // which another program may have
		if _, err := sim.Prepare(sound); err != nil {
			wrong.Addf("%v", err)
		}
	}
}

// readMap reads the failure map, or a case, of which flags change what they
// name.
func (c *simCommand) readMap(wrong *cli.Mistakes) {
	data, err := cli.ReadFile(c.FailureMap.Value, caseMiBMax)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it may be the name of a shipped one
		c.config.Map, err = cli.ReadMap(c.FailureMap.Value)
	case err == nil && !sim.IsCase(data):
		c.config.Map, err = failure.Parse(bytes.NewReader(data), c.FailureMap.Value)
	case err == nil:
		c.takeCase(data, wrong)
	}
	if err != nil {
		wrong.Addf("--failure-map %q: %v", c.FailureMap.Value, err)
	}
}

// caseMiBMax bounds a failure map or case.
const caseMiBMax = 1

// takeCase reads a case, of which flags change what they name.
func (c *simCommand) takeCase(data []byte, wrong *cli.Mistakes) {
	var err error
	given := c.config
	if c.config, err = sim.ParseCase(data, c.FailureMap.Value); err != nil {
		wrong.Addf("--failure-map: %v", err)
		return
	}
	if given.Members != 0 && given.Members != c.config.Members {
		wrong.Addf("--nodes %d: the case %s is of %d members", given.Members, c.FailureMap.Value, c.config.Members)
	}
	setIf(&c.config.Protocol, given.Protocol)
	setIf(&c.config.SendFor, given.SendFor)
	setIf(&c.config.GraceFor, given.GraceFor)
	setIf(&c.config.Mutant, given.Mutant)
	setIf(&c.config.Changes, given.Changes)
	setIf(&c.config.EvictAfter, given.EvictAfter)
}

func setIf[T comparable](field *T, given T) {
	var zero T
	if given != zero {
		*field = given
	}
}

// chooseMutant checks the name, and takes the protocol that has the mutant.
func (c *simCommand) chooseMutant(wrong *cli.Mistakes) {
	has := func(protocol string) bool { return c.config.Mutant.Doc(protocol) != "" }
	switch {
	case !has(sim.Delta) && !has(sim.Lockstep):
		wrong.Addf("--mutant %q: not one of %s", c.config.Mutant, strings.Join(mutantNames(), ", "))
	case c.config.Protocol == "" && !has(sim.Delta):
		c.config.Protocol = sim.Lockstep
	case c.config.Protocol == "":
		c.config.Protocol = sim.Delta
	case !has(c.config.Protocol):
		wrong.Addf("--mutant %s: %s has no such variant, the other protocol has", c.config.Mutant, c.config.Protocol)
	}
}

func mutantNames() []string {
	var names []string
	for _, m := range mutant.All() {
		names = append(names, string(m))
	}
	return names
}

// Run runs the simulations, and prints what came of them.
func (c *simCommand) Run(console *cli.Console) error {
	if c.Mutant.Value == "list" {
		for _, name := range mutantNames() {
			fmt.Fprintln(console.Stdout, name)
		}
		return nil
	}
	if foreign := c.foreign(); foreign != nil {
		return c.handOver(console, foreign)
	}
	collectSeldom()
	ctx, _ := console.Interruptible()
	if c.Ablate {
		return c.ablate(ctx, console)
	}
	if c.Dashboard.Value != "" {
		return c.show(ctx, console)
	}
	if c.FailureMap.Value != "" && c.config.Shape == nil { // a case may well be shorter than its map
		noteLateMap(console, c.config.Map, c.config.Lasts())
	}
	out := &simOutput{console: console, command: c, verdicts: console.Stdout, screen: console.Screen(), plan: c.plan()}
	if err := out.open(); err != nil {
		return err
	}
	if console.Live && out.plan.Len() == 1 {
		out.plan.Config.Sink = alongside(out.plan.Config.Sink, board.NewRun(out.screen, console.Talk, c.config.Lasts()))
	}
	totals, dearer, err := out.run(ctx)
	out.screen.Clear()
	out.close(totals.Done > 0)
	if err != nil {
		return err
	}
	return out.conclude(ctx, &totals, dearer)
}

// alongside returns a sink that tells both; the first may be nil.
func alongside(sink, other trace.Sink) trace.Sink {
	if sink == nil {
		return other
	}
	return trace.Tee(sink, other)
}

// plan returns the runs to make: for a mutant its directed schedule first.
func (c *simCommand) plan() runs.Plan {
	plan := runs.Plan{Config: c.config, Seeds: max(c.Seeds.Value, 1), UntilFirst: c.config.Mutant != mutant.None}
	if c.config.Mutant == mutant.None {
		return plan
	}
	if c.Seeds.Value == 0 && c.FailureMap.Value == "" {
		plan.Seeds = sim.SeedsOfCost // and more if these show nothing
	}
	if directed, ok := sim.Directed(c.config.Protocol, c.config.Mutant); ok && c.FailureMap.Value == "" {
		plan.Directed = &directed
	}
	return plan
}

// simOutput is where simulations are told: verdicts on stdout, and perhaps a
// trace and the smallest run that fails, each in a file.
type simOutput struct {
	console  *cli.Console
	command  *simCommand
	verdicts io.Writer
	screen   *term.Screen
	plan     runs.Plan
	trace    *gate         // of a single run; nil: nobody wants it
	save     *cli.SideFile // nil: nobody wants it
	picture  *cli.SideFile // the diagram beside it
}

// open opens the files beside stdout before anything runs.
func (o *simOutput) open() (err error) {
	if name := o.command.Save.Value; name != "" {
		if o.save, err = o.console.SideFile("--save", name); err != nil {
			return err
		}
		if o.picture, err = o.console.SideFile("--save", pictureBeside(name)); err != nil {
			return err
		}
	}
	name := o.command.Trace.Value
	if name == "" {
		return nil
	}
	var file io.Writer
	if name == "-" {
		file, o.verdicts = o.console.Stdout, o.console.Stderr
	} else if file, err = o.console.SideFile("--trace", name); err != nil {
		return err
	}
	header, err := sim.Prepare(o.command.config)
	if err != nil {
		return err
	}
	o.trace = &gate{writer: trace.NewWriter(file, header)}
	o.plan.Config.Sink = o.trace
	return nil
}

// close closes the trace, which has an end if the run had one.
func (o *simOutput) close(ended bool) {
	if o.trace != nil {
		o.trace.close(ended)
	}
}

// gate lets events of a run pass to a trace until it is closed, which an
// interruption may do in the middle of the run.
type gate struct {
	mu     sync.Mutex // guards all below
	writer *trace.Writer
	closed bool
}

// Tell passes an event on.
func (g *gate) Tell(e *trace.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.writer.Tell(e)
	}
}

// close lets nothing pass any more. What could not be written, the file of the
// trace remembers.
func (g *gate) close(ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed = true; ended {
		_ = g.writer.Close()
	} else {
		_ = g.writer.Flush() // without an end
	}
}

// progress shows how far the runs are.
func (o *simOutput) progress(t *runs.Totals) {
	if o.screen.Due() {
		o.screen.Draw(board.Simulations(o.console.Talk, t, o.plan.Len(), time.Now()))
	}
}

// jsonSim is the JSON form of what came of the runs.
type jsonSim struct {
	Runs       uint64       `json:"runs"`
	Complete   bool         `json:"complete"`   // these are all that were asked for
	Violations uint64       `json:"violations"` // runs with a violation
	First      *jsonFail    `json:"first"`
	Broken     []jsonBroken `json:"broken,omitempty"` // all of them, by seed
	Virtual    float64      `json:"virtual_s"`
	Entries    uint64       `json:"entries"`
	Hash       string       `json:"trace_hash"`
	Elapsed    float64      `json:"elapsed_s"`
	Cost       []cost.Row   `json:"cost,omitempty"`
}

// jsonBroken names a run that failed, and the first promise it broke.
type jsonBroken struct {
	Seed  workload.Seed `json:"seed"`
	Check string        `json:"check"`
}

type jsonFail struct {
	Seed      workload.Seed `json:"seed"`
	Check     string        `json:"check"`
	Text      string        `json:"text"`
	Reproduce string        `json:"reproduce"`
	Case      string        `json:"case,omitempty"`
	Diagram   string        `json:"diagram,omitempty"` // the file of its picture
}

// conclude prints what came of the runs, and makes the first that failed
// smaller. Of a mutant they may have been dearer than they should be.
func (o *simOutput) conclude(ctx context.Context, t *runs.Totals, dearer *jsonFail) error {
	report := jsonSim{
		Runs: t.Done, Complete: ctx.Err() == nil || t.Done == o.plan.Len(), Violations: uint64(len(t.Failed)), Virtual: t.Virtual.Seconds(), Entries: t.Entries,
		Hash: t.Hash(), Elapsed: time.Since(t.Began).Seconds(),
	}
	for _, failed := range t.Failed {
		report.Broken = append(report.Broken, jsonBroken{workload.Seed(failed.Seed), failed.Check})
	}
	if t.First != nil {
		first := t.First.Violations[0]
		config := t.First.Config()
		report.First = &jsonFail{Seed: workload.Seed(config.Seed), Check: first.Check, Text: first.String(), Reproduce: o.reproduce(&config, t)}
		if err := o.shrink(ctx, config, report.First); err != nil {
			return err
		}
	}
	if report.First == nil {
		report.First = dearer
	}
	if o.command.Cost {
		report.Cost = t.Cost.Rows()
	}
	if o.command.JSON {
		cli.WriteJSON(o.verdicts, report)
	} else {
		o.print(t, &report)
	}
	switch {
	case report.First != nil:
		return cli.Violated
	case ctx.Err() != nil:
		return cli.ErrInterrupted
	}
	return o.judgeCost(t)
}

func (o *simOutput) print(t *runs.Totals, r *jsonSim) {
	style := o.console.Out
	fmt.Fprintf(o.verdicts, "%s in %s (%.0f/s): %s of virtual time, %d entries\n", term.Plural(int(r.Runs), "run"), term.Short(time.Since(t.Began).Round(time.Millisecond)),
		float64(r.Runs)/r.Elapsed, term.Short(t.Virtual.Round(time.Second)), r.Entries)
	switch {
	case r.Runs == 0:
		fmt.Fprintf(o.verdicts, "no run was complete: nothing is known\n")
		return
	case r.First == nil && !r.Complete:
		fmt.Fprintf(o.verdicts, "%s in them, trace hash %s; %s runs were not made\n", style.Good("no promise is broken"), r.Hash, term.Grouped(o.plan.Len()-r.Runs))
		return
	case r.First == nil:
		fmt.Fprintf(o.verdicts, "%s, trace hash %s\n", style.Good("no promise is broken"), r.Hash)
		return
	}
	if r.Violations > 0 {
		fmt.Fprintf(o.verdicts, "%s %s failed; the first one:\n  %s\n", style.Bad("broken:"), term.Plural(int(r.Violations), "run"), r.First.Text)
	} else {
		fmt.Fprintf(o.verdicts, "%s no run failed, but together they cost more:\n  %s\n", style.Bad("broken:"), r.First.Text)
	}
	if known, ok := check.Named(r.First.Check); ok {
		fmt.Fprintf(o.verdicts, "  promised: %s\n", known.Promise)
	}
	fmt.Fprintf(o.verdicts, "reproduce: %s\n", r.First.Reproduce)
	if r.First.Diagram != "" {
		fmt.Fprintf(o.verdicts, "diagram: %s\n", r.First.Diagram)
	}
	if len(r.Broken) > 1 {
		fmt.Fprintf(o.verdicts, "seeds that fail: %s\n", brokenSeeds(r.Broken))
	}
	if r.First.Case != "" {
		fmt.Fprintf(o.verdicts, "smallest run found that fails; keep it in a file for --failure-map (--save FILE does, and draws it):\n\n%s", r.First.Case)
	}
}

// brokenSeedsMax is how many seeds are printed; JSON has all.
const brokenSeedsMax = 20

func brokenSeeds(broken []jsonBroken) string {
	shown := broken[:min(len(broken), brokenSeedsMax)]
	words := make([]string, 0, len(shown)+1)
	for _, run := range shown {
		words = append(words, fmt.Sprintf("%d %s", run.Seed, run.Check))
	}
	if more := len(broken) - len(shown); more > 0 {
		words = append(words, fmt.Sprintf("and %d more (--json has all)", more))
	}
	return strings.Join(words, ", ")
}

// reproduce returns the one line that runs the first failure again.
func (o *simOutput) reproduce(config *sim.Config, t *runs.Totals) string {
	words := []string{"chatterbox sim --protocol", config.Protocol}
	if o.plan.Directed != nil && t.FirstAt == 0 {
		return strings.Join(append(words, "--mutant", string(config.Mutant)), " ")
	}
	if config.Mutant != mutant.None {
		words = append(words, "--mutant", string(config.Mutant), "--seeds 1")
	}
	if config.Changes {
		words = append(words, "--changes")
	}
	if config.EvictAfter > 0 {
		words = append(words, "--evict-after", config.EvictAfter.String())
	}
	words = append(words, fmt.Sprintf("--seed %d --nodes %d --send-for %s --wait-for %s", config.Seed, config.Members, config.SendFor, config.GraceFor))
	if name := o.command.FailureMap.Value; name != "" {
		words = append(words, "--failure-map", name)
	}
	return strings.Join(words, " ")
}

// shrink makes the failing run smaller and keeps it as a case, unless it is
// interrupted.
func (o *simOutput) shrink(ctx context.Context, config sim.Config, fail *jsonFail) error {
	if o.command.Shrink.Value == 0 || config.Members > shrinkMembersMax {
		return nil
	}
	screen := o.console.Screen()
	smaller, done, err := cli.Until(ctx, func() (sim.Config, error) {
		return sim.NewRunner().Shrink(config, fail.Check, int(o.command.Shrink.Value), func(done int, smallest *sim.Config) {
			if screen.Due() {
				screen.Draw(board.Shrinking(o.console.Talk, done, int(o.command.Shrink.Value), smallest))
			}
		})
	})
	screen.Clear()
	if err != nil || !done {
		return err
	}
	fail.Case = sim.Case(smaller, "Breaks "+fail.Check+".")
	if o.save == nil {
		return nil
	}
	_, _ = io.WriteString(o.save, fail.Case) // the file remembers
	fail.Diagram = pictureBeside(o.command.Save.Value)
	return drawFailure(o.picture, smaller, fail.Check)
}

// shrinkMembersMax is the largest cluster whose runs are fast enough to make
// hundreds of them.
const shrinkMembersMax = 16
