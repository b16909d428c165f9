package workbench_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/job/maelstrom/workbench"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
)

func parse(t *testing.T, text string) failure.Map {
	t.Helper()
	events, err := failure.Parse(strings.NewReader(text), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// run runs a cluster in virtual time and demands that nothing is wrong, and that
// all nodes have one order in the end.
func run(t *testing.T, cfg workbench.Config) *workbench.Report {
	t.Helper()
	report, err := workbench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Violations) > 0 || report.Done == 0 || !report.SameOrder {
		t.Errorf("%s\n%s", cfg.Map, report)
	}
	return report
}

// glomers is the run of Gossip Glomers 3d and 3e: 25 nodes, 100 ms, 100
// operations a second for 20 s.
func glomers(seed uint64) workbench.Config {
	return workbench.Config{Nodes: 25, Rate: 100, SendFor: 20 * time.Second, Latency: 100 * time.Millisecond, Seed: seed}
}

// TestBothGlomersTargetsAreMetAtOnce: 3d wants fewer than 30 messages an
// operation with a median below 400 ms and a maximum below 600 ms, 3e fewer
// than 20 with 1 s and 2 s. The strictest of all holds with fewer than 12
// messages, even when the time is counted from the request on, and with fewer
// than 2 and a maximum below 1 s where nodes are frugal.
func TestBothGlomersTargetsAreMetAtOnce(t *testing.T) {
	t.Parallel()
	for seed, target := range []struct {
		frugal      bool
		messages    float64
		median, max time.Duration
	}{
		{false, 12, 300 * time.Millisecond, 600 * time.Millisecond},
		{true, 2, 400 * time.Millisecond, time.Second},
	} {
		if target.frugal && !draw.Whole() {
			continue
		}
		cfg := glomers(uint64(seed))
		cfg.Frugal = target.frugal
		report := available(t, cfg)
		if report.MessagesPerOperation >= target.messages || report.Everywhere.P50 >= target.median || report.Everywhere.Max >= target.max {
			t.Errorf("seed %d, frugal %t:\n%s", seed, target.frugal, report)
		}
	}
}

// TestAQuietClusterSaysLittle: some signs of life a second, not hundreds.
func TestAQuietClusterSaysLittle(t *testing.T) {
	cfg := glomers(1)
	cfg.Rate, cfg.SendFor, cfg.Recover = 10, time.Second, 20*time.Second
	report := available(t, cfg)
	if perSecond := float64(report.QuietMessages) / cfg.Recover.Seconds(); perSecond >= 40 {
		t.Errorf("%.0f messages a second\n%s", perSecond, report)
	}
}

// TestPartitionsCostNoMessages: with partitions of the kinds that Maelstrom
// makes, nothing is lost, the budget still holds, and most values are not late.
func TestPartitionsCostNoMessages(t *testing.T) {
	t.Parallel()
	if !draw.Whole() {
		t.Skip("takes long: CHATTERBOX_PROOFS=all runs it, as CI does")
	}
	for name, text := range map[string]string{
		"one":    "3s n7 <-> * cut\n12s * <-> * heal",
		"halves": "3s n0,n1,n2,n3,n4,n5,n6,n7,n8,n9,n10,n11 <-> * except n0,n1,n2,n3,n4,n5,n6,n7,n8,n9,n10,n11 cut\n12s * <-> * heal",
		"ring":   ring(25, 13),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := glomers(1)
			cfg.Map = parse(t, text)
			if report := run(t, cfg); report.MessagesPerOperation >= 20 {
				t.Errorf("%s", report)
			}
		})
	}
}

// ring lets each node hear only its neighbours on a ring, so many of them that
// all majorities overlap, as Jepsen's majorities-ring.
func ring(nodes, majority int) string {
	var lines strings.Builder
	lines.WriteString("3s * -> * cut\n")
	for node := range nodes {
		for step := 1; step <= majority/2; step++ {
			a, b := fmt.Sprintf("n%d", node), fmt.Sprintf("n%d", (node+step)%nodes)
			lines.WriteString("3s " + a + " <-> " + b + " heal\n")
		}
	}
	lines.WriteString("12s * <-> * heal\n")
	return lines.String()
}

// TestKilledNodesComeBackAndAreServed: values that were acknowledged survive
// the nodes that had them, and who came back takes requests and shows all.
func TestKilledNodesComeBackAndAreServed(t *testing.T) {
	t.Parallel()
	for _, workload := range []workbench.Workload{workbench.Broadcast, workbench.GSet} {
		for _, nodes := range []int{5, 25} {
			if nodes == 25 && !draw.Whole() {
				continue
			}
			run(t, workbench.Config{
				Nodes: nodes, Workload: workload, Rate: 60, SendFor: 15 * time.Second, Latency: 20 * time.Millisecond, Copies: 3,
				Map: parse(t, "2s n1 crash\n4s n1 restart\n5s n2 crash\n5100ms n2 restart\n8s n1 crash\n9s n1 restart\n10s n2 pause\n12s n2 resume"),
			})
		}
	}
}

// TestWithoutCopiesAKillLosesValues: the judge sees what one copy costs, so
// that its silence about two copies says something.
func TestWithoutCopiesAKillLosesValues(t *testing.T) {
	cfg := workbench.Config{Nodes: 5, Rate: 100, SendFor: 6 * time.Second, Latency: 100 * time.Millisecond, Copies: 1}
	cfg.Map = parse(t, "1s n1 <-> * cut\n3s n1 crash\n4s n1 restart\n4s * <-> * heal")
	report, err := workbench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Lost == 0 || len(report.Violations) == 0 {
		t.Errorf("nothing was lost:\n%s", report)
	}
	cfg.Copies, cfg.Strict = 2, true
	if report := run(t, cfg); report.Unknown == 0 {
		t.Errorf("nobody waited in vain:\n%s", report)
	}
}

// TestEverybodyCameBackAndIsServed: with nobody left who may write the log,
// values are taken all the same, and all have them.
func TestEverybodyCameBackAndIsServed(t *testing.T) {
	cfg := workbench.Config{Nodes: 3, Rate: 30, SendFor: 25 * time.Second, Latency: 10 * time.Millisecond, Tick: 20 * time.Millisecond}
	cfg.Map = parse(t, "3s n0 crash\n4s n0 restart\n8s n1 crash\n9s n1 restart\n13s n2 crash\n14s n2 restart")
	if report := run(t, cfg); report.Refused > 0 {
		t.Errorf("%s", report)
	}
}

// TestSameSeedSameRun: every line, at its time.
func TestSameSeedSameRun(t *testing.T) {
	t.Parallel()
	cfg := glomers(7)
	cfg.Nodes, cfg.SendFor, cfg.Map = 10, 5*time.Second, parse(t, "1s * -> * drop 10%\n1s * -> * repeat 10%\n2s a crash\n3s a restart")
	first, second := run(t, cfg), run(t, cfg)
	cfg.Seed++
	if other := run(t, cfg); first.Hash != second.Hash || first.Hash == other.Hash {
		t.Errorf("hashes %x, %x, and %x of another seed", first.Hash, second.Hash, other.Hash)
	}
}

// TestLargestClusterKeepsItsLinesShort: with as many nodes as there may be, or half of
// them where CI does not want all,
// half of which hear nothing for a while, so that others tell them everything.
func TestLargestClusterKeepsItsLinesShort(t *testing.T) {
	t.Parallel()
	report := run(t, workbench.Config{
		Nodes: draw.Of(64, 32), Rate: 100, SendFor: 4 * time.Second, Recover: 3 * time.Second, Latency: 10 * time.Millisecond,
		Map: parse(t, "1s n1 -> * cut\n1s * -> n2 cut\n2s n3 crash\n3s n3 restart"),
	})
	t.Logf("the longest line has %d bytes", report.LineBytesMax)
}
