package sim_test

import (
	"testing"

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
