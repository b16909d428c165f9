package sim

import (
	"testing"

	"chatterbox/internal/proof/draw"
)

// TestFullDisksAreWaitedFor fills disks in every run, in which anything else may
// fail as well, and keeps every promise.
func TestFullDisksAreWaitedFor(t *testing.T) {
	seeds := draw.Of(40, 10)
	for _, protocol := range []string{Delta, Lockstep} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			waits, runner := 0, NewRunner()
			for seed := range uint64(seeds) {
				shape := Draw(seed, 3)
				shape.Journal, shape.Scarce = true, true
				w, err := runner.prepare((&Config{Protocol: protocol, Seed: seed, Members: 3, Shape: &shape}).withDefaults())
				if err != nil {
					t.Fatal(err)
				}
				found := w.guarded()
				if all := append(found, w.judge.Violations()...); len(all) > 0 {
					t.Errorf("seed %d: %v", seed, all[0])
				}
				for _, n := range w.nodes {
					waits += n.scarce.waits
				}
			}
			if t.Logf("members waited for room %d times", waits); waits < seeds {
				t.Error("this proves little")
			}
		})
	}
}
