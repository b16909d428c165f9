package explore

import (
	"testing"

	"chatterbox/protocol/mutant"
)

// smallWorlds are worlds that are searched in CI, each up to a number of
// situations.
func smallWorlds() []Config {
	return []Config{
		{Name: "acquainted", Members: 2, Acquainted: true, Bounds: Bounds{Submits: [3]int{2, 1, 0}, Ticks: 1, Drops: 1, Repeats: 1, InFlight: 2}},
		{Name: "restarting", Members: 2, Acquainted: true, Durable: true, Bounds: Bounds{Submits: [3]int{1, 1, 0}, Ticks: 2, Crashes: 1, InFlight: 1}},
		{Name: "three", Members: 3, Acquainted: true, Bounds: Bounds{Submits: [3]int{1, 0, 0}, Ticks: 1, Drops: 1, InFlight: 1}},
	}
}

const situationsMax = 100_000

func TestSmallWorldsHold(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		for _, world := range smallWorlds() {
			t.Run(protocol+"/"+world.Name, func(t *testing.T) {
				t.Parallel()
				world.Protocol, world.StatesMax = protocol, situationsMax
				result, err := Run(world)
				if err != nil || result.Fault != nil {
					t.Fatalf("%v, %+v", err, result.Fault)
				}
				if !result.Exhausted && result.States < situationsMax {
					t.Errorf("ended after %d situations without reason", result.States)
				}
				t.Logf("%d situations, %d deeds, depth %d, exhausted %t", result.States, result.Transitions, result.Depth, result.Exhausted)
			})
		}
	}
}

func TestSearchFindsMutants(t *testing.T) {
	for protocol, broken := range map[string]mutant.Mutant{Delta: mutant.PromiseWithoutPrefix, Lockstep: mutant.CommitOnFirstReceipt} {
		found := false
		for _, world := range smallWorlds() {
			world.Protocol, world.Mutant, world.StatesMax = protocol, broken, situationsMax
			result, err := Run(world)
			if err != nil {
				t.Fatal(err)
			}
			found = found || result.Fault != nil
		}
		if !found {
			t.Errorf("%s: the search does not find %s", protocol, broken)
		}
	}
}
