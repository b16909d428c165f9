package delta_test

import (
	"slices"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
)

// lettings is how many storms let members go.
const lettings = 40

// evicting is a weather in which members are told to let others go, or, in half of the
// storms, that they have other addresses.
func evicting(seed uint64) weather {
	return weather{
		members: 2 + int(seed%4), evicts: 0.003, moves: float64(seed/4%2) * 0.003, durable: seed%3 > 0, reliable: seed%5 == 0,
		loss: float64(seed%4) / 10, cuts: 0.003, crashes: float64(min(seed%3, 1)) * 0.003,
	}
}

// TestMembersAreLetGo: whoever is let go, by whom, and whatever fails meanwhile,
// there is one order, nothing that was delivered is taken back, and what all of
// those who stay hold settles. Who was let go reads on.
func TestMembersAreLetGo(t *testing.T) {
	views, gone, lost, moved := 0, 0, 0, 0
	for seed := range uint64(lettings) {
		s := newStorm(seed, evicting(seed))
		if verdict := playOut(s); verdict != "" {
			t.Errorf("seed %d, %+v: %s", seed, s.weather, verdict)
		}
		views += len(s.judge.views)
		if v := s.judge.newest(); v != nil {
			gone += s.members - v.Size()
		}
		moved += s.judge.moves()
		for place, stream := range s.judge.streams {
			if n := len(stream); n > 0 && stream[n-1].last > s.judge.cut(member.ID(place)) {
				lost++
			}
		}
	}
	t.Logf("%d storms: %d views, %d members let go, of whom %d wrote more than the others had, %d addresses", lettings, views, gone, lost, moved)
	if views < lettings || gone < lettings/2 || lost < lettings/4 || moved < lettings/4 {
		t.Error("too little happens to mean anything")
	}
}

// TestViewsThatCannotBeTrueAreRefused: one that takes back what was delivered, one
// with other places, one of other members, one at an absurd time. The one that is
// as it must be counts.
func TestViewsThatCannotBeTrueAreRefused(t *testing.T) {
	list, binding := member.Lettered(3), member.Binding{1, 2, 3}
	first := member.Founding(list, binding)
	evict := func(base uint64, time clock.Time) *member.View {
		v, err := first.Successor(member.Change{Kind: member.Evict, Identity: 1}, member.Grounds{Base: []uint64{base, 0, 0}, Clock: time})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	grown, other, fewer, joined := evict(2, 9), evict(2, 9), evict(2, 9), evict(2, 9)
	fewer.Places = fewer.Places[:2]
	joined.Places = append(joined.Places, member.Place{Since: 2, Identity: 4, Name: "d", Address: "d:1", Role: member.Gone})
	grown.Places = append(grown.Places, member.Place{Since: 2, Identity: 4, Name: "d", Address: "d:1", Role: member.Writer})
	other.Places[2].Identity = 7
	for name, test := range map[string]struct {
		view  *member.View
		taken bool
	}{
		"as it must be": {evict(2, 9), true},
		"takes back":    {evict(1, 9), false},
		"fewer places":  {fewer, false},
		"who joins":     {joined, true},
		"joined before": {grown, false},
		"other members": {other, false},
		"absurd time":   {evict(2, clock.Infinity-1), false},
	} {
		d := delta.New(delta.Config{
			Self: 1, Members: 3, Identity: 2, Durable: true, Datagram: true, Changes: true,
			Recovered: &protocol.Recovered{Base: protocol.Snapshot{Time: 5, Have: []uint64{2, 0, 0}}, Binding: binding, Agreed: true, Bound: 10, Settled: 5},
		})
		d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
			From: 2, Identity: 3, Session: 1 << 32, View: protocol.TagOf(test.view), Views: []*member.View{test.view},
		}})
		status := d.Status()
		if taken := status.View.Number == 2; taken != test.taken || taken == slices.ContainsFunc(status.Findings, func(f protocol.Finding) bool { return f.Kind == protocol.OtherHistory }) {
			t.Errorf("%s: goes by view %d, found %v", name, status.View.Number, status.Findings)
		}
	}
}

// TestWhoLacksNothingTakesNoState: an evicted member is back with its folder, and a
// state comes before the rows. If it lacks nothing of what that stands for, then it goes on with
// what it has, which others could read of it.
func TestWhoLacksNothingTakesNoState(t *testing.T) {
	list, binding := member.Lettered(3), member.Binding{1, 2, 3}
	v, err := member.Founding(list, binding).Successor(member.Change{Kind: member.Evict, Identity: 1}, member.Grounds{Base: []uint64{2, 0, 0}, Clock: 9})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		state []uint64
		taken bool
	}{
		"all is here": {[]uint64{2, 0, 0}, false},
		"one lacks":   {[]uint64{2, 1, 0}, true},
	} {
		d := delta.New(delta.Config{
			Self: 0, Members: 3, Identity: 1, Durable: true, Datagram: true, Changes: true,
			Recovered: &protocol.Recovered{
				Base: protocol.Snapshot{Have: make([]uint64, 3)}, Binding: binding, View: v, Agreed: true, Bound: 10,
				Batches: []protocol.Batch{{Identity: 1, Seq: 1, Count: 2, Time: 6, Bytes: make([]byte, 64)}},
			},
		})
		fx := d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
			From: 1, Identity: 2, Session: 1 << 32, View: protocol.TagOf(v), Snapshot: &protocol.Snapshot{Time: 9, Have: test.state},
		}})
		if taken := fx.Reset != nil; taken != test.taken {
			t.Errorf("%s: takes the state: %t", name, taken)
		}
	}
}
