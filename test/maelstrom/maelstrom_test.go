// Package maelstrom judges processes of the real binary, with pipes and in real
// time, by the imitation of Maelstrom in maelstrom/workbench.
package maelstrom

import (
	"os"
	"strings"
	"testing"
	"time"

	"chatterbox/failure"
	"chatterbox/maelstrom/workbench"
	"chatterbox/test/program"
)

// fullVariable names the environment variable that asks for the runs in full
// size, which take half a minute each and want a quiet machine.
const fullVariable = "CHATTERBOX_MAELSTROM_FULL"

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
	if len(report.Violations) > 0 || report.Acknowledged == 0 {
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
		{"partition", workbench.Broadcast, "500ms n1,n2 <-> n3,n4,n5 cut\n2s * <-> * heal"},
		{"loss, repeats and jitter", workbench.Broadcast, "0s * -> * drop 10%\n0s * -> * repeat 10%\n0s * -> * delay 0ms..20ms"},
		{"a kill and a pause", workbench.GSet, "1s n1 crash\n1500ms n1 restart\n1s n3 pause\n2s n3 resume"},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			run(t, workbench.Config{
				Nodes: 5, Workload: story.workload, Rate: 50, SendFor: 3 * time.Second, Recover: 4 * time.Second,
				Latency: 10 * time.Millisecond, Map: parse(t, story.text),
				Program: []string{binary, "maelstrom", "--tick-duration", "20"},
			})
		})
	}
}

// TestGlomersInFull is Gossip Glomers 3d and 3e: 25 nodes, 100 ms, 100
// operations a second; without failures it must meet the targets of both.
func TestGlomersInFull(t *testing.T) {
	if os.Getenv(fullVariable) == "" {
		t.Skip("takes minutes and wants a quiet machine: set " + fullVariable + "=1")
	}
	binary := program.Build(t)
	cfg := workbench.Config{
		Nodes: 25, Rate: 100, SendFor: 20 * time.Second, Latency: 100 * time.Millisecond,
		Program: []string{binary, "maelstrom"},
	}
	t.Run("well", func(t *testing.T) {
		report := run(t, cfg)
		if report.MessagesPerOperation >= 20 || report.Stable.P50 >= 400*time.Millisecond || report.Stable.Max >= 600*time.Millisecond {
			t.Error("the targets are missed")
		}
	})
	for name, text := range map[string]string{
		"partition": "5s n1,n2,n3,n4,n5,n6,n7,n8 <-> * except n1,n2,n3,n4,n5,n6,n7,n8 cut\n13s * <-> * heal",
		"loss":      "0s * -> * drop 10%",
		"kills":     "5s n3,n4 crash\n9s n3,n4 restart",
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			cfg.Map = parse(t, text)
			if name == "kills" {
				cfg.Program = append(cfg.Program[:2:2], "--copies", "3")
			}
			run(t, cfg)
		})
	}
}
