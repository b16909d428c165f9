package explore

import (
	"flag"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/mutant"
)

// wanted is how many situations CI searches of each protocol at least, and
// wantedLarge how many a long search does.
const (
	wanted      = 1_000_000
	wantedLarge = 10_000_000
	// quickStates is how many situations of each world are searched where CI does
	// not want all of them, and wantedQuick how many that are of each protocol.
	quickStates = 4_000
	wantedQuick = 50_000
)

// concurrently spreads tasks over all cores.
func concurrently(tasks int, do func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(tasks, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < tasks; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}

// large is how one asks for a long search.
var large = flag.Bool("large", false, "search the large worlds too: minutes and gigabytes")

// TestSmallWorldsHold searches every world, in CI to the end.
func TestSmallWorldsHold(t *testing.T) {
	if testing.Short() {
		t.Skip("a million situations of each protocol")
	}
	for _, protocol := range []string{Delta, Lockstep} {
		worlds, least := Worlds(protocol), wanted
		if !draw.Whole() {
			least = wantedQuick
			for i := range worlds {
				worlds[i].StatesMax = quickStates
			}
		}
		if states := searchAll(t, worlds); states < least && !t.Failed() {
			t.Errorf("the worlds of %s have %d situations, at least %d are wanted", protocol, states, least)
		}
	}
}

// TestLargeWorldsHold is for make explore-long.
func TestLargeWorldsHold(t *testing.T) {
	if !*large {
		t.Skip("takes minutes: go test ./internal/proof/sim/explore -run LargeWorlds -large -v")
	}
	for _, protocol := range []string{Delta, Lockstep} {
		if states := searchAll(t, LargeWorlds(protocol)); states < wantedLarge && !t.Failed() {
			t.Errorf("the worlds of %s have %d situations, at least %d are wanted", protocol, states, wantedLarge)
		}
	}
}

func searchAll(t *testing.T, worlds []Config) int {
	states := 0
	for _, world := range worlds {
		t.Run(world.Protocol+"/"+world.Name, func(t *testing.T) {
			world.Spread = concurrently
			result, err := Run(world)
			switch {
			case err != nil:
				t.Fatal(err)
			case result.Fault != nil:
				t.Fatal(result.Fault)
			case !result.Exhausted && world.StatesMax == 0:
				t.Error("the search ended early")
			case result.Settled == 0:
				t.Error("nothing was let settle")
			}
			t.Log(result)
			states += result.States
		})
	}
	t.Logf("%s: %d situations in %d worlds", worlds[0].Protocol, states, len(worlds))
	return states
}

// TestMutantsAreFound: each mutant that a small world can show is found.
func TestMutantsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("searches until something is found")
	}
	for _, protocol := range []string{Delta, Lockstep} {
		for _, broken := range mutant.Built(protocol) {
			t.Run(protocol+"/"+string(broken), func(t *testing.T) {
				if why := beyondSmallWorlds(protocol, broken); why != "" {
					t.Skip(why)
				}
				world, result, found := Hunt(protocol, broken, concurrently)
				if !found {
					t.Fatalf("not found: %s", broken.Doc(protocol))
				}
				t.Logf("%s after %d situations of %s: %s", result.Fault.Check, result.States, world.Name, result.Fault.Text)
			})
		}
	}
}

// beyondSmallWorlds returns why a mutant cannot be found here; "" means it can.
func beyondSmallWorlds(protocol string, broken mutant.Mutant) string {
	switch {
	case broken == "relay-by-everyone", protocol == Delta && broken == "rewind-each-tick":
		return "it only costs traffic, which package check counts over whole runs"
	case broken == "other-history-accepted", broken == "nobody-reminded":
		return "it needs data of before, which nobody brings back here; package sim has a schedule for it"
	case broken == "silent-not-told":
		return "two of three lose their data where links work one way for ever; package sim has a schedule for it"
	case strings.HasPrefix(string(broken), "parked-"):
		return "it needs more batches than the memory takes; package sim has runs with little"
	case broken == "held-by-one":
		return "nobody need hold here what another one settles; package sim draws it"
	case broken == "view-lowest-base", broken == "view-newcomer-unheard", broken == "view-orphans-count":
	case broken.OfViews():
		return "it needs more changes, or entries under way at a change, than there is room for here; package sim draws them"
	case protocol == Lockstep && broken == "clock-reset-on-restart":
		return "it needs a promise above all batches held, which nobody makes here; package lockstep has a schedule for it"
	}
	return ""
}
