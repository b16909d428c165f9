package workbench_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/failure"
	"chatterbox/maelstrom/workbench"
)

// seedsVariable names the environment variable that asks for more runs.
const seedsVariable = "CHATTERBOX_MAELSTROM_SEEDS"

// TestRandomFailuresLoseNothing draws failures of all kinds from seeds, each
// tenth time for 25 nodes.
func TestRandomFailuresLoseNothing(t *testing.T) {
	seeds := 30
	if more, err := strconv.Atoi(os.Getenv(seedsVariable)); err == nil {
		seeds = more
	}
	for seed := range uint64(seeds) {
		cfg := randomRun(seed)
		report, err := workbench.Run(t.Context(), cfg)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		} else if len(report.Violations) > 0 || report.Acknowledged == 0 {
			t.Errorf("seed %d, %d nodes, %d copies\n%s\n%s", seed, cfg.Nodes, cfg.Copies, cfg.Map, report)
		}
	}
}

// randomRun draws a run: loss, repeats and jitter or not, partitions of both
// kinds one after the other, and nodes that are killed one after the other, at
// most as many as the copies survive.
func randomRun(seed uint64) workbench.Config {
	rng := rand.New(rand.NewPCG(seed, 9))
	cfg := workbench.Config{
		Nodes: 5, Seed: seed, SendFor: 15 * time.Second, Workload: workbench.Broadcast,
		Rate: 20 + 80*rng.Float64(), Latency: time.Duration(rng.IntN(100)) * time.Millisecond,
	}
	if seed%10 == 9 {
		cfg.Nodes = 25
	}
	if rng.IntN(2) == 0 {
		cfg.Workload = workbench.GSet
	}
	cfg.Copies = 1 + rng.IntN(3)
	var lines strings.Builder
	for _, line := range []string{
		fmt.Sprintf("1s * -> * drop %d%%", 5+rng.IntN(30)),
		fmt.Sprintf("1s * -> * repeat %d%%", 5+rng.IntN(30)),
		fmt.Sprintf("1s * -> * delay 0ms..%dms", 50+rng.IntN(300)),
	} {
		if rng.IntN(2) == 0 {
			fmt.Fprintln(&lines, line)
		}
	}
	partitions(rng, cfg.Nodes, &lines)
	for kills, at := range killTimes(rng, cfg.Copies-1) {
		fmt.Fprintf(&lines, "%.3fs %d crash\n%.3fs %d restart\n", at, kills+1, at+0.1+3*rng.Float64(), kills+1)
	}
	events, err := failure.Parse(strings.NewReader(lines.String()), "drawn")
	if err != nil {
		panic(err)
	}
	cfg.Map = events
	return cfg
}

// killTimes gives when nodes are killed, in seconds.
func killTimes(rng *rand.Rand, kills int) []float64 {
	times := make([]float64, kills)
	for i := range times {
		times[i] = 3 + 5*float64(i) + 3*rng.Float64()
	}
	return times
}

// partitions separates some nodes from the others, one way or both ways, heals,
// and does it again.
func partitions(rng *rand.Rand, nodes int, lines *strings.Builder) {
	for at := 2 + rng.Float64(); at < 12; at += 1 + 4*rng.Float64() {
		var some []string
		for _, place := range rng.Perm(nodes)[:1+rng.IntN(nodes/2)] {
			some = append(some, strconv.Itoa(place+1))
		}
		group, arrow := strings.Join(some, ","), []string{"->", "<->"}[rng.IntN(2)]
		fmt.Fprintf(lines, "%.3fs %s %s * except %s cut\n", at, group, arrow, group)
		at += 1 + 5*rng.Float64()
		fmt.Fprintf(lines, "%.3fs * <-> * heal cut\n", at)
	}
}
