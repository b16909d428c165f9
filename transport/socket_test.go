package transport

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
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
func startReal(tb testing.TB, list member.List, self member.ID, life uint64, listener net.Listener) *socketNode {
	tb.Helper()
	handler := &signals{started: make(chan struct{}), up: make(chan member.ID, 100), down: make(chan member.ID, 100), numbers: make(chan uint64, 1<<16)}
	var dialer net.Dialer
	transport, err := Start(Config{
		Self: self, List: list, Identity: member.Identity(100 + self), Life: life, Listener: listener,
		Dial: dialer.DialContext, Handler: handler, Pool: protocol.NewPool(256<<10, 16), Log: slog.New(slog.DiscardHandler),
	})
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

// BenchmarkThroughput carries 64 KiB frames of 16 KiB batches over loopback:
// raw writes the same bytes and discards what it reads.
func BenchmarkThroughput(b *testing.B) {
	const window = 64 // frames in flight, 4 MiB
	for _, batches := range []int{1, 4} {
		batch := testBatch(0, 1, 16<<10-40)
		m := &protocol.Message{From: 0, Identity: 100, Number: 1}
		for range batches {
			m.Batches = append(m.Batches, batch)
		}
		b.Run(fmt.Sprintf("transport/%dKiB", batches*16), func(b *testing.B) {
			list, listeners := listenAll(b, 2)
			from := startReal(b, list, 0, 1, listeners[0])
			defer from.stop()
			to := startReal(b, list, 1, 1, listeners[1])
			defer to.stop()
			expect(b, from.up, 1)
			b.SetBytes(int64(batches) * 16 << 10)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N + window {
				if i >= window {
					arrive(b, from, to)
				}
				if i < b.N {
					from.Send(protocol.Envelope{To: 1, Message: m})
				}
			}
		})
		b.Run(fmt.Sprintf("raw/%dKiB", batches*16), func(b *testing.B) { benchmarkRaw(b, batches*16<<10) })
	}
}

// arrive waits for a message; a link that was lost has lost it.
func arrive(b *testing.B, from, to *socketNode) {
	b.Helper()
	select {
	case <-to.numbers:
	case <-from.up:
		b.Skip("the machine is too busy: the link was lost")
	}
}

func benchmarkRaw(b *testing.B, bytes int) {
	b.Helper()
	_, listeners := listenAll(b, 1)
	defer listeners[0].Close()
	var reader sync.WaitGroup
	reader.Go(func() {
		conn, err := listeners[0].Accept()
		if err != nil {
			return
		}
		buffer := make([]byte, readBytesMax)
		for err == nil {
			_, err = conn.Read(buffer)
		}
		_ = conn.Close()
	})
	conn, err := net.Dial("tcp", listeners[0].Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	frame := make([]byte, bytes)
	b.SetBytes(int64(bytes))
	b.ResetTimer()
	for range b.N {
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	reader.Wait()
}
