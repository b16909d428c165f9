package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"chatterbox/internal/job/bench"
)

// survey measures all cases round by round, so that drift of the machine meets
// all of them alike: first saturated, then at a steady pace.
type survey struct {
	plan    bench.Plan
	command []string
	cases   []entry
	found   map[bench.Mode]*finding
}

// finding is what the rounds of a case came to, or why it could not be measured.
type finding struct {
	full  []bench.Round
	paced []bench.Round
	err   error
}

const pace = 1000 // entries a second of all members together, for latencies

func (s *survey) run(ctx context.Context) error {
	s.found = map[bench.Mode]*finding{}
	for _, c := range s.cases {
		s.found[c.mode] = &finding{}
	}
	for round := range s.plan.Rounds {
		for _, c := range s.cases {
			f := s.found[c.mode]
			if c.mode != bench.Ping {
				f.full = s.measure(ctx, f, f.full, c, 0, round)
			}
			if c.paced {
				f.paced = s.measure(ctx, f, f.paced, c, pace, round)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// measure adds a round of a case, unless it failed before.
func (s *survey) measure(ctx context.Context, f *finding, rounds []bench.Round, c entry, rate float64, round int) []bench.Round {
	if f.err != nil {
		return rounds
	}
	plan := s.plan
	plan.Rounds, plan.Modes, plan.Rate = 1, []bench.Mode{c.mode}, rate
	report, err := bench.Run(ctx, plan, s.command, func(bench.Progress) {})
	if err != nil {
		f.err = err
		fmt.Fprintf(os.Stderr, "round %d of %d: %s: %v\n", round+1, s.plan.Rounds, c.name, err)
		return rounds
	}
	measured := report.Rounds[0]
	fmt.Fprintf(os.Stderr, "round %d of %d: %s: %.4g entries/s, p50 %.3g ms\n",
		round+1, s.plan.Rounds, c.name, measured.PerSecond, measured.Latency.P50)
	return append(rounds, measured)
}

// print writes the table.
func (s *survey) print(out io.Writer) {
	limit := median(s.found[bench.Limit].full, func(r bench.Round) float64 { return r.PerSecond })
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| system, %d members\t| msgs/s\t| share of limit\t| CPU s per million\t| p50 / p99 us at %d/s\t| peak MiB\t|\n", s.plan.Members, pace)
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, c := range s.cases {
		fmt.Fprintln(w, s.row(c, limit))
	}
	_ = w.Flush()
}

func (s *survey) row(c entry, limit float64) string {
	f := s.found[c.mode]
	if f.err != nil {
		return fmt.Sprintf("| %s\t| not measured: %v\t|\t|\t|\t|\t|", c.name, f.err)
	}
	rate, share, cpu, peak := "", "", "", ""
	if perSecond := median(f.full, func(r bench.Round) float64 { return r.PerSecond }); perSecond > 0 {
		rate, share = short(perSecond), fmt.Sprintf("%.2g", perSecond/limit)
		cpu = fmt.Sprintf("%.2g", median(f.full, func(r bench.Round) float64 { return r.CPU }))
		peak = fmt.Sprintf("%.0f", median(f.full, func(r bench.Round) float64 { return r.RSSPeak }))
	}
	latency := ""
	if len(f.paced) > 0 {
		latency = fmt.Sprintf("%.0f / %.0f", 1e3*median(f.paced, func(r bench.Round) float64 { return r.Latency.P50 }),
			1e3*median(f.paced, func(r bench.Round) float64 { return r.Latency.P99 }))
	}
	return fmt.Sprintf("| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|", c.name, rate, share, cpu, latency, peak)
}

func median(rounds []bench.Round, of func(bench.Round) float64) float64 {
	values := make([]float64, len(rounds))
	for i := range rounds {
		values[i] = of(rounds[i])
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// short writes a rate in three digits.
func short(perSecond float64) string {
	if perSecond >= 1e6 {
		return fmt.Sprintf("%.3g M", perSecond/1e6)
	}
	return fmt.Sprintf("%.3g k", perSecond/1e3)
}
