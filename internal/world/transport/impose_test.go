package transport

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/fault"
)

// imposing lets a test say how the links from member 0 fail.
type imposing struct{ link atomic.Pointer[fault.Link] }

func (i *imposing) set(link fault.Link) { i.link.Store(&link) }

func (i *imposing) on(c *Config) {
	i.set(fault.Link{})
	if c.Self == 0 {
		c.Impose = func(member.ID) fault.Link { return *i.link.Load() }
	}
}

func TestImposedCutEndsTheLinkAndItsHealIsNoticedWithin250ms(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(imposed.on)
		for length := 20 * time.Millisecond; length < 10*time.Second; length += length / 3 {
			imposed.set(fault.Link{Cut: true})
			w.rest(15 * time.Millisecond)
			if history := w.nodes[0].history(); history != "[1 down]" {
				w.Fatalf("after a cut: %s", history)
			}
			dials := w.nodes[0].Stats()[0].Dials
			w.rest(length)
			if after := w.nodes[0].Stats()[0].Dials; after != dials {
				w.Fatalf("%d attempts over a link that is cut", after-dials)
			}
			imposed.set(fault.Link{})
			w.rest(250 * time.Millisecond)
			if history := w.nodes[0].history(); history != "[1 up]" {
				w.Fatalf("after the heal of a cut of %v: %s", length, history)
			}
		}
		if history := w.nodes[1].history(); history != "[]" {
			w.Fatalf("the opposite direction: %s", history)
		}
	})
}

// TestImposedLossMakesTheLinkUnreliable loses and repeats messages, and then
// none any more.
func TestImposedLossMakesTheLinkUnreliable(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(imposed.on)
		imposed.set(fault.Link{Drop: 0.3, Repeat: 0.5})
		w.rest(50 * time.Millisecond)
		if history := w.nodes[0].history(); history != "[1 down 1 up unreliable]" {
			w.Fatalf("with loss: %s", history)
		}
		for number := range uint64(1000) {
			w.nodes[0].say(1, number, testBatch(0, number+1, 700))
		}
		w.rest(time.Second)
		got := w.nodes[1].received()
		if !slices.IsSorted(got) {
			w.Fatal("the order changed, which was not asked for")
		}
		repeated := len(got)
		if lost := 1000 - len(slices.Compact(got)); lost < 230 || lost > 370 {
			w.Fatalf("%d of 1000 were lost", lost)
		} else if repeated -= 1000 - lost; repeated < 270 || repeated > 430 {
			w.Fatalf("%d of %d were repeated", repeated, 1000-lost)
		}
		imposed.set(fault.Link{})
		w.rest(250 * time.Millisecond)
		if history := w.nodes[0].history(); history != "[1 down 1 up]" {
			w.Fatalf("without loss again: %s", history)
		}
		if waits := w.nodes[0].Stats()[0].QueueBytes; waits != 0 {
			w.Fatalf("%d bytes still wait", waits)
		}
	})
}

// TestReliableLinkNeverLosesUnnoticed begins to lose messages at the moment
// when one is sent.
func TestReliableLinkNeverLosesUnnoticed(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(imposed.on)
		imposed.set(fault.Link{Drop: 1})
		w.nodes[0].say(1, 1)
		w.rest(time.Millisecond)
		imposed.set(fault.Link{})
		w.rest(time.Second)
		if history := w.nodes[0].history(); history != "[1 down 1 up unreliable 1 down 1 up]" {
			w.Fatalf("message lost: %v; links: %s", len(w.nodes[1].received()) == 0, history)
		}
	})
}

func TestImposedDelayKeepsTheOrderAndTheLink(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(imposed.on)
		imposed.set(fault.Link{DelayMin: 700 * time.Millisecond, DelayMax: 900 * time.Millisecond})
		w.rest(time.Minute)
		start := time.Now()
		for number := range uint64(100) {
			w.nodes[0].say(1, number+1)
			w.rest(5 * time.Millisecond)
		}
		w.rest(2 * time.Second)
		arrived := slices.Clone(w.nodes[1].arrived)
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(100)) {
			w.Fatalf("received %v", got)
		}
		for i, at := range arrived {
			sent := start.Add(time.Duration(i) * 5 * time.Millisecond)
			if took := at.Sub(sent); took < 700*time.Millisecond || took > 910*time.Millisecond {
				w.Fatalf("message %d took %v", i+1, took)
			}
		}
		if history := w.nodes[0].history(); history != "[]" {
			w.Fatalf("links: %s", history)
		}
	})
}

func TestImposedRateIsKept(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(imposed.on)
		imposed.set(fault.Link{BytesPerSecond: 100_000})
		batch := testBatch(0, 1, 10_000)
		start := time.Now()
		for number := range uint64(50) {
			w.nodes[0].say(1, number+1, batch)
		}
		w.rest(time.Minute)
		took := w.nodes[1].arrived[49].Sub(start)
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(50)) || took < 5*time.Second || took > 5200*time.Millisecond {
			w.Fatalf("500 kB at 100 kB/s took %v; received %v", took, got)
		}
	})
}

// TestImposedDelayIsBoundedInBytes delays more than the queue may hold.
func TestImposedDelayIsBoundedInBytes(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(func(c *Config) {
			imposed.on(c)
			c.QueueBytesMax = 100_000
		})
		imposed.set(fault.Link{DelayMin: time.Hour, DelayMax: time.Hour})
		for number := range uint64(30) {
			w.nodes[0].say(1, number+1, testBatch(0, 1, 10_000))
			w.rest(time.Millisecond)
		}
		stats := w.nodes[0].Stats()[0]
		if stats.Overflows == 0 || stats.QueueBytes > 110_000+100 {
			w.Fatalf("%d overflows, %d bytes wait", stats.Overflows, stats.QueueBytes)
		}
	})
}

// TestCloseWaitsForDelayedMessages closes while messages are on their way.
func TestCloseWaitsForDelayedMessages(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.startAll(imposed.on)
		imposed.set(fault.Link{DelayMin: 300 * time.Millisecond, DelayMax: 300 * time.Millisecond})
		w.nodes[0].say(1, 1)
		w.nodes[0].Close(w.Context())
		w.nodes[0] = nil
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(1)) {
			w.Fatalf("received %v", got)
		}
	})
}

func TestReorderedFramesAreOvertaken(t *testing.T) {
	l := line{rng: rand.New(rand.NewPCG(1, 2))}
	for i := range byte(100) {
		l.enter(time.Duration(i)*time.Millisecond, fault.Link{Reorder: 0.3}, []byte{i})
	}
	var left []byte
	for now := time.Duration(0); now < time.Second; now += time.Millisecond {
		for frame := l.leave(now); frame != nil; frame = l.leave(now) {
			left = append(left, frame...)
		}
	}
	if slices.IsSorted(left) {
		t.Fatal("nothing was overtaken")
	}
	slices.Sort(left)
	if len(slices.Compact(left)) != 100 || len(left) != 100 {
		t.Fatalf("%d of 100 left the line", len(left))
	}
	if _, ok := l.next(); ok {
		t.Fatal("something still waits")
	}
}

func TestFramesOfALoadAreItsBytes(t *testing.T) {
	var l load
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range uint64(50) {
		m := protocol.Message{Number: i}
		for range rng.IntN(4) {
			m.Batches = append(m.Batches, testBatch(0, i+1, rng.IntN(3*copyBytesMax)))
		}
		l.add(&m)
	}
	var whole, frames []byte
	_ = l.each(func(p []byte) error {
		whole = append(whole, p...)
		return nil
	})
	for i := range l.frames {
		frames = l.appendFrame(frames, i)
	}
	if string(whole) != string(frames) {
		t.Fatal("the frames one by one are other bytes than the load")
	}
}
