package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// upTo returns the numbers from 1 to n.
func upTo(n uint64) []uint64 {
	var numbers []uint64
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}

func TestMessagesArriveInOrderWithTheirBatches(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		w.startAll(nil)
		var want []string
		for number := range uint64(300) {
			small, large := testBatch(0, number+1, 8), testBatch(0, number+1, int(number)*100)
			want = append(want, string(small.Bytes), string(large.Bytes))
			w.nodes[0].say(1, number+1, small, large)
			w.nodes[2].say(0, number+1)
		}
		w.rest(time.Second)
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(300)) {
			w.Fatalf("1 received %v", got)
		}
		if got := w.nodes[0].received(); !slices.Equal(got, upTo(300)) {
			w.Fatalf("0 received %v", got)
		}
		for i, content := range w.nodes[1].contents {
			if string(content) != want[i] {
				w.Fatalf("batch %d differs", i)
			}
		}
		if len(w.nodes[1].contents) != len(want) || len(w.nodes[2].received()) != 0 {
			w.Fatal("batches are missing, or went elsewhere")
		}
	})
}

// TestHealIsNoticedWithin500ms cuts all that passes between two members, for
// many lengths of time, and measures how long after the heal messages arrive
// again in both directions.
func TestHealIsNoticedWithin500ms(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		number := uint64(0)
		for length := 30 * time.Millisecond; length < 8*time.Second; length += length/7 + 13*time.Millisecond {
			w.cut()
			w.rest(length)
			w.heal()
			for waited := time.Duration(0); ; waited += 10 * time.Millisecond {
				if waited > 500*time.Millisecond {
					w.Fatalf("after a cut of %v nothing arrives within %v of the heal:\n%s", length, waited, w.log)
				}
				number++
				w.nodes[0].say(1, number)
				w.nodes[1].say(0, number)
				w.rest(10 * time.Millisecond)
				if slices.Contains(w.nodes[0].received(), number) && slices.Contains(w.nodes[1].received(), number) {
					break
				}
			}
			w.rest(time.Second)
		}
	})
}

func TestIdleLinkStaysUpAndCarriesOnlyBeats(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		before := w.nodes[0].Stats()[0]
		w.rest(time.Hour)
		if history := w.nodes[0].history(); history != "[]" {
			w.Fatalf("an idle link: %s", history)
		}
		after := w.nodes[0].Stats()[0]
		perSecond := float64(after.SentBytes-before.SentBytes) / 3600
		if perSecond > 100 || after.SentFrames != before.SentFrames {
			w.Fatalf("%.0f bytes/s of an idle link, %d frames", perSecond, after.SentFrames-before.SentFrames)
		}
		if !after.Heard || after.HeardAgo > 150*time.Millisecond {
			w.Fatalf("heard %v, %v ago", after.Heard, after.HeardAgo)
		}
	})
}

func TestCrashedPeerIsDownAtOnceAndUpWhenItReturns(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		w.stop(1)
		w.rest(100 * time.Millisecond)
		if history := w.nodes[0].history(); history != "[1 down]" {
			w.Fatalf("after a crash: %s", history)
		}
		w.nodes[0].say(1, 1)
		if dropped := w.nodes[0].Stats()[0].Dropped; dropped != 1 {
			w.Fatalf("%d messages dropped", dropped)
		}
		w.rest(time.Minute)
		if dials := w.nodes[0].Stats()[0].Dials; dials < 4*60 || dials > 9*60 {
			w.Fatalf("%d attempts in a minute", dials)
		}
		if told := w.log.count("no link"); told > 4 {
			w.Fatalf("the log tells of it %d times:\n%s", told, w.log)
		}
		w.start(1, nil)
		w.rest(250 * time.Millisecond)
		if history := w.nodes[0].history(); history != "[1 up]" {
			w.Fatalf("after the return: %s", history)
		}
	})
}

// TestSilentPeerGoesDownButNotTooSoon cuts one direction only, for ever: the
// dialer's connection is closed after SilenceMax, not before. What was heard last may be
// a beat older than the cut.
func TestSilentPeerGoesDownButNotTooSoon(t *testing.T) {
	for _, direction := range [][2]member.ID{{0, 1}, {1, 0}} {
		inWorld(t, 2, func(w *world) {
			w.startAll(nil)
			w.network.Cut(w.address(direction[0]), w.address(direction[1]))
			w.rest(1200 * time.Millisecond)
			if history := w.nodes[0].history(); history != "[]" {
				w.Fatalf("after 1.2 s: %s", history)
			}
			w.rest(1800 * time.Millisecond)
			if history := w.nodes[0].history(); history != "[1 down]" {
				w.Fatalf("after 3 s: %s", history)
			}
			seat := &w.nodes[1].link(0).seat
			seat.mu.Lock()
			defer seat.mu.Unlock()
			if seat.used != nil || seat.trial != nil {
				w.Fatal("the half-open connection is still kept")
			}
		})
	}
}

// TestPeerThatPausesBrieflyLosesNothing pauses a host for less than SilenceMax,
// though longer than SuspectAfter.
func TestPeerThatPausesBrieflyLosesNothing(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		number := uint64(0)
		for pause := 100 * time.Millisecond; pause < 1200*time.Millisecond; pause += 7 * time.Millisecond {
			w.network.Pause(w.address(1))
			for range 10 {
				number++
				w.nodes[0].say(1, number)
				w.rest(pause / 10)
			}
			w.network.Resume(w.address(1))
			w.rest(1111 * time.Millisecond)
			if history := w.nodes[0].history(); history != "[]" {
				w.Fatalf("after a pause of %v: %s\n%s", pause, history, w.log)
			}
		}
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(number)) {
			w.Fatalf("%d of %d messages arrived", len(got), number)
		}
	})
}

func TestPeerThatPausesForLongIsBackWithin500ms(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		for pause := 1700 * time.Millisecond; pause < 20*time.Second; pause += pause / 5 {
			w.network.Pause(w.address(1))
			w.rest(pause)
			if history := w.nodes[0].history(); history != "[1 down]" {
				w.Fatalf("after %v: %s", pause, history)
			}
			w.network.Resume(w.address(1))
			w.rest(500 * time.Millisecond)
			if history := w.nodes[0].history(); history != "[1 up]" {
				w.Fatalf("500 ms after a pause of %v: %s\n%s", pause, history, w.log)
			}
			w.nodes[0].say(1, 1)
			w.rest(time.Second)
			if got := w.nodes[1].received(); !slices.Equal(got, upTo(1)) {
				w.Fatalf("received %v", got)
			}
		}
	})
}

// lateListener accepts connections that tell of a deadline only when their
// process goes on, a second later.
type lateListener struct{ net.Listener }

func (l lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return lateConn{conn}, err
}

type lateConn struct{ net.Conn }

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		<-time.After(time.Second)
	}
	return n, err
}

// TestOwnStandstillIsNoSilence lets member 1 be told of its deadlines too late:
// what waits for it then is read, and only true silence ends the connection.
func TestOwnStandstillIsNoSilence(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(func(c *Config) {
			if c.Self == 0 {
				c.SuspectAfter, c.SilenceMax = 9*time.Second, 10*time.Second
				return
			}
			listener, err := w.network.Listen(w.address(1))
			if err != nil {
				w.Fatal(err)
			}
			c.Listener = lateListener{listener}
		})
		w.network.Pause(w.address(0))
		w.rest(2 * time.Second)
		w.network.Resume(w.address(0))
		w.rest(time.Minute)
		if history := w.nodes[0].history(); history != "[]" {
			w.Fatalf("after 2 s of silence: %s", history)
		}
		w.network.Pause(w.address(0))
		w.rest(6 * time.Second)
		w.network.Resume(w.address(0))
		w.rest(time.Second)
		if history := w.nodes[0].history(); history != "[1 down 1 up]" {
			w.Fatalf("after 6 s of silence: %s", history)
		}
	})
}

func TestForgivenTimeIsNoSilence(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		w.network.Pause(w.address(1))
		w.rest(400 * time.Millisecond)
		out := w.nodes[0].Transport.link(1).current.Load()
		before := out.silence()
		out.forgive(300 * time.Millisecond)
		if silence := out.silence(); before < 400*time.Millisecond || silence != before-300*time.Millisecond {
			w.Fatalf("silence of %v became %v", before, silence)
		}
		out.forgive(time.Hour)
		if silence := out.silence(); silence != 0 {
			w.Fatalf("silence %v", silence)
		}
	})
}

// TestSlowHandlerIsNotSilence blocks a receiver for long: its beats go on, and
// the link stays up.
func TestSlowHandlerIsNotSilence(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		release := make(chan struct{})
		w.startAll(func(c *Config) {
			c.Handler.(*recorder).gate = func(*protocol.Message) { <-release }
		})
		w.nodes[0].say(1, 1)
		w.rest(time.Minute)
		if history := w.nodes[0].history(); history != "[]" {
			w.Fatalf("while the peer is busy: %s", history)
		}
		close(release)
		w.rest(time.Second)
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(1)) {
			w.Fatalf("received %v", got)
		}
	})
}

// TestFullQueueClosesTheLink sends to a peer that takes nothing.
func TestFullQueueClosesTheLink(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		release := make(chan struct{})
		w.startAll(func(c *Config) {
			c.QueueBytesMax = 1 << 20
			c.Handler.(*recorder).gate = func(m *protocol.Message) {
				if m.Number == 1 {
					<-release
				}
			}
		})
		batch := testBatch(0, 1, 10000)
		for number := uint64(1); w.nodes[0].Stats()[0].Overflows == 0; number++ {
			if number > 1000 {
				w.Fatal("no limit")
			}
			w.nodes[0].say(1, number, batch)
			synctest.Wait()
			if waits := w.nodes[0].Stats()[0].QueueBytes; waits > 1<<20+20000 {
				w.Fatalf("%d bytes wait", waits)
			}
		}
		w.rest(time.Second)
		if history := w.nodes[0].history(); history != "[1 down 1 up]" {
			w.Fatalf("%s", history)
		}
		close(release)
		w.rest(time.Second)
		w.nodes[1].received()
		w.nodes[0].say(1, 2000, batch)
		w.rest(time.Second)
		if got := w.nodes[1].received(); !slices.Equal(got, []uint64{2000}) {
			w.Fatalf("received %v on the new link", got)
		}
	})
}

// TestReferencesAreGivenBack counts a batch's references through sending,
// receiving, a link that is down, one that breaks, and Close.
func TestReferencesAreGivenBack(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		own := protocol.NewPool(bufferBytesMin, 1)
		buffer := own.Get()
		batch := testBatch(0, 1, 2000)
		copy(buffer.Bytes, batch.Bytes)
		batch.Bytes, batch.Buffer = buffer.Bytes[:len(batch.Bytes)], buffer
		w.nodes[0].say(1, 1, batch, batch)
		w.rest(time.Second)
		w.cut()
		for range 1000 {
			w.nodes[0].say(1, 2, batch)
		}
		w.rest(time.Minute)
		w.nodes[0].say(1, 3, batch)
		w.heal()
		w.rest(time.Second)
		w.cut()
		for range 1000 {
			w.nodes[0].say(1, 4, batch)
		}
		w.stopAll()
		buffer.Release()
		if own.Get() != buffer {
			w.Fatal("a reference was kept")
		}
	})
}

func TestCloseLetsPeersTakeWhatWaits(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		w.startAll(nil)
		w.stop(2) // a peer that is gone must not hold it up
		batch := testBatch(0, 1, 10000)
		for number := range uint64(500) {
			w.nodes[0].say(1, number+1, batch)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
		defer cancel()
		w.nodes[0].Close(ctx)
		took := time.Since(start)
		w.nodes[0] = nil
		synctest.Wait()
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(500)) {
			w.Fatalf("%d messages of 500 arrived", len(got))
		}
		if took > time.Second {
			w.Fatalf("it took %v", took)
		}
	})
}

func TestCloseEndsWithItsContextAndWithASilentPeer(t *testing.T) {
	for _, wait := range []time.Duration{300 * time.Millisecond, time.Hour} {
		inWorld(t, 2, func(w *world) {
			w.startAll(nil)
			w.cut()
			w.nodes[0].say(1, 1, testBatch(0, 1, 100000))
			ctx, cancel := context.WithTimeout(w.Context(), wait)
			defer cancel()
			start := time.Now()
			w.nodes[0].Close(ctx)
			w.nodes[0] = nil
			if took := time.Since(start); took > min(wait, 1600*time.Millisecond) {
				w.Fatalf("it took %v", took)
			}
		})
	}
}

func TestMetaIsTold(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		began := time.Now()
		var heard [2]string
		w.startAll(func(c *Config) {
			self := c.Self
			c.Meta = func() string { return fmt.Sprint(self, " after ", time.Since(began).Truncate(time.Second)) }
			c.OnMeta = func(from member.ID, meta string) {
				w.log.mu.Lock()
				defer w.log.mu.Unlock()
				heard[self] = fmt.Sprint(from, ": ", meta)
			}
		})
		for _, after := range []string{"0s", "1s"} { // in the handshakes, and in beats
			w.log.mu.Lock()
			if want := [2]string{"1: 1 after " + after, "0: 0 after " + after}; heard != want {
				w.Errorf("heard %v, want %v", heard, want)
			}
			heard = [2]string{}
			w.log.mu.Unlock()
			w.rest(1500 * time.Millisecond)
		}
	})
}
