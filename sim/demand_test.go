package sim_test

import (
	"strings"
	"testing"
	"time"

	"chatterbox/failure"
	"chatterbox/sim"
)

// TestLateComersAreNotHeldToTheOthers: who starts in the last seconds may not
// have been told all; who came before must print what the others do.
func TestLateComersAreNotHeldToTheOthers(t *testing.T) {
	for restart, alike := range map[string]bool{"4s": true, "9s": false} {
		c, err := sim.ParseCase("# run: members=3 send=5s grace=5s journal\n3s b crash\n"+restart+" b restart\n", "case")
		if err != nil {
			t.Fatal(err)
		}
		header, err := sim.Prepare(c)
		if err != nil {
			t.Fatal(err)
		}
		if header.Alike != alike {
			t.Errorf("b restarts at %s of 10 s: the same text is demanded of all: %v, want %v", restart, header.Alike, alike)
		}
	}
}

// TestHealWaitsForSlowQueues: what members are held to after a heal counts from
// where the queues of the links that were slow are empty, and at once otherwise.
func TestHealWaitsForSlowQueues(t *testing.T) {
	const healed = 2 * time.Second
	for rate, waits := range map[string]bool{"5KB/s": true, "5MB/s": false} {
		slow, err := failure.Parse(strings.NewReader("1.7s a -> b rate "+rate+"\n2s a -> b heal rate\n"), "slow")
		if err != nil {
			t.Fatal(err)
		}
		shape := steady(time.Millisecond, 10*time.Millisecond, 150, 0)
		shape.Streams = true
		d := newDelays(2, 0)
		mustHold(t, sim.NewRunner(), sim.Config{Seed: 1, Members: 2, SendFor: 3 * time.Second, GraceFor: 5 * time.Second, Map: slow, Shape: shape, Sink: d})
		if d.heal < healed || (d.heal > healed) != waits {
			t.Errorf("%s until %v: the heal is told at %v", rate, healed, d.heal)
		}
	}
}
