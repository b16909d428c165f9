// Command growth measures how the cost of chatterbox grows with the number of
// members and with the size of a payload, beside limit and raw, and draws it.
//
// It writes what it measured to growth.json in a folder, and the plots as SVG
// beside it; -draw draws what was measured before. Run it from the folder of
// its module: go run ./growth -out ../../docs/performance.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chatterbox/internal/job/bench"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

const (
	memberArgument = "member" // makes this program a member of a measurement
	dataFile       = "growth.json"
)

// measurements is what is kept of a run.
type measurements struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	LoadBefore string  `json:"load_before"` // as the system tells it: 1, 5 and 15 minutes
	LoadAfter  string  `json:"load_after"`
	Rounds     int     `json:"rounds"`
	Seconds    float64 `json:"duration_s"` // of each measurement
	Members    []point `json:"members"`    // payloads of 8 bytes
	Payloads   []point `json:"payloads"`   // 3 members
}

// point is the medians of one setting.
type point struct {
	Members int     `json:"members"`
	Payload int     `json:"payload_bytes"`
	Raw     float64 `json:"raw_per_s"`
	Limit   float64 `json:"limit_per_s"`
	Ordered float64 `json:"ordered_per_s"`

	RawCPU     float64 `json:"raw_cpu_s_per_million"`
	LimitCPU   float64 `json:"limit_cpu_s_per_million"`
	OrderedCPU float64 `json:"ordered_cpu_s_per_million"`

	Wire    float64        `json:"wire_bytes_per_entry"`
	RSS     float64        `json:"rss_peak_mib"`
	Latency bench.Quantile `json:"latency_ms"` // saturated
}

func run(arguments []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(arguments) == 1 && arguments[0] == memberArgument {
		return bench.Member(ctx, os.Stdin, os.Stdout, nil)
	}
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	out := flags.String("out", ".", "folder of growth.json and the plots")
	onlyDraw := flags.Bool("draw", false, "draw what was measured before")
	duration := flags.Duration("duration", 2*time.Second, "of each measurement")
	rounds := flags.Int("rounds", 3, "of which medians are taken")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	data := filepath.Join(*out, dataFile)
	if !*onlyDraw {
		m, err := measureAll(ctx, *duration, *rounds)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(m, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(data, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(data)
	if err != nil {
		return err
	}
	var m measurements
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %w", data, err)
	}
	return draw(&m, *out)
}

// measureAll measures every setting.
func measureAll(ctx context.Context, duration time.Duration, rounds int) (*measurements, error) {
	m := &measurements{Rounds: rounds, Seconds: duration.Seconds(), LoadBefore: load()}
	m.CPU, m.Cores = processor()
	for _, members := range []int{3, 5, 8, 16, 32} {
		p, err := measure(ctx, bench.Plan{Members: members, Payload: 8, Duration: duration, Rounds: rounds})
		if err != nil {
			return nil, err
		}
		m.Members = append(m.Members, p)
	}
	for _, payload := range []int{8, 100, 1 << 10, 16 << 10} {
		p, err := measure(ctx, bench.Plan{Members: 3, Payload: payload, Duration: duration, Rounds: rounds})
		if err != nil {
			return nil, err
		}
		m.Payloads = append(m.Payloads, p)
	}
	m.LoadAfter = load()
	return m, nil
}

func measure(ctx context.Context, plan bench.Plan) (point, error) {
	executable, err := os.Executable()
	if err != nil {
		return point{}, err
	}
	plan.Modes = []bench.Mode{bench.Limit, bench.Raw, bench.Ordered}
	report, err := bench.Run(ctx, plan, []string{executable, memberArgument}, func(bench.Progress) {})
	if err != nil {
		return point{}, fmt.Errorf("%d members, %d bytes: %w", plan.Members, plan.Payload, err)
	}
	fmt.Fprintf(os.Stderr, "%d members, %d bytes: ordered %.4g/s, ratio %.2f, by CPU %.2f\n",
		plan.Members, plan.Payload, report.OrderedPerSecond, report.Ratio, report.CPURatio)
	return point{
		Members: plan.Members, Payload: plan.Payload,
		Raw: report.RawPerSecond, Limit: report.LimitPerSecond, Ordered: report.OrderedPerSecond,
		RawCPU:   report.Median(bench.Raw, func(r bench.Round) float64 { return r.CPU }),
		LimitCPU: report.LimitCPU, OrderedCPU: report.CPU,
		Wire: report.WireBytes, RSS: report.RSSPeak, Latency: report.Latency,
	}, nil
}

// load returns the load averages, where Linux tells them.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// processor names the processor and counts its cores, where Linux tells.
func processor() (name string, cores int) {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			name = strings.TrimSpace(value)
			cores++
		}
	}
	return name, cores
}
