// Package maelstrom judges processes of the real binary, with pipes and in real
// time, by the imitation of Maelstrom in maelstrom/workbench.
package maelstrom

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/job/maelstrom/workbench"
	"chatterbox/internal/proof/failure"
	"chatterbox/test/program"
)

// fullVariable names the environment variable that asks for the runs in full
// size, which take half a minute each and want a quiet machine.
const fullVariable = "CHATTERBOX_MAELSTROM_FULL"

// TestMain lets all clusters run at once, for most of the time they wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func parse(t *testing.T, text string) failure.Map {
	t.Helper()
	events, err := failure.Parse(strings.NewReader(text), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// run runs processes and demands that nothing is wrong.
func run(t *testing.T, cfg workbench.Config) *workbench.Report {
	t.Helper()
	report, err := workbench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s\n%s", cfg.Map, report)
	if len(report.Violations) > 0 || report.Done == 0 || !report.SameOrder {
		t.Error("not what a cluster should do")
	}
	return report
}

// TestProcessesSurviveFailures is a small cluster at a fifth of the usual times.
func TestProcessesSurviveFailures(t *testing.T) {
	binary := program.Build(t)
	for _, story := range []struct {
		name     string
		workload workbench.Workload
		text     string
	}{
		{"well", workbench.GSet, ""},
		{"partition from the start", workbench.Broadcast, "0s n0,n1 <-> n2,n3,n4 cut\n2s * <-> * heal"},
		{"loss, repeats and jitter", workbench.Broadcast, "0s * -> * drop 10%\n0s * -> * repeat 10%\n0s * -> * delay 0ms..20ms"},
		{"a kill and a pause", workbench.GSet, "1s n0 crash\n1500ms n0 restart\n1s n2 pause\n2s n2 resume"},
		{"frugal, a partition and a kill at the start", workbench.Broadcast, "0s n1 crash\n1s n1 restart\n1s n0,n1 <-> n2,n3,n4 cut\n2s * <-> * heal"},
	} {
		t.Run(story.name, func(t *testing.T) {
			if !strings.Contains(story.name, "kill and a pause") {
				program.OnlyAmongAll(t)
			}
			t.Parallel()
			cfg := workbench.Config{
				Nodes: 5, Workload: story.workload, Rate: 50, SendFor: 3 * time.Second, Recover: 4 * time.Second,
				Latency: 10 * time.Millisecond, Map: parse(t, story.text),
				Program: []string{binary, "maelstrom", "--tick-duration", "20"},
			}
			if strings.HasPrefix(story.name, "frugal") {
				cfg.Program = append(cfg.Program, "--frugal")
			}
			if strings.Contains(story.name, "kill") {
				cfg.Program = append(cfg.Program, "--strict") // what only the killed one had is nowhere
			}
			run(t, cfg)
		})
	}
}

// TestGlomersInFull is Gossip Glomers 3d and 3e: 25 nodes, 100 ms, 100
// operations a second; without failures it must meet the targets of both, and
// frugal nodes one of a tenth as many messages.
func TestGlomersInFull(t *testing.T) {
	if os.Getenv(fullVariable) == "" {
		t.Skip("takes minutes and wants a quiet machine: set " + fullVariable + "=1")
	}
	binary := program.Build(t)
	for _, setting := range []struct {
		flags            []string
		messages         float64
		median, quantile time.Duration
	}{
		{nil, 12, 400 * time.Millisecond, 600 * time.Millisecond},
		{[]string{"--frugal"}, 2, 500 * time.Millisecond, time.Second},
	} {
		cfg := workbench.Config{
			Nodes: 25, Rate: 100, SendFor: 20 * time.Second, Latency: 100 * time.Millisecond,
			Program: append([]string{binary, "maelstrom"}, setting.flags...),
		}
		name := strings.Join(append([]string{"well"}, setting.flags...), " ")
		t.Run(name, func(t *testing.T) {
			report := run(t, cfg)
			if report.MessagesPerOperation >= setting.messages || report.Stable.P50 >= setting.median || report.Stable.Max >= setting.quantile {
				t.Error("the targets are missed")
			}
		})
		fullFailures(t, cfg)
	}
}

// fullFailures are the same runs with failures, in which only latencies grow.
func fullFailures(t *testing.T, cfg workbench.Config) {
	t.Helper()
	for name, text := range map[string]string{
		"partition": "5s n1,n2,n3,n4,n5,n6,n7,n8 <-> * except n1,n2,n3,n4,n5,n6,n7,n8 cut\n13s * <-> * heal",
		"loss":      "0s * -> * drop 10%",
		"kills":     "5s n3,n4 crash\n9s n3,n4 restart",
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			cfg.Map = parse(t, text)
			if name == "kills" {
				cfg.Program = append(cfg.Program[:len(cfg.Program):len(cfg.Program)], "--copies", "3", "--strict")
			}
			run(t, cfg)
		})
	}
}
