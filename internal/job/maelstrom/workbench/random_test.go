package workbench_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/job/maelstrom/workbench"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
)

// seedsVariable names the environment variable that asks for more runs.
const seedsVariable = "CHATTERBOX_MAELSTROM_SEEDS"

// TestRandomFailuresLoseNothing draws failures of all kinds from seeds, each
// tenth time for 25 nodes.
func TestRandomFailuresLoseNothing(t *testing.T) {
	t.Parallel()
	seeds := draw.Of(30, 4)
	if more, err := strconv.Atoi(os.Getenv(seedsVariable)); err == nil {
		seeds = more
	}
	for seed := range uint64(seeds) {
		cfg := randomRun(seed)
		report, err := workbench.Run(t.Context(), cfg)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		} else if len(report.Violations) > 0 || report.Done == 0 || !report.SameOrder || !cfg.Strict && !report.Available() {
			t.Errorf("seed %d, %d nodes, %d copies, frugal %t\n%s\n%s", seed, cfg.Nodes, cfg.Copies, cfg.Frugal, cfg.Map, report)
		}
	}
}

// randomRun draws a run: loss, repeats and jitter or not, partitions of both
// kinds one after the other; and either nodes that are killed one after the
// other, as many as the copies survive, and now and then one that stands still,
// or neither, and everybody must be served. In every other run all that
// begins with the clients, before any two nodes have met.
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
	kills := rng.IntN(3)
	if cfg.Copies, cfg.Strict = kills+1, kills > 0; !cfg.Strict {
		cfg.Copies += rng.IntN(3)
	}
	cfg.Frugal, cfg.Exponential = rng.IntN(2) == 0, rng.IntN(4) == 0
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
	begins := float64(rng.IntN(2))
	partitions(rng, cfg.Nodes, begins, &lines)
	for i, at := range killTimes(rng, kills, begins) {
		fmt.Fprintf(&lines, "%.3fs %d crash\n%.3fs %d restart\n", at, i+1, at+0.1+3*rng.Float64(), i+1)
	}
	if at := 5 * rng.Float64(); cfg.Strict && rng.IntN(3) == 0 {
		fmt.Fprintf(&lines, "%.3fs 5 pause\n%.3fs 5 resume\n", at, at+0.1+8*rng.Float64())
	}
	events, err := failure.Parse(strings.NewReader(lines.String()), "drawn")
	if err != nil {
		panic(err)
	}
	cfg.Map = events
	return cfg
}

// killTimes returns when nodes are killed, in seconds.
func killTimes(rng *rand.Rand, kills int, begins float64) []float64 {
	times := make([]float64, kills)
	for i := range times {
		times[i] = begins*3 + 5*float64(i) + 3*rng.Float64()
		if begins == 0 && rng.IntN(3) == 0 {
			times[i] = 5 * float64(i) // as early as can be
		}
	}
	return times
}

// partitions separates some nodes from the others, one way or both ways, heals,
// and does it again.
func partitions(rng *rand.Rand, nodes int, begins float64, lines *strings.Builder) {
	for at := begins * (2 + rng.Float64()); at < 12; at += 1 + 4*rng.Float64() {
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
