package sim_test

import (
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
)

// TestLateComersAreNotHeldToTheOthers: who starts in the last seconds may not
// have been told all; who came before must print what the others do.
func TestLateComersAreNotHeldToTheOthers(t *testing.T) {
	for restart, alike := range map[string]bool{"4s": true, "9s": false} {
		c, err := sim.ParseCase([]byte("# run: members=3 send=5s grace=5s journal\n3s b crash\n"+restart+" b restart\n"), "case")
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

// TestLongWaysAreGivenTime: where good links join all members half a second is
// enough for what was broadcast last, and three seconds are given to what others
// must pass on, or to a link that loses half and so many of its repetitions.
func TestLongWaysAreGivenTime(t *testing.T) {
	for _, c := range []struct {
		grace, line string
		alike       bool
	}{
		{"499ms", "", false},
		{"500ms", "", true},
		{"500ms", "1s c <-> a drop 20%", true},
		{"500ms", "1s c -> a drop 50%", false},
		{"2999ms", "1s c <-> a cut", false},
		{"3s", "1s c <-> a drop 50%", true},
		{"3s", "1s c <-> a cut", true},
		{"3s", "1s c <-> * cut", false},
		{"500ms", "1s c crash", true}, // who is gone needs no way
	} {
		config, err := sim.ParseCase([]byte("# run: members=3 send=5s journal grace="+c.grace+"\n"+c.line+"\n"), "case")
		if err != nil {
			t.Fatal(err)
		}
		header, err := sim.Prepare(config)
		if err != nil {
			t.Fatal(err)
		}
		if header.Alike != c.alike {
			t.Errorf("grace of %s, %q: the same text is demanded of all: %t, want %t", c.grace, c.line, header.Alike, c.alike)
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
