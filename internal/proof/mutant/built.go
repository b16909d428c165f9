package mutant

import (
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/core/protocol/synod"
)

// This file is what a program has without an overlay; WriteOverlay puts
// another one in its place.

func built() []Variant { return nil }

func newDelta(Mutant, delta.Config) protocol.Reducer { return nil }

func newLockstep(Mutant, lockstep.Config) protocol.Reducer { return nil }

func newSynod(Mutant, synod.Config) Choosing { return nil }
