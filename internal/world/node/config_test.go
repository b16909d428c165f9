package node

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/journal"
)

func TestAllMistakesAreNamedAtOnce(t *testing.T) {
	_, err := Start(context.Background(), Config{
		Self: 2, Cluster: strings.Repeat("c", 65), Protocol: "paxos", BatchEntriesMax: -1, BatchBytesMax: 10,
		Tick: time.Hour, MemoryBytesMax: 5, DrainFor: -1, DataDir: "x", Files: &journal.Memory{},
	})
	for _, part := range []string{
		"0 members", "Self is 2", "65 bytes", `"paxos"`, `"delta"`, "BatchEntriesMax is -1", "BatchBytesMax is 10",
		"Tick is 1h", "MemoryBytesMax is 5", "DrainFor is -1ns", "exclude each other",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = Start(context.Background(), Config{Members: member.List{{Name: "a", Host: "127.0.0.1", Port: port}}})
	if err == nil || !strings.Contains(err.Error(), listener.Addr().String()) || !strings.Contains(err.Error(), "member a") {
		t.Errorf("error: %v", err)
	}
}

func TestPayloadsHaveLimits(t *testing.T) {
	w := newWorld(t, 1, nil)
	n := w.start(0)
	ctx := context.Background()
	fail := func(_ uint64, err error) error { return err }
	for what, err := range map[string]error{
		"no byte":       fail(n.Broadcast(ctx, nil)),
		"too many":      fail(n.Broadcast(ctx, make([]byte, PayloadBytesMax+1))),
		"fill nothing":  fail(n.Fill(ctx, 0, func([]byte) int { return 0 })),
		"fill too much": fail(n.Fill(ctx, PayloadBytesMax+1, func([]byte) int { return 0 })),
	} {
		if !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := n.Broadcast(ctx, make([]byte, PayloadBytesMax)); err != nil {
		t.Errorf("largest payload: %v", err)
	}
	w.finish(1)
}

// tally counts the events of each kind.
type tally map[trace.Kind]int

func (t tally) Tell(e *trace.Event) { t[e.Kind]++ }

func TestTraceTellsWhatHappens(t *testing.T) {
	told := []tally{{}, {}}
	w := newWorld(t, 2, func(c *Config) { c.Watcher = trace.NewRecorder(told[c.Self], c.Self, 2) })
	w.startAll()
	w.say(0, 3, "x")
	w.finish(3)
	for i, kinds := range told {
		for _, kind := range []trace.Kind{trace.Start, trace.Up, trace.Append, trace.Receive, trace.Send, trace.Deliver, trace.Close} {
			if kinds[kind] == 0 {
				t.Errorf("member %d told nothing of kind %v", i, kind)
			}
		}
	}
}
