package sim

import (
	"testing"
	"time"

	"chatterbox/internal/proof/failure"
)

// quietWorld is a run of three idle members without journals, at a time when
// all have met and nothing is left to say.
func quietWorld(t *testing.T, protocol string) *world {
	t.Helper()
	shape := Draw(1, 3)
	shape.Ending, shape.Spared, shape.Journal, shape.Streams, shape.Zombies = Healthy, nil, false, false, 0
	shape.Rates, shape.BatchMax = []float64{0, 0, 0}, 1
	shape.Tick, shape.Wake = 10*time.Millisecond, 5*time.Millisecond
	shape.DelayMin, shape.DelayMax = time.Millisecond, time.Millisecond
	w, err := NewRunner().prepare(Config{
		Protocol: protocol, Members: 3, SendFor: time.Minute, GraceFor: time.Second, Map: failure.Map{}, Shape: &shape,
	}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range w.nodes {
		n.start()
	}
	w.until(5 * time.Second)
	return w
}

func (w *world) until(end time.Duration) {
	for w.queue.len() > 0 && w.queue.heap[0].at < end {
		e := w.queue.pop()
		w.now = e.at
		w.happen(&e)
	}
	w.now = end
}

func TestQuietMembersRestAndWakeUp(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		w := quietWorld(t, protocol)
		before := w.nodes[0].ticks
		w.until(7 * time.Second)
		if ticks := w.nodes[0].ticks - before; ticks > 100 {
			t.Errorf("%s: %d ticks in two quiet seconds, where a busy member has 200", protocol, ticks)
		}
		w.nodes[1].waiting = 1
		w.nodes[1].fill()
		w.until(7200 * time.Millisecond)
		for _, n := range w.nodes {
			if held := n.reducer.Status().Held[1].Have; held != 1 {
				t.Errorf("%s: member %d holds %d entries of the one that woke up, want 1", protocol, n.id, held)
			}
		}
	}
}

func TestEntryIntoAnIdleClusterIsSentBeforeTheNextTurn(t *testing.T) {
	for _, protocol := range []string{Delta, Lockstep} {
		w := quietWorld(t, protocol)
		before, n := w.messages, w.nodes[2]
		n.waiting = 1
		n.fill()
		if sent := w.messages - before; sent != 2 {
			t.Errorf("%s: %d messages went to two peers at once", protocol, sent)
		}
	}
}
