package workbench_test

import (
	"testing"
	"time"

	"chatterbox/internal/job/maelstrom/workbench"
)

// available demands that every operation was done, too.
func available(t *testing.T, cfg workbench.Config) *workbench.Report {
	t.Helper()
	report := run(t, cfg)
	if !report.Available() {
		t.Errorf("only %d of %d operations were done\n%s\n%s", report.Done, report.Operations, cfg.Map, report)
	}
	return report
}

// TestEverybodyIsServedFromTheStart: failures that begin with the operations,
// before any two nodes have met, and a node that never comes back.
func TestEverybodyIsServedFromTheStart(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"well":              "",
		"one is cut off":    "0s n1 <-> * cut\n12s * <-> * heal",
		"all are cut off":   "0s * <-> * cut\n12s * <-> * heal",
		"cut off to halves": "0s n0,n1 <-> n2,n3,n4 cut\n12s * <-> * heal",
		"one is killed":     "0s n1 crash\n1s n1 restart",
	} {
		for _, workload := range []workbench.Workload{workbench.Broadcast, workbench.GSet, workbench.UniqueIDs} {
			for _, frugal := range []bool{false, true} {
				t.Run(name+" "+string(workload), func(t *testing.T) {
					cfg := workbench.Config{
						Nodes: 5, Workload: workload, Rate: 20, SendFor: 15 * time.Second, Latency: 50 * time.Millisecond,
						Map: parse(t, text), Frugal: frugal,
					}
					if name == "one is killed" {
						run(t, cfg) // clients that it leaves without an answer know nothing
						return
					}
					available(t, cfg)
				})
			}
		}
	}
}

// TestIdentifiersNeedNoMessages: nobody has to be asked.
func TestIdentifiersNeedNoMessages(t *testing.T) {
	cfg := glomers(1)
	cfg.Workload = workbench.UniqueIDs
	if report := available(t, cfg); report.ServerMessages > 0 {
		t.Errorf("%s", report)
	}
}
