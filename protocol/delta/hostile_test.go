package delta_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/delta"
)

const hostileMembers = 3

// number draws small numbers, and those at the ends of what there is.
func number(t *rapid.T, label string) uint64 {
	return rapid.OneOf(
		rapid.Uint64Range(0, 5),
		rapid.SampledFrom([]uint64{1 << 32, 1<<40 + 1, 1<<62 - 1, 1 << 62, 1<<62 + 1, math.MaxUint64 - 1, math.MaxUint64}),
	).Draw(t, label)
}

func few[T any](t *rapid.T, label string, draw func(t *rapid.T) T) []T {
	return rapid.SliceOfN(rapid.Custom(draw), 0, 3).Draw(t, label)
}

func drawMessage(t *rapid.T) *protocol.Message {
	m := &protocol.Message{
		From: drawPlace(t), Identity: member.Identity(number(t, "identity")), Session: number(t, "session"), Number: number(t, "number"),
		Stable: clock.Time(number(t, "stable")), Agreed: rapid.Bool().Draw(t, "agreed"),
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
	return m
}

func drawPlace(t *rapid.T) member.ID {
	return member.ID(rapid.OneOf(rapid.Uint16Range(0, hostileMembers), rapid.Just(uint16(math.MaxUint16))).Draw(t, "place"))
}

func drawRow(t *rapid.T) protocol.Row {
	return protocol.Row{
		Member: drawPlace(t), Identity: member.Identity(number(t, "of")), Version: number(t, "version"), Binding: number(t, "hash"),
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

// drawEvent gives anything that a world could do to a member, and a lot that it
// could not.
func drawEvent(t *rapid.T) protocol.Event {
	e := protocol.Event{Kind: protocol.Kind(rapid.IntRange(int(protocol.Submit), int(protocol.Close)).Draw(t, "kind"))}
	switch e.Kind {
	case protocol.Submit:
		e.Batch = protocol.Batch{Count: 1, Bytes: make([]byte, 10)}
	case protocol.Receive:
		e.Message = drawMessage(t)
	case protocol.Up, protocol.Down:
		e.Peer, e.Reliable = member.ID(rapid.IntRange(1, hostileMembers-1).Draw(t, "peer")), rapid.Bool().Draw(t, "reliable")
	case protocol.Flush, protocol.Tick, protocol.Close:
	}
	return e
}

// TestNothingFromOutsidePanics: whatever strangers and broken members say, in
// whatever order, a member goes on, keeps its limits, and delivers in order.
func TestNothingFromOutsidePanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := delta.New(delta.Config{
			Members: hostileMembers, Identity: 1, Durable: rapid.Bool().Draw(t, "durable"), Datagram: rapid.Bool().Draw(t, "datagram"),
			AheadBytesMax: 500, MemoryBytesMax: 5000,
		})
		if rapid.Bool().Draw(t, "knows who is who") {
			d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
				From: 1, Identity: 2, Session: 1, Binding: member.Binding{1, 2, 3}, Agreed: true,
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
