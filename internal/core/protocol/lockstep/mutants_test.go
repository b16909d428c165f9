package lockstep_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/mutant"
)

// shapes are the kinds of runs that look for mutants.
func shapes() []shape {
	return []shape{
		{members: 3, batch: 2, datagram: true, drop: 0.2, repeat: 0.2, cuts: true},
		{members: 3, batch: 1, datagram: true, durable: true, drop: 0.1, repeat: 0.1, restarts: true},
		{members: 3, batch: 1, datagram: true, drop: 0.1, restarts: true, losesData: true},
		{members: 4, batch: 1, oneWayRing: true, datagram: true},
		{members: 4, batch: 1, datagram: true, drop: 0.1, killed: true, cuts: true},
		{members: 3, batch: 1, datagram: true, idle: true},
		{members: 3, batch: 1, durable: true, restarts: true, alone: true},
	}
}

// seedsPerShape is how many runs of each shape a mutant gets to show itself.
const seedsPerShape = 60

// TestSoundProtocolPassesTheSameNets: what catches a mutant is its
// mistake and nothing else.
func TestSoundProtocolPassesTheSameNets(t *testing.T) {
	for kind := range shapes() {
		play(t, draw.Of(seedsPerShape, seedsPerShape/5), func(uint64) shape { return shapes()[kind] })
	}
}

// TestEveryMutantIsCaught by the judge of the random networks.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, m := range mutant.Built(mutant.Lockstep) {
		t.Run(string(m), func(t *testing.T) { catch(t, m) })
	}
}

func catch(t *testing.T, m mutant.Mutant) {
	if inScript(m) {
		t.Skip("a script shows what it breaks")
	}
	if promised, written := promiseAndRestart(m); written <= promised {
		t.Logf("caught by the directed schedule: time %d was written after %d was promised", written, promised)
		return
	}
	for seed := uint64(1); seed <= seedsPerShape; seed++ {
		for kind, s := range shapes() {
			s.mutant = m
			n := newNet(seed, s)
			n.run()
			if n.judge.faults != nil {
				t.Logf("caught in shape %d with seed %d: %s", kind, seed, n.judge.faults[0])
				return
			}
		}
	}
	t.Errorf("%d seeds of %d shapes do not catch it: %s", seedsPerShape, len(shapes()), m.Doc(mutant.Lockstep))
}

func TestRestartWritesAboveItsPromise(t *testing.T) {
	if promised, written := promiseAndRestart(mutant.None); promised != 9 || written <= promised {
		t.Errorf("promised %d, then after a restart wrote time %d", promised, written)
	}
}

// promiseAndRestart lets a member promise a time that it only heard of, crash,
// and write before it hears anybody again. Chance nearly never does that.
func promiseAndRestart(m mutant.Mutant) (promised, written clock.Time) {
	config := lockstep.Config{Members: 2, Identity: 1, Durable: true, Datagram: true}
	node := &netNode{}
	step := func(l protocol.Reducer, e protocol.Event) protocol.Effects {
		effects := l.Step(e)
		node.keep(&effects)
		return effects
	}
	l := mutant.NewLockstep(m, config)
	binding := member.Binding{1, 2}
	step(l, protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
		From: 1, Identity: 2, Session: 1 << 32, Number: 1, Binding: binding,
		Rows: []protocol.Row{{
			Member: 1, Identity: 2, Version: 1<<32 + 1, Binding: binding.Hash(),
			Marks: []protocol.StreamMark{{Stream: 1, Mark: clock.Mark{Promise: 9}}},
		}},
	}})
	answer := step(l, protocol.Event{Kind: protocol.Flush})
	promised = answer.Send[0].Message.Rows[0].Marks[0].Promise

	config.Recovered, config.Life = &node.journal, 2
	l = mutant.NewLockstep(m, config)
	step(l, protocol.Event{Kind: protocol.Submit, Now: time.Second, Batch: protocol.Batch{Count: 1}})
	alone := step(l, protocol.Event{Kind: protocol.Flush, Now: time.Second})
	return promised, alone.Append[0].Time
}
