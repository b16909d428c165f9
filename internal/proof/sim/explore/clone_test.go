package explore

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/state"
)

// wide are worlds for random walks: between them they reach every field.
func wide(protocol string) []Config {
	long := Bounds{Submits: [...]int{6, 6, 6}, Close: true, Ticks: 60, Leaps: 2, InFlight: 2}
	lossy, crashing, forgetting, breaking := long, long, long, long
	lossy.Drops, lossy.Repeats = 20, 20
	crashing.Crashes, crashing.Drops = 4, 10
	forgetting.Losses, forgetting.Drops = 2, 10
	breaking.Breaks, breaking.Losses = 6, 1
	ring := []Link{{0, 1}, {1, 2}, {2, 0}}
	worlds := []Config{
		{Members: 3, Acquainted: true, Bounds: lossy},
		{Members: 3, Bounds: lossy},
		{Members: 3, Acquainted: true, Durable: true, Bounds: crashing},
		{Members: 3, Acquainted: true, Bounds: forgetting},
		{Members: 3, Bounds: forgetting},
		{Members: 3, Acquainted: true, Streams: true, Bounds: breaking},
		{Members: 3, Acquainted: true, Dead: ring, Bounds: lossy},
		{Members: 3, Acquainted: true, Dead: ring[:1], Bounds: forgetting},
	}
	for i := range worlds {
		worlds[i].Protocol = protocol
	}
	return worlds
}

const (
	walksPerWorld      = 12
	walksPerWorldQuick = 3
	stepsPerWalk       = 250
	stepsPerWalkQuick  = 120
)

// wander goes through a world at random and shows each new state of a member.
func wander(t *testing.T, c Config, seed uint64, visit func(w *world, before, after *node, d transition)) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(c)
	s, fault := w.begin()
	for range draw.Of(stepsPerWalk, stepsPerWalkQuick) {
		var transitions []transition
		w.each(&s, func(d transition) { transitions = append(transitions, d) })
		if fault != nil || len(transitions) == 0 {
			break
		}
		d := transitions[rng.IntN(len(transitions))]
		next, found, fits := w.do(&s, d)
		if !fits {
			continue
		}
		for i := range c.Members {
			if next.nodes[i] != s.nodes[i] {
				visit(w, w.nodes.get(s.nodes[i]), w.nodes.get(next.nodes[i]), d)
			}
		}
		s, fault = next, found
	}
	if fault != nil {
		t.Fatal(fault)
	}
}

func words(w *world, r protocol.Reducer) []uint64 {
	var all state.Words
	w.mirror.Append(&all, r)
	return all
}

// TestCopiesShareNothing: a copy is in the same state as the original and has
// memory of its own, field by field, whatever fields there are.
func TestCopiesShareNothing(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		for i, c := range wide(protocol) {
			wander(t, c, uint64(i), func(w *world, _, after *node, _ transition) {
				copied := state.Copy(w.mirror, after.reducer)
				if paths := shared(after.reducer, copied, []string{"Delta.cfg", "Delta.roster.list", "Lockstep.config", "Lockstep.roster.list"}); paths != nil {
					t.Fatalf("a copy shares %v", paths)
				}
				if !slices.Equal(words(w, after.reducer), words(w, copied)) {
					t.Fatal("a copy is in another state")
				}
			})
		}
	}
}

// TestCopyGoesOnAsTheOriginal lets one line of members live without ever being
// copied, and compares each of its states with that of a line of copies.
func TestCopyGoesOnAsTheOriginal(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		for i, c := range wide(protocol) {
			if c.Acquainted || c.Streams {
				continue // a line is compared from its first start on
			}
			originals := map[member.ID]*node{}
			wander(t, c, uint64(i), func(w *world, _, after *node, d transition) {
				n := originals[after.self]
				if n == nil {
					n = w.newNode(after.self)
					h := actor{world: w, node: n}
					h.carryOut(doBegin, 0, nil)
					originals[after.self] = n
				}
				h := actor{world: w, node: n}
				repeat(&h, w, d)
				if !slices.Equal(words(w, n.reducer), words(w, after.reducer)) {
					t.Fatalf("%s: after %s a copy is in another state than the original", protocol, w.describe(d))
				}
			})
		}
	}
}

// repeat does a transition over datagrams once more.
func repeat(h *actor, w *world, d transition) {
	var m *mail
	if d.letter != 0 {
		m = w.mails.get(d.letter)
	}
	action := map[kind]action{
		submits: doSubmit, closes: doClose, ticks: doTick, leaps: doLeap,
		gets: doGet, getsMore: doGet, restarts: doRestart, forgets: doLose,
	}[d.kind]
	h.carryOut(action, 0, m)
}

// TestNoTickIsNeededBeforeTheNext: where a reducer says that the next tick is due later,
// one that comes just before the end of it changes nothing.
func TestNoTickIsNeededBeforeTheNext(t *testing.T) {
	for _, name := range []string{Delta, Lockstep} {
		rested := 0
		for i, c := range wide(name) {
			for walk := range uint64(draw.Of(walksPerWorld, walksPerWorldQuick)) {
				wander(t, c, uint64(i)<<8|walk, func(w *world, _, after *node, _ transition) {
					if next := min(after.reducer.Next(), after.now+time.Hour); next > after.now {
						rested++
						tickInVain(t, w, after, next-1)
					}
				})
			}
		}
		if rested == 0 {
			t.Errorf("%s: nobody ever rested", name)
		}
	}
}

func tickInVain(t *testing.T, w *world, n *node, now time.Duration) {
	t.Helper()
	r := state.Copy(w.mirror, n.reducer)
	for _, kind := range []protocol.Kind{protocol.Tick, protocol.Flush} {
		fx := r.Step(protocol.Event{Kind: kind, Now: now})
		if len(fx.Send)+len(fx.Deliver)+len(fx.Append)+len(fx.Release) > 0 {
			t.Fatalf("member %d at %v rests, but a tick at %v makes it do %+v", n.self, n.now, now, fx)
		}
	}
}
