package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/transport/memnet"
	"chatterbox/internal/world/wire"
)

// world is a cluster of nodes in one process, with a network in memory.
type world struct {
	t       *testing.T
	network *memnet.Network
	list    member.List
	change  func(*Config)
	nodes   []*Node
	logs    []*log
	random  uint64
}

// log is what one node delivered: a line for each entry. The loop writes it,
// and tests read it after the node has stopped or when the loop rests.
type log struct {
	entries []string
	resets  int
}

func (l *log) deliver(batches []protocol.Batch) {
	for i := range batches {
		b := &batches[i]
		seq := b.Seq
		for payload := range wire.Payloads(b).All() {
			l.entries = append(l.entries, fmt.Sprintf("%d/%d %s", b.Origin, seq, payload))
			seq++
		}
	}
}

func (l *log) reset(s *protocol.Snapshot) {
	l.resets++
	l.entries = slices.Clone(l.entries[:min(int(counted(s.State)), len(l.entries))])
}

// count is a fold that counts entries.
func count(state []byte, next *protocol.Batch) []byte {
	return binary.LittleEndian.AppendUint64(state[:0], counted(state)+uint64(next.Count))
}

// counted returns how many entries a state stands for.
func counted(state []byte) uint64 {
	if len(state) == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(state)
}

func newWorld(t *testing.T, members int, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, network: memnet.New(), change: change, nodes: make([]*Node, members), random: 1}
	for i := range members {
		w.list = append(w.list, member.Member{Name: string(rune('a' + i)), Host: "host", Port: i + 1})
		w.logs = append(w.logs, &log{})
	}
	return w
}

// start starts member i, with a log of its own that goes on over restarts.
func (w *world) start(i int) *Node {
	w.t.Helper()
	listener, err := w.network.Listen(w.list[i].Address())
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := Config{
		Members: w.list, Self: member.ID(i), Cluster: "test",
		Listener: listener, Dial: w.network.Dialer(w.list[i].Address()),
		Deliver: w.logs[i].deliver, Reset: w.logs[i].reset, Fold: count,
		Random: w.draw,
	}
	if w.change != nil {
		w.change(&cfg)
	}
	n, err := Start(context.Background(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[i] = n
	return n
}

func (w *world) draw() uint64 {
	w.random += 0x9e3779b97f4a7c15
	return w.random ^ w.random>>31
}

func (w *world) startAll() {
	w.t.Helper()
	for i := range w.nodes {
		w.start(i)
	}
}

func (w *world) close(i int) {
	w.t.Helper()
	if err := w.nodes[i].Close(context.Background()); err != nil {
		w.t.Errorf("close %d: %v", i, err)
	}
}

func (w *world) closeAll() {
	w.t.Helper()
	for i := range w.nodes {
		w.close(i)
	}
}

// say broadcasts so many payloads at member i.
func (w *world) say(i, payloads int, what string) {
	w.t.Helper()
	for k := range payloads {
		if _, err := w.nodes[i].Broadcast(context.Background(), fmt.Appendf(nil, "%s%d", what, k)); err != nil {
			w.t.Fatalf("broadcast at %d: %v", i, err)
		}
	}
}

// finish closes all streams, waits until all members are complete, and
// compares what they delivered.
func (w *world) finish(entries int) {
	w.t.Helper()
	for _, n := range w.nodes {
		n.CloseStream()
	}
	for i, n := range w.nodes {
		select {
		case <-n.Complete():
		case <-time.After(time.Minute):
			w.fatal(i, "is not complete after a minute")
		}
	}
	for i, n := range w.nodes {
		select {
		case <-n.AllComplete():
		case <-time.After(time.Minute):
			w.fatal(i, "does not know after a minute that all are complete")
		}
	}
	w.closeAll()
	w.compare(entries)
}

func (w *world) compare(entries int) {
	w.t.Helper()
	for i, l := range w.logs {
		if len(l.entries) != entries {
			w.t.Errorf("member %d delivered %d entries, want %d", i, len(l.entries), entries)
		}
		if !slices.Equal(l.entries, w.logs[0].entries) {
			w.t.Errorf("members 0 and %d delivered differently", i)
		}
	}
}

func (w *world) fatal(i int, what string) {
	w.t.Helper()
	for k, n := range w.nodes {
		status, err := n.Status(context.Background())
		w.t.Logf("%d: %+v, %v", k, status, err)
	}
	w.t.Fatalf("member %d %s", i, what)
}

// cut cuts all paths between member 0 and another, or heals them.
func (w *world) cut(other int, heal bool) {
	change := w.network.Cut
	if heal {
		change = w.network.Heal
	}
	change(w.list[0].Address(), w.list[other].Address())
	change(w.list[other].Address(), w.list[0].Address())
}

// pass lets virtual time pass, with all that is due in it.
func pass(d time.Duration) { <-time.After(d) }

// numbers fills payloads of 8 bytes that count up from *next.
func numbers(next *uint64) func([]byte) int {
	return func(dst []byte) int {
		n := len(dst) / 8 * 8
		for at := 0; at < n; at += 8 {
			binary.LittleEndian.PutUint64(dst[at:], *next)
			*next++
		}
		return n
	}
}
