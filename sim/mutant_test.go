package sim_test

import (
	"testing"

	"chatterbox/protocol/mutant"
	"chatterbox/sim"
)

// seedsForMutant is how many random runs a mutant gets to show itself. Those
// that chance meets more rarely have a directed schedule.
const seedsForMutant = 250

// TestEveryMutantIsCaught shows that the checks look at every rule: whoever
// breaks one is caught, within the budget of seeds or by a directed schedule.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, protocol := range protocols() {
		for _, m := range sim.Mutants(protocol) {
			t.Run(protocol+"/"+string(m), func(t *testing.T) {
				t.Parallel()
				caught, ok, err := sim.NewRunner().Hunt(protocol, m, seedsForMutant)
				switch {
				case err != nil:
					t.Fatal(err)
				case !ok:
					t.Fatalf("not caught in %d seeds: %s", seedsForMutant, m.Doc())
				case caught.Directed:
					t.Logf("directed: %s", caught.Violation)
				default:
					t.Logf("%d seeds: %s", caught.Seeds, caught.Violation)
				}
			})
		}
	}
}

// TestSoundProtocolPassesDirectedSchedules shows that what a directed schedule
// catches is the mutant and not the schedule.
func TestSoundProtocolPassesDirectedSchedules(t *testing.T) {
	runner := sim.NewRunner()
	for _, protocol := range protocols() {
		for _, m := range sim.Mutants(protocol) {
			if c, ok := sim.Directed(protocol, m); ok {
				c.Mutant = mutant.None
				mustHold(t, runner, c)
			}
		}
	}
}
