package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/bits"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"chatterbox/check"
	"chatterbox/protocol/mutant"
	"chatterbox/sim"
)

// simJobs is a row of runs: perhaps a directed one, then one a seed.
type simJobs struct {
	config   sim.Config
	directed *sim.Config
	seeds    uint64
}

func (j *simJobs) len() uint64 {
	if j.directed != nil {
		return j.seeds + 1
	}
	return j.seeds
}

// at gives the configuration of a run.
func (j *simJobs) at(index uint64) sim.Config {
	if j.directed != nil {
		if index == 0 {
			return *j.directed
		}
		index--
	}
	c := j.config
	c.Seed += index
	return c
}

// simBatch makes many runs on all cores and adds up what came of them.
type simBatch struct {
	jobs       simJobs
	untilFirst bool // stop at the first run that fails
	stdout     io.Writer
	screen     *screen
	style      style
	began      time.Time

	mu       sync.Mutex   // guards all below
	next     uint64       // run to be made
	done     uint64       // runs made
	failed   []jsonBroken // of them, those with violations, as they ended
	failedAt uint64       // the first of these, by number
	first    *sim.Result
	virtual  time.Duration
	entries  uint64
	hashes   uint64 // of all runs, whatever their order
	err      error
}

func newSimBatch(console *console, jobs simJobs) *simBatch {
	return &simBatch{jobs: jobs, stdout: console.stdout, screen: newScreen(console), style: console.talk, began: time.Now()}
}

// run makes the runs. An interruption ends it early, without an error.
func (b *simBatch) run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range min(uint64(runtime.GOMAXPROCS(0)), b.jobs.len()) {
		workers.Go(func() { b.work(ctx) })
	}
	workers.Wait()
	b.screen.clear()
	return b.err
}

func (b *simBatch) work(ctx context.Context) {
	runner := sim.NewRunner()
	for ctx.Err() == nil {
		index, more := b.take()
		if !more {
			return
		}
		result, err := runner.Run(b.jobs.at(index))
		b.add(index, &result, err)
	}
}

// take gives the number of the next run.
func (b *simBatch) take() (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.jobs.len() || b.err != nil || b.untilFirst && b.first != nil {
		return 0, false
	}
	b.next++
	return b.next - 1, true
}

func (b *simBatch) add(index uint64, result *sim.Result, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.err = err
		return
	}
	b.done++
	b.virtual += result.Virtual
	b.entries += result.Entries
	b.hashes ^= bits.RotateLeft64(result.Hash, int(index%64))
	if result.Failed() {
		b.failed = append(b.failed, jsonBroken{result.Config().Seed, result.Violations[0].Check})
		if b.first == nil || index < b.failedAt {
			b.first, b.failedAt = result, index
		}
	}
	if b.screen.due() {
		b.screen.draw([]string{b.progress()})
	}
}

// progress gives the line that shows how far the runs are.
func (b *simBatch) progress() string {
	elapsed := time.Since(b.began)
	line := fmt.Sprintf("%s %d of %d runs, %.0f/s, %s of virtual time", b.style.accent(bar(float64(b.done)/float64(b.jobs.len()), boardColumns)),
		b.done, b.jobs.len(), float64(b.done)/elapsed.Seconds(), short(b.virtual.Round(time.Second)))
	if len(b.failed) > 0 {
		line += b.style.bad(fmt.Sprintf(", %d failed: %s", len(b.failed), b.first.Violations[0].Check))
	}
	return line
}

// hash gives one number of all traces; of a single run, that of its trace.
func (b *simBatch) hash() string { return fmt.Sprintf("%016x", b.hashes) }

// jsonSim is the JSON form of what came of the runs.
type jsonSim struct {
	Runs       uint64       `json:"runs"`
	Violations uint64       `json:"violations"` // runs with a violation
	First      *jsonFail    `json:"first"`
	Broken     []jsonBroken `json:"broken,omitempty"` // all of them, by seed
	Virtual    float64      `json:"virtual_s"`
	Entries    uint64       `json:"entries"`
	Hash       string       `json:"trace_hash"`
	Elapsed    float64      `json:"elapsed_s"`
}

// jsonBroken names a run that failed, and the first promise it broke.
type jsonBroken struct {
	Seed  uint64 `json:"seed"`
	Check string `json:"check"`
}

type jsonFail struct {
	Seed      uint64 `json:"seed"`
	Check     string `json:"check"`
	Text      string `json:"text"`
	Reproduce string `json:"reproduce"`
	Case      string `json:"case,omitempty"`
}

// conclude prints what came of the runs, and makes the first that failed
// smaller.
func (c *simCommand) conclude(console *console, b *simBatch) error {
	slices.SortFunc(b.failed, func(x, y jsonBroken) int { return cmp.Compare(x.Seed, y.Seed) })
	report := jsonSim{
		Runs: b.done, Violations: uint64(len(b.failed)), Broken: b.failed, Virtual: b.virtual.Seconds(), Entries: b.entries,
		Hash: b.hash(), Elapsed: time.Since(b.began).Seconds(),
	}
	if b.first != nil {
		first := b.first.Violations[0]
		config := b.first.Config()
		report.First = &jsonFail{Seed: config.Seed, Check: first.Check, Text: first.String(), Reproduce: c.reproduce(&config, b)}
		if err := c.shrink(console, config, report.First); err != nil {
			return err
		}
	}
	if c.JSON {
		printJSON(b.stdout, report)
	} else {
		c.print(console, b, &report)
	}
	if report.First != nil {
		return statusViolated
	}
	return nil
}

func (c *simCommand) print(console *console, b *simBatch, r *jsonSim) {
	fmt.Fprintf(b.stdout, "%s in %s (%.0f/s): %s of virtual time, %d entries\n", plural(int(r.Runs), "run"), short(time.Since(b.began).Round(time.Millisecond)),
		float64(r.Runs)/r.Elapsed, short(b.virtual.Round(time.Second)), r.Entries)
	if r.First == nil {
		fmt.Fprintf(b.stdout, "%s, trace hash %s\n", console.out.good("no promise is broken"), r.Hash)
		return
	}
	fmt.Fprintf(b.stdout, "%s %s failed; the first one:\n  %s\n", console.out.bad("broken:"), plural(int(r.Violations), "run"), r.First.Text)
	if known, ok := check.Named(r.First.Check); ok {
		fmt.Fprintf(b.stdout, "  promised: %s\n", known.Promise)
	}
	fmt.Fprintf(b.stdout, "reproduce: %s\n", r.First.Reproduce)
	if len(r.Broken) > 1 {
		fmt.Fprintf(b.stdout, "seeds that fail: %s\n", brokenSeeds(r.Broken))
	}
	if r.First.Case != "" {
		fmt.Fprintf(b.stdout, "smallest run found that fails; keep it in a file for --failure-map:\n\n%s", r.First.Case)
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

// reproduce gives the one line that runs the first failure again.
func (c *simCommand) reproduce(config *sim.Config, b *simBatch) string {
	words := []string{"chatterbox sim --protocol", config.Protocol}
	if b.jobs.directed != nil && b.failedAt == 0 {
		return strings.Join(append(words, "--mutant", string(config.Mutant)), " ")
	}
	if config.Mutant != mutant.None {
		words = append(words, "--mutant", string(config.Mutant), "--seeds 1")
	}
	words = append(words, fmt.Sprintf("--seed %d --nodes %d --send-for %s --wait-for %s", config.Seed, config.Members, config.SendFor, config.GraceFor))
	if c.FailureMap.Value != "" {
		words = append(words, "--failure-map", c.FailureMap.Value)
	}
	return strings.Join(words, " ")
}

// shrink makes the failing run smaller and keeps it as a case.
func (c *simCommand) shrink(console *console, config sim.Config, fail *jsonFail) error {
	if c.Shrink.Value == 0 || config.Members > shrinkMembersMax {
		return nil
	}
	if console.live {
		console.notef("making the run smaller ...")
	}
	smaller, err := sim.NewRunner().Shrink(config, fail.Check, int(c.Shrink.Value))
	if err != nil {
		return err
	}
	fail.Case = sim.Case(smaller, "Breaks "+fail.Check+".")
	if c.Save.Value == "" {
		return nil
	}
	if err := os.WriteFile(c.Save.Value, []byte(fail.Case), 0o600); err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	return nil
}

// shrinkMembersMax is the largest cluster whose runs are fast enough to make
// hundreds of them.
const shrinkMembersMax = 16
