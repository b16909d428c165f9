package member_test

import (
	"bytes"
	"encoding/hex"
	"errors"
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
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		c := member.Change{Kind: member.ChangeKind(rapid.IntRange(1, 5).Draw(t, "kind"))}
		place := &v.Places[rapid.IntRange(0, len(v.Places)-1).Draw(t, "place")]
		if c.Kind == member.Admit {
			newcomer++
			c.Identity, c.Name, c.Address = newcomer, place.Name, fmt.Sprint("host:", newcomer)
			c.Observes = rapid.Bool().Draw(t, "observes")
			if rapid.IntRange(0, 4).Draw(t, "new place") == 0 {
				c.Name = fmt.Sprint("n", newcomer)
			}
		} else {
			c.Identity, c.Address = place.Identity, fmt.Sprint("moved:", newcomer)
			c.Strikes = rapid.Uint64Range(0, 3).Draw(t, "strikes")
		}
		base := make([]uint64, len(v.Places))
		for i := range base {
			base[i] = v.Places[i].Base + rapid.Uint64Range(0, 5).Draw(t, "more")
		}
		grounds := member.Grounds{Proposer: 1, Base: base, Clock: v.Clock + clock.Time(rapid.IntRange(0, 5).Draw(t, "later"))}
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
			for i := range before.Places {
				judgePlace(t, before, after, member.ID(i), c)
			}
			if c.Kind == member.Rejoin {
				judgeReturn(t, before, after, c.Identity)
			}
		})
	})
}

// judgePlace: what was in the order of a stream stays there, under the pens that stand
// on it, and who wrote it stays its writer; a seat changes nothing of a stream.
func judgePlace(t *rapid.T, before, after *member.View, place member.ID, c member.Change) {
	was, is := &before.Places[place], &after.Places[place]
	if is.Base < was.Base || is.Name != was.Name || len(is.Returns) < len(was.Returns) {
		t.Fatalf("place %d is %+v, then %+v", place, was, is)
	}
	for returns := range len(was.Returns) + 1 {
		pen, writer := was.PenAfter(returns), was.WriterAfter(returns)
		from0, to0 := before.Span(place, pen)
		from, to := after.Span(place, pen)
		cut := to0 == math.MaxUint64 && to == is.Base && is.Role == member.Gone
		if from != from0 || to != to0 && !cut || after.WriterOf(place, pen) != writer || is.PenAfter(returns) != pen {
			t.Fatalf("what %s wrote as %s reaches from %d to %d, then from %d to %d as %s", writer, pen, from0, to0, from, to, is.PenAfter(returns))
		}
	}
	cut, gone := before.Cut(was.Identity)
	if now, still := after.Cut(was.Identity); gone && c.Kind != member.Rejoin && (!still || now != cut) {
		t.Fatalf("%s was cut at %d, now %v at %d", was.Identity, cut, still, now)
	}
	if is.Identity == was.Identity {
		return
	}
	if now, still := after.Cut(was.Identity); !still || now != is.Base || !is.HadBefore(was.Identity) || !is.IsSeated() || after.WriterOf(place, is.Identity) != 0 {
		t.Fatalf("%s is seated in the stead of %s, whose cut is %d: %+v", is.Identity, was.Identity, now, is)
	}
	for _, gone := range []member.Identity{is.Identity, was.Identity} {
		if err := (&member.Change{Kind: member.Admit, Identity: gone, Name: is.Name, Address: "h:1"}).Check(after); err == nil {
			t.Fatalf("%s can be seated again", gone)
		}
	}
}

// judgeReturn: the stream goes on where it was cut, under another identity, and what
// stood under the one before reaches as far as it did.
func judgeReturn(t *rapid.T, before, after *member.View, who member.Identity) {
	place, _ := after.TenantAt(who)
	was, is := &before.Places[place], &after.Places[place]
	if !slices.Equal(after.Came(), []member.Identity{who}) || after.Lineage == before.Lineage {
		t.Fatalf("who came is %v, not %s", after.Came(), who)
	}
	if is.Pen() == was.Pen() || after.WriterOf(place, is.Pen()) != who || before.WriterOf(place, is.Pen()) != 0 {
		t.Fatalf("%s writes as %s after the stream had %s", who, is.Pen(), was.Pen())
	}
	if back := is.ReturnAfter(before.Number); back == nil || back.Cut != was.Base || back.Start != after.Clock || is.ReturnAfter(after.Number) != nil {
		t.Fatalf("%s comes back as %+v", who, is)
	}
	if own := is.Own(); len(own) == 0 || own[len(own)-1].Since != after.Number {
		t.Fatalf("of the returns %+v those of %s are %+v", is.Returns, who, own)
	}
	if from, to := after.Span(place, is.Pen()); from != was.Base || to != math.MaxUint64 {
		t.Fatalf("the stream of place %d goes on from %d to %d; it was cut after %d", place, from, to, was.Base)
	}
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
		"does not come after":      func(v *member.View) { v.Number++ },
		"another history":          func(v *member.View) { v.Roots = append(v.Roots, member.Root{Number: 3, Lineage: 1, Hash: 1}) },
		"the lineage":              func(v *member.View) { v.Clock++ },
		"is that of another place": func(v *member.View) { v.Places[1].Identity = 1 },
		"who only reads does not":  func(v *member.View) { v.Places[1].Observes = true },
		"no role":                  func(v *member.View) { v.Places[1].Role = 7 },
		"later than now":           func(v *member.View) { v.Places[1].Since = 9 },
		"is that of another one":   func(v *member.View) { v.Places[1].Name = "a" },
		"has a member":             func(v *member.View) { v.Places[0].Role, v.Places[1].Role = member.Gone, member.Gone },
		"begins with view 1":       func(v *member.View) { v.Roots = nil },
		"number and a lineage":     func(v *member.View) { v.Lineage = 0 },
		"is no time":               func(v *member.View) { v.Clock = clock.Infinity },
		"has or had another one":   func(v *member.View) { v.Places[2].Former = []member.Tenant{{Identity: 2}} },
		"come like this":           func(v *member.View) { v.Places[1].Former = []member.Tenant{{Identity: 9}} },
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
	renew, seat, back := member.Change{Kind: member.Renew}, member.Change{Kind: member.Admit, Identity: 9, Name: "c"}, member.Change{Kind: member.Rejoin, Identity: 9}
	one := founders(3)
	two, _ := one.Successor(member.Change{Kind: member.Evict, Identity: 3}, member.Grounds{Base: []uint64{5, 6, 7}, Clock: 9})
	three := twisted(t, two, seat, func(*member.View) {})
	four := twisted(t, three, back, func(*member.View) {})
	alone := founders(4)
	for _, gone := range []member.Identity{2, 3, 4} {
		alone = twisted(t, alone, member.Change{Kind: member.Evict, Identity: gone}, func(*member.View) {})
	}
	for want, step := range map[string][2]*member.View{
		"takes back": {two, twisted(t, two, renew, func(v *member.View) { v.Clock = 8 })},
		"other entries of 0000000000000003 than before": {two, twisted(t, two, renew, func(v *member.View) { v.Places[2].Base = 8 })},
		"other entries of 0000000000000001 than before": {two, twisted(t, two, renew, func(v *member.View) { v.Places[0].Base = 4 })},
		"other entries of 0000000000000009 than before": {four, twisted(t, four, renew, func(v *member.View) { v.Places[2].Former = v.Places[2].Former[:0] })},
		"although 0000000000000002 is a member":         {two, twisted(t, two, renew, func(v *member.View) { v.Places[1].Identity = 9 })},
		"too few":                                       {alone, twisted(t, alone, renew, comeBack(alone, 1, 2, 3))},
		"place 2 was not given away":                    {two, twisted(t, two, seat, func(v *member.View) { v.Places[2].Role = member.Writer; v.Places[2].Former = nil })},
		"place 2 was not given":                         {two, twisted(t, two, seat, func(v *member.View) { v.Places[2].Base++ })},
		"place 2 was not":                               {two, twisted(t, two, seat, func(v *member.View) { v.Places[2].Former = nil })},
		"did not come back to place 2":                  {three, twisted(t, three, back, func(v *member.View) { v.Places[2].Returns[0].Cut-- })},
		"place 3 does not begin":                        {one, twisted(t, one, renew, func(v *member.View) { v.Places = append(v.Places, newcomers(1, member.Writer)...) })},
		"more than one place":                           {one, twisted(t, one, renew, func(v *member.View) { v.Places = append(v.Places, newcomers(2, member.Gone)...) })},
	} {
		if err := step[1].CheckStep(step[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// comeBack has several come back at once.
func comeBack(before *member.View, places ...int) func(*member.View) {
	return func(v *member.View) {
		for _, i := range places {
			one, _ := before.Successor(member.Change{Kind: member.Rejoin, Identity: v.Places[i].Identity}, member.Grounds{Clock: v.Clock})
			v.Places[i] = one.Places[i]
		}
	}
}

func newcomers(n int, role member.Role) (places []member.Place) {
	for i := range n {
		places = append(places, member.Place{Since: 2, Identity: member.Identity(50 + i), Name: fmt.Sprint("n", i), Role: role})
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
	seated, _ := gone.Successor(member.Change{Kind: member.Admit, Identity: 7, Name: "c"}, member.Grounds{})
	for want, try := range map[string]struct {
		view   *member.View
		change member.Change
	}{
		"no change of kind 9":                         {v, member.Change{Kind: 9}},
		"is no member":                                {gone, member.Change{Kind: member.Evict, Identity: 3}},
		"the only member cannot go":                   {founders(1), member.Change{Kind: member.Evict, Identity: 1}},
		"has no identity":                             {v, member.Change{Kind: member.Admit}},
		"is a member already":                         {v, member.Change{Kind: member.Admit, Identity: 2, Name: "b"}},
		"has the place of c already":                  {gone, member.Change{Kind: member.Admit, Identity: 3, Name: "c", Address: "h:1"}},
		"is another one's by now":                     {seated, member.Change{Kind: member.Admit, Identity: 3, Name: "c", Address: "h:1"}},
		"has no place to come back":                   {seated, member.Change{Kind: member.Rejoin, Identity: 3}},
		"let it go first":                             {v, member.Change{Kind: member.Admit, Identity: 9, Name: "b", Address: "h:1"}},
		"an address has 1 to":                         {v, member.Change{Kind: member.Move, Identity: 1}},
		"the address 127.0.0.1:3001 is that of b too": {v, member.Change{Kind: member.Move, Identity: 1, Address: "127.0.0.1:3001"}},
		"a name may not be empty":                     {v, member.Change{Kind: member.Admit, Identity: 9, Address: "h:1"}},
		"0000000000000009 is no mem":                  {v, member.Change{Kind: member.Move, Identity: 9, Address: "h:1"}},
	} {
		if _, err := try.view.Successor(try.change, member.Grounds{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// TestAPlaceHasManyTenants has one after the other lose its data, some before they wrote
// anything: each entry of the stream stays with who wrote it, and there is an end.
func TestAPlaceHasManyTenants(t *testing.T) {
	v := founders(2)
	next := func(c member.Change, base uint64) error {
		after, err := v.Successor(c, member.Grounds{Base: []uint64{0, base}, Clock: v.Clock + 1})
		if err == nil {
			err = after.CheckStep(v)
		}
		if err == nil {
			v = after
		}
		return err
	}
	want := []member.Identity{2} // who wrote which entry
	if err := next(member.Change{Kind: member.Evict, Identity: 2}, 1); err != nil {
		t.Fatal(err)
	}
	for i := range member.Identity(member.FormerMax) {
		if err := next(member.Change{Kind: member.Admit, Identity: 100 + i, Name: "b"}, 0); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 { // the others lose it again before they come back
			want = append(want, 100+i)
			err := next(member.Change{Kind: member.Rejoin, Identity: 100 + i}, 0)
			if err = errors.Join(err, next(member.Change{Kind: member.Evict, Identity: 100 + i}, uint64(len(want)))); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := &v.Places[1]
	if len(p.Former) != member.FormerMax || p.Base != uint64(len(want)) || len(p.Returns) != len(want)-1 {
		t.Fatalf("%d tenants before, %d returns, %d entries of %d", len(p.Former), len(p.Returns), p.Base, len(want))
	}
	for i, writer := range want {
		pen := p.PenAfter(i)
		if from, to := v.Span(1, pen); from != uint64(i) || to != uint64(i+1) || v.WriterOf(1, pen) != writer {
			t.Errorf("entries %d to %d are of %s, not entry %d of %s", from+1, to, v.WriterOf(1, pen), i+1, writer)
		}
	}
	if _, to := v.Span(1, 101); to != 0 || v.WriterOf(1, 101) != 0 {
		t.Error("who lost its data before it wrote anything has written something")
	}
	if err := next(member.Change{Kind: member.Admit, Identity: 5000, Name: "b"}, 0); err == nil || !strings.Contains(err.Error(), "cannot be once more") {
		t.Errorf("one more is seated: %v", err)
	}
	if got, _, err := member.DecodeView(member.AppendView(nil, v)); err != nil || !got.Same(v) {
		t.Error(err)
	}
}

// viewOfBefore is a view as it was written before places had former tenants.
const viewOfBefore = "0451f8ddf7ccc03f700100000000000000090301000000000000000101000501610e3132372e302e302e313a3330303002000000000000000201000601620e" +
	"3132372e302e302e313a3330303103000000000000008103090701630e3132372e302e302e313a333030320103070900000101630101010e171988a8d299cf"

// TestViewsWithoutFormerTenantsAreReadAsBefore reads bytes that were written before
// places had any: a member was let go and came back, another one is gone.
func TestViewsWithoutFormerTenantsAreReadAsBefore(t *testing.T) {
	p, err := hex.DecodeString(viewOfBefore)
	if err != nil {
		t.Fatal(err)
	}
	v, rest, err := member.DecodeView(p)
	if err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	before := founders(3)
	for _, c := range []member.Change{{Kind: member.Evict, Identity: 3, Strikes: 1}, {Kind: member.Rejoin, Identity: 3}, {Kind: member.Evict, Identity: 2}} {
		next, err := before.Successor(c, member.Grounds{Proposer: 1, Base: []uint64{5, 6, 7}, Clock: 9})
		if err != nil {
			t.Fatal(err)
		}
		before = next
	}
	if !v.Same(before) || !bytes.Equal(member.AppendView(nil, before), p) {
		t.Errorf("%+v was read, not %+v", v, before)
	}
}

// FuzzView holds that nothing panics, and that what is read is written as it was.
func FuzzView(f *testing.F) {
	v := founders(3)
	f.Add(member.AppendView(nil, v))
	v, _ = v.Successor(member.Change{Kind: member.Evict, Identity: 2, Strikes: 1}, member.Grounds{Proposer: 1, Base: []uint64{1, 2, 3}, Clock: 300})
	f.Add(member.AppendView(nil, v))
	for _, c := range []member.Change{{Kind: member.Admit, Identity: 9, Name: "x", Address: "x:1"}, {Kind: member.Admit, Identity: 10, Name: "b"}, {Kind: member.Rejoin, Identity: 10}} {
		v, _ = v.Successor(c, member.Grounds{})
		f.Add(member.AppendView(nil, v))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		v, rest, err := member.DecodeView(p)
		if err != nil {
			return
		}
		if !bytes.Equal(append(member.AppendView(nil, v), rest...), p) {
			t.Errorf("%x is written as %x", p, member.AppendView(nil, v))
		}
		_, _, _ = v.Size(), v.Quorum(), v.Holders()
		for i := range v.Places {
			pen := v.Places[i].Pen()
			if from, to := v.Span(member.ID(i), pen); from > to || v.WriterOf(member.ID(i), pen) == 0 {
				t.Errorf("place %d goes on from %d to %d", i, from, to)
			}
		}
		if v.Continues(v) || !v.Shares(v) {
			t.Error("a view comes after itself")
		}
	})
}

// TestAPlaceIsAMemberOfAList: a tenant whose address cannot be dialed has no port.
func TestAPlaceIsAMemberOfAList(t *testing.T) {
	for address, want := range map[string]member.Member{
		"10.0.0.9:3000": {Name: "d", Host: "10.0.0.9", Port: 3000},
		"[::1]:65535":   {Name: "d", Host: "::1", Port: 65535},
		"h:0":           {Name: "d"},
		"h:65536":       {Name: "d"},
		"h":             {Name: "d"},
		"":              {Name: "d"},
	} {
		p := member.Place{Name: "d", Address: address}
		if got := p.Member(); got != want {
			t.Errorf("%q: %+v, want %+v", address, got, want)
		}
	}
}

// TestThoseWhoDoNotCountHaveSoManyPlaces: then one has to take the name of another one
// that is gone, or has to become a member.
func TestThoseWhoDoNotCountHaveSoManyPlaces(t *testing.T) {
	v := founders(3)
	admit := func(number int, name string) member.Change {
		return member.Change{Kind: member.Admit, Identity: member.Identity(100 + number), Name: name, Address: fmt.Sprint("h:", number), Observes: true}
	}
	for i := range member.SeatedMax {
		v = twisted(t, v, admit(i, fmt.Sprint("o", i)), func(*member.View) {})
	}
	more := admit(50, "more")
	if err := more.Check(v); err == nil || !strings.Contains(err.Error(), "o0, o1,") {
		t.Errorf("the error does not name who has the places: %v", err)
	}
	again := twisted(t, v, admit(51, "o3"), func(*member.View) {})
	if len(again.Places) != len(v.Places) || again.Places[6].Identity != 151 || !again.Places[6].Observes {
		t.Errorf("the place of a name is %+v", again.Places[6])
	}
	counts := twisted(t, v, member.Change{Kind: member.Rejoin, Identity: 100}, func(*member.View) {})
	if place := counts.Places[3]; place.Observes || place.Role != member.Writer {
		t.Errorf("who became a member is %+v", place)
	}
	if err := more.Check(counts); err != nil {
		t.Error(err)
	}
}
