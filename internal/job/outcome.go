package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/workload"
)

// Outcome is what a run came to at this member: the tuple, and whether it is
// final. Its JSON form is the line that `chatterbox node --json` prints.
type Outcome struct {
	Count    uint64        `json:"count"`    // entries of all members, own ones included
	Score    string        `json:"score"`    // sum of i*m_i, shortest decimal of the nearest float64
	Exact    string        `json:"exact"`    // the same as an exact decimal
	Complete bool          `json:"complete"` // nothing is missing: the tuple is final
	Missing  []string      `json:"missing"`  // members whose stream is not complete here
	Digest   string        `json:"digest"`   // fingerprint of the order, 16 hexadecimal digits
	Own      uint64        `json:"own"`      // entries that this member wrote
	Settled  Settled       `json:"settled"`  // the part that can never change any more
	Seed     workload.Seed `json:"seed"`     // of all random numbers of the run
	Held     []uint64      `json:"held"`     // entries of each member that are held here, by their place
	// Dropped counts own entries that were taken in and are lost, since this
	// member found out that its place belongs to an earlier life.
	Dropped uint64 `json:"dropped,omitempty"`

	// Reasons says what is known of each of Missing, for people.
	Reasons []string `json:"-"`
	// Taken is when the outcome was taken, and State the fold that it shows.
	Taken time.Time        `json:"-"`
	State workload.Summary `json:"-"`
}

// Settled is the settled part of an outcome.
type Settled struct {
	Count uint64 `json:"count"`
	Score string `json:"score"`
}

// The phases of a run, as Progress names them.
const (
	PhaseSend  = "send"
	PhaseGrace = "grace"
)

// Progress is how far a run is, told a few times a second.
type Progress struct {
	Phase   string        `json:"phase"`   // PhaseSend or PhaseGrace
	Left    time.Duration `json:"left"`    // until the deadline, nanoseconds
	Count   uint64        `json:"count"`   // entries held, of all members
	Settled uint64        `json:"settled"` // entries settled, of all members
	Own     uint64        `json:"own"`     // entries that this member wrote
	Heard   []bool        `json:"heard"`   // which members are heard directly, by their place
	Bytes   int           `json:"bytes"`   // of batches in memory
	Awaits  []int         `json:"awaits"`  // members, by their place, that have said nothing new for a while: settling waits for them
	Thinned uint64        `json:"thinned"` // batches and messages of which whoever watches is not told, for there are too many
}

// outcome takes the tuple over all that is held. When the node does not answer
// in time, what is settled must do: nothing may come after the deadline.
func (r *run) outcome() (*Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), max(r.phases.untilDeadline()-closeFor, closeFor))
	defer cancel()
	status, err := r.node.Status(ctx)
	if err != nil {
		r.cfg.Node.Log.Warn("the node does not answer: the tuple has only what is settled", "error", err)
	}
	sums, err := r.fold(ctx)
	if err != nil {
		sums = r.settledOnly()
	}
	outcome, err := r.tuple(sums)
	if err != nil {
		return nil, err
	}
	r.judge(outcome, &status)
	return outcome, nil
}

// sums are the summaries of what is settled and of all that is held, and when
// they were taken.
type sums struct {
	settled, all workload.Summary
	taken        time.Time
}

func (r *run) settledOnly() *sums {
	settled := r.tally.settled()
	return &sums{settled: settled, all: settled, taken: time.Now()}
}

// fold sums up what is held, and measures how long that takes. What it sums up
// in is given up when the node takes too long, which may then still write to it.
func (r *run) fold(ctx context.Context) (*sums, error) {
	began := time.Now()
	var s *sums
	err := r.node.Tentative(ctx, func(b *protocol.Batch) {
		if s == nil {
			s = r.settledOnly()
		}
		workload.Fold(&s.all, b)
		s.taken = time.Now()
	})
	if err != nil {
		return nil, err
	}
	if s == nil {
		s = r.settledOnly()
	}
	r.margin.observeCost(time.Since(began))
	return s, nil
}

// tuple writes the summaries as text.
func (r *run) tuple(sums *sums) (*Outcome, error) {
	settled, err := workload.FromSummary(sums.settled)
	score, err2 := workload.FromSummary(sums.all)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("job: score: %w", err)
	}
	return &Outcome{
		Count: score.Count(), Score: score.Float(), Exact: score.Exact(),
		Digest: workload.Digest(sums.all), Own: r.own.Load(), Seed: workload.Seed(r.cfg.Seed), Missing: []string{},
		Settled: Settled{Count: settled.Count(), Score: settled.Float()},
		Taken:   sums.taken, State: sums.all,
	}, nil
}

// judge says whether the outcome is complete, and if not, what is missing.
func (r *run) judge(outcome *Outcome, status *protocol.Status) {
	self := int(r.cfg.Node.Self)
	if self < len(status.Held) {
		outcome.Own = status.Held[self].Have
	}
	if status.Reader {
		outcome.Own = 0 // all of it is of an earlier life
		outcome.Dropped = status.Dropped
	}
	for _, mark := range status.Held {
		outcome.Held = append(outcome.Held, mark.Have)
	}
	whole := status.Complete && outcome.Settled.Count == outcome.Count
	outcome.Complete = whole && outcome.Dropped == 0
	if outcome.Complete {
		return
	}
	var reasons []reason
	troubles := r.troubles()
	for id := range r.heard {
		if id < len(status.Held) && status.Held[id].Closed() {
			continue
		}
		outcome.Missing = append(outcome.Missing, r.cfg.Node.Members[id].Name)
		reasons = append(reasons, r.reason(id, status, troubles[id]))
	}
	outcome.Reasons = tell(reasons)
	if outcome.Dropped > 0 {
		outcome.Reasons = append(outcome.Reasons, fmt.Sprintf("%s (this member): %d entries that it had taken in are lost: it came back without its data, and found that out too late",
			r.cfg.Node.Members[self].Name, outcome.Dropped))
	}
	if len(outcome.Missing) == 0 && !whole {
		outcome.Reasons = append(outcome.Reasons, "all entries are here, but not yet known to be in their final order")
	}
}

// sample looks at the node: for the progress, for who is heard, and in the
// grace phase for how long it takes to take an outcome.
func (r *run) sample(ctx context.Context) {
	r.margin.observeLag(time.Now())
	ctx, cancel := context.WithTimeout(ctx, ProgressEvery)
	defer cancel()
	status, err := r.node.Status(ctx)
	if err != nil {
		return // busy: the next sample will tell
	}
	now := r.phases.now()
	for id, heard := range status.Heard {
		if heard {
			r.heard[id] = now
		}
	}
	if r.phases.phase() == PhaseGrace {
		_, _ = r.fold(ctx) // measures; a failure tells nothing
		if r.phases.untilDeadline() < r.cfg.WaitFor/2 {
			r.node.CutStream() // better an end that all know than a few entries more
		}
	}
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.progress(&status))
	}
}

func (r *run) progress(status *protocol.Status) Progress {
	p := Progress{
		Phase: r.phases.phase(), Left: r.phases.untilDeadline(), Own: r.own.Load(),
		Heard: status.Heard, Bytes: status.LogBytes,
	}
	for _, mark := range status.Held {
		p.Count += mark.Have
	}
	if score, err := workload.FromSummary(r.tally.settled()); err == nil {
		p.Settled = score.Count()
	}
	if awaited := r.stale.awaited(r.phases.now(), status.Held); p.Settled < p.Count {
		p.Awaits = awaited
	}
	return p
}

// staleAfter is how long a member may say nothing new before settling is said
// to wait for it.
const staleAfter = 2 * ProgressEvery

// stale is since when the promises of members stand still.
type stale struct {
	promises []clock.Time
	since    []time.Duration
}

// awaited notes the promises at a time, and returns the members, by their
// place, whose promise stands still for a while.
func (s *stale) awaited(now time.Duration, held clock.Vector) (places []int) {
	if s.since == nil {
		s.promises, s.since = make([]clock.Time, len(held)), make([]time.Duration, len(held))
	}
	for place, mark := range held {
		if mark.Promise != s.promises[place] {
			s.promises[place], s.since[place] = mark.Promise, now
		}
		if !mark.Closed() && now-s.since[place] > staleAfter {
			places = append(places, place)
		}
	}
	return places
}
