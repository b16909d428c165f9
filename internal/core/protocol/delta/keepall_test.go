package delta_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
)

// TestWhoKeepsAllRests, too: once every member holds everything, the batches that
// stay in memory are no reason to speak more often than to give a sign of life.
func TestWhoKeepsAllRests(t *testing.T) {
	const members, keepAlive = 3, time.Second
	nodes := make([]*delta.Delta, members)
	for i := range nodes {
		nodes[i] = delta.New(delta.Config{
			Self: member.ID(i), Members: members, Identity: member.Identity(i + 1), Datagram: true, KeepAll: true, KeepAlive: keepAlive,
		})
	}
	var now time.Duration
	sent := 0
	step := func(i int, event protocol.Event) {
		event.Now = now
		for _, envelope := range nodes[i].Step(event).Send {
			sent++
			nodes[envelope.To].Step(protocol.Event{Kind: protocol.Receive, Now: now, Peer: member.ID(i), Message: envelope.Message})
		}
	}
	pass := func(length time.Duration) {
		for until := now + length; now < until; now += 10 * time.Millisecond {
			for i := range nodes {
				step(i, protocol.Event{Kind: protocol.Tick})
				step(i, protocol.Event{Kind: protocol.Flush})
			}
		}
	}
	pass(2 * keepAlive)
	step(0, protocol.Event{Kind: protocol.Submit, Batch: protocol.Batch{Count: 1, Bytes: make([]byte, 100)}})
	pass(4 * keepAlive)
	for i, node := range nodes {
		if status := node.Status(); status.Held[0].Have != 1 || status.LogBytes == 0 {
			t.Fatalf("member %d: %+v", i, status)
		}
		if node.Next() <= now {
			t.Errorf("member %d wants the next tick", i)
		}
	}
	sent = 0
	pass(4 * keepAlive)
	if most := members * (members - 1) * 5; sent > most {
		t.Errorf("%d messages in four signs of life, expected are at most %d", sent, most)
	}
}
