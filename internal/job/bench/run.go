package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	latencyMax    = int64(10 * time.Minute) // the longest latency that is told apart
	latencyDigits = 3                       // significant digits of a latency
)

// Progress tells how far a run is.
type Progress struct {
	Done, All int     // measurements
	Mode      Mode    // of the last one
	PerSecond float64 // and what it came to in entries; 0 for Ping
	Next      Mode    // of the one that begins now; "" at the end
}

// Run measures all that the plan asks for, mode by mode and round by round so
// that drift of the machine meets all of them alike. command is the program
// with the arguments that make it call Member. When ctx ends, all processes are
// killed, and the report is of the rounds that were measured until then.
func Run(ctx context.Context, plan Plan, command []string, tell func(Progress)) (Report, error) {
	plan = plan.WithDefaults()
	if err := plan.Validate(); err != nil {
		return Report{}, err
	}
	if plan.Folder == "" {
		folder, err := os.MkdirTemp("", "chatterbox-bench-")
		if err != nil {
			return Report{}, fmt.Errorf("bench: folder for delivery times: %w", err)
		}
		plan.Folder = folder
		defer func() { _ = os.RemoveAll(folder) }()
	}
	r := runner{plan: plan, command: command, latency: newHistogram(), roundTrip: newHistogram()}
	progress := Progress{All: plan.Rounds * len(plan.Modes)}
	for progress.Done < progress.All {
		round := progress.Done/len(plan.Modes) + 1
		mode := plan.modesOf(round)[progress.Done%len(plan.Modes)]
		progress.Next = mode
		tell(progress)
		measured, err := r.measure(ctx, mode, round)
		if err != nil {
			return r.report(), fmt.Errorf("%s, round %d: %w", mode, round, err)
		}
		progress = Progress{Done: progress.Done + 1, All: progress.All, Mode: mode, PerSecond: measured.PerSecond}
	}
	tell(progress)
	return r.report(), nil
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, latencyMax, latencyDigits) // nanoseconds
}

type runner struct {
	plan      Plan
	command   []string
	rounds    []Round
	latency   *hdrhistogram.Histogram // of all rounds of Ordered
	roundTrip *hdrhistogram.Histogram // of all rounds of Ping
}

func (r *runner) measure(ctx context.Context, mode Mode, number int) (Round, error) {
	crew := &crew{}
	defer crew.stop()
	addrs, err := crew.start(ctx, r.command, r.plan.Members)
	if err != nil {
		return Round{}, err
	}
	load := r.load(mode, addrs)
	var watching *audience
	if mode == Watched {
		if watching, err = invite(ctx, &load); err != nil {
			return Round{}, err
		}
		defer watching.end()
	}
	var stopped <-chan outage
	var page <-chan float64
	results, err := crew.measure(load, func() {
		switch {
		case mode == Watched:
			page = watching.measure(ctx, &load)
		case mode == Ordered && r.plan.StopFor > 0:
			stopped = crew.stopLast(ctx, load.Warmup+(load.Duration-r.plan.StopFor)/quarters, r.plan.StopFor)
		}
	})
	if err != nil {
		return Round{}, err
	}
	round := summarize(mode, results)
	round.Number = number
	if round.Latency, err = r.latencies(load, results); err != nil {
		return Round{}, err
	}
	if stopped != nil {
		if round.CaughtUp, err = (<-stopped).caughtUp(load, len(results)); err != nil {
			return Round{}, err
		}
	}
	if page != nil {
		round.PageCPU = <-page
	}
	r.rounds = append(r.rounds, round)
	return round, nil
}

func (r *runner) load(mode Mode, addrs []string) Load {
	return Load{
		Mode: mode, Addrs: addrs, Payload: r.plan.Payload, Duration: r.plan.Duration, Warmup: r.plan.Warmup,
		Rate: r.plan.Rate, Protocol: r.plan.Protocol, Batch: r.plan.Batch, Tick: r.plan.Tick, Memory: r.plan.Memory,
		Times: filepath.Join(r.plan.Folder, "times"), Profiles: r.plan.Profiles,
	}
}

// latencies returns the latencies of a round, and adds them to those of all
// rounds.
func (r *runner) latencies(load Load, results []Result) (Quantile, error) {
	here, all := newHistogram(), r.latency
	switch load.Mode {
	case Limit, Fresh, Raw, Trips:
		return Quantile{}, nil
	case Ping:
		all = r.roundTrip
		for _, ms := range results[0].RoundTrip {
			_ = here.RecordValue(int64(ms * 1e6))
		}
	default:
		if err := joinTimes(here, load, len(results)); err != nil {
			return Quantile{}, err
		}
		if load.Mode == Watched {
			return quantile(here), nil
		}
	}
	all.Merge(here)
	return quantile(here), nil
}
