package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Progress tells how far a run is: measurement done of all, and what the last
// one came to in entries per second.
type Progress struct {
	Done, All int
	Mode      Mode
	PerSecond float64
}

// Run measures all that the plan asks for, mode by mode and round by round so
// that drift of the machine meets all of them alike. command is the program
// with the arguments that make it call Member.
func Run(ctx context.Context, plan Plan, command []string, tell func(Progress)) (Report, error) {
	plan = plan.WithDefaults()
	if err := plan.Validate(); err != nil {
		return Report{}, err
	}
	folder, err := os.MkdirTemp("", "chatterbox-bench-")
	if err != nil {
		return Report{}, fmt.Errorf("bench: folder for delivery times: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	r := runner{plan: plan, command: command, folder: folder, samples: newSamples()}
	all := plan.Rounds * len(plan.Modes)
	for round := range plan.Rounds {
		for i, mode := range plan.Modes {
			perSecond, err := r.measure(ctx, mode)
			if err != nil {
				return Report{}, fmt.Errorf("%s, round %d: %w", mode, round+1, err)
			}
			tell(Progress{Done: round*len(plan.Modes) + i + 1, All: all, Mode: mode, PerSecond: perSecond})
		}
	}
	return r.report(), nil
}

type runner struct {
	plan    Plan
	command []string
	folder  string
	rounds  []Round
	samples *samples
}

// Round is one measurement of one mode, all members together.
type Round struct {
	Mode      Mode    `json:"mode"`
	PerSecond float64 `json:"per_s"`      // entries at the slowest member
	CPU       float64 `json:"cpu_s"`      // seconds of all members
	PerEntry  float64 `json:"wire_bytes"` // sent per own entry and peer
	RSSMiB    float64 `json:"rss_mib"`    // of the largest member
	entries   float64 // at the slowest member
}

func (r *runner) measure(ctx context.Context, mode Mode) (float64, error) {
	crew := &crew{}
	defer crew.stop()
	addrs, err := crew.start(ctx, r.command, r.plan.Members)
	if err != nil {
		return 0, err
	}
	load := Load{
		Mode: mode, Addrs: addrs, Payload: r.plan.Payload, Duration: r.plan.Duration, Warmup: r.plan.Warmup,
		Rate: r.plan.Rate, Protocol: r.plan.Protocol, Batch: r.plan.Batch, Tick: r.plan.Tick, Memory: r.plan.Memory,
		Times: filepath.Join(r.folder, "times"),
	}
	results, err := crew.measure(load)
	if err != nil {
		return 0, err
	}
	switch mode {
	case Ping:
		r.samples.addRoundTrips(results[0].RoundTrip)
		return 0, nil
	case Ordered:
		if err := r.samples.addTimes(load, len(results)); err != nil {
			return 0, err
		}
	}
	round := summarize(mode, results)
	r.rounds = append(r.rounds, round)
	return round.PerSecond, nil
}

func summarize(mode Mode, results []Result) Round {
	round := Round{Mode: mode}
	var own, bytes uint64
	for i, result := range results {
		perSecond := float64(result.Entries) / result.Seconds
		if i == 0 || perSecond < round.PerSecond {
			round.PerSecond, round.entries = perSecond, float64(result.Entries)
		}
		round.CPU += result.CPU
		round.RSSMiB = max(round.RSSMiB, float64(result.RSS)/(1<<20))
		own += result.Own
		bytes += result.WireBytes
	}
	if own > 0 {
		round.PerEntry = float64(bytes) / float64(own) / float64(len(results)-1)
	}
	return round
}

// median gives the middle of what a mode's rounds came to; 0 without rounds.
func (r *runner) median(mode Mode, of func(Round) float64) float64 {
	var values []float64
	for _, round := range r.rounds {
		if round.Mode == mode {
			values = append(values, of(round))
		}
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}
