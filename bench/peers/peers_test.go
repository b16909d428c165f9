package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/job/bench"
)

// TestMain makes this test binary the member of a measurement.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == memberArgument {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEverySystemDeliversInOneOrder measures every case for a moment; that all
// members delivered in the same order is demanded by package bench.
func TestEverySystemDeliversInOneOrder(t *testing.T) {
	s := survey{
		plan:    bench.Plan{Members: 3, Duration: 300 * time.Millisecond, Rounds: 1},
		command: []string{os.Args[0], memberArgument}, cases: cases(),
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("redis-server is not installed")
	}
	if err := s.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.cases {
		f := s.found[c.mode]
		if f.err != nil {
			if c.system != "redis" || !strings.Contains(f.err.Error(), "redis-server") {
				t.Errorf("%s: %v", c.name, f.err)
			}
			continue
		}
		if c.mode != bench.Ping && f.full[0].PerSecond == 0 {
			t.Errorf("%s delivered nothing", c.name)
		}
		if c.paced && f.paced[0].Latency.P50 == 0 {
			t.Errorf("%s has no latency", c.name)
		}
	}
}

func TestTableTellsWhatCouldNotBeMeasured(t *testing.T) {
	s := survey{plan: bench.Plan{Members: 3}, cases: cases()[1:4], found: map[bench.Mode]*finding{
		bench.Limit:    {full: []bench.Round{{PerSecond: 100e6}, {PerSecond: 300e6}, {PerSecond: 200e6}}},
		bench.Ordered:  {full: []bench.Round{{PerSecond: 250e6, CPU: 0.01, RSSPeak: 20}}, paced: []bench.Round{{Latency: bench.Quantile{P50: 0.1, P99: 0.3}}}},
		"redis-packed": {err: context.DeadlineExceeded},
	}}
	var table strings.Builder
	s.print(&table)
	for _, want := range []string{
		"| limit (decode, no protocol)", "| 200 M ", "| chatterbox delta", "| 250 M ", "| 1.2 ", "| 0.01 ", "| 100 / 300 ", "| 20 ",
		"not measured: context deadline exceeded",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is missing in\n%s", want, table.String())
		}
	}
}
