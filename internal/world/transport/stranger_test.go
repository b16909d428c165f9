package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// visit connects to member 0 from a host of that name.
func (w *world) visit(from string) net.Conn {
	w.Helper()
	conn, err := w.network.Dialer(from)(w.Context(), "tcp", w.address(0))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.Close() })
	return conn
}

// hello is what member 1 would say to member 0.
func (w *world) hello(session uint64) wire.Hello {
	return wire.Hello{
		Cluster: "test", Members: w.list.Hash(), Count: len(w.list), From: 1, To: 0, Identity: 101, Session: session,
	}
}

// helloOfVersion1 is the worked example of docs/wire.md as it was in version 1.
const helloOfVersion1 = "\x26\x00\x00\x00\x03chbx\x01\x04demo\xcd\xab\x00\x00\x00\x00\x00\x00\x01\x02" +
	"\x88\x77\x66\x55\x44\x33\x22\x11\x82\x80\x80\x80\x10\xac\x02\x94\x0a"

// closes reads until the connection is closed, and gives what came; it fails
// if that takes longer than a limit.
func closes(t *testing.T, conn net.Conn, limit time.Duration) []byte {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	got, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("still open after %v", limit)
	}
	return got
}

// refusalOf reads the reason of a welcome that is a refusal; no answer is an
// empty one.
func refusalOf(t *testing.T, answer []byte) string {
	t.Helper()
	if len(answer) == 0 {
		return ""
	}
	_, body, _, err := wire.CutFrame(answer, wire.HandshakeBytesMax)
	if err != nil {
		t.Fatal(err)
	}
	welcome, err := wire.DecodeWelcome(body)
	if err != nil || welcome.Refusal == "" {
		t.Fatalf("no refusal in %v, error %v", welcome, err)
	}
	return welcome.Refusal
}

// TestStrangersAreRefusedWithAReason shows all that a stranger can do: he is
// told why, the log tells it once, and the links of members are not touched.
func TestStrangersAreRefusedWithAReason(t *testing.T) {
	hello := func(change func(*wire.Hello)) func(*world) []byte {
		return func(w *world) []byte {
			h := w.hello(1 << 40)
			change(&h)
			return wire.AppendHello(nil, &h)
		}
	}
	fixed := func(text string) func(*world) []byte { return func(*world) []byte { return []byte(text) } }
	version := func(w *world) []byte {
		h := w.hello(1 << 40)
		frame := wire.AppendHello(nil, &h)
		frame[wire.FrameHeaderBytes+4]++
		return frame
	}
	for _, stranger := range []struct {
		name   string
		says   func(*world) []byte
		log    string
		answer string // part of the refusal
	}{
		{"garbage", fixed("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "what came is not a hello", "allowed are"},
		{"half a frame", fixed("\x40\x00\x00\x00\x03chbx"), "no hello in time", ""},
		{"a frame of 2^63 bytes", fixed("\xff\xff\xff\xff\xff\xff\xff\x7f"), "what came is not a hello", "allowed are"},
		{"nothing", fixed(""), "no hello in time", ""},
		{"an unknown kind", fixed("\x01\x00\x00\x00\x63"), "what came is not a hello", "unknown kind"},
		{"a message", func(*world) []byte { return wire.AppendMessage(nil, &protocol.Message{}) }, "what came is not a hello", "instead of a handshake"},
		{"in a member's name", hello(func(*wire.Hello) {}), "member b runs already", "stop one of them"},
		{"another protocol", hello(func(h *wire.Hello) { h.Protocol = "lockstep" }), "protocols differ", "same --protocol"},
		{"another number of members", hello(func(h *wire.Hello) { h.Members, h.Count = 1, 7 }), "one has 3 members, the other 7", "same peers file"},
		{"another cluster", hello(func(h *wire.Hello) { h.Cluster = "other" }), `cluster \"test\", not \"other\"`, "same cluster name"},
		{"another list", hello(func(h *wire.Hello) { h.Members++ }), "member lists differ", "peers file"},
		{"another version", version, "version", "same release"},
		{"the release before", fixed(helloOfVersion1), "speaks version 1, this one 4", "same release"},
		{"for another member", hello(func(h *wire.Hello) { h.To = 2 }), "this is member a, not c", "host and port"},
		{"from the member itself", hello(func(h *wire.Hello) { h.From = 0 }), "cannot dial", "only one process"},
		{"from nobody", hello(func(h *wire.Hello) { h.From = 77 }), "cannot dial", "not known there"},
		{"from itself", hello(func(h *wire.Hello) { h.From = h.To }), "cannot dial", "only one process"},
		{"to join where nobody does", hello(func(h *wire.Hello) { h.Purpose = wire.ForJoining }), "nobody joins", "those of its list"},
		{"without identity", hello(func(h *wire.Hello) { h.Identity = 0 }), "no identity", "no identity"},
	} {
		t.Run(stranger.name, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				w.startAll(nil)
				for range 3 {
					conn := w.visit("stranger")
					_, _ = conn.Write(stranger.says(w))
					answer := closes(w.T, conn, 600*time.Millisecond)
					if refusal := refusalOf(w.T, answer); !strings.Contains(refusal, stranger.answer) {
						w.Fatalf("refusal %q", refusal)
					}
				}
				if told := w.log.count(stranger.log); told != 1 {
					w.Fatalf("the log tells of %q %d times:\n%s", stranger.log, told, w.log)
				}
				if refused := w.nodes[0].Refused(); refused != 3 {
					w.Fatalf("%d connections were refused", refused)
				}
				if history := w.nodes[0].history(); history != "[]" {
					w.Fatalf("links: %s", history)
				}
			})
		})
	}
}

// TestCrowdOfStrangersIsLimited opens more connections than may be unknown.
func TestCrowdOfStrangersIsLimited(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(func(c *Config) { c.UnknownMax = 3 })
		var crowd []net.Conn
		for range 10 {
			crowd = append(crowd, w.visit("stranger"))
			synctest.Wait()
		}
		for i, conn := range crowd {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := conn.Read(make([]byte, 1))
			if open := errors.Is(err, os.ErrDeadlineExceeded); open != (i >= 7) {
				w.Fatalf("connection %d of 10: %v", i, err)
			}
		}
		w.stop(1)
		w.start(1, nil)
		w.rest(300 * time.Millisecond)
		if !w.nodes[0].isUp(1) || !w.nodes[1].isUp(0) {
			w.Fatalf("members do not get through:\n%s", w.log)
		}
		if told := w.log.count("too many"); told != 1 {
			w.Fatalf("the log tells of it %d times:\n%s", told, w.log)
		}
	})
}

// TestCrowdOfOneHostCrowdsOutItsOwn lets a host come with many connections while
// others have said nothing yet: it is its own oldest that are closed.
func TestCrowdOfOneHostCrowdsOutItsOwn(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(func(c *Config) { c.UnknownMax = 5 })
		quiet := []net.Conn{w.visit("one:7"), w.visit("two:7")}
		synctest.Wait()
		var crowd []net.Conn
		for i := range 20 {
			crowd = append(crowd, w.visit(fmt.Sprintf("flood:%d", i)))
			synctest.Wait()
		}
		isOpen := func(conn net.Conn) bool {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := conn.Read(make([]byte, 1))
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
		for i, conn := range quiet {
			if !isOpen(conn) {
				w.Errorf("quiet connection %d was closed", i)
			}
		}
		for i, conn := range crowd {
			if open := isOpen(conn); open != (i >= 17) {
				w.Errorf("connection %d of the crowd: open %v", i, open)
			}
		}
	})
}

// TestFloodOfStrangersIsBounded lets strangers come without end, from few hosts:
// so many are heard as the gate lets in, and the log tells of the others once a
// minute. Members get through meanwhile, also one that comes from an address that
// no list has.
func TestFloodOfStrangersIsBounded(t *testing.T) {
	const seconds, visits = 40, 200 // each second
	inWorld(t, 3, func(w *world) {
		moved := func(c *Config) { c.Dial = w.network.Dialer("nat:9") }
		w.start(0, nil)
		w.start(1, nil)
		w.start(2, moved)
		w.rest(time.Second)
		heard, began := 0, time.Now()
		for second := range seconds {
			for i := range visits {
				conn := w.visit(fmt.Sprintf("flood%d:%d", i%10, second))
				_, _ = conn.Write([]byte("garbage, and more of it"))
				synctest.Wait()
				_ = conn.SetReadDeadline(time.Now().Add(2 * strangersApart))
				if n, _ := conn.Read(make([]byte, 1)); n > 0 {
					heard++
				}
				_ = conn.Close()
			}
			if second%10 == 5 {
				w.stop(1)
				w.stop(2)
				w.start(1, nil)
				w.start(2, moved)
				w.rest(500 * time.Millisecond)
				if !w.nodes[0].isUp(1) || !w.nodes[0].isUp(2) || !w.nodes[1].isUp(0) || !w.nodes[2].isUp(0) {
					w.Fatalf("members do not get through:\n%s", w.log)
				}
			}
			w.rest(time.Second)
		}
		// Of the members' restarts nothing counts: they are known.
		if most := strangersBurst + int(strangersPerSecond*time.Since(began).Seconds()) + 1; heard > most || heard < strangersPerSecond*seconds {
			w.Errorf("%d strangers were heard, want at most %d", heard, most)
		}
		if refused := w.nodes[0].Refused(); refused < seconds*visits {
			w.Errorf("%d are counted", refused)
		}
		if told := w.log.count("somebody connects who is no member"); told != 1 {
			w.Errorf("the log tells of it %d times in %d s:\n%s", told, seconds, w.log)
		}
	})
}

// TestFailedHandshakeKeepsItsHostOutForAWhile has strangers come who show no key:
// each host is heard once in a time. Members' hosts are heard whatever came from
// there, and a member that starts there again has its links at once.
func TestFailedHandshakeKeepsItsHostOutForAWhile(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		keys := newAuthority(w)
		secured := func(name string) func(*Config) { return func(c *Config) { c.TLS = keys.good(name) } }
		w.start(0, secured("a"))
		w.start(1, secured("b"))
		w.rest(time.Second)
		heard := func(from string) bool {
			conn := w.visit(from)
			_, _ = conn.Write([]byte("no first message of TLS"))
			return len(closes(w.T, conn, time.Second)) > 0
		}
		for range 3 {
			if !heard("stranger:1") || heard("stranger:2") || !heard("other:1") || heard("other:2") {
				w.Fatalf("the first one of a host is to be heard, and no other:\n%s", w.log)
			}
			w.rest(strangerBarredFor - 100*time.Millisecond)
			if heard("stranger:3") {
				w.Fatal("a host is heard too early")
			}
			w.rest(100 * time.Millisecond)
		}
		for i := range 10 {
			if !heard(fmt.Sprintf("hostb:%d", i)) {
				w.Fatalf("a member's host is not heard:\n%s", w.log)
			}
		}
		w.stop(1)
		w.start(1, secured("b"))
		w.rest(300 * time.Millisecond)
		if !w.nodes[0].isUp(1) || !w.nodes[1].isUp(0) {
			w.Fatalf("a member does not get through:\n%s", w.log)
		}
	})
}

// TestStrangersWaitForEachOther has many come at once who are heard, while a member
// starts: they are answered one after the other, and all in time.
func TestStrangersWaitForEachOther(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		w.stop(1)
		for i := range strangersBurst {
			_, _ = w.visit(fmt.Sprintf("stranger%d:1", i)).Write([]byte("garbage, and more of it"))
		}
		w.start(1, nil)
		w.rest(strangersApart / 2)
		if !w.nodes[1].isUp(0) { // the other way it is dialed anew, in its time
			w.Errorf("a member waits with them:\n%s", w.log)
		}
		for answered := uint64(1); answered <= strangersBurst; answered++ {
			if got := w.nodes[0].Refused(); got != answered {
				w.Fatalf("%d are answered, want %d", got, answered)
			}
			w.rest(strangersApart)
		}
	})
}

// TestOpenPortWithoutAnybodyIsNoLink dials a process that accepts in its
// kernel and never answers, as one that is stopped does.
func TestOpenPortWithoutAnybodyIsNoLink(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		stopped, err := w.network.Listen(w.address(1))
		if err != nil {
			w.Fatal(err)
		}
		w.start(0, nil)
		w.rest(20 * time.Second)
		if dials := w.nodes[0].Stats()[0].Dials; w.nodes[0].isUp(1) || dials > 50 {
			w.Fatalf("link %s, %d attempts in 20 s", w.nodes[0].history(), dials)
		}
		w.start(1, func(c *Config) { c.Listener = stopped })
		w.rest(500 * time.Millisecond)
		if !w.nodes[0].isUp(1) {
			w.Fatalf("no link 500 ms after it goes on:\n%s", w.log)
		}
	})
}

// TestRefusalIsToldOnceAndMended starts a member with another list.
func TestRefusalIsToldOnceAndMended(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.start(0, nil)
		w.start(1, func(c *Config) {
			c.List = slices.Clone(c.List)
			c.List[1].Key = "other"
		})
		w.rest(10 * time.Minute)
		if told := w.log.count("no link; dialing again until this is mended"); told != 2 {
			w.Fatalf("the dialers tell of it %d times:\n%s", told, w.log)
		}
		if told := w.log.count("refused a connection"); told > 2*10 {
			w.Fatalf("the others tell of it %d times in ten minutes:\n%s", told, w.log)
		}
		w.stop(1)
		w.start(1, nil)
		w.rest(300 * time.Millisecond)
		if !w.nodes[0].isUp(1) || !w.nodes[1].isUp(0) {
			w.Fatalf("no link with the right list:\n%s", w.log)
		}
	})
}

// TestLaterConnectionTakesTheOldOnesPlace dials twice in one member's name,
// then once with a number that is past, then twice without using it.
func TestLaterConnectionTakesTheOldOnesPlace(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		n := w.start(0, nil)
		say := func(conn net.Conn, number uint64) {
			m := protocol.Message{From: 1, Identity: 101, Number: number}
			_, _ = conn.Write(wire.AppendFrame(nil, &m))
			synctest.Wait()
		}
		dial := func(session uint64) net.Conn {
			conn := w.visit("hostb")
			h := w.hello(session)
			_, _ = conn.Write(wire.AppendHello(nil, &h))
			synctest.Wait()
			return conn
		}
		first := dial(5)
		say(first, 1)
		second := dial(6)
		say(first, 2) // until something comes on the second, the first is used
		say(second, 3)
		closes(w.T, first, time.Millisecond)
		if refusal := refusalOf(w.T, closes(w.T, dial(5), time.Millisecond)); !strings.Contains(refusal, "a later connection") {
			w.Fatalf("the one that is past: %q", refusal)
		}
		third, fourth := dial(7), dial(8)
		closes(w.T, third, time.Millisecond)
		_ = fourth.Close()
		say(second, 4)
		if got := n.received(); !slices.Equal(got, upTo(4)) {
			w.Fatalf("received %v", got)
		}
		if accepted := n.Stats()[0].Accepted; accepted != 2 {
			w.Fatalf("%d connections accepted", accepted)
		}
	})
}

// TestBadFramesCloseTheirConnectionOnly sends what no member would send, on a
// connection with a good handshake.
func TestBadFramesCloseTheirConnectionOnly(t *testing.T) {
	frame := func(m protocol.Message) []byte { return wire.AppendFrame(nil, &m) }
	for _, bad := range []struct {
		name string
		says []byte
		log  string
	}{
		{"another sender", frame(protocol.Message{From: 2, Identity: 101}), "message of member 2"},
		{"another identity", frame(protocol.Message{From: 1, Identity: 9}), "identity 0000000000000009"},
		{"a frame that is too long", binary.LittleEndian.AppendUint32(nil, 1<<31), "frame: length"},
		{"a second hello", wire.AppendHello(nil, &wire.Hello{}), "after the handshake"},
		{"a message cut short", []byte{3, 0, 0, 0, byte(wire.KindMessage), 0, 1}, "malformed"},
		{"a beat cut short", []byte{1, 0, 0, 0, byte(wire.KindBeat)}, "beat"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				n := w.start(0, nil)
				w.start(2, nil)
				w.rest(300 * time.Millisecond)
				n.history()
				conn := w.visit("hostb")
				h := w.hello(1)
				_, _ = conn.Write(wire.AppendHello(nil, &h))
				synctest.Wait()
				_, _ = conn.Write(bad.says)
				closes(w.T, conn, time.Millisecond)
				if told := w.log.count(bad.log); told != 1 {
					w.Fatalf("the log tells of %q %d times:\n%s", bad.log, told, w.log)
				}
				w.nodes[2].say(0, 1)
				w.rest(time.Second)
				if got := n.received(); !slices.Equal(got, upTo(1)) || n.history() != "[]" {
					w.Fatalf("of the others received %v", got)
				}
			})
		})
	}
}
