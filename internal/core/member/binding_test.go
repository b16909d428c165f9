package member_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
)

func drawBinding(t *rapid.T, label string) member.Binding {
	identity := rapid.Map(rapid.Uint64Range(0, 3), func(i uint64) member.Identity { return member.Identity(i) })
	return rapid.SliceOfN(identity, 4, 4).Draw(t, label)
}

// TestBindingIsWrittenOnce shows that whatever is merged or bound, a place
// that is tied stays tied to the same identity.
func TestBindingIsWrittenOnce(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		binding, other := drawBinding(t, "binding"), drawBinding(t, "other")
		before := slices.Clone(binding)
		changed := binding.Merge(other)
		if changed == slices.Equal(before, binding) {
			t.Fatalf("%v merged with %v is %v; changed: %v", before, other, binding, changed)
		}
		for i := range binding {
			want := before[i]
			if want == 0 {
				want = other[i]
			}
			if binding[i] != want {
				t.Fatalf("%v merged with %v is %v", before, other, binding)
			}
		}
		if binding.Merge(other) || binding.Merge(before) {
			t.Fatal("the same facts change the binding again")
		}
	})
}

func TestFirstIdentityStays(t *testing.T) {
	binding := make(member.Binding, 2)
	for _, step := range []struct {
		id       member.ID
		identity member.Identity
		bound    bool
	}{{0, 0, false}, {0, 7, true}, {0, 8, false}, {0, 7, true}, {0, 0, false}, {1, 8, true}} {
		if bound := binding.Bind(step.id, step.identity); bound != step.bound {
			t.Errorf("binding %d to %d: %v, want %v", step.id, step.identity, bound, step.bound)
		}
	}
	if !slices.Equal(binding, member.Binding{7, 8}) {
		t.Errorf("bound %v", binding)
	}
}

// TestHashTellsCompleteBindingsApart: 0 while something is missing, then the
// same number for the same identities in the same places only.
func TestHashTellsCompleteBindingsApart(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b := drawBinding(t, "a"), drawBinding(t, "b")
		if a.Complete() != (a.Hash() != 0) {
			t.Fatalf("%v is complete: %v, its hash is %d", a, a.Complete(), a.Hash())
		}
		if a.Complete() && b.Complete() && slices.Equal(a, b) != (a.Hash() == b.Hash()) {
			t.Fatalf("%v and %v hash to %d and %d", a, b, a.Hash(), b.Hash())
		}
	})
}

func TestIdentityIsSixteenDigits(t *testing.T) {
	if text := member.Identity(0xab).String(); text != "00000000000000ab" {
		t.Errorf("got %s", text)
	}
}
