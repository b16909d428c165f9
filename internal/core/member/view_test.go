package member_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
)

// founders returns the first view of so many members a, b, c, whose identities
// are 1, 2, 3.
func founders(n int) *member.View {
	list, binding := make(member.List, n), make(member.Binding, n)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "127.0.0.1", Port: 3000 + i}
		binding[i] = member.Identity(i + 1)
	}
	return member.Founding(list, binding)
}

func TestQuorumAndHoldersAlwaysMeet(t *testing.T) {
	for n, want := range map[int][2]int{1: {1, 1}, 2: {2, 2}, 3: {2, 2}, 4: {3, 2}, 5: {3, 3}, 6: {4, 3}, 7: {4, 4}} {
		v := founders(n)
		if v.Quorum() != want[0] || v.Holders() != want[1] {
			t.Errorf("%d members: R %d and W %d, want %v", n, v.Quorum(), v.Holders(), want)
		}
		if v.Quorum()+v.Holders() <= n {
			t.Errorf("%d members: R %d and W %d need not meet", n, v.Quorum(), v.Holders())
		}
	}
}

// walk makes random changes of a view and hands each step to a function.
func walk(t *rapid.T, step func(before, after *member.View, c member.Change)) {
	v, newcomer := founders(rapid.IntRange(1, 5).Draw(t, "founders")), member.Identity(100)
	for range rapid.IntRange(1, 20).Draw(t, "steps") {
		c := member.Change{Kind: member.ChangeKind(rapid.IntRange(1, 5).Draw(t, "kind"))}
		if c.Kind == member.Admit {
			newcomer++
			c.Identity, c.Name, c.Address = newcomer, fmt.Sprint("n", newcomer), fmt.Sprint("host:", newcomer)
		} else {
			place := &v.Places[rapid.IntRange(0, len(v.Places)-1).Draw(t, "place")]
			c.Identity, c.Address = place.Identity, fmt.Sprint("moved:", newcomer)
			c.Strikes = rapid.Uint64Range(0, 3).Draw(t, "strikes")
		}
		base := make([]uint64, len(v.Places))
		for i := range base {
			base[i] = v.Places[i].Base + rapid.Uint64Range(0, 5).Draw(t, "more")
		}
		grounds := member.Grounds{Proposer: 1, Base: base, Clock: v.Clock + clock.Time(rapid.IntRange(0, 5).Draw(t, "later"))}
		if rapid.Bool().Draw(t, "free") {
			grounds.Free = func(member.ID) bool { return true }
		}
		next, err := v.Successor(c, grounds)
		if (err == nil) != (c.Check(v) == nil) {
			t.Fatalf("%+v: %v, but the check says %v", c, err, c.Check(v))
		}
		if err == nil {
			step(v, next, c)
			v = next
		}
	}
}

// TestEachChangeMakesASoundStep holds what every step must keep.
func TestEachChangeMakesASoundStep(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		first := founders(1)
		lineages := map[uint64]bool{}
		walk(t, func(before, after *member.View, c member.Change) {
			if err := after.CheckStep(before); err != nil {
				t.Fatalf("%+v of %+v: %v", c, before, err)
			}
			if c.Kind != member.Renew && !c.Done(after) {
				t.Fatalf("%+v is not done in %+v", c, after)
			}
			if lineages[after.Lineage] || !after.Continues(before) || before.Continues(after) || !after.Shares(before) || after.Same(before) {
				t.Fatalf("view %d does not continue view %d", after.Number, before.Number)
			}
			lineages[after.Lineage] = true
			if first.Roots[0] != before.Roots[0] && after.Shares(first) {
				t.Fatal("two histories are one")
			}
			if end(after) < end(before) {
				t.Fatalf("%d entries in the order, now %d", end(before), end(after))
			}
			for i := range before.Places {
				gone := before.Places[i].Identity
				cut, was := before.Cut(gone)
				back := after.Has(gone) && !before.Has(gone)
				if now, is := after.Cut(gone); was && !back && (!is || now != cut) {
					t.Fatalf("%s was cut at %d, now %v at %d", gone, cut, is, now)
				}
				if back {
					judgeReturn(t, before, after, member.ID(i))
				}
				pen, now := gone, after.Places[i]
				if now.Identity == gone {
					pen = now.Pen()
				}
				reach := after.Reach(member.ID(i), pen)
				if cut, is := after.Cut(gone); now.Identity == gone && reach != cut && (is || reach != math.MaxUint64) || now.Identity != gone && reach != 0 {
					t.Fatalf("the stream of place %d has entries of %s up to %d in %+v", i, gone, reach, after)
				}
			}
		})
	})
}

// judgeReturn: the stream goes on where it was cut, under another identity, and what
// stood under the one before reaches as far as it did.
func judgeReturn(t *rapid.T, before, after *member.View, place member.ID) {
	was, is := &before.Places[place], &after.Places[place]
	if !slices.Equal(after.Came(), []member.Identity{is.Identity}) || len(before.Came()) > 1 {
		t.Fatalf("who came is %v, not %s", after.Came(), is.Identity)
	}
	if is.Pen() == was.Pen() || !after.IsOf(place, was.Pen()) || !after.IsOf(place, is.Pen()) || before.IsOf(place, is.Pen()) {
		t.Fatalf("%s writes as %s after it wrote as %s", is.Identity, is.Pen(), was.Pen())
	}
	if back := is.ReturnAfter(before.Number); back == nil || back.Cut != was.Base || back.Start != after.Clock || is.ReturnAfter(after.Number) != nil {
		t.Fatalf("%s comes back as %+v", is.Identity, is)
	}
	before0, cut0 := before.Span(place, was.Pen())
	from, cut := after.Span(place, was.Pen())
	begin, end := after.Span(place, is.Pen())
	if from != before0 || cut != cut0 || cut != was.Base || begin != cut || end != math.MaxUint64 {
		t.Fatalf("the stream of place %d has %d to %d, then %d to %d; it was cut after %d", place, from, cut, begin, end, was.Base)
	}
}

// end returns how many entries are certainly in the order.
func end(v *member.View) uint64 {
	sum := v.Retired()
	for _, p := range v.Places {
		sum += p.Base
	}
	return sum
}

func TestViewsAreReadAsWritten(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		walk(t, func(_, v *member.View, _ member.Change) {
			p := member.AppendView(nil, v)
			got, rest, err := member.DecodeView(append(p, 7))
			if err != nil || len(rest) != 1 || !bytes.Equal(member.AppendView(nil, got), p) || !got.Same(v) {
				t.Fatalf("%+v was read as %+v: %v", v, got, err)
			}
			cut := rapid.IntRange(0, len(p)-1).Draw(t, "cut")
			if _, _, err := member.DecodeView(p[:cut]); err == nil {
				t.Fatalf("%d of %d bytes are a view", cut, len(p))
			}
		})
	})
}

// TestAStepThatBreaksARuleIsRefused changes a sound step in one respect each.
func TestAStepThatBreaksARuleIsRefused(t *testing.T) {
	old := founders(3)
	old, _ = old.Successor(member.Change{Kind: member.Evict, Identity: 3}, member.Grounds{Proposer: 1, Base: []uint64{5, 6, 7}, Clock: 9})
	for want, spoil := range map[string]func(*member.View){
		"does not come after":       func(v *member.View) { v.Number++ },
		"another history":           func(v *member.View) { v.Roots = append(v.Roots, member.Root{Number: 3, Lineage: 1}) },
		"the lineage":               func(v *member.View) { v.Clock++ },
		"is that of another place":  func(v *member.View) { v.Places[1].Identity = 1 },
		"no role":                   func(v *member.View) { v.Places[1].Role = 7 },
		"later than now":            func(v *member.View) { v.Places[1].Since = 9 },
		"is that of another member": func(v *member.View) { v.Places[1].Name = "a" },
		"has a member":              func(v *member.View) { v.Places[0].Role, v.Places[1].Role = member.Gone, member.Gone },
		"begins with view 1":        func(v *member.View) { v.Roots = nil },
		"number and a lineage":      func(v *member.View) { v.Lineage = 0 },
		"is no time":                func(v *member.View) { v.Clock = clock.Infinity },
		"has a grave":               func(v *member.View) { v.Graves = []member.Grave{{Identity: 2}} },
	} {
		v, err := old.Successor(member.Change{Kind: member.Renew}, member.Grounds{Proposer: 1, Base: []uint64{5, 6, 7}, Clock: 9})
		if err != nil || v.CheckStep(old) != nil {
			t.Fatal(err, v.CheckStep(old))
		}
		spoil(v)
		if err := v.CheckStep(old); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// TestWhatATenantHasIsNotTakenAway breaks places in ways that a hash of the
// whole would not show.
func TestWhatATenantHasIsNotTakenAway(t *testing.T) {
	renew := member.Change{Kind: member.Renew}
	one := founders(3)
	two, _ := one.Successor(member.Change{Kind: member.Evict, Identity: 3}, member.Grounds{Base: []uint64{5, 6, 7}, Clock: 9})
	for want, step := range map[string][2]*member.View{
		"takes back": {two, twisted(t, two, renew, func(v *member.View) { v.Clock = 8 })},
		"other entries of 0000000000000003 than before": {two, twisted(t, two, renew, func(v *member.View) { v.Places[2].Base = 8 })},
		"other entries of 0000000000000001 than before": {two, twisted(t, two, renew, func(v *member.View) { v.Places[0].Base = 4 })},
		"although 0000000000000002 is a member":         {two, twisted(t, two, renew, func(v *member.View) { v.Places[1].Identity = 9 })},
		"too few":                                       {one, twisted(t, one, renew, func(v *member.View) { v.Places = append(v.Places, newcomers(7)...) })},
		"was not given away as it must":                 {two, twisted(t, two, renew, func(v *member.View) { v.Places[2].Identity, v.Places[2].Role = 9, member.Writer })},
	} {
		if err := step[1].CheckStep(step[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func newcomers(n int) (places []member.Place) {
	for i := range n {
		places = append(places, member.Place{Since: 2, Identity: member.Identity(50 + i), Name: fmt.Sprint("n", i), Role: member.Writer})
	}
	return places
}

// twisted makes a step whose places are changed and whose lineage fits them.
func twisted(t *testing.T, v *member.View, c member.Change, twist func(*member.View)) *member.View {
	t.Helper()
	next, err := v.Successor(c, member.Grounds{Base: make([]uint64, len(v.Places)), Clock: v.Clock})
	if err != nil {
		t.Fatal(err)
	}
	twist(next)
	member.Relineage(next, v)
	return next
}

func TestChangesThatMakeNoSenseAreRefused(t *testing.T) {
	v := founders(3)
	gone, _ := v.Successor(member.Change{Kind: member.Evict, Identity: 3, Strikes: 2}, member.Grounds{Base: []uint64{1, 2, 3}})
	if gone.StrikesOf("c") != 2 || gone.StrikesOf("a") != 0 {
		t.Errorf("strikes %v", gone.Strikes)
	}
	for want, try := range map[string]struct {
		view   *member.View
		change member.Change
	}{
		"no change of kind 9":        {v, member.Change{Kind: 9}},
		"is no member":               {gone, member.Change{Kind: member.Evict, Identity: 3}},
		"the only member cannot go":  {founders(1), member.Change{Kind: member.Evict, Identity: 1}},
		"has no identity":            {v, member.Change{Kind: member.Admit}},
		"is a member already":        {v, member.Change{Kind: member.Admit, Identity: 2, Name: "b"}},
		"was let go":                 {gone, member.Change{Kind: member.Admit, Identity: 3, Name: "c", Address: "h:1"}},
		"let it go first":            {v, member.Change{Kind: member.Admit, Identity: 9, Name: "b", Address: "h:1"}},
		"an address has 1 to":        {v, member.Change{Kind: member.Move, Identity: 1}},
		"is that of b too":           {v, member.Change{Kind: member.Move, Identity: 1, Address: "127.0.0.1:3001"}},
		"a name may not be empty":    {v, member.Change{Kind: member.Admit, Identity: 9, Address: "h:1"}},
		"0000000000000009 is no mem": {v, member.Change{Kind: member.Move, Identity: 9, Address: "h:1"}},
	} {
		if _, err := try.view.Successor(try.change, member.Grounds{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestOldGravesBecomeASum(t *testing.T) {
	v := founders(1)
	cuts := uint64(0)
	free := func(member.ID) bool { return true }
	for i := range uint64(member.GravesMax + 10) {
		identity := member.Identity(1000 + i)
		for _, c := range []member.Change{
			{Kind: member.Admit, Identity: identity, Name: "x", Address: "x:1"}, {Kind: member.Evict, Identity: identity},
		} {
			next, err := v.Successor(c, member.Grounds{Base: []uint64{0, i}, Free: free})
			if err != nil {
				t.Fatal(err)
			}
			v = next
		}
		cuts += i
	}
	if len(v.Places) != 2 || len(v.Graves) != member.GravesMax || v.Retired()+v.Places[1].Base != cuts || v.Buried == 0 {
		t.Errorf("%d places, %d graves, %d retired of %d, %d without a grave", len(v.Places), len(v.Graves), v.Retired(), cuts, v.Buried)
	}
	if _, was := v.Cut(1000); was {
		t.Error("the oldest grave is still there")
	}
	if cut, was := v.Cut(1000 + member.GravesMax); !was || cut != member.GravesMax {
		t.Errorf("a newer grave has the cut %d: %v", cut, was)
	}
}

// FuzzView holds that nothing panics, and that what is read is written as it was.
func FuzzView(f *testing.F) {
	v := founders(3)
	f.Add(member.AppendView(nil, v))
	v, _ = v.Successor(member.Change{Kind: member.Evict, Identity: 2, Strikes: 1}, member.Grounds{Proposer: 1, Base: []uint64{1, 2, 3}, Clock: 300})
	v, _ = v.Successor(member.Change{Kind: member.Admit, Identity: 9, Name: "x", Address: "x:1"}, member.Grounds{Free: func(member.ID) bool { return true }})
	f.Add(member.AppendView(nil, v))
	f.Fuzz(func(t *testing.T, p []byte) {
		v, rest, err := member.DecodeView(p)
		if err != nil {
			return
		}
		if !bytes.Equal(append(member.AppendView(nil, v), rest...), p) {
			t.Errorf("%x is written as %x", p, member.AppendView(nil, v))
		}
		_, _, _, _ = v.Size(), v.Quorum(), v.Holders(), v.Retired()
		if v.Continues(v) || !v.Shares(v) {
			t.Error("a view comes after itself")
		}
	})
}
