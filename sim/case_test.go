package sim_test

import (
	"strings"
	"testing"
	"time"

	"chatterbox/failure"
	"chatterbox/protocol/mutant"
	"chatterbox/sim"
)

// TestCaseIsTheWholeRun: what was drawn reads back from its text and gives the
// same trace.
func TestCaseIsTheWholeRun(t *testing.T) {
	runner := sim.NewRunner()
	for _, protocol := range protocols() {
		for seed := range uint64(12) {
			drawn, err := runner.Run(sim.Config{Protocol: protocol, Seed: seed, Members: 3 + int(seed%3), SendFor: time.Second, GraceFor: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			text := sim.Case(drawn.Config(), "Is the same run.")
			c, err := sim.ParseCase(text, "case")
			if err != nil || !sim.IsCase(text) {
				t.Fatalf("%v\n%s", err, text)
			}
			again, err := runner.Run(c)
			if err != nil || again.Hash != drawn.Hash {
				t.Errorf("%s seed %d: hash %x, then %x: %v\n%s", protocol, seed, drawn.Hash, again.Hash, err, text)
			}
		}
	}
}

// TestMistakesOfACaseAreToldTogether, with their lines.
func TestMistakesOfACaseAreToldTogether(t *testing.T) {
	text := "# x\n# run: colour=red members=three\n# run: delay=5ms..1ms rates=1,x spared=a-b\n1s a cat\n"
	_, err := sim.ParseCase(text, "bad.txt")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`bad.txt:2: "colour"`, "bad.txt:2: members", "bad.txt:3: delay", "bad.txt:3: rates", "bad.txt:3: spared", "bad.txt:4"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if sim.IsCase("1s a <-> b cut\n") {
		t.Error("a plain failure map is taken for a case")
	}
}

// TestImpossibleRunsAreRefused.
func TestImpossibleRunsAreRefused(t *testing.T) {
	for want, c := range map[string]sim.Config{
		"protocol":            {Protocol: "gossip"},
		"members":             {Members: 1 << 20},
		"phases":              {SendFor: -1},
		"flaw":                {Flaw: "laziness"},
		"no member is called": {Members: 2, Map: failure.Map{{From: failure.Group{Names: []string{"z"}}, Action: failure.Crash}}},
	} {
		if _, err := sim.Run(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", c, err, want)
		}
	}
}

// TestShrunkRunStillFails, and is a fraction of what it was.
func TestShrunkRunStillFails(t *testing.T) {
	runner := sim.NewRunner()
	c := sim.Config{Protocol: sim.Lockstep, Mutant: mutant.CommitOnFirstReceipt}
	var before sim.Result
	for before.Count == 0 || len(before.Map) < 5 {
		var err error
		if before, err = runner.Run(c); err != nil {
			t.Fatal(err)
		}
		c.Seed++
	}
	c.Seed--
	broken := before.Violations[0].Check
	small, err := runner.Shrink(c, broken, 300)
	if err != nil {
		t.Fatal(err)
	}
	after, err := runner.Run(small)
	if err != nil || after.Count == 0 {
		t.Fatalf("the shrunk run does not fail: %v", err)
	}
	t.Logf("from %d lines and %d members to\n%s", len(before.Map), 5, sim.Case(small, broken))
	if small.Members > 3 || len(small.Map) > 2 {
		t.Errorf("%d members, %d lines", small.Members, len(small.Map))
	}
	if sound, err := runner.Shrink(sim.Config{Seed: 3, SendFor: time.Second}, broken, 10); err != nil || sound.Map != nil {
		t.Errorf("a run that does not fail was changed: %v", err)
	}
}

// TestPanicIsAFinding: what a reducer finds broken is told like any violation.
func TestPanicIsAFinding(t *testing.T) {
	shape := steady(time.Millisecond, 10*time.Millisecond, 10, 10)
	shape.BatchMax = 1 << 20 // no buffer of the simulator holds it
	result, err := sim.Run(sim.Config{Members: 2, SendFor: time.Second, GraceFor: time.Second, Map: failure.Map{}, Shape: shape})
	if err != nil || len(result.Violations) == 0 || result.Violations[0].Check != "no-panic" {
		t.Errorf("%v, %v", result.Violations, err)
	}
}
