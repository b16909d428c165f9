package member_test

import (
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
)

// TestSetIsASet compares the bits with a plain map through random histories.
func TestSetIsASet(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		var set member.Set
		model := map[member.ID]bool{}
		id := rapid.Uint16Range(0, 200)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				i := member.ID(id.Draw(t, "id"))
				set.Add(i)
				model[i] = true
			},
			"remove": func(t *rapid.T) {
				i := member.ID(id.Draw(t, "id"))
				set.Remove(i)
				delete(model, i)
			},
			"": func(t *rapid.T) {
				if set.Len() != len(model) {
					t.Fatalf("%d members, want %d", set.Len(), len(model))
				}
				for i := member.ID(0); i < 300; i++ {
					if set.Has(i) != model[i] {
						t.Fatalf("has %d: %v, want %v", i, set.Has(i), model[i])
					}
				}
			},
		})
	})
}

func TestSetsAreEqualWhenTheirMembersAre(t *testing.T) {
	var long, short, copied member.Set
	long.Add(3)
	long.Add(130)
	long.Remove(130)
	short.Add(3)
	if !long.Equal(short) || !short.Equal(long) {
		t.Error("a set that was once larger is not equal")
	}
	short.Add(4)
	if long.Equal(short) || short.Equal(long) {
		t.Error("different sets are equal")
	}
	copied.Add(200)
	copied.CopyFrom(short)
	if !copied.Equal(short) || copied.Has(200) {
		t.Errorf("the copy is %v, want %v", copied, short)
	}
	copied.Add(9)
	if short.Has(9) {
		t.Error("the copy shares memory with the original")
	}
}
