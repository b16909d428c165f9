package sim_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/sim"
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
			c, err := sim.ParseCase([]byte(text), "case")
			if err != nil || !sim.IsCase([]byte(text)) {
				t.Fatalf("%v\n%s", err, text)
			}
			again, err := runner.Run(c)
			if err != nil || again.Hash != drawn.Hash {
				t.Errorf("%s seed %d: hash %x, then %x: %v\n%s", protocol, seed, drawn.Hash, again.Hash, err, text)
			}
		}
	}
}

// TestMistakesOfACaseAreToldTogether, with line and column.
func TestMistakesOfACaseAreToldTogether(t *testing.T) {
	text := "# x\n# run: colour=red members=three\n# run: delay=5ms..1ms rates=1,x spared=a-b\n1s a cat\n"
	_, err := sim.ParseCase([]byte(text), "bad.txt")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`bad.txt:2:8: "colour"`, "bad.txt:2:19: members", "bad.txt:3:8: delay", "bad.txt:3:23: rates", "bad.txt:3:33: spared", "bad.txt:4"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if sim.IsCase([]byte("1s a <-> b cut\n")) {
		t.Error("a plain failure map is taken for a case")
	}
}

// TestSettingsOfACaseAreChecked: what cannot be run is refused, and nothing is
// taken for something else.
func TestSettingsOfACaseAreChecked(t *testing.T) {
	for _, setting := range []string{
		"tick=-1s", "tick=0s", "tick=1ns", "tick=9999h", "tick=NaN", "tick=5", "tick=", "tick", "wake=-1ms", "wake=2h",
		"send=0s", "send=-5s", "send=100000h", "grace=0s", "grace=-1ns", "members=0", "members=-3", "members=1e3", "members=2049", "members=99999999999999999999",
		"seed=-1", "seed=1.5", "seed=18446744073709551616", "delay=-5ms", "delay=5ms..1ms", "delay=1ms..", "delay=..1ms", "delay=1ms..2ms..3ms", "delay=100h",
		"rates=NaN", "rates=Inf", "rates=-1", "rates=1e300", "rates=1,2,3,4,5,6", "rates=1,,2", "rates=", "batch=0", "batch=-1", "batch=1000",
		"zombies=NaN", "zombies=-0.1", "zombies=1.1", "zombies=Inf", "segment=0", "segment=-1", "trim=0", "memory=-1", "memory=1e9", "message=0", "window=-5",
		"journal=no", "journal=", "torn=false", "streams=0", "protocol=gossip", "protocol=", "protocol=Delta", "mutant=none", "mutant=", "mutant=commit-on-first-receipt", "flaw=laziness",
		"spared=a>z", "spared=a", "spared=a>b,", "memebrs=3", "Members=3", "=3", "members==3", "tick=10ms tick=20ms", "journal journal", "members=3, seed=4",
	} {
		if c, err := sim.ParseCase([]byte("# run: "+setting+"\n"), "case"); err == nil || !strings.HasPrefix(err.Error(), "case:1:") {
			t.Errorf("%s: error %v, run %+v", setting, err, c)
		}
	}
}

// TestSettingsAreReadWhereverTheyStand: indented, without a space, behind a
// line of the map, and with the marks of other editors.
func TestSettingsAreReadWhereverTheyStand(t *testing.T) {
	for _, text := range []string{
		"# run: members=9", "  # run: members=9\n", "\t#run:members=9", "#  \trun:  members=9  \r\n", "1s a crash # run: members=9\n1s a <-> b cut",
		"\xef\xbb\xbf# run: members=9", "# Run: members=9",
	} {
		c, err := sim.ParseCase([]byte(text), "case")
		if err != nil || c.Members != 9 || !sim.IsCase([]byte(text)) {
			t.Errorf("%q: %d members, %v", text, c.Members, err)
		}
	}
	for _, text := range []string{"# to run: members=9", "# runs of members", "", "\xff\xfe#\x00"} {
		if sim.IsCase([]byte(text)) {
			t.Errorf("%q is taken for a case", text)
		}
	}
	if _, err := sim.ParseCase([]byte("\xff\xfe#\x00"), "case"); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("error %v", err)
	}
}

// TestPageNamesEverySetting: docs/cases.md says what the code says.
func TestPageNamesEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../../docs/cases.md")
	if err != nil {
		t.Fatal(err)
	}
	_, err = sim.ParseCase([]byte("# run: nothing=1"), "case")
	_, names, ok := strings.Cut(fmt.Sprint(err), "there are ")
	if !ok {
		t.Fatal(err)
	}
	for _, name := range strings.Split(names, ", ") {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/cases.md does not tell of %q", name)
		}
	}
	_, example, _ := strings.Cut(string(page), "```failure-map\n")
	example, _, _ = strings.Cut(example, "```")
	c, err := sim.ParseCase([]byte(example), "docs/cases.md")
	if err != nil {
		t.Fatal(err)
	}
	if result, err := sim.Run(c); err != nil || result.Failed() {
		t.Errorf("the example: %v, %v", result.Violations, err)
	}
}

// FuzzCase: whatever is written, it is refused, or it can be run and nothing
// panics.
func FuzzCase(f *testing.F) {
	for _, text := range []string{
		"# run: protocol=lockstep members=2 batch=1 journal torn streams\n1ms a crash\n3ms a restart\n",
		"# run: tick=1ms wake=1m delay=0s..1h rates=100000,0,0.001 batch=500 zombies=1 segment=1 trim=1 memory=1 message=1 window=1 journal torn\n0s * -> * rate 1B/s\n",
		"# run: members=1 memory=1\n0s a clock 10%\n1ms every 1ms until 9ms a pause\n2ms every 1ms until 9ms a resume\n",
		"# run: members=3 streams window=1 message=1 journal\n0s a crash losing data\n5ms a start\n1ms b,c crash losing data\n2ms * restart\n",
		"# run: spared=a>b,b>a\n0s a,b <-> * except a,b delay 1000h\n0s * -> * drop 100%\n1ms * -> * repeat 100%\n",
		"# run: protocol=lockstep tick=1m wake=1m grace=24h send=24h\n",
		"# run: flaw=blocks-on-the-dead mutant=no-rewind\n0s a <-> 1 cut\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := sim.ParseCase(text, "case")
		if err != nil {
			return
		}
		for i, rate := range c.Shape.Rates {
			c.Shape.Rates[i] = min(rate, 2000)
		}
		c.SendFor, c.GraceFor = min(c.SendFor, 30*time.Millisecond), min(c.GraceFor, 30*time.Millisecond)
		if c.Members > 6 {
			return
		}
		result, err := sim.Run(c)
		if err != nil {
			return
		}
		for _, v := range result.Violations {
			if v.Check == "no-panic" {
				t.Errorf("%v\n%s", v, sim.Case(c, "Panics."))
			}
		}
	})
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

// TestShrunkMutantStillFails, and its run is a fraction of what it was.
func TestShrunkMutantStillFails(t *testing.T) {
	runner := sim.NewRunner()
	c := sim.Config{Protocol: sim.Lockstep, Mutant: "commit-on-first-receipt"}
	if !slices.Contains(mutant.Built(c.Protocol), c.Mutant) {
		t.Skip("internal/proof/mutant runs this with mutants")
	}
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
	small, err := runner.Shrink(c, broken, 300, nil)
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
	if sound, err := runner.Shrink(sim.Config{Seed: 3, SendFor: time.Second}, broken, 10, nil); err != nil || sound.Map != nil {
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
