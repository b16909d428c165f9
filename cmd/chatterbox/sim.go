package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"chatterbox/protocol/mutant"
	"chatterbox/sim"
	"chatterbox/trace"
)

// simCommand runs clusters in virtual time.
type simCommand struct {
	Nodes      whole   `placeholder:"5" min:"1" max:"1024" help:"How many members."`
	Protocol   choice  `placeholder:"delta" oneof:"delta,lockstep" help:"How members agree: delta or lockstep."`
	Seed       seed    `placeholder:"1" help:"What is drawn is drawn from it; the first one of several runs."`
	Seeds      whole   `placeholder:"1" min:"1" max:"1000000000" help:"How many seeds to run, on all cores."`
	SendFor    seconds `placeholder:"5" min:"100ms" max:"1h" help:"How long members send, in virtual time. A bare number is seconds."`
	WaitFor    seconds `placeholder:"5" min:"100ms" max:"1h" help:"How long they have left then, in virtual time."`
	FailureMap text    `placeholder:"FILE" help:"What goes wrong: a failure map, the name of a shipped one, or a case that sim wrote. If not given it is drawn from the seed."`
	Mutant     text    `placeholder:"NAME" help:"Run the broken variant of that name until a check catches it; list prints the names."`
	Trace      text    `placeholder:"FILE" help:"Write the trace of a single run, as JSON lines; - is stdout."`
	Save       text    `placeholder:"FILE" help:"Write the smallest run found that fails, as a case."`
	Shrink     whole   `default:"400" max:"100000" placeholder:"RUNS" help:"How many runs may go into making a failing run smaller; 400 if not given."`
	JSON       bool    `name:"json" help:"Print one JSON object instead."`

	config sim.Config
}

// Help shows how to use the command.
func (simCommand) Help() string {
	return `Members are made of the real reducers, replica, journal and wire format; network, disks, clocks and crashes come from the seed. Every check is applied to every run. Exit status: 0 all promises hold, 1 one is broken (the mutant is caught), 3 failure.

Examples:

    chatterbox sim --seeds 1000
    chatterbox sim --seeds 1000 --protocol lockstep --nodes 7
    chatterbox sim --seed 7 --failure-map halves-cut-and-healed-agree --trace run.jsonl
    chatterbox sim --mutant list
    chatterbox sim --mutant promise-without-prefix`
}

// mutantSeeds is how many random runs a mutant gets to show itself.
const mutantSeeds = 250

// contradictions makes the configuration of the flags.
func (c *simCommand) contradictions(wrong *mistakes) {
	if c.Mutant.Value == "list" {
		return
	}
	c.config = sim.Config{
		Protocol: c.Protocol.Value, Members: int(c.Nodes.Value), Mutant: mutant.Mutant(c.Mutant.Value),
		SendFor: c.SendFor.Duration, GraceFor: c.WaitFor.Duration,
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
		wrong.addf("--trace %s is for a single run: leave --seeds %d out", c.Trace.Value, c.Seeds.Value)
	}
	if len(*wrong) == 0 {
		if _, err := sim.Prepare(c.config); err != nil {
			wrong.addf("%v", err)
		}
	}
}

// readMap reads the failure map, or a case, of which flags change what they
// name.
func (c *simCommand) readMap(wrong *mistakes) {
	data, err := os.ReadFile(c.FailureMap.Value)
	if err != nil || !sim.IsCase(string(data)) {
		if c.config.Map, err = readMap(c.FailureMap.Value); err != nil {
			wrong.addf("--failure-map %q: %v", c.FailureMap.Value, err)
		}
		return
	}
	given := c.config
	if c.config, err = sim.ParseCase(string(data), c.FailureMap.Value); err != nil {
		wrong.addf("--failure-map: %v", err)
		return
	}
	if given.Members != 0 && given.Members != c.config.Members {
		wrong.addf("--nodes %d: the case %s is of %d members", given.Members, c.FailureMap.Value, c.config.Members)
	}
	setIf(&c.config.Protocol, given.Protocol)
	setIf(&c.config.SendFor, given.SendFor)
	setIf(&c.config.GraceFor, given.GraceFor)
	setIf(&c.config.Mutant, given.Mutant)
}

func setIf[T comparable](field *T, given T) {
	var zero T
	if given != zero {
		*field = given
	}
}

// chooseMutant checks the name, and takes the protocol that has the mutant.
func (c *simCommand) chooseMutant(wrong *mistakes) {
	has := func(protocol string) bool { return slices.Contains(sim.Mutants(protocol), c.config.Mutant) }
	switch {
	case !has(sim.Delta) && !has(sim.Lockstep):
		wrong.addf("--mutant %q: not one of %s", c.config.Mutant, strings.Join(mutantNames(), ", "))
	case c.config.Protocol == "" && !has(sim.Delta):
		c.config.Protocol = sim.Lockstep
	case c.config.Protocol == "":
		c.config.Protocol = sim.Delta
	case !has(c.config.Protocol):
		wrong.addf("--mutant %s: %s has no such variant, the other protocol has", c.config.Mutant, c.config.Protocol)
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
func (c *simCommand) Run(console *console) error {
	if c.Mutant.Value == "list" {
		for _, name := range mutantNames() {
			fmt.Fprintln(console.stdout, name)
		}
		return nil
	}
	if c.Trace.Value != "" {
		return c.runTraced(console)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	batch := newSimBatch(console, c.jobs())
	batch.untilFirst = c.config.Mutant != mutant.None
	if err := batch.run(ctx); err != nil {
		return err
	}
	return c.conclude(console, batch)
}

// jobs gives the runs to make: for a mutant its directed schedule first.
func (c *simCommand) jobs() simJobs {
	jobs := simJobs{config: c.config, seeds: max(c.Seeds.Value, 1)}
	if c.config.Mutant == mutant.None {
		return jobs
	}
	if c.Seeds.Value == 0 && c.FailureMap.Value == "" {
		jobs.seeds = mutantSeeds
	}
	if directed, ok := sim.Directed(c.config.Protocol, c.config.Mutant); ok && c.FailureMap.Value == "" {
		jobs.directed = &directed
	}
	return jobs
}

// runTraced makes a single run and writes its trace.
func (c *simCommand) runTraced(console *console) error {
	header, err := sim.Prepare(c.config)
	if err != nil {
		return err
	}
	out, verdicts := console.stdout, console.stderr
	if c.Trace.Value != "-" {
		file, err := os.Create(c.Trace.Value)
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		defer file.Close() //nolint:errcheck // the writer tells
		out, verdicts = file, console.stdout
	}
	writer := trace.NewWriter(out, header)
	config := c.config
	config.Sink = writer
	batch := newSimBatch(console, simJobs{config: config, seeds: 1})
	batch.stdout = verdicts
	if err := errors.Join(batch.run(context.Background()), writer.Close()); err != nil {
		return err
	}
	return c.conclude(console, batch)
}
