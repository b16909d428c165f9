package transport

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// signals is a handler that tells a test through channels.
type signals struct {
	started   chan struct{} // closed when transport is set
	transport *Transport
	up        chan member.ID
	down      chan member.ID
	numbers   chan uint64
}

func (s *signals) Up(peer member.ID, _ bool) { s.up <- peer }

func (s *signals) Down(peer member.ID) { s.down <- peer }

func (s *signals) Receive(m *protocol.Message) {
	for i := range m.Batches {
		m.Batches[i].Buffer.Release()
	}
	number := m.Number
	<-s.started
	s.transport.Recycle(m)
	s.numbers <- number
}

// socketNode is a member on a real socket.
type socketNode struct {
	*Transport
	*signals
}

// listenAll makes listeners on loopback, and the list of their members.
func listenAll(tb testing.TB, members int) (list member.List, listeners []net.Listener) {
	tb.Helper()
	for range members {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		address := listener.Addr().(*net.TCPAddr)
		list = append(list, member.Member{Name: address.String(), Host: "127.0.0.1", Port: address.Port})
		listeners = append(listeners, listener)
	}
	return list, listeners
}

// startReal runs a member on a real socket.
func startReal(tb testing.TB, list member.List, self member.ID, life uint64, listener net.Listener, change ...func(*Config)) *socketNode {
	tb.Helper()
	handler := &signals{started: make(chan struct{}), up: make(chan member.ID, 100), down: make(chan member.ID, 100), numbers: make(chan uint64, 1<<16)}
	var dialer net.Dialer
	config := Config{
		Self: self, List: list, Identity: member.Identity(100 + self), Life: life, Listener: listener,
		Dial: dialer.DialContext, Handler: handler, Pool: protocol.NewPool(256<<10, 16), Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&config)
	}
	transport, err := Start(config)
	if err != nil {
		tb.Fatal(err)
	}
	handler.transport = transport
	close(handler.started)
	return &socketNode{transport, handler}
}

func (r *socketNode) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.Close(ctx)
}

func (r *socketNode) say(to member.ID, number uint64, batches ...protocol.Batch) {
	r.Send(protocol.Envelope{To: to, Message: &protocol.Message{
		From: r.config.Self, Identity: r.config.Identity, Number: number, Batches: batches,
	}})
}

// expect waits for something on a channel.
func expect[T comparable](tb testing.TB, from <-chan T, want T) {
	tb.Helper()
	select {
	case got := <-from:
		if got != want {
			tb.Fatalf("got %v, want %v", got, want)
		}
	case <-time.After(20 * time.Second):
		tb.Fatalf("no %v", want)
	}
}

// TestMembersOnRealSockets sends large and small messages, ends a member, and
// starts it again.
func TestMembersOnRealSockets(t *testing.T) {
	list, listeners := listenAll(t, 2)
	a := startReal(t, list, 0, 1, listeners[0])
	defer a.stop()
	b := startReal(t, list, 1, 1, listeners[1])
	expect(t, a.up, 1)
	expect(t, b.up, 0)
	large := testBatch(0, 1, 900_000) // a message larger than a buffer
	for number := range uint64(20) {
		a.say(1, number, large, testBatch(0, 1, int(number)))
		b.say(0, number, testBatch(1, 1, 5))
		expect(t, b.numbers, number)
		expect(t, a.numbers, number)
	}
	b.stop()
	expect(t, a.down, 1)
	if stats := a.Stats()[0]; stats.SentFrames != 20 || stats.SentBytes < 20*900_000 || stats.SentBatchBytes < 20*900_000 {
		t.Fatalf("statistics: %+v", stats)
	}
	listener, err := net.Listen("tcp", list[1].Address())
	if err != nil {
		t.Fatal(err)
	}
	b = startReal(t, list, 1, 2, listener)
	defer b.stop()
	expect(t, a.up, 1)
	a.say(1, 99)
	expect(t, b.numbers, 99)
}

// TestMembersWithKeysOnRealSockets sends large messages over TLS.
func TestMembersWithKeysOnRealSockets(t *testing.T) {
	list, listeners := listenAll(t, 2)
	keys := newAuthority(t)
	var nodes []*socketNode
	for i, m := range list {
		n := startReal(t, list, member.ID(i), 1, listeners[i], func(c *Config) { c.TLS = keys.good(m.Name) })
		defer n.stop()
		nodes = append(nodes, n)
	}
	expect(t, nodes[0].up, 1)
	expect(t, nodes[1].up, 0)
	large := testBatch(0, 1, 900_000)
	for number := range uint64(20) {
		nodes[0].say(1, number, large)
		nodes[1].say(0, number, testBatch(1, 1, 5))
		expect(t, nodes[1].numbers, number)
		expect(t, nodes[0].numbers, number)
	}
}

// TestCloseLetsPeersTakeWhatWaitsOnRealSockets closes right after sending.
func TestCloseLetsPeersTakeWhatWaitsOnRealSockets(t *testing.T) {
	list, listeners := listenAll(t, 2)
	a := startReal(t, list, 0, 1, listeners[0])
	b := startReal(t, list, 1, 1, listeners[1])
	defer b.stop()
	expect(t, a.up, 1)
	batch := testBatch(0, 1, 16<<10)
	for number := range uint64(500) {
		a.say(1, number, batch)
	}
	a.stop()
	for number := range uint64(500) {
		expect(t, b.numbers, number)
	}
}

// TestFramesDoNotAllocate sends frames like those of the hot path through real
// sockets.
func TestFramesDoNotAllocate(t *testing.T) {
	list, listeners := listenAll(t, 2)
	a := startReal(t, list, 0, 1, listeners[0])
	defer a.stop()
	b := startReal(t, list, 1, 1, listeners[1])
	defer b.stop()
	expect(t, a.up, 1)
	batch := testBatch(0, 1, 16<<10-40)
	m := &protocol.Message{
		From: 0, Identity: 100, Number: 1, Batches: []protocol.Batch{batch, batch, batch, batch},
		Rows: []protocol.Row{{Identity: 100, Marks: make([]protocol.StreamMark, 5)}},
	}
	frame := func() {
		for {
			a.Send(protocol.Envelope{To: 1, Message: m})
			select {
			case <-b.numbers:
				return
			case <-a.up: // on a very busy machine: it may be lost
			}
		}
	}
	for range 2000 {
		frame()
	}
	if allocs := testing.AllocsPerRun(5000, frame); allocs > 0.1 && !raceDetector {
		t.Fatalf("%.2f allocations a frame", allocs)
	}
}
