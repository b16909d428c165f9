package member_test

import (
	"strings"
	"testing"

	"chatterbox/internal/core/member"
)

// TestWhoMovedToTheAddressOfAnEvictedMemberKeepsItAway until it is moved
// elsewhere: who was let go cannot be moved itself.
func TestWhoMovedToTheAddressOfAnEvictedMemberKeepsItAway(t *testing.T) {
	v := founders(4)
	change := func(c member.Change) {
		t.Helper()
		next, err := v.Successor(c, member.Grounds{Proposer: 1, Base: make([]uint64, len(v.Places))})
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		v = next
	}
	address, c, d := v.Places[2].Address, v.Places[2].Identity, v.Places[3].Identity
	back := member.Change{Kind: member.Rejoin, Identity: c}
	if err := (&member.Change{Kind: member.Move, Identity: d, Address: address}).Check(v); err == nil {
		t.Error("d may move to the address of c, which counts")
	}
	change(member.Change{Kind: member.Evict, Identity: c})
	if err := back.Check(v); err != nil {
		t.Errorf("c may not come back at once: %v", err)
	}
	change(member.Change{Kind: member.Move, Identity: d, Address: address})
	if err := back.Check(v); err == nil || !strings.Contains(err.Error(), "is that of d too") {
		t.Errorf("c may come back although d is at its address: %v", err)
	}
	if err := (&member.Change{Kind: member.Move, Identity: c, Address: "10.0.0.9:3000"}).Check(v); err == nil {
		t.Error("who was let go is moved")
	}
	change(member.Change{Kind: member.Move, Identity: d, Address: "10.0.0.9:3000"})
	change(back)
	if place, counts := v.PlaceOf(c); !counts || v.Places[place].Address != address {
		t.Errorf("c came back to place %d: %v", place, counts)
	}
}
