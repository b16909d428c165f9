package roster_test

import (
	"slices"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
)

// TestANewcomerGoesOnWithTheStreamOfItsPlace: who came without data is seated where
// another one was let go, and writes behind its cut once it counts. The old one, which
// turns up with its data then, joins nothing and says so.
func TestANewcomerGoesOnWithTheStreamOfItsPlace(t *testing.T) {
	list, binding := member.Lettered(3), member.Binding{10, 20, 30}
	views := []*member.View{member.Founding(list, binding)}
	for _, c := range []member.Change{{Kind: member.Evict, Identity: 20}, {Kind: member.Admit, Identity: 40, Name: "b"}, {Kind: member.Rejoin, Identity: 40}} {
		next, err := views[len(views)-1].Successor(c, member.Grounds{Base: []uint64{1, 5, 3}})
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, next)
	}
	out, seated, back := views[1], views[2], views[3]
	is := func(who string, r *roster.Roster, found protocol.FindingKind, maySeat, mayReturn, writes bool) {
		t.Helper()
		var want protocol.Findings
		if found != 0 {
			want.Add(found, 1)
		}
		got := r.Findings(func(member.ID) uint64 { return 0 }, func(member.ID) bool { return false }, true)
		if !slices.Equal(got, want) || r.MaySeat() != maySeat || r.MayReturn() != mayReturn || r.Writes(1) != writes {
			t.Errorf("%s in view %d: found %v, may be seated: %v, may return: %v, writes: %v", who, r.View().Number, got, r.MaySeat(), r.MayReturn(), r.Writes(1))
		}
	}
	k := new(keeper)
	old, other := roster.New(1, 20, list), roster.New(1, 40, list)
	old.Recover(binding, out)
	other.Recover(binding, out)
	is("the old one", &old, protocol.LetGo, false, true, false)
	is("the new one", &other, 0, true, false, false)
	old.Install(seated, k)
	other.Install(seated, k)
	is("the old one", &old, protocol.Replaced, false, false, false)
	is("the new one", &other, 0, false, true, false)
	old.Install(back, k)
	other.Install(back, k)
	is("the old one", &old, protocol.Replaced, false, false, false)
	is("the new one", &other, 0, false, false, true)
	if len(*k) > 0 {
		t.Errorf("a stream is given up: %q", *k)
	}
	for _, again := range []member.Identity{20, 40} {
		r := roster.New(1, again, list)
		r.Recover(nil, back)
		is("after a restart", &r, map[member.Identity]protocol.FindingKind{20: protocol.Replaced}[again], false, false, again == 40)
	}
	peer, pen := bound(10, 20, 30), back.Places[1].Pen()
	peer.Trust()
	for _, v := range views[1:] {
		peer.Install(v, new(keeper))
	}
	for _, test := range []struct {
		by    member.Identity
		seq   uint64
		taken bool
	}{{20, 5, true}, {20, 6, false}, {40, 6, false}, {pen, 5, false}, {pen, 6, true}} {
		b := protocol.Batch{Origin: 1, Identity: test.by, Seq: test.seq, Count: 1}
		if peer.Takes(&b) != test.taken {
			t.Errorf("entry %d under %s is taken: %v", test.seq, test.by, !test.taken)
		}
	}
	if !peer.Counts(1, 40) || peer.Owns(1, 20) || other.Pen() != pen {
		t.Error("another one counts at the place")
	}
}
