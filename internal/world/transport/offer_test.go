package transport

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/world/fault"
)

// block lets member 0 dial member 1 no more.
func (w *world) block() { w.network.Block(w.address(0), w.address(1)) }

func (w *world) unblock() { w.network.Unblock(w.address(0), w.address(1)) }

// talk sends numbers both ways between members 0 and 1, and wants all of them
// to arrive, in order.
func (w *world) talk(count uint64) {
	w.Helper()
	for number := range count {
		w.nodes[0].say(1, number+1, testBatch(0, number+1, 700))
		w.nodes[1].say(0, number+1)
	}
	w.rest(time.Second)
	for i, n := range w.nodes[:2] {
		if got := n.received(); !slices.Equal(got, upTo(count)) {
			w.Fatalf("member %d received %v:\n%s", i, got, w.log)
		}
	}
}

// TestOneDialIsEnough lets only one of two members make connections.
func TestOneDialIsEnough(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.block()
		w.start(0, nil)
		w.start(1, nil)
		w.rest(time.Second)
		if !w.nodes[0].isUp(1) || !w.nodes[1].isUp(0) {
			w.Fatalf("no link after a second:\n%s", w.log)
		}
		w.nodes[0].history()
		w.nodes[1].history()
		w.talk(300)
		if s := w.nodes[0].Stats()[0]; !s.Up || !s.Reliable || s.Dialed || s.Trouble != "" {
			w.Fatalf("member 0: %+v", s)
		}
		if s := w.nodes[1].Stats()[0]; !s.Up || !s.Dialed {
			w.Fatalf("member 1: %+v", s)
		}
		w.rest(time.Hour)
		for i, n := range w.nodes {
			if history := n.history(); history != "[]" {
				w.Fatalf("links of member %d: %s", i, history)
			}
		}
		if offers := w.nodes[0].Stats()[0].Accepted; offers != 1 {
			w.Fatalf("%d connections for the other direction", offers)
		}
		w.talk(10)
	})
}

// TestOwnDialAndOfferMeet lets the way open at all moments around the offer:
// whichever comes first, there is one link in each direction, and it stays.
func TestOwnDialAndOfferMeet(t *testing.T) {
	for opens := time.Duration(0); opens < 1200*time.Millisecond; opens += 23 * time.Millisecond {
		inWorld(t, 2, func(w *world) {
			w.block()
			w.start(0, nil)
			w.start(1, nil)
			w.rest(opens)
			w.unblock()
			w.rest(1500 * time.Millisecond)
			for i, n := range w.nodes {
				if history := n.history(); strings.Count(history, "up") != 1 || strings.Contains(history, "down") {
					w.Fatalf("open after %v, links of member %d: %s\n%s", opens, i, history, w.log)
				}
			}
			w.talk(20)
		})
	}
}

// TestOfferedLinkIsBackAfterACut cuts everything for many lengths of time
// between members of which only one can dial.
func TestOfferedLinkIsBackAfterACut(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.block()
		w.start(0, nil)
		w.start(1, nil)
		w.rest(time.Second)
		for length := 50 * time.Millisecond; length < 6*time.Second; length += length/3 + 17*time.Millisecond {
			w.cut()
			w.rest(length)
			w.heal()
			w.rest(1200 * time.Millisecond)
			w.nodes[0].received()
			w.nodes[1].received()
			w.talk(10)
		}
	})
}

// TestImposedFailuresHoldForOfferedLinks cuts, and loses on, the direction that
// the peer's connection carries.
func TestImposedFailuresHoldForOfferedLinks(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.block()
		w.start(0, imposed.on)
		w.start(1, nil)
		w.rest(time.Second)
		w.nodes[0].history()
		w.nodes[1].history()
		imposed.set(fault.Link{Cut: true})
		w.rest(time.Minute)
		if history := w.nodes[0].history(); history != "[1 down]" {
			w.Fatalf("with a cut: %s", history)
		}
		imposed.set(fault.Link{Drop: 0.5})
		w.rest(2 * time.Second)
		if history := w.nodes[0].history(); history != "[1 up unreliable]" {
			w.Fatalf("with loss: %s", history)
		}
		imposed.set(fault.Link{})
		w.rest(2500 * time.Millisecond)
		if history := w.nodes[0].history(); history != "[1 down 1 up]" {
			w.Fatalf("without: %s", history)
		}
		if history := w.nodes[1].history(); history != "[]" {
			w.Fatalf("the opposite direction: %s", history)
		}
		w.talk(10)
		if told := w.log.count("WARN"); told != 0 {
			w.Fatalf("the log warns:\n%s", w.log)
		}
	})
}

// TestCutOfOneDirectionLeavesTheOfferedOne cuts the direction of the member that
// dials: the connection that it offered is the other's, and stays.
func TestCutOfOneDirectionLeavesTheOfferedOne(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var imposed imposing
		w.network.Block(w.address(1), w.address(0)) // 0 dials both
		w.start(0, imposed.on)
		w.start(1, nil)
		w.rest(time.Second)
		w.nodes[1].history()
		imposed.set(fault.Link{Cut: true})
		w.rest(time.Minute)
		w.nodes[1].say(0, 1)
		w.rest(time.Second)
		if got := w.nodes[0].received(); w.nodes[1].history() != "[]" || !slices.Equal(got, upTo(1)) {
			w.Fatalf("received %v:\n%s", got, w.log)
		}
	})
}

// TestPausedMemberKeepsAnOfferedLink pauses the member that cannot dial, and
// then the other, for less than SilenceMax.
func TestPausedMemberKeepsAnOfferedLink(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.block()
		w.start(0, nil)
		w.start(1, nil)
		w.rest(time.Second)
		w.nodes[0].history()
		w.nodes[1].history()
		for pause := 100 * time.Millisecond; pause < 1200*time.Millisecond; pause += 50 * time.Millisecond {
			for i := range w.nodes {
				w.network.Pause(w.list[i].Address())
				w.rest(pause)
				w.network.Resume(w.list[i].Address())
				w.talk(10)
			}
		}
		for i, n := range w.nodes {
			if history := n.history(); history != "[]" {
				w.Fatalf("links of member %d: %s\n%s", i, history, w.log)
			}
		}
	})
}

// TestCloseLetsPeersTakeWhatWaitsOnAnOfferedLink closes right after sending.
func TestCloseLetsPeersTakeWhatWaitsOnAnOfferedLink(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.block()
		w.start(0, nil)
		w.start(1, nil)
		w.rest(time.Second)
		for number := range uint64(500) {
			w.nodes[0].say(1, number+1, testBatch(0, 1, 10000))
		}
		w.nodes[0].Close(w.Context())
		w.nodes[0] = nil
		w.rest(0)
		if got := w.nodes[1].received(); !slices.Equal(got, upTo(500)) {
			w.Fatalf("%d messages of 500 arrived", len(got))
		}
	})
}
