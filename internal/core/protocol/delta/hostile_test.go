package delta_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/proof/draw"
)

const hostileMembers = 3

// number draws small numbers, and those at the ends of what there is.
func number(t *rapid.T, label string) uint64 {
	return rapid.OneOf(
		rapid.Uint64Range(0, 5),
		rapid.SampledFrom([]uint64{1 << 32, 1<<40 + 1, 1 << 61, 1<<61 + 1, 1<<62 - 1, 1 << 62, 1<<62 + 1, math.MaxUint64 - 1, math.MaxUint64}),
	).Draw(t, label)
}

func few[T any](t *rapid.T, label string, draw func(t *rapid.T) T) []T {
	return rapid.SliceOfN(rapid.Custom(draw), 0, 3).Draw(t, label)
}

func drawMessage(t *rapid.T) *protocol.Message {
	m := &protocol.Message{
		From: drawPlace(t), Identity: member.Identity(number(t, "identity")), Session: number(t, "session"), Number: number(t, "number"),
		Stable: clock.Time(number(t, "stable")), View: drawTag(t),
		Binding: few(t, "binding", func(t *rapid.T) member.Identity { return member.Identity(number(t, "bound")) }),
		Pulls: few(t, "pulls", func(t *rapid.T) protocol.Pull {
			return protocol.Pull{Stream: drawPlace(t), Cancel: rapid.Bool().Draw(t, "cancel")}
		}),
		Rows: few(t, "rows", drawRow), Batches: few(t, "batches", drawBatch),
	}
	m.Ack = protocol.Ack{Session: number(t, "acked session"), Ranges: few(t, "ranges", func(t *rapid.T) protocol.Range {
		return protocol.Range{First: number(t, "first"), Last: number(t, "last")}
	})}
	if rapid.IntRange(0, 3).Draw(t, "snapshot") == 0 {
		have := few(t, "have", func(t *rapid.T) uint64 { return number(t, "entries") })
		m.Snapshot = &protocol.Snapshot{Time: clock.Time(number(t, "snapshot time")), Have: have}
	}
	if rapid.IntRange(0, 3).Draw(t, "views") == 0 {
		m.Views = few(t, "told", drawView)
	}
	if rapid.IntRange(0, 3).Draw(t, "choice") == 0 {
		m.Choice = drawChoice(t)
	}
	if rapid.IntRange(0, 3).Draw(t, "wish") == 0 {
		m.Wish = drawChange(t)
	}
	return m
}

func drawChange(t *rapid.T) *member.Change {
	return &member.Change{Kind: member.ChangeKind(rapid.IntRange(0, 6).Draw(t, "change")), Identity: member.Identity(number(t, "whom")), Name: "x", Address: "x:1"}
}

// drawView draws a successor of the first view, and mostly spoils it.
func drawView(t *rapid.T) *member.View {
	c := drawChange(t)
	if rapid.Bool().Draw(t, "evicts") {
		c = &member.Change{Kind: member.Evict, Identity: member.Identity(rapid.IntRange(1, 3).Draw(t, "evicted"))}
	}
	v, err := founding().Successor(*c, member.Grounds{
		Base: few(t, "base", func(t *rapid.T) uint64 { return number(t, "entries") }), Clock: clock.Time(rapid.Uint64Range(0, 9).Draw(t, "clock")),
	})
	if err != nil {
		v = founding()
	}
	switch rapid.IntRange(0, 5).Draw(t, "spoiled") {
	case 0:
		v.Places = v.Places[:rapid.IntRange(0, len(v.Places)).Draw(t, "places")]
	case 1:
		v.Places = append(v.Places, member.Place{Since: v.Number, Identity: 77, Name: "y", Address: "y:1", Role: member.Writer})
	case 2:
		v.Number = number(t, "view number")
	case 3:
		v.Roots = append(v.Roots, member.Root{Number: number(t, "root"), Lineage: 5})
	}
	return v
}

func drawChoice(t *rapid.T) *protocol.Choice {
	first := founding()
	c := &protocol.Choice{Number: first.Number, Lineage: first.Lineage}
	c.Bids = few(t, "bids", func(t *rapid.T) protocol.Bid {
		b := protocol.Bid{Ballot: drawBallot(t), Change: *drawChange(t)}
		if rapid.Bool().Draw(t, "chosen") {
			b.View = drawView(t)
		}
		return b
	})
	c.Votes = few(t, "votes", func(t *rapid.T) protocol.Vote {
		return protocol.Vote{
			Identity: member.Identity(number(t, "voter")), Promised: drawBallot(t), Accepted: drawBallot(t),
			Have: few(t, "had", func(t *rapid.T) uint64 { return number(t, "entries") }), Clock: clock.Time(number(t, "clock")),
		}
	})
	return c
}

func drawBallot(t *rapid.T) protocol.Ballot {
	return protocol.Ballot{Round: number(t, "round"), Place: drawPlace(t)}
}

// founding is the first view of the members.
func founding() *member.View {
	return member.Founding(member.Lettered(hostileMembers), member.Binding{1, 2, 3})
}

func drawTag(t *rapid.T) protocol.Tag {
	tag := protocol.TagOf(founding())
	switch rapid.IntRange(0, 4).Draw(t, "tag") {
	case 0:
		return protocol.Tag{}
	case 1:
		return protocol.Tag{Number: number(t, "view"), Lineage: number(t, "lineage")}
	}
	return tag
}

func drawPlace(t *rapid.T) member.ID {
	return member.ID(rapid.OneOf(rapid.Uint16Range(0, hostileMembers), rapid.Just(uint16(math.MaxUint16))).Draw(t, "place"))
}

func drawRow(t *rapid.T) protocol.Row {
	return protocol.Row{
		Member: drawPlace(t), Identity: member.Identity(number(t, "of")), Version: number(t, "version"), Binding: number(t, "hash"),
		View: number(t, "row's view"), Wedged: rapid.Bool().Draw(t, "wedged"),
		Hears: few(t, "hears", func(t *rapid.T) uint64 { return number(t, "heard") }),
		Marks: few(t, "marks", func(t *rapid.T) protocol.StreamMark {
			return protocol.StreamMark{Stream: drawPlace(t), Mark: clock.Mark{Have: number(t, "held"), Promise: clock.Time(number(t, "promise"))}}
		}),
	}
}

func drawBatch(t *rapid.T) protocol.Batch {
	return protocol.Batch{
		Origin: drawPlace(t), Identity: member.Identity(number(t, "writer")), Seq: number(t, "seq"), Time: clock.Time(number(t, "time")),
		Count: uint32(number(t, "count")), Bytes: make([]byte, rapid.IntRange(0, 100).Draw(t, "bytes")),
	}
}

// drawEvent returns anything that a world could do to a member, and a lot that it
// could not.
func drawEvent(t *rapid.T) protocol.Event {
	e := protocol.Event{Kind: protocol.Kind(rapid.IntRange(int(protocol.Submit), int(protocol.Away)).Draw(t, "kind"))}
	switch e.Kind {
	case protocol.Submit:
		e.Batch = protocol.Batch{Count: 1, Bytes: make([]byte, 10)}
	case protocol.Receive:
		e.Message = drawMessage(t)
	case protocol.Change:
		e.Change = drawChange(t)
	case protocol.Up, protocol.Down:
		e.Peer, e.Reliable = member.ID(rapid.IntRange(1, hostileMembers-1).Draw(t, "peer")), rapid.Bool().Draw(t, "reliable")
	case protocol.Flush, protocol.Tick, protocol.Close, protocol.Away:
	}
	return e
}

// TestNothingFromOutsidePanics: whatever strangers and broken members say, in
// whatever order, a member goes on, keeps its limits, and delivers in order.
func TestNothingFromOutsidePanics(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		d := delta.New(delta.Config{
			Members: hostileMembers, Identity: 1, Durable: rapid.Bool().Draw(t, "durable"), Datagram: rapid.Bool().Draw(t, "datagram"),
			AheadBytesMax: 500, MemoryBytesMax: 5000, Changes: rapid.Bool().Draw(t, "changes"),
		})
		if rapid.Bool().Draw(t, "knows who is who") {
			d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
				From: 1, Identity: 2, Session: 1, Binding: member.Binding{1, 2, 3}, View: protocol.TagOf(founding()),
			}})
		}
		now, latest := time.Duration(0), protocol.Batch{}
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			for _, e := range []protocol.Event{drawEvent(t), {Kind: protocol.Flush}} {
				e.Now = now
				fx := d.Step(e)
				if fx.Reset != nil {
					latest = protocol.Batch{}
				}
				for _, b := range fx.Deliver {
					if latest.Count > 0 && b.Compare(&latest) <= 0 {
						t.Fatalf("delivers %+v after %+v", b, latest)
					}
					latest = b
				}
			}
			now += time.Duration(rapid.SampledFrom([]int{0, 10, 400, 5000}).Draw(t, "passes")) * time.Millisecond
		}
		d.Status()
		for range d.Tentative() {
		}
	})
}
