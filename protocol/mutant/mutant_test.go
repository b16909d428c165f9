package mutant_test

import (
	"testing"

	"chatterbox/protocol/mutant"
)

func TestEveryMutantIsNamedOnceAndExplained(t *testing.T) {
	seen := map[mutant.Mutant]bool{mutant.None: true}
	for _, m := range mutant.All() {
		if seen[m] {
			t.Errorf("%q is listed twice or is the sound protocol", m)
		}
		seen[m] = true
		if m.Doc() == "" || m.Breaks() == 0 {
			t.Errorf("%q lacks a sentence or a protocol", m)
		}
	}
	if got := len(mutant.Of(mutant.Delta)) + len(mutant.Of(mutant.Lockstep)); got < len(seen)-1 {
		t.Errorf("the protocols have %d mutants, fewer than the %d listed", got, len(seen)-1)
	}
}

func TestTheSoundProtocolBreaksNothing(t *testing.T) {
	if mutant.None.Doc() != "" || mutant.None.Breaks() != 0 {
		t.Error("None claims to break something")
	}
}
