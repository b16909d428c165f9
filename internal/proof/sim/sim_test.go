package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/term"
)

func protocols() []string { return []string{sim.Delta, sim.Lockstep} }

// mustHold runs a configuration in which no promise may be broken.
func mustHold(t *testing.T, runner *sim.Runner, c sim.Config) sim.Result {
	t.Helper()
	result, err := runner.Run(c)
	if err != nil {
		t.Fatal(err)
	}
	if result.Failed() {
		t.Errorf("%d violations, first %s\n%s", result.Count, result.Violations[0], sim.Case(result.Config(), "Fails."))
	}
	return result
}

// TestRandomRunsKeepAllPromises is a small share of the runs that the command
// sim is for: CI has it run these seeds and many more.
func TestRandomRunsKeepAllPromises(t *testing.T) {
	const workers = 4
	seeds := uint64(draw.Of(10, 3))
	for _, protocol := range protocols() {
		for worker := range uint64(workers) {
			t.Run(fmt.Sprintf("%s/%d", protocol, worker), func(t *testing.T) {
				t.Parallel()
				runner := sim.NewRunner()
				for seed := worker * seeds; seed < (worker+1)*seeds; seed++ {
					mustHold(t, runner, sim.Config{Protocol: protocol, Seed: seed})
				}
			})
		}
	}
}

// TestSameSeedSameHash: a run depends on nothing but its configuration, not on
// what ran before, nor on how many processors there are.
func TestSameSeedSameHash(t *testing.T) {
	used := sim.NewRunner()
	for _, protocol := range protocols() {
		for seed := range uint64(6) {
			c := sim.Config{Protocol: protocol, Seed: seed, SendFor: time.Second, GraceFor: 3 * time.Second}
			first := mustHold(t, used, c)
			before := runtime.GOMAXPROCS(1)
			second := mustHold(t, sim.NewRunner(), c)
			runtime.GOMAXPROCS(before)
			if first.Hash != second.Hash || first.Events != second.Events {
				t.Errorf("%s seed %d: hashes %x and %x of %d and %d events", protocol, seed, first.Hash, second.Hash, first.Events, second.Events)
			}
			c.Seed += 1000
			if other := mustHold(t, used, c); other.Hash == first.Hash {
				t.Errorf("%s: seeds %d and %d have one hash", protocol, seed, c.Seed)
			}
		}
	}
}

func readCase(t *testing.T, file string) sim.Config {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sim.ParseCase(text, file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCasesHold runs what once failed, and was made as small as it gets.
func TestCasesHold(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	runner := sim.NewRunner()
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := readCase(t, file)
			mustHold(t, runner, c)
		})
	}
}

// TestCasesOfCostHold runs what once cost too much. It breaks no promise, and no
// more of these runs are beyond a bound than the table beside them says;
// -rewrite writes that anew.
func TestCasesOfCostHold(t *testing.T) {
	files, err := filepath.Glob("testdata/cost/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	runner, sheet := sim.NewRunner(), cost.Sheet{}
	for _, file := range files {
		result := mustHold(t, runner, readCase(t, file))
		sheet.Add(result.Costs)
	}
	const table = "testdata/cost/baseline"
	if *rewrite {
		var text strings.Builder
		term.Table(&text, cost.Table(sheet.Rows(), nil))
		if err := os.WriteFile(table, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := cost.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range sheet.Rows() {
		if i >= len(baseline) || baseline[i].Name != row.Name || row.Beyond > baseline[i].Beyond+1e-4 { // tables round
			t.Errorf("more runs are beyond the bound of %s:\n%v", row.Name, cost.Table(sheet.Rows(), nil))
		}
	}
}

// TestShippedMapsHold runs the failure maps that come along, with some seeds
// each.
func TestShippedMapsHold(t *testing.T) {
	const send, grace, seeds = 3 * time.Second, 5 * time.Second, 3
	for _, shipment := range failure.Shipped() {
		t.Run(shipment.Name, func(t *testing.T) {
			t.Parallel()
			runner := sim.NewRunner()
			for _, protocol := range protocols() {
				for seed := range uint64(seeds) {
					mustHold(t, runner, sim.Config{Protocol: protocol, Seed: seed, Map: shipment.Map(), SendFor: send, GraceFor: grace})
				}
			}
		})
	}
}
