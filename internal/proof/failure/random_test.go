package failure_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
)

func random(seed uint64, members int, length time.Duration, kinds ...failure.Kind) failure.Map {
	return failure.Random(rand.New(rand.NewPCG(seed, 0)), members, length, kinds...)
}

// TestRandomMapsAreMaps: they bind, read back, and come again from their seed.
func TestRandomMapsAreMaps(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		members := rapid.IntRange(1, 40).Draw(t, "members")
		length := time.Duration(rapid.IntRange(0, 100_000).Draw(t, "ms")) * time.Millisecond
		m := random(seed, members, length)
		if diff := same(m, random(seed, members, length)); diff != "" {
			t.Fatalf("one seed, two maps: %s", diff)
		}
		if diff := same(m, parse(t, m.String())); diff != "" {
			t.Fatalf("%s\n%s", m, diff)
		}
		s, err := m.Bind(letters(members))
		if err != nil {
			t.Fatal(err)
		}
		if s.Last() > length+2*time.Second {
			t.Fatalf("something changes at %v in a map of %v:\n%s", s.Last(), length, m)
		}
		checkLives(t, s, members)
	})
}

// TestRandomMapsHaveAllKinds: each kind is met alone, with others and
// not at all.
func TestRandomMapsHaveAllKinds(t *testing.T) {
	const seeds = 400
	alone, met := map[failure.Action]int{}, map[failure.Action]int{}
	for seed := range uint64(seeds) {
		actions := map[failure.Action]bool{}
		for _, event := range random(seed, 5, 10*time.Second) {
			actions[event.Action] = true
		}
		for action := range actions {
			met[action]++
			if len(actions) == 1 || len(actions) == 2 && (actions[failure.Heal] || actions[failure.Restart] || actions[failure.Resume]) {
				alone[action]++
			}
		}
	}
	for _, action := range []failure.Action{
		failure.Cut, failure.Drop, failure.Delay, failure.Rate, failure.Repeat, failure.Reorder, failure.Crash,
		failure.CrashLosingData, failure.Pause, failure.Start, failure.Clock,
	} {
		if met[action] < seeds/20 || met[action] > seeds*19/20 || alone[action] == 0 {
			t.Errorf("%v is in %d of %d maps, alone in %d", action, met[action], seeds, alone[action])
		}
	}
}

func TestRandomMapsHaveOnlyTheKindsAskedFor(t *testing.T) {
	for _, c := range []struct {
		kind failure.Kind
		want []failure.Action
	}{
		{failure.Partitions, []failure.Action{failure.Cut, failure.Heal}},
		{failure.Flaps, []failure.Action{failure.Cut, failure.Heal}},
		{failure.OneWayCuts, []failure.Action{failure.Cut, failure.Heal}},
		{failure.Losses, []failure.Action{failure.Drop, failure.Heal}},
		{failure.Repeats, []failure.Action{failure.Repeat, failure.Heal}},
		{failure.Reorders, []failure.Action{failure.Reorder, failure.Heal}},
		{failure.Delays, []failure.Action{failure.Delay, failure.Heal}},
		{failure.Rates, []failure.Action{failure.Rate, failure.Heal}},
		{failure.Crashes, []failure.Action{failure.Crash, failure.Restart}},
		{failure.Amnesias, []failure.Action{failure.CrashLosingData, failure.Restart}},
		{failure.Pauses, []failure.Action{failure.Pause, failure.Resume}},
		{failure.LateStarts, []failure.Action{failure.Start}},
		{failure.Drifts, []failure.Action{failure.Clock}},
	} {
		met := map[failure.Action]bool{}
		for seed := range uint64(50) {
			for _, event := range random(seed, 5, 10*time.Second, c.kind) {
				met[event.Action] = true
			}
		}
		for _, action := range c.want {
			if !met[action] {
				t.Errorf("kind %d never has %v", c.kind, action)
			}
			delete(met, action)
		}
		if len(met) > 0 {
			t.Errorf("kind %d has %v too", c.kind, met)
		}
	}
	if m := random(1, 1, time.Second, failure.Losses); len(m) > 0 {
		t.Errorf("one member has no links, and yet:\n%s", m)
	}
}

// TestPartitionsHaveManyShapes counts what the members of a cluster of five
// still see of one another in drawn partitions.
func TestPartitionsHaveManyShapes(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(300) {
		m := random(seed, 5, time.Second, failure.Partitions)
		s, err := m.Bind(letters(5))
		if err != nil {
			t.Fatal(err)
		}
		at, _ := s.Next(-1)
		met[shapeOf(s, at)]++
	}
	for _, shape := range []string{"isolated", "halves", "bridge", "ring", "star", "majorities", "other"} {
		if met[shape] < 5 {
			t.Errorf("%s: %d of 300, all: %v", shape, met[shape], met)
		}
	}
}

// shapeOf names a partition by how many other members each one reaches.
func shapeOf(s *failure.Schedule, at time.Duration) string {
	var reached [5]int // how many members reach so many others
	symmetric := true
	for from := range member.ID(5) {
		count := 0
		for to := range member.ID(5) {
			open := !s.Link(from, to, at).Cut
			if from != to && open {
				count++
			}
			symmetric = symmetric && open == !s.Link(to, from, at).Cut
		}
		reached[count]++
	}
	if !symmetric {
		if reached[2] == 5 {
			return "majorities"
		}
		return "other"
	}
	switch reached {
	case [5]int{1, 0, 0, 4, 0}:
		return "isolated"
	case [5]int{0, 2, 3, 0, 0}:
		return "halves"
	case [5]int{0, 0, 4, 0, 1}:
		return "bridge"
	case [5]int{0, 0, 5, 0, 0}:
		return "ring"
	case [5]int{0, 4, 0, 0, 1}:
		return "star"
	default:
		return "other"
	}
}

func TestRandomMapOfAThousandMembers(t *testing.T) {
	for seed := range uint64(2) {
		m := random(seed, 1000, 10*time.Second)
		if _, err := m.Bind(letters(1000)); err != nil {
			t.Fatal(err)
		}
	}
}
