package delta

import (
	"slices"
	"testing"
	"time"
)

// fly sends messages of 10 bytes, one a second, each with one entry of a stream.
func fly(messages int) *cursor {
	c := &cursor{flights: queue[flight]{first: 1, end: 1}}
	for i := range messages {
		*c.flights.push() = flight{sentAt: time.Duration(i+1) * time.Second, size: 10, stamp: uint64(i + 1), spans: []span{{1, uint64(i + 1), uint64(i + 1)}}}
		c.inFlight += 10
	}
	return c
}

// TestCursor: what is on its way, and what goes again, after each event.
func TestCursor(t *testing.T) {
	steps := []struct {
		name     string
		event    func(c *cursor)
		inFlight int
		flights  int
		lost     []span
	}{
		{"four messages", func(*cursor) {}, 40, 4, nil},
		{"the second arrives", func(c *cursor) { c.arrive(2) }, 30, 4, nil},
		{"and is told of again", func(c *cursor) { c.arrive(2) }, 30, 4, nil},
		{"the third is lost", func(c *cursor) { c.lose(c.flights.at(3)) }, 20, 4, []span{{1, 3, 3}}},
		{"the first is lost", func(c *cursor) { c.lose(c.flights.at(1)); c.popDone() }, 10, 1, []span{{1, 1, 1}, {1, 3, 3}}},
		{"the third was only late", func(c *cursor) { c.arrive(4); c.popDone() }, 0, 0, []span{{1, 1, 1}, {1, 3, 3}}},
		{"the stream does not count", func(c *cursor) { c.unsend(1) }, 0, 0, nil},
	}
	c := fly(4)
	for _, step := range steps {
		step.event(c)
		if c.inFlight != step.inFlight || c.flights.len() != step.flights || !slices.Equal(c.lost, step.lost) {
			t.Errorf("%s: %d bytes in %d flights on the way, lost %v", step.name, c.inFlight, c.flights.len(), c.lost)
		}
	}
}

// TestRewindForgetsWhatWasSent, but not the numbers of messages.
func TestRewindForgetsWhatWasSent(t *testing.T) {
	c := fly(3)
	c.reach(0, 3).have, c.reach(1, 3).have = 5, 3
	c.lose(c.flights.at(1))
	c.backoff = 4
	c.rewind(9 * time.Second)
	if *c.reach(0, 3) != (reach{}) || *c.reach(1, 3) != (reach{}) || c.inFlight != 0 || len(c.lost) != 0 || c.backoff != 0 || c.progressed != 9*time.Second {
		t.Errorf("after a rewind %+v", c)
	}
	if c.flights.end != 4 {
		t.Errorf("the next message has number %d, want 4", c.flights.end)
	}
	c.restart()
	if c.flights.end != 1 || c.largestAcked != 0 {
		t.Errorf("in a new session the next message has number %d", c.flights.end)
	}
}
