package sim_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/sim"
)

// seedsForMutant is how many random runs a mutant gets to show itself. Those
// that chance meets more rarely have a directed schedule.
const seedsForMutant = 250

// TestEveryMutantIsCaught shows that the checks look at every rule: whoever
// breaks one is caught, within the budget of seeds or by a directed schedule.
// With -rewrite it writes down by what, if all mutants are built in.
func TestEveryMutantIsCaught(t *testing.T) {
	all := variants()
	rows := make([]string, len(all))
	t.Run("hunt", func(t *testing.T) {
		for i, v := range all {
			if slices.Contains(mutant.Built(v.Protocol), v.Mutant) {
				t.Run(v.Protocol+"/"+string(v.Mutant), func(t *testing.T) {
					t.Parallel()
					rows[i] = hunt(t, v)
				})
			}
		}
	})
	if *rewrite && !slices.Contains(rows, "") {
		data, err := os.ReadFile(protocolsPage)
		if err != nil {
			t.Fatal(err)
		}
		table := "| mutant | protocol | what it breaks | caught by | after |\n| --- | --- | --- | --- | --- |\n" + strings.Join(rows, "")
		if err := os.WriteFile(protocolsPage, []byte(replaceTable(t, string(data), "mutants", table)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// variants returns the mutants of reducers: what else has mutants is judged by
// the tests of its own package.
func variants() []mutant.Variant {
	return slices.DeleteFunc(mutant.Variants(), func(v mutant.Variant) bool { return v.Protocol == mutant.Synod })
}

// hunt returns the row of a mutant in the table of all.
func hunt(t *testing.T, v mutant.Variant) string {
	t.Helper()
	caught, ok, err := sim.NewRunner().Hunt(v.Protocol, v.Mutant, seedsForMutant)
	if err != nil || !ok {
		t.Fatalf("not caught in %d seeds: %s: %v", seedsForMutant, v.Mutant.Doc(v.Protocol), err)
	}
	after := "directed"
	if !caught.Directed {
		after = fmt.Sprint(caught.Seeds)
	}
	t.Logf("%s: %s", after, caught.Violation)
	return fmt.Sprintf("%s%s` | %s |\n", mutantsRow(v.Protocol, v.Mutant), caught.Violation.Check, after)
}

// TestSoundProtocolPassesDirectedSchedules shows that what a directed schedule
// catches is the mutant and not the schedule.
func TestSoundProtocolPassesDirectedSchedules(t *testing.T) {
	runner := sim.NewRunner()
	for _, v := range variants() {
		if c, ok := sim.Directed(v.Protocol, v.Mutant); ok {
			c.Mutant = mutant.None
			mustHold(t, runner, c)
		}
	}
}
