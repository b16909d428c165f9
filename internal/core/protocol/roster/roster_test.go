package roster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
)

// keeper notes what it is told.
type keeper []string

func (k *keeper) Resign()                { *k = append(*k, "resign") }
func (k *keeper) Vacate(place member.ID) { *k = append(*k, fmt.Sprintf("vacate %d", place)) }
func (k *keeper) Seat(place member.ID)   { *k = append(*k, fmt.Sprintf("seat %d", place)) }

// bound returns the roster of the member at place 0, identity 10, that has bound
// itself and the others so.
func bound(binding ...member.Identity) *roster.Roster {
	r := roster.New(0, 10, member.Lettered(len(binding)))
	for place, identity := range binding {
		r.Bind(member.ID(place), identity)
	}
	return &r
}

// firstOf returns the tag of the first view of members with such a binding.
func firstOf(binding member.Binding) protocol.Tag {
	return protocol.TagOf(member.Founding(member.Lettered(len(binding)), binding))
}

// TestLearn: what a member that does not know of an agreement learns of those who
// may write, and what follows for who keeps their streams.
func TestLearn(t *testing.T) {
	tests := []struct {
		name            string
		before, said    member.Binding
		agreed          bool // so says the sender
		after           member.Binding
		told            []string
		changed, adopts bool
		observes        bool
	}{
		{name: "nothing new", before: member.Binding{10, 20, 0}, said: member.Binding{10, 20, 0}, after: member.Binding{10, 20, 0}},
		{name: "a place was free", before: member.Binding{10, 20, 0}, said: member.Binding{0, 20, 30}, after: member.Binding{10, 20, 30}, told: []string{"seat 2"}, changed: true},
		{name: "the first one stays", before: member.Binding{10, 20, 30}, said: member.Binding{10, 21, 30}, after: member.Binding{10, 20, 30}},
		{
			name: "what all agreed on counts", before: member.Binding{10, 20, 0}, said: member.Binding{10, 21, 30}, agreed: true, after: member.Binding{10, 21, 30},
			told: []string{"vacate 1", "seat 1", "seat 2"}, changed: true, adopts: true,
		},
		{name: "what all agreed on may be known", before: member.Binding{10, 20, 30}, said: member.Binding{10, 20, 30}, agreed: true, after: member.Binding{10, 20, 30}, adopts: true},
		{
			name: "the own place is an earlier life's", before: member.Binding{10, 0, 0}, said: member.Binding{11, 20, 0}, after: member.Binding{11, 20, 0},
			told: []string{"resign", "seat 1"}, changed: true, observes: true,
		},
		{
			name: "and all know it", before: member.Binding{10, 20, 0}, said: member.Binding{11, 20, 30}, agreed: true, after: member.Binding{11, 20, 30},
			told: []string{"resign", "seat 2"}, changed: true, adopts: true, observes: true,
		},
		{name: "a binding of another length is none", before: member.Binding{10, 0, 0}, said: member.Binding{11, 20}, after: member.Binding{10, 0, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, k := bound(test.before...), new(keeper)
			m := &protocol.Message{From: 1, Identity: 20, Binding: test.said}
			if test.agreed {
				m.View = firstOf(test.said)
			}
			changed, adopts := r.Learn(m, k)
			if changed != test.changed || adopts != test.adopts || r.Observes() != test.observes {
				t.Errorf("changed %v, adopts %v, observes %v", changed, adopts, r.Observes())
			}
			if !slices.Equal(*k, test.told) {
				t.Errorf("the keeper is told %q, want %q", *k, test.told)
			}
			if !slices.Equal(r.Binding(), test.after) || r.Hash() != test.after.Hash() {
				t.Errorf("binding %v with hash %x, want %v", r.Binding(), r.Hash(), test.after)
			}
			if r.Writes(0) == test.observes {
				t.Errorf("writes its own stream: %v", r.Writes(0))
			}
		})
	}
}

// TestATagThatDoesNotFitIsNoAgreement, whoever sends it.
func TestATagThatDoesNotFitIsNoAgreement(t *testing.T) {
	r, k := bound(10, 20, 0), new(keeper)
	if _, adopts := r.Learn(&protocol.Message{Binding: member.Binding{10, 21, 30}, View: protocol.Tag{Number: 1, Lineage: 77}}, k); adopts || r.Bound(1) != 20 {
		t.Errorf("adopts %v, place 1 is bound to %v", adopts, r.Bound(1))
	}
}

// TestAgreement takes the rows of all, with the same complete binding.
func TestAgreement(t *testing.T) {
	r := bound(10, 20, 30)
	shown := []uint64{r.Hash(), 0, r.Hash()}
	look := func(place member.ID) uint64 { return shown[place] }
	if r.Agree(look) || r.Agreed() || r.Tag() != (protocol.Tag{}) {
		t.Error("agreed although one member has shown nothing")
	}
	shown[1] = r.Hash() + 1
	if r.Agree(look) {
		t.Error("agreed although one member shows another binding")
	}
	shown[1] = r.Hash()
	if !r.Agree(look) || !r.Agreed() || r.Tag() != firstOf(r.Binding()) {
		t.Error("not agreed although all show the same binding")
	}
	if r.Agree(look) {
		t.Error("an agreement is new twice")
	}
	if incomplete := bound(10, 20, 0); incomplete.Agree(func(member.ID) uint64 { return 0 }) {
		t.Error("agreed on an incomplete binding")
	}
}

// TestKeep: each change is made durable once.
func TestKeep(t *testing.T) {
	r := bound(10, 20)
	kept := func() (binding, agreed bool) {
		var fx protocol.Effects
		r.Keep(&fx)
		return fx.Binding != nil, fx.Agreed
	}
	steps := []struct {
		name            string
		event           func()
		binding, agreed bool
	}{
		{"bound", func() {}, true, false},
		{"nothing", func() {}, false, false},
		{"agreed", r.Trust, false, true},
		{"nothing", func() {}, false, false},
		{"again", r.KeepAgain, true, false},
	}
	for _, step := range steps {
		step.event()
		if binding, agreed := kept(); binding != step.binding || agreed != step.agreed {
			t.Errorf("%s: binding %v, agreed %v", step.name, binding, agreed)
		}
	}
	later := roster.New(0, 10, member.Lettered(2))
	later.Recover(r.Binding(), nil)
	later.RecoverAgreement(true)
	var fx protocol.Effects
	if later.Keep(&fx); fx.Binding != nil || fx.Agreed || !later.Agreed() {
		t.Error("a restart has durable again what it read")
	}
	other := roster.New(0, 11, member.Lettered(2))
	if other.Recover(r.Binding(), nil); !other.Observes() || other.Writes(0) {
		t.Error("another incarnation writes at a place that is bound")
	}
}

// TestOtherHistories are refused once all agreed, and named until the member is
// heard going by the agreed one.
func TestOtherHistories(t *testing.T) {
	r := bound(10, 20)
	m := &protocol.Message{From: 1, Identity: 20, View: protocol.Tag{Number: 1, Lineage: 77}}
	if r.Meet(m) != roster.Same {
		t.Error("refused before all agreed")
	}
	r.Trust()
	if r.Meet(m) != roster.Foreign || r.Meet(&protocol.Message{From: 1}) != roster.Same {
		t.Error("what goes by another history is told from what does not")
	}
	want := protocol.Findings{{Kind: protocol.OtherHistory, Member: 1}}
	if got := findings(r, r.Hash(), r.Hash()); !slices.Equal(got, want) {
		t.Errorf("found %v", got)
	}
	if r.Meet(&protocol.Message{From: 1, View: r.Tag()}) != roster.Same {
		t.Error("what goes by the agreed history is refused")
	}
	if got := findings(r, r.Hash(), r.Hash()); len(got) > 0 {
		t.Errorf("found %v of a member that goes by the agreed history", got)
	}
}

// findings returns what was found by a member of two, whose rows show bindings.
func findings(r *roster.Roster, shown ...uint64) protocol.Findings {
	return r.Findings(func(place member.ID) uint64 { return shown[place] }, func(member.ID) bool { return r.Observes() }, false)
}

// TestViews: who was let go counts no more, and its stream ends where the others
// agreed; what is said in an older or newer view, or in another history, is told
// apart.
func TestViews(t *testing.T) {
	r, k := bound(10, 20, 30), new(keeper)
	r.Trust()
	first := r.View()
	next, err := first.Successor(member.Change{Kind: member.Evict, Identity: 20}, member.Grounds{Base: []uint64{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	said := func(number, lineage uint64) *protocol.Message {
		return &protocol.Message{From: 1, View: protocol.Tag{Number: number, Lineage: lineage}}
	}
	if r.Meet(said(next.Number, next.Lineage)) != roster.Newer {
		t.Error("a newer view is taken for something else")
	}
	r.Install(next, k)
	if len(*k) > 0 || r.Counts(1, 20) || !r.Owns(1, 20) || !r.Counts(2, 30) || r.Size() != 2 || r.Observes() {
		t.Errorf("told %q, counts %v, owns %v, size %d", *k, r.Counts(1, 20), r.Owns(1, 20), r.Size())
	}
	if cut, ends := r.Cut(1); cut != 2 || !ends {
		t.Errorf("the stream of who was let go ends: %v, at %d", ends, cut)
	}
	for _, test := range []struct {
		m    *protocol.Message
		want roster.Meeting
	}{
		{said(2, next.Lineage), roster.Same},
		{said(2, 77), roster.Foreign},
		{said(1, first.Lineage), roster.Older},
		{said(1, 77), roster.Foreign},
		{said(0, 0), roster.Older},
		{said(3, 77), roster.Newer},
	} {
		if got := r.Meet(test.m); got != test.want {
			t.Errorf("%+v is %d, want %d", test.m.View, got, test.want)
		}
	}
	var fx protocol.Effects
	if r.Keep(&fx); fx.View != next || fx.Binding != nil || fx.Agreed {
		t.Errorf("made durable: %+v", fx)
	}
	other := roster.New(1, 20, member.Lettered(3))
	other.Recover(member.Binding{10, 20, 30}, next)
	if other.RecoverAgreement(true); !other.Observes() || other.Writes(1) || other.View() != next {
		t.Error("who was let go writes after a restart")
	}
	if got := other.Findings(func(member.ID) uint64 { return 0 }, func(member.ID) bool { return false }, true); !slices.Contains(got, protocol.Finding{Kind: protocol.LetGo, Member: 1}) {
		t.Errorf("who was let go does not say so: %v", got)
	}
}

// TestFindingsOfTheMoment come and go.
func TestFindingsOfTheMoment(t *testing.T) {
	r := bound(10, 20)
	if got := findings(r, r.Hash(), 77); !slices.Equal(got, protocol.Findings{{Kind: protocol.OtherBinding, Member: 1}}) {
		t.Errorf("found %v where a member shows another binding", got)
	}
	if got := findings(r, r.Hash(), r.Hash()); got != nil {
		t.Errorf("found %v where nothing is wrong", got)
	}
	r = bound(11, 20)
	r.Recover(nil, nil)
	r.Trust()
	if got := findings(r, 0, 0); !slices.Equal(got, protocol.Findings{{Kind: protocol.NoWriter, Member: 0}}) {
		t.Errorf("found %v where all only read", got)
	}
}

// TestOlderData is found in both directions: a member that denies entries that
// are held, and a peer that knows more of this member than it does itself.
func TestOlderData(t *testing.T) {
	r := bound(10, 20)
	mark := func(stream member.ID, have uint64, promise clock.Time) protocol.StreamMark {
		return protocol.StreamMark{Stream: stream, Mark: clock.Mark{Have: have, Promise: promise}}
	}
	says := func(identity member.Identity) *protocol.Message {
		return &protocol.Message{From: 1, Identity: identity, Rows: []protocol.Row{{Member: 1, Identity: identity, Marks: []protocol.StreamMark{mark(0, 9, 9), mark(1, 3, 8)}}}}
	}
	held := func(m protocol.StreamMark) bool { return m.Have < 5 && m.Promise >= 6 }
	if r.IsOutdated(says(20), held) {
		t.Error("named before all agreed")
	}
	r.Trust()
	if r.IsOutdated(says(21), held) {
		t.Error("an observer is named")
	}
	if !r.IsOutdated(says(20), held) || !slices.Equal(findings(r, 0, 0), protocol.Findings{{Kind: protocol.OldData, Member: 1}}) {
		t.Errorf("who denies what is held is not named: %v", findings(r, 0, 0))
	}
	said := roster.Said{Version: 7, Own: clock.Mark{Have: 4, Promise: 12}, Held: func(member.ID) uint64 { return 2 }}
	rows := []struct {
		row  protocol.Row
		more bool
	}{
		{protocol.Row{Version: 7, Marks: []protocol.StreamMark{mark(0, 4, 12)}}, false},
		{protocol.Row{Version: 8}, true},
		{protocol.Row{Marks: []protocol.StreamMark{mark(0, 5, 0)}}, true},
		{protocol.Row{Marks: []protocol.StreamMark{mark(0, 0, 13)}}, true},
		{protocol.Row{Marks: []protocol.StreamMark{mark(1, 3, 0)}}, false},
		{protocol.Row{Binding: r.Hash(), Marks: []protocol.StreamMark{mark(1, 3, 0)}}, true},
		{protocol.Row{Binding: r.Hash(), Marks: []protocol.StreamMark{mark(1, 2, 99), mark(7, 9, 9)}}, false},
	}
	for _, test := range rows {
		row := test.row
		row.Identity = 10
		m := &protocol.Message{From: 1, Rows: []protocol.Row{{Member: 0, Identity: 11, Version: 99}, {Member: 1, Identity: 10, Version: 99}, row}}
		if got := r.IsOutdone(m, func() roster.Said { return said }); got != test.more {
			t.Errorf("%+v shows more: %v", test.row, got)
		}
	}
	for session, want := range map[[2]uint64]bool{{1 << 32, 0}: false, {2 << 32, 0}: true, {2 << 32, 1 << 32}: true, {2<<32 | 5, 2<<32 | 4}: false, {1 << 32, 2 << 32}: true} {
		if got := roster.IsAnotherStart(session[0], session[1]); got != want {
			t.Errorf("session %x after %x is another start: %v", session[0], session[1], got)
		}
	}
}

// TestFarewell: each peer is told once, as soon as its link is up, and after a
// while the member stops although not all were.
func TestFarewell(t *testing.T) {
	r := bound(10, 20, 30)
	var f roster.Farewell
	var tally protocol.Tally
	begin := func(fx *protocol.Effects) {
		f.Begin(r, &protocol.Config{Durable: true, FirstContactWait: time.Second}, time.Second, fx, func(peer member.ID) (bool, uint64) { return peer == 1, 100 + uint64(peer) })
	}
	var first protocol.Effects
	if begin(&first); len(first.Send) != 1 || first.Send[0].To != 1 || first.Stop {
		t.Errorf("begins with %+v", first)
	}
	var again protocol.Effects
	if begin(&again); len(again.Send) > 0 {
		t.Error("begins twice")
	}
	if !f.Begun() || !slices.Contains(r.Findings(func(member.ID) uint64 { return 0 }, func(member.ID) bool { return false }, true), protocol.Finding{Kind: protocol.OldData, Member: 0}) {
		t.Fatal("not begun, or the member itself is not named")
	}
	steps := []struct {
		event protocol.Event
		told  []member.ID
		stop  bool
	}{
		{protocol.Event{Kind: protocol.Tick, Now: time.Second}, nil, false},
		{protocol.Event{Kind: protocol.Receive, Now: time.Second, Message: new(protocol.Message)}, nil, false},
		{protocol.Event{Kind: protocol.Submit, Now: time.Second, Batch: protocol.Batch{Count: 3}}, nil, false},
		{protocol.Event{Kind: protocol.Tick, Now: 2 * time.Second}, nil, true},
		{protocol.Event{Kind: protocol.Up, Peer: 2, Now: 2 * time.Second}, []member.ID{2}, true},
		{protocol.Event{Kind: protocol.Down, Peer: 2, Now: 3 * time.Second}, nil, true},
	}
	for i, step := range steps {
		var fx protocol.Effects
		f.Step(&step.event, &fx, &tally)
		var told []member.ID
		for _, envelope := range fx.Send {
			told = append(told, envelope.To)
			if m := envelope.Message; !m.SaysOld() || m.From != 0 || m.Identity != 10 || m.Session < 101 {
				t.Errorf("step %d: says %+v", i, m)
			}
		}
		if !slices.Equal(told, step.told) || fx.Stop != step.stop {
			t.Errorf("step %d: tells %v, stops %v", i, told, fx.Stop)
		}
	}
	if tally != (protocol.Tally{Refused: 1, Dropped: 3}) {
		t.Errorf("counted %+v", tally)
	}
}
