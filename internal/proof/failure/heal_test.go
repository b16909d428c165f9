package failure_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/world/fault"
)

// TestHealedMapEndsWell: until a time all is as before, and then all is well
// for ever: no link fails, all members run, on time.
func TestHealedMapEndsWell(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		m := drawMap(t)
		at := max(drawTime(t), 1)
		before, err := m.Bind(letters(5))
		if err != nil {
			t.Fatal(err)
		}
		after, err := m.Heal(at).Bind(letters(5))
		if err != nil {
			t.Fatal(err)
		}
		for id := range member.ID(5) {
			if before.Absent(id) != after.Absent(id) {
				t.Fatalf("healing changes whether %d is there at first", id)
			}
		}
		early := func(events []failure.MemberEvent) []failure.MemberEvent {
			late := slices.IndexFunc(events, func(e failure.MemberEvent) bool { return e.At >= at })
			if late < 0 {
				return events
			}
			return events[:late]
		}
		if !slices.Equal(early(before.Members()), early(after.Members())) {
			t.Fatalf("healing at %v changes %+v to %+v", at, before.Members(), after.Members())
		}
		if links(before, 5, at-1) != links(after, 5, at-1) || links(after, 5, at) != [25]failure.Link{} {
			t.Fatalf("links at %v in\n%s", at, m.Heal(at))
		}
		if after.Last() > at {
			t.Fatalf("something changes at %v, after %v", after.Last(), at)
		}
		checkWell(t, after)
	})
}

func checkWell(t *rapid.T, s *failure.Schedule) {
	running, paused := checkLives(t, s, 5)
	speed := map[member.ID]float64{}
	for _, e := range s.Members() {
		if e.Action == failure.Clock {
			speed[e.Member] = e.Speed
		}
	}
	for id := range member.ID(5) {
		if !running[id] || paused[id] || speed[id] != 0 && speed[id] != 1 {
			t.Fatalf("%d: running %v, paused %v, clock %v", id, running[id], paused[id], speed[id])
		}
	}
}

func TestWithoutDropsOneEvent(t *testing.T) {
	m := parse(t, "1s a crash\n2s b crash\n3s c crash")
	if diff := same(m.Without(1), parse(t, "1s a crash\n3s c crash")); diff != "" {
		t.Error(diff)
	}
	if len(m) != 3 || m[1].At != 2*time.Second {
		t.Errorf("the map itself became\n%s", m)
	}
}

func TestRestrictKeepsWhatFewerMembersCanDo(t *testing.T) {
	m := parse(t, `
1s a,d <-> b,e             cut
2s d -> a                  cut
3s * except a,e -> *       drop 1%
4s e                       crash
5s 3 -> 4,a                cut
`)
	want := parse(t, `
1s a <-> b                 cut
3s * except a -> *         drop 1%
5s 3 -> a                  cut
`)
	if diff := same(m.Restrict(letters(3)), want); diff != "" {
		t.Error(diff)
	}
	if _, err := m.Restrict(letters(3)).Bind(letters(3)); err != nil {
		t.Error(err)
	}
	if diff := same(m.Restrict(letters(5)), m); diff != "" {
		t.Errorf("with all members something is lost: %s", diff)
	}
}

// TestFateFollowsTheLink counts many draws.
func TestFateFollowsTheLink(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const draws = 20_000
	link := failure.Link{Drop: 0.2, Repeat: 0.5, DelayMin: 5 * time.Millisecond, DelayMax: 20 * time.Millisecond}
	var copies [3]int
	for range draws {
		fate := link.Fate(rng)
		copies[fate.Copies]++
		for _, delay := range fate.Delays[:fate.Copies] {
			if delay < link.DelayMin || delay > link.DelayMax {
				t.Fatalf("a delay of %v", delay)
			}
		}
	}
	for i, want := range []float64{0.2, 0.4, 0.4} {
		if share := float64(copies[i]) / draws; share < want-0.02 || share > want+0.02 {
			t.Errorf("%d copies in %v of the draws, want %v", i, share, want)
		}
	}
}

func TestFateOfReorderedMessagesIsLater(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	link := failure.Link{Reorder: 0.5}
	held, longest := 0, time.Duration(0)
	for range 1000 {
		delay := link.Fate(rng).Delays[0]
		longest = max(longest, delay)
		if delay > 0 {
			held++
		}
	}
	if held < 400 || held > 600 || longest > fault.HoldMax || longest < fault.HoldMax*9/10 {
		t.Errorf("%d of 1000 are held, at most %v", held, longest)
	}
	if fate := (failure.Link{Cut: true}).Fate(rng); fate.Copies != 0 {
		t.Errorf("a cut link passes %+v", fate)
	}
}

// TestWellLinkDrawsNothing: a failure that is not there leaves the random
// numbers of a run as they are.
func TestWellLinkDrawsNothing(t *testing.T) {
	rng, untouched := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	if fate := (failure.Link{DelayMin: 1, DelayMax: 1}).Fate(rng); fate != (fault.Fate{Copies: 1, Delays: [2]time.Duration{1}}) {
		t.Errorf("got %+v", fate)
	}
	if rng.Uint64() != untouched.Uint64() {
		t.Error("a random number was used up")
	}
}
