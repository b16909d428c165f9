package delta_test

import (
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
)

// forced returns the view by which the last of so many members goes on alone, having so
// many entries of the first one, at a time.
func forced(t *testing.T, members int, base uint64, time clock.Time) (first, v *member.View) {
	t.Helper()
	binding := make(member.Binding, members)
	for i := range binding {
		binding[i] = member.Identity(i + 1)
	}
	first = member.Founding(member.Lettered(members), binding)
	have := make([]uint64, members)
	have[0] = base
	v, err := first.Successor(member.Change{Kind: member.Force, Survivors: []member.Identity{member.Identity(members)}}, member.Grounds{Base: have, Clock: time})
	if err != nil {
		t.Fatal(err)
	}
	return first, v
}

// TestWhoWasLeftOutComparesWhatItShowed: who was left out by force goes over to those who
// went on if they have all that it may have shown. Else it says that it is apart, and
// stays: what it held when it started counts as shown, but for one of two.
func TestWhoWasLeftOutComparesWhatItShowed(t *testing.T) {
	for name, test := range map[string]struct {
		members int
		base    uint64
		time    clock.Time
		over    bool
	}{
		"it showed no more":              {3, 3, 9, true},
		"it may have shown what it held": {3, 2, 9, false},
		"it delivered more":              {3, 1, 9, false},
		"it settled a later time":        {3, 3, 4, false},
		"of two it showed no more":       {2, 2, 9, true},
		"of two it delivered more":       {2, 1, 9, false},
	} {
		_, v := forced(t, test.members, test.base, test.time)
		binding := make(member.Binding, test.members)
		for i := range binding {
			binding[i] = member.Identity(i + 1)
		}
		have := make([]uint64, test.members)
		have[0] = 2
		last := member.ID(test.members - 1)
		d := delta.New(delta.Config{
			Self: 0, Members: test.members, Identity: 1, Durable: true, Datagram: true, Changes: true,
			Recovered: &protocol.Recovered{
				Base: protocol.Snapshot{Time: 5, Have: have}, Binding: binding, Agreed: true, Bound: 10, Settled: 5,
				Batches: []protocol.Batch{{Identity: 1, Seq: 3, Count: 1, Time: 6, Bytes: make([]byte, 64)}},
			},
		})
		d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
			From: last, Identity: member.Identity(last + 1), Session: 1 << 32, View: protocol.TagOf(v), Views: []*member.View{v},
		}})
		status := d.Status()
		apart := slices.Contains(status.Findings, protocol.Finding{Kind: protocol.Forked, Member: 0})
		if over := status.View.Number == 2; over != test.over || apart == test.over {
			t.Errorf("%s: goes by view %d, found %v", name, status.View.Number, status.Findings)
		}
	}
}

// TestWhoStaysApartIsNoticed: who was told of a force and tells an older view back has
// shown more, and nothing of it is taken.
func TestWhoStaysApartIsNoticed(t *testing.T) {
	first, v := forced(t, 3, 2, 9)
	d := delta.New(delta.Config{
		Self: 2, Members: 3, Identity: 3, Durable: true, Datagram: true, Changes: true,
		Recovered: &protocol.Recovered{Base: protocol.Snapshot{Time: 5, Have: []uint64{2, 0, 0}}, View: v, Agreed: true, Bound: 10, Settled: 5},
	})
	tell := func(views ...*member.View) bool {
		d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{From: 0, Identity: 1, Session: 1 << 32, View: protocol.TagOf(first), Views: views}})
		return slices.Contains(d.Status().Findings, protocol.Finding{Kind: protocol.OtherHistory, Member: 0})
	}
	if tell() {
		t.Error("who may still come over is said to be apart")
	}
	if !tell(first) {
		t.Error("nothing is said of who stays apart")
	}
}

// TestWhoPromisedAForceDeliversNothing: not after a restart either, whatever the others
// say, until a view counts.
func TestWhoPromisedAForceDeliversNothing(t *testing.T) {
	first, _ := forced(t, 3, 0, 1)
	for name, now := range map[string][]uint64{"promised a ballot": nil, "promised to go on by force": {0, 1, 0}} {
		vote := protocol.Vote{Identity: 1, Promised: protocol.Ballot{Round: 1}, Have: []uint64{0, 1, 0}, Clock: 6, Now: now, NowClock: 6}
		d := delta.New(delta.Config{
			Self: 0, Members: 3, Identity: 1, Durable: true, Datagram: true, Changes: true, List: member.Lettered(3),
			Recovered: &protocol.Recovered{
				Binding: member.Binding{1, 2, 3}, Agreed: true, Bound: 10, Base: protocol.Snapshot{Have: make([]uint64, 3)},
				Batches: []protocol.Batch{{Origin: 1, Identity: 2, Seq: 1, Count: 1, Time: 6, Bytes: make([]byte, 64)}},
				Voted:   &protocol.VoteRecord{Number: 1, Lineage: first.Lineage, Vote: vote},
			},
		})
		delivered := 0
		for from := member.ID(1); from <= 2; from++ {
			m := &protocol.Message{From: from, Identity: member.Identity(from + 1), Session: 1 << 32, View: protocol.TagOf(first)}
			r := protocol.Row{Member: from, Identity: m.Identity, Version: 1<<32 + 1, Binding: member.Binding{1, 2, 3}.Hash(), View: 1}
			for stream := range member.ID(3) {
				mark := clock.Mark{Promise: 9}
				if stream == 1 {
					mark.Have = 1
				}
				r.Marks = append(r.Marks, protocol.StreamMark{Stream: stream, Mark: mark})
			}
			m.Rows = []protocol.Row{r}
			d.Step(protocol.Event{Kind: protocol.Receive, Message: m})
			delivered += len(d.Step(protocol.Event{Kind: protocol.Flush}).Deliver)
		}
		for at := range time.Duration(20) {
			delivered += len(d.Step(protocol.Event{Kind: protocol.Tick, Now: at * time.Second}).Deliver)
			delivered += len(d.Step(protocol.Event{Kind: protocol.Flush, Now: at * time.Second}).Deliver)
		}
		if halted := now != nil; halted != (delivered == 0) {
			t.Errorf("who %s delivers %d batches", name, delivered)
		}
	}
}
