package draw_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

// TestTheSameIsDrawnAgain.
func TestTheSameIsDrawnAgain(t *testing.T) {
	var drawn [2][]uint64
	for i := range drawn {
		draw.Check(t, func(r *rapid.T) { drawn[i] = append(drawn[i], rapid.Uint64().Draw(r, "number")) })
	}
	if len(drawn[0]) == 0 || !slices.Equal(drawn[0], drawn[1]) {
		t.Errorf("drew %d and then %d", drawn[0], drawn[1])
	}
}
