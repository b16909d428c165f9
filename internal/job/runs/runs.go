// Package runs makes many simulated runs on all cores and adds up what came of
// them.
//
// A [Plan] says which runs. [Run] makes them and returns [Totals], and tells
// them meanwhile.
package runs

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"

	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/sim"
)

// Plan is a row of runs: perhaps a directed one, then one for each seed from
// that of Config on.
type Plan struct {
	Config     sim.Config
	Directed   *sim.Config
	Seeds      uint64
	UntilFirst bool // stop at the first run that fails
}

// Len returns how many runs the plan has.
func (p *Plan) Len() uint64 {
	if p.Directed != nil {
		return p.Seeds + 1
	}
	return p.Seeds
}

// at returns the configuration of a run.
func (p *Plan) at(index uint64) sim.Config {
	if p.Directed != nil {
		if index == 0 {
			return *p.Directed
		}
		index--
	}
	c := p.Config
	c.Seed += index
	return c
}

// Totals is what came of runs.
type Totals struct {
	Began   time.Time
	Done    uint64        // runs made
	Failed  []Failure     // those with violations, by seed
	First   *sim.Result   // of the failed ones the first by number; nil: none
	FirstAt uint64        // its number
	Last    sim.Config    // what was run last, with what was drawn for it
	Virtual time.Duration // of all runs together
	Entries uint64        // appended in them
	Cost    cost.Sheet    // of all runs
	hashes  uint64        // of all runs, whatever their order
}

// Failure names a run that failed, and the first promise it broke.
type Failure struct {
	Seed  uint64
	Check string
}

// Hash returns one number of all traces; of a single run, that of its trace.
func (t *Totals) Hash() string { return fmt.Sprintf("%016x", t.hashes) }

// batch is the state of Run.
type batch struct {
	plan Plan
	tell func(*Totals)

	mu     sync.Mutex // guards all below
	next   uint64     // run to be made
	ended  bool       // nothing counts any more
	totals Totals
	err    error
}

// Run makes the runs of a plan. It tells the totals after each of them, one
// call at a time. When ctx ends it returns at once with those that were
// complete, without an error; those that go on then are left alone.
func Run(ctx context.Context, plan Plan, tell func(*Totals)) (Totals, error) {
	b := &batch{plan: plan, tell: tell, totals: Totals{Began: time.Now()}}
	var workers sync.WaitGroup
	for range min(uint64(runtime.GOMAXPROCS(0)), plan.Len()) {
		workers.Go(func() { b.work(ctx) })
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	slices.SortFunc(b.totals.Failed, func(x, y Failure) int { return cmp.Compare(x.Seed, y.Seed) })
	return b.totals, b.err
}

func (b *batch) work(ctx context.Context) {
	runner := sim.NewRunner()
	for ctx.Err() == nil {
		index, more := b.take()
		if !more {
			return
		}
		result, err := runner.Run(b.plan.at(index))
		b.add(index, &result, err)
	}
}

// take returns the number of the next run.
func (b *batch) take() (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || b.next == b.plan.Len() || b.err != nil || b.plan.UntilFirst && b.totals.First != nil {
		return 0, false
	}
	b.next++
	return b.next - 1, true
}

func (b *batch) add(index uint64, result *sim.Result, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	if err != nil {
		b.err = err
		return
	}
	t := &b.totals
	t.Done++
	t.Last = result.Config()
	t.Virtual += result.Virtual
	t.Entries += result.Entries
	t.Cost.Add(result.Costs)
	t.hashes ^= bits.RotateLeft64(result.Hash, int(index%64))
	if result.Failed() {
		t.Failed = append(t.Failed, Failure{result.Config().Seed, result.Violations[0].Check})
		if t.First == nil || index < t.FirstAt {
			t.First, t.FirstAt = result, index
		}
	}
	b.tell(t)
}
