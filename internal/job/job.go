// Package job does the classic job: send for a while, wait for a while, and
// say what came of it.
//
// [Run] starts a node, fills its stream with seeded numbers in the send phase,
// and folds the log that the node delivers. The [Outcome] is final as soon as
// all streams are closed and settled; otherwise it is taken shortly before the
// deadline, over all that is held, and says what is missing. [Progress] tells
// meanwhile how far it is. Phases travel: members tell each other how long
// theirs still take, and the earlier end counts.
//
// Goroutines: Run's own waits for what ends the run and takes the outcome; one
// sends; the node's loop folds what it delivers.
package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/node"
)

// Config is all that a run is made from.
type Config struct {
	// Node is what the node is started with. Deliver, Reset, Prepare, Fold,
	// Meta, OnMeta and DrainFor are the run's own and are overwritten.
	Node node.Config
	// SendFor is the send phase, WaitFor the grace phase after it, whose end is
	// the deadline; both count from the call of Run.
	SendFor, WaitFor time.Duration
	Seed             uint64
	// Rate is how many entries a second this member writes; 0 is as many as
	// can be drained. Messages is how many it writes at most; 0 sets no limit.
	Rate, Messages uint64

	// Print is given the outcome, once, as soon as it is final and always
	// before the deadline; the node may serve its peers for a while after it.
	Print func(*Outcome)
	// Progress is told how far the run is every ProgressEvery; it may be nil.
	Progress func(Progress)
	// Interrupt, once closed, ends the send phase at once and the run within
	// InterruptedFor: what is not complete by then is printed as it is. The end
	// of Run's context ends it at once. It may be nil.
	Interrupt <-chan struct{}
}

// InterruptedFor is how long a run goes on after an interrupt, so that it can
// become complete.
const InterruptedFor = 500 * time.Millisecond

// ProgressEvery is how often Config.Progress is called.
const ProgressEvery = 200 * time.Millisecond

// run is the state of Run.
type run struct {
	cfg    Config
	node   *node.Node
	phases *phases
	tally  tally
	own    atomic.Uint64 // entries that this member wrote
	margin margin
	stale  stale
	heard  []time.Duration // when each member was last heard; 0: never
	hurry  time.Time       // when an interrupted run ends; zero: nobody interrupted it
}

// tally is the fold of what the node has delivered.
type tally struct {
	mu      sync.Mutex // guards summary
	summary workload.Summary
}

// deliver folds the next batches of the log.
func (t *tally) deliver(batches []protocol.Batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range batches {
		workload.Fold(&t.summary, &batches[i])
	}
}

// reset replaces all that was folded.
func (t *tally) reset(snapshot *protocol.Snapshot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary = workload.SummaryOf(snapshot.State)
}

func (t *tally) settled() workload.Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.summary
}

// Run runs the job to its end: until everybody is known to be complete, or to
// the deadline. The error says why there was no run, or what broke it; in the
// latter case the outcome was printed nevertheless.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Node.Log == nil {
		cfg.Node.Log = slog.New(slog.DiscardHandler)
	}
	r := &run{cfg: cfg, heard: make([]time.Duration, len(cfg.Node.Members))}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.phases = newPhases(cfg.SendFor, cfg.WaitFor)
	defer r.phases.stop()
	if err := r.start(ctx); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- r.send(ctx) }()
	err := r.untilOutcome(ctx)
	cancel()
	return errors.Join(err, <-sent, r.close())
}

// start starts the node with the run as its application.
func (r *run) start(ctx context.Context) error {
	cfg := r.cfg.Node
	cfg.Deliver, cfg.Reset = r.tally.deliver, r.tally.reset
	cfg.Prepare, cfg.Fold = workload.Prepare, workload.FoldState
	cfg.Meta, cfg.OnMeta = r.phases.meta, r.phases.onMeta
	cfg.DrainFor = r.cfg.WaitFor / 2
	started, err := node.Start(ctx, cfg)
	if err != nil {
		return fmt.Errorf("job: %w", err)
	}
	r.node = started
	return nil
}

// untilOutcome waits for what ends the run, prints the outcome, and if it is
// final serves the peers that are not as far yet.
func (r *run) untilOutcome(ctx context.Context) error {
	cause := r.wait(ctx)
	outcome, err := r.outcome()
	if err != nil {
		return err
	}
	r.cfg.Print(outcome)
	if cause == nil && outcome.Complete {
		r.serve(ctx)
	}
	return cause
}

// wait waits until the outcome is final or can wait no longer. The error is
// that of the node.
func (r *run) wait(ctx context.Context) error {
	ticker := time.NewTicker(ProgressEvery)
	defer ticker.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		left := r.left()
		if left <= 0 {
			return nil
		}
		timer.Reset(left)
		select {
		case <-r.node.Complete():
			return nil
		case <-r.node.Done():
			return r.node.Err()
		case <-ctx.Done():
			return nil
		case <-r.interrupt():
			r.hurry = time.Now().Add(InterruptedFor)
			r.phases.interrupt(r.cfg.WaitFor)
		case <-r.phases.changed:
		case <-timer.C:
		case <-ticker.C:
			r.sample(ctx)
		}
	}
}

// left returns how long the run may go on before its outcome is taken.
func (r *run) left() time.Duration {
	left := r.phases.untilDeadline() - r.margin.length(r.cfg.WaitFor)
	if !r.hurry.IsZero() {
		left = min(left, time.Until(r.hurry))
	}
	return left
}

// interrupt returns the channel of an interrupt that was not heeded yet.
func (r *run) interrupt() <-chan struct{} {
	if !r.hurry.IsZero() {
		return nil
	}
	return r.cfg.Interrupt
}

// serve stays for the peers until all are known to be complete, the deadline
// comes, or somebody is impatient.
func (r *run) serve(ctx context.Context) {
	ticker := time.NewTicker(ProgressEvery)
	defer ticker.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		left := r.left()
		if left <= 0 {
			return
		}
		timer.Reset(left)
		select {
		case <-r.node.AllComplete():
			return
		case <-r.node.Done():
			return
		case <-ctx.Done():
			return
		case <-r.interrupt():
			r.hurry = time.Now().Add(InterruptedFor)
		case <-timer.C:
		case <-ticker.C:
			r.sample(ctx)
		}
	}
}

// interruptedClose is how long an interrupted run may take to close its node.
const interruptedClose = 100 * time.Millisecond

// close stops the node. What takes longer than the deadline is left undone.
func (r *run) close() error {
	left := max(r.phases.untilDeadline()-closeFor, closeFor/3)
	if !r.hurry.IsZero() {
		left = min(left, interruptedClose)
	}
	ctx, cancel := context.WithTimeout(context.Background(), left)
	defer cancel()
	err := r.node.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
