package sim_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/sim"
)

// TestOriginsFailAndRepairsHold: each case gives a flaw of the programs that
// this one comes from to a protocol that is otherwise sound. With it a promise
// is broken; without it, in the same run, all hold. docs/origins.md tells the
// stories.
func TestOriginsFailAndRepairsHold(t *testing.T) {
	origins(t, func(c sim.Config) bool { return c.Mutant == mutant.None })
}

// TestMutantOriginsFailAndRepairsHold: the same where the flaw is a rule that
// is missing in the protocol.
func TestMutantOriginsFailAndRepairsHold(t *testing.T) {
	origins(t, func(c sim.Config) bool { return slices.Contains(mutant.Built(c.Protocol), c.Mutant) })
}

func origins(t *testing.T, wanted func(sim.Config) bool) {
	t.Helper()
	files, err := filepath.Glob("testdata/origins/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	page, err := os.ReadFile("../../../docs/origins.md")
	if err != nil {
		t.Fatal(err)
	}
	runner := sim.NewRunner()
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := readCase(t, file)
			if !wanted(c) {
				t.Skip("is for the other test")
			}
			result, err := runner.Run(c)
			if err != nil || !result.Failed() {
				t.Fatalf("the flaw does no harm: %v", err)
			}
			t.Log(result.Violations[0])
			if !strings.Contains(string(page), filepath.Base(file)) || !strings.Contains(string(page), "`"+result.Violations[0].Check+"`") {
				t.Errorf("docs/origins.md does not tell of %s and `%s`", filepath.Base(file), result.Violations[0].Check)
			}
			for _, protocol := range protocols() {
				sound := c
				sound.Mutant, sound.Flaw, sound.Protocol = mutant.None, "", protocol
				mustHold(t, runner, sound)
			}
		})
	}
}
