package transport

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// keeps has a member keep one batch, with the entries at positions from 5 to 9,
// which begins its stream of member 2 with entry 3.
func keeps(batch []byte) func(*Config) {
	return func(c *Config) {
		c.OnRead = func(_ member.ID, ask wire.Ask) wire.Part {
			first := uint64(5)
			switch {
			case ask.Stream == 3 && ask.At == 3:
				first = 3
			case ask.Stream != 0, ask.At < 5, ask.At > 9:
				return wire.Part{}
			}
			end := min(int(ask.Offset)+wire.PartBytesMax, len(batch))
			return wire.Part{At: first, Size: uint64(len(batch)), Offset: ask.Offset, Bytes: batch[ask.Offset:end]}
		}
	}
}

// TestMemberReadsFromPeers reads batches from a peer, before the member takes part
// and while it does, with keys and without; links have no part in it.
func TestMemberReadsFromPeers(t *testing.T) {
	for _, secure := range []bool{false, true} {
		inWorld(t, 3, func(w *world) {
			batch := bytes.Repeat([]byte("batch "), wire.PartBytesMax/3) // of two parts
			keys := newAuthority(w)
			config := func(id member.ID, change func(*Config)) func(*Config) {
				return func(c *Config) {
					if change(c); secure {
						c.TLS = keys.good(w.list[id].Name)
					}
				}
			}
			nothing := func(*Config) {}
			w.start(0, config(0, keeps(batch)))
			w.start(2, config(2, nothing))
			w.rest(time.Second)
			w.nodes[0].history()
			cfg := w.config(1)
			config(1, nothing)(&cfg)
			idle, err := Idle(cfg)
			if err != nil {
				w.Fatal(err)
			}
			readAll := func(from *Transport) {
				for ask, want := range map[wire.Ask]uint64{{At: 5}: 5, {At: 9}: 5, {At: 3, Stream: 3}: 3} {
					first, got, err := from.Read(w.Context(), 0, ask)
					if err != nil || first != want || !bytes.Equal(got, batch) {
						w.Fatalf("%+v: %d bytes from %d, %v", ask, len(got), first, err)
					}
				}
				if _, _, err := from.Read(w.Context(), 0, wire.Ask{At: 4}); !errors.Is(err, ErrNotKept) {
					w.Errorf("what is not kept: %v", err)
				}
			}
			readAll(idle)
			if _, _, err := idle.Read(w.Context(), 2, wire.Ask{At: 5}); err == nil {
				w.Error("read from a member that keeps nothing")
			}
			if history := w.nodes[0].history(); history != "[]" {
				w.Errorf("links of who was read from: %s", history)
			}
			w.rest(2 * readingMax) // the connection is over, and another one takes its place
			readAll(idle)
			if accepted := w.nodes[0].Stats()[0].Accepted; accepted != 0 {
				w.Errorf("%d connections of the idle member count as links", accepted)
			}
			ended, cancel := context.WithCancel(w.Context())
			cancel()
			idle.Close(ended)
			w.start(1, config(1, nothing))
			w.rest(time.Second)
			readAll(w.nodes[1].Transport)
			w.nodes[1].say(0, 1)
			w.rest(time.Second)
			if got := w.nodes[0].received(); len(got) != 1 {
				w.Errorf("received %v", got)
			}
		})
	}
}

// TestMovedMemberIsReadFromWhereItIs starts a member at another address than the
// list has: it is dialed there, for messages and for reading.
func TestMovedMemberIsReadFromWhereItIs(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		listener, err := w.network.Listen("elsewhere:7")
		if err != nil {
			w.Fatal(err)
		}
		w.start(0, func(c *Config) {
			keeps([]byte("batch"))(c)
			c.Listener = listener
		})
		reader := w.start(1, nil)
		reader.Move(0, "elsewhere", 7)
		w.rest(5 * time.Second)
		if !reader.isUp(0) {
			w.Errorf("no link to who has moved:\n%s", w.log)
		}
		if _, batch, err := reader.Read(w.Context(), 0, wire.Ask{At: 5}); string(batch) != "batch" || err != nil {
			w.Errorf("read %q, %v", batch, err)
		}
	})
}

// TestAReadThatWaitsForAnotherEndsWithItsContext has a peer answer nothing: who
// waits for the connection to it need not wait as long as who has it.
func TestAReadThatWaitsForAnotherEndsWithItsContext(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		answer := make(chan struct{})
		w.start(0, func(c *Config) {
			c.OnRead = func(member.ID, wire.Ask) wire.Part {
				<-answer
				return wire.Part{}
			}
		})
		reader := w.start(1, nil)
		first := make(chan error, 1)
		go func() {
			_, _, err := reader.Read(w.Context(), 0, wire.Ask{At: 5})
			first <- err
		}()
		w.rest(time.Second)
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, _, err := reader.Read(ctx, 0, wire.Ask{At: 5}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			w.Errorf("after %v: %v", time.Since(began), err)
		}
		close(answer)
		if err := <-first; !errors.Is(err, ErrNotKept) {
			w.Error(err)
		}
	})
}

// TestReadingEndsWithWhatIsNoAsk: a message on a connection for reading ends it and
// counts for nothing; of a peer there is one at a time, and not for ever.
func TestReadingEndsWithWhatIsNoAsk(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.start(0, keeps([]byte("batch")))
		conn := w.visit("hostb")
		h := w.hello(1)
		h.Purpose = wire.ForReading
		_, _ = conn.Write(wire.AppendHello(nil, &h))
		if _, err := readFrame(conn, wire.KindWelcome, wire.HandshakeBytesMax); err != nil {
			w.Fatal(err)
		}
		m := protocol.Message{From: 1, Identity: 101, Number: 1}
		_, _ = conn.Write(wire.AppendFrame(nil, &m))
		closes(w.T, conn, time.Second)
		if got := w.nodes[0].received(); len(got) > 0 {
			w.Errorf("received %v", got)
		}
		second := w.visit("hostb")
		_, _ = second.Write(wire.AppendHello(nil, &h))
		if _, err := readFrame(second, wire.KindWelcome, wire.HandshakeBytesMax); err != nil {
			w.Fatal(err)
		}
		third := w.visit("hostb")
		_, _ = third.Write(wire.AppendHello(nil, &h))
		if refusal := refusalOf(w.T, closes(w.T, third, time.Second)); refusal == "" {
			w.Error("two connections for reading at a time")
		}
		closes(w.T, second, readingMax+time.Second) // silent for too long
	})
}
