package explore

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/state"
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
	walksPerWorld = 12
	stepsPerWalk  = 250
)

// wander goes through a world at random and shows each new state of a member.
func wander(t *testing.T, c Config, seed uint64, visit func(w *world, before, after *node, d deed)) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(c)
	s, fault := w.begin()
	for range stepsPerWalk {
		var deeds []deed
		w.each(&s, func(d deed) { deeds = append(deeds, d) })
		if fault != nil || len(deeds) == 0 {
			break
		}
		d := deeds[rng.IntN(len(deeds))]
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

func words(r reducer) []uint64 {
	var w state.Words
	r.AppendState(&w)
	return w
}

// excusedFromCopies is memory that copies may share.
func excusedFromCopies(protocol string) []string {
	if protocol == Lockstep {
		return []string{
			"Lockstep.config",               // given once and never changed
			"Lockstep.held.batches[].Bytes", // nobody writes to sealed bytes
			"Lockstep.streams[].buffer.Bytes",
		}
	}
	return []string{"Delta.cfg", "Delta.streams[].log.ring[].Bytes", "Delta.streams[].ahead[].Bytes"}
}

// excusedFromWords are fields that do not decide how a reducer goes on.
func excusedFromWords(protocol string) []string {
	if protocol == Lockstep {
		return []string{
			"Lockstep.config", "Lockstep.mutant", "Lockstep.held.byTimeOnly", // the same for the whole search
			"Lockstep.effects", "Lockstep.peers[].link.message", "Lockstep.peers[].link.rows", // empty between two steps
			"Lockstep.refused", "Lockstep.copiesIn", "Lockstep.appendsIn", // for people
			"Lockstep.held.head", // where in memory the queue begins
			"Lockstep.held.batches[].Buffer", "Lockstep.streams[].buffer.Buffer", "Lockstep.waiting.Buffer", "Lockstep.leftover",
			"Lockstep.peers[].link.toldHave", "Lockstep.peers[].link.toldEnd", // only mutants have them
		}
	}
	return []string{
		"Delta.cfg", "Delta.mutant", // the same for the whole search
		"Delta.fx", "Delta.scratch", // empty between two steps
		"Delta.counts",  // for people
		"Delta.laggard", // where to look first
		"Delta.rows[].marks.lowest", "Delta.mine.marks.lowest", "Delta.links[].row.marks.lowest", "Delta.links[].before.marks.lowest",
		"Delta.rows[].marks.narrow", "Delta.mine.marks.narrow", "Delta.links[].row.marks.narrow", "Delta.links[].before.marks.narrow",
		"Delta.rows[].marks.tiny", "Delta.mine.marks.tiny", "Delta.links[].row.marks.tiny", "Delta.links[].before.marks.tiny", // only large clusters have them
		"Delta.links[].peer",  // its own index
		"Delta.links[].pulls", // asked for at each flush: empty between two
		"Delta.streams[].log.ring[].Buffer", "Delta.streams[].ahead[].Buffer",
	}
}

// TestCopiesShareNothing: a copy is equal to the original and has memory of
// its own, field by field, whatever fields there are.
func TestCopiesShareNothing(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		for i, c := range wide(protocol) {
			wander(t, c, uint64(i), func(_ *world, _, after *node, _ deed) {
				copied := clone(after.reducer)
				if paths := shared(after.reducer, copied, excusedFromCopies(protocol)); paths != nil {
					t.Fatalf("a copy shares %v", paths)
				}
				if !slices.Equal(words(after.reducer), words(copied)) {
					t.Fatal("a copy is in another state")
				}
			})
		}
	}
}

// TestWordsTellEveryField: whatever field is changed, the words show it.
func TestWordsTellEveryField(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		var watch *witness
		for i, c := range wide(protocol) {
			for walk := range uint64(walksPerWorld) {
				wander(t, c, uint64(i)<<8|walk, func(_ *world, _, after *node, _ deed) {
					r := clone(after.reducer)
					if watch == nil {
						watch = newWitness(r, excusedFromWords(protocol))
					}
					watch.look(r, func() []uint64 { return words(r) })
				})
			}
		}
		if paths := watch.unseen(); paths != nil {
			t.Errorf("%s: changes of these fields were never seen in the words: %v", protocol, paths)
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
			wander(t, c, uint64(i), func(w *world, _, after *node, d deed) {
				n := originals[after.self]
				if n == nil {
					n = w.newNode(after.self)
					h := hand{world: w, node: n}
					h.carryOut(doBegin, 0, nil)
					originals[after.self] = n
				}
				h := hand{world: w, node: n}
				repeat(&h, w, d)
				if !slices.Equal(words(n.reducer), words(after.reducer)) {
					t.Fatalf("%s: after %s a copy is in another state than the original", protocol, w.describe(d))
				}
			})
		}
	}
}

// repeat does a deed over datagrams once more.
func repeat(h *hand, w *world, d deed) {
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

// TestRestNeedsNoTick: where a reducer says that it needs no tick for a while,
// one that comes just before the end of it changes nothing.
func TestRestNeedsNoTick(t *testing.T) {
	for _, name := range []string{Delta, Lockstep} {
		rested := 0
		for i, c := range wide(name) {
			for walk := range uint64(walksPerWorld) {
				wander(t, c, uint64(i)<<8|walk, func(_ *world, _, after *node, _ deed) {
					if rest := after.reducer.Rest(); rest > 0 {
						rested++
						tickInVain(t, after, after.now+rest-1)
					}
				})
			}
		}
		if rested == 0 {
			t.Errorf("%s: nobody ever rested", name)
		}
	}
}

func tickInVain(t *testing.T, n *node, now time.Duration) {
	t.Helper()
	r := clone(n.reducer)
	for _, kind := range []protocol.Kind{protocol.Tick, protocol.Flush} {
		fx := r.Step(protocol.Event{Kind: kind, Now: now})
		if len(fx.Send)+len(fx.Deliver)+len(fx.Append)+len(fx.Release) > 0 {
			t.Fatalf("member %d at %v rests, but a tick at %v makes it do %+v", n.self, n.now, now, fx)
		}
	}
}
