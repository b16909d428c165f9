package explore

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/state"
)

// tiny is a world that even a slow search gets through.
func tiny(protocol string) Config {
	return Config{
		Protocol: protocol, Members: 2, Acquainted: true, Durable: true,
		Bounds: Bounds{Submits: [...]int{1, 1, 0}, Ticks: 1, Repeats: 1, Crashes: 1, InFlight: 1},
	}
}

// TestResultDoesNotDependOnTheOrderOfTasks: one after the other, backwards and
// several at a time all come to the same figures.
func TestResultDoesNotDependOnTheOrderOfTasks(t *testing.T) {
	inAnyOrder(t, mutant.None)
}

// TestMutantIsFoundInAnyOrderOfTasks, by the same fault.
func TestMutantIsFoundInAnyOrderOfTasks(t *testing.T) {
	inAnyOrder(t, built(t, Delta, "tie-without-origin"))
}

// built skips a test in a program without the mutant.
func built(t *testing.T, protocol string, broken mutant.Mutant) mutant.Mutant {
	t.Helper()
	if !slices.Contains(mutant.Built(protocol), broken) {
		t.Skip("internal/proof/mutant runs this with mutants")
	}
	return broken
}

func inAnyOrder(t *testing.T, broken mutant.Mutant) {
	t.Helper()
	backwards := func(tasks int, do func(int)) {
		for i := tasks - 1; i >= 0; i-- {
			do(i)
		}
	}
	for _, protocol := range []string{Delta, Lockstep} {
		var first Result
		for i, spread := range []func(int, func(int)){nil, backwards, concurrently} {
			world := tiny(protocol)
			world.Mutant, world.Spread, world.SettleOneIn = broken, spread, 64
			result, err := Run(world)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = result
			} else if !reflect.DeepEqual(first, result) {
				t.Errorf("%s: %+v, and in another order %+v", protocol, first, result)
			}
		}
		if found := first.Fault != nil; found != (broken != mutant.None) {
			t.Errorf("%s %s: fault %v", protocol, broken, first.Fault)
		}
	}
}

// TestNothingIsLeftOut compares the search with a plain one that copies every
// member for every transition, remembers nothing of what came of it, and tells
// situations apart by all that they are instead of by hashes. In CI it does so for
// each protocol with each kind of trouble.
func TestNothingIsLeftOut(t *testing.T) {
	for i, protocol := range []string{Delta, Lockstep} {
		for losses := range 2 {
			if losses != i && !draw.Whole() {
				continue
			}
			world := tiny(protocol)
			world.Bounds.Losses, world.Bounds.Drops = losses, losses
			world.Bounds.Repeats, world.Bounds.Crashes = 1-losses, 1-losses
			result, err := Run(world)
			if err != nil || result.Fault != nil {
				t.Fatal(err, result.Fault)
			}
			states, transitions := plainSearch(t, world)
			if states != result.States || transitions != result.Transitions {
				t.Errorf("%s: %d situations and %d transitions, a plain search finds %d and %d", protocol, result.States, result.Transitions, states, transitions)
			}
		}
	}
}

// plain is a situation as it is.
type plain struct {
	nodes []*node
	mails []*mail
	spent spent
}

func plainSearch(t *testing.T, c Config) (states, transitions int) {
	w := newWorld(c)
	p := w.together()
	if fault := p.acquaint(); fault != nil {
		t.Fatal(fault)
	}
	for _, n := range p.nodes {
		n.ticked, n.leapt = 0, 0
	}
	first := plain{nodes: p.nodes}
	met := map[string]bool{first.key(w): true}
	for front := []plain{first}; len(front) > 0; front = front[1:] {
		front[0].transitions(w, func(next plain) {
			transitions++
			if key := next.key(w); !met[key] {
				met[key] = true
				front = append(front, next)
			}
		})
	}
	return len(met), transitions
}

// transitions visits all that can come next, over datagrams.
func (p *plain) transitions(w *world, visit func(plain)) {
	b := &w.config.Bounds
	for id, n := range p.nodes {
		try := func(possible bool, a action, spent func(*spent)) {
			if possible {
				next := plain{slices.Clone(p.nodes), slices.Clone(p.mails), p.spent}
				spent(&next.spent)
				next.act(w, id, a, nil)
				visit(next)
			}
		}
		free := func(*spent) {}
		try(n.submitted < b.Submits[id] && n.view.room >= len(w.batch), doSubmit, free)
		try(n.ticked < b.Ticks, doTick, free)
		try(int(p.spent.crashes) < b.Crashes, doRestart, func(s *spent) { s.crashes++ })
		try(int(p.spent.losses) < b.Losses, doLose, func(s *spent) { s.losses++ })
	}
	for i, m := range p.mails {
		rest := slices.Delete(slices.Clone(p.mails), i, i+1)
		next := plain{slices.Clone(p.nodes), slices.Clone(rest), p.spent}
		next.act(w, int(m.to), doGet, m)
		visit(next)
		if int(p.spent.repeats) < b.Repeats {
			next := plain{slices.Clone(p.nodes), slices.Clone(p.mails), p.spent}
			next.spent.repeats++
			next.act(w, int(m.to), doGet, m)
			visit(next)
		}
		if int(p.spent.drops) < b.Drops {
			next := plain{slices.Clone(p.nodes), slices.Clone(rest), p.spent}
			next.spent.drops++
			visit(next)
		}
	}
}

func (p *plain) act(w *world, id int, a action, m *mail) {
	from := member.ID(0)
	if m != nil {
		from = m.from
	}
	h := w.act(p.nodes[id], a, from, m)
	p.nodes[id] = h.node
	for _, sent := range h.sent {
		full := slices.ContainsFunc(p.mails, func(other *mail) bool { return other.from == sent.from && other.to == sent.to })
		if !full {
			p.mails = append(p.mails, sent)
		}
	}
}

// key returns everything, as text.
func (p *plain) key(w *world) string {
	var words state.Words
	for _, n := range p.nodes {
		n.appendState(&words, w.mirror)
	}
	var frames []string
	for _, m := range p.mails {
		frames = append(frames, string([]byte{byte(m.from), byte(m.to)})+string(m.frame))
	}
	slices.Sort(frames)
	for _, frame := range frames {
		words.Bytes([]byte(frame))
	}
	words.Flags(p.spent.drops > 0, p.spent.repeats > 0, p.spent.crashes > 0, p.spent.losses > 0)
	var key strings.Builder
	for _, word := range words {
		for shift := 0; shift < 64; shift += 8 {
			key.WriteByte(byte(word >> shift))
		}
	}
	return key.String()
}

// TestMutantIsToldByItsShortestPath shows what a person gets to read.
func TestMutantIsToldByItsShortestPath(t *testing.T) {
	world := tiny(Lockstep)
	world.Mutant = built(t, Lockstep, "commit-on-first-receipt")
	world.Members = 3
	world.Bounds = Bounds{Submits: [...]int{1, 0, 0}, InFlight: 1}
	result, err := Run(world)
	if err != nil {
		t.Fatal(err)
	}
	want := `trimmed-is-held: b needs nobody any more for 1 entries of stream a, of which c holds only 0
  1. a broadcasts an entry
       a writes a/1@1 of 1000
       a sends b: a/1@1 a{a:1@1} agreed
       a sends c: a/1@1 a{a:1@1} agreed
  2. b gets from a: a/1@1 a{a:1@1} agreed
       b sends a: b{a:1@1 b:0@1} agreed`
	got := ""
	if result.Fault != nil {
		got = result.Fault.String()
	}
	sorted := func(text string) []string { lines := strings.Split(text, "\n"); slices.Sort(lines); return lines }
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestConfigTellsAllMistakes(t *testing.T) {
	_, err := Run(Config{
		Protocol: "paxos", Members: 4, Dead: []Link{{1, 1}},
		Bounds: Bounds{Crashes: 1, Breaks: 1},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, part := range []string{`protocol "paxos"`, "4 members", "0 messages in flight", "need a journal", "Streams break", "from 1 to 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}
