package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestQueueGivesTheEarliestAndAmongEqualsTheOldest.
func TestQueueGivesTheEarliestAndAmongEqualsTheOldest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q queue
	for round := range 50 {
		for range rng.IntN(200) {
			q.push(event{at: time.Duration(rng.IntN(20) + round)})
		}
		popRising(t, &q, rng.IntN(q.len()+1))
	}
	popRising(t, &q, q.len())
}

// popRising takes so many events off the queue, which must come in order.
func popRising(t *testing.T, q *queue, count int) {
	t.Helper()
	var last event
	for range count {
		e := q.pop()
		if e.before(&last) {
			t.Fatalf("%v number %d after %v number %d", e.at, e.order, last.at, last.order)
		}
		last = e
	}
}

// TestDrawReachesEveryShape: no kind of run is left out by accident.
func TestDrawReachesEveryShape(t *testing.T) {
	endings := map[Ending]int{}
	streams, journals, torn, zombies, idle := 0, 0, 0, 0, 0
	const runs = 400
	for seed := range uint64(runs) {
		s := Draw(seed, 5)
		endings[s.Ending]++
		streams += one(s.Streams)
		journals += one(s.Journal)
		torn += one(s.Torn)
		zombies += one(s.Zombies > 0)
		idle += one(s.Rates[0] == 0)
		if spared := s.Spared != nil; spared != (s.Ending == Core) {
			t.Fatalf("seed %d: ending %d, links spared: %v", seed, s.Ending, spared)
		}
	}
	for _, ending := range []Ending{Healed, Core, Unended, Healthy} {
		if endings[ending] < runs/20 {
			t.Errorf("ending %d only %d times in %d", ending, endings[ending], runs)
		}
	}
	for name, count := range map[string]int{"connections": streams, "journals": journals, "torn": torn, "zombies": zombies, "idle": idle} {
		if count < runs/20 || count > runs*19/20 {
			t.Errorf("%s %d times in %d", name, count, runs)
		}
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// TestDrawIsAFunctionOfItsSeed and of nothing else.
func TestDrawIsAFunctionOfItsSeed(t *testing.T) {
	for seed := range uint64(20) {
		a, b := Draw(seed, 7), Draw(seed, 7)
		if !sameShape(&a, &b) {
			t.Errorf("seed %d gives two shapes", seed)
		}
	}
}
