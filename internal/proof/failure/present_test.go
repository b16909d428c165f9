package failure

import (
	"math/rand/v2"
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// TestPresentIsTheSchedule compares the present, changed event by event, with
// the schedule of the same random map at every moment of it.
func TestPresentIsTheSchedule(t *testing.T) {
	list := make(member.List, 5)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "sim", Port: i + 1}
	}
	for seed := range uint64(40) {
		m := Random(rand.New(rand.NewPCG(seed, 1)), len(list), 3*time.Second)
		schedule, err := m.Bind(list)
		if err != nil {
			t.Fatal(err)
		}
		bound := make([]boundEvent, len(m))
		total := int64(0)
		for i := range m {
			bound[i].Event = &m[i]
			total += m[i].times()
		}
		present := NewPresent(list)
		moments := momentsOf(bound, total)
		for i, now := range moments {
			if _, _, err := present.Happens(&m[now.event]); err != nil {
				t.Fatal(err)
			}
			if i+1 < len(moments) && moments[i+1].at == now.at {
				continue // the others of this moment come first
			}
			for a := range list {
				for b := range list {
					from, to := member.ID(a), member.ID(b)
					if got, want := present.Link(from, to), schedule.Link(from, to, now.at); got != want {
						t.Fatalf("seed %d at %v: %d -> %d fails as %+v, want %+v\n%s", seed, now.at, a, b, got, want, m)
					}
				}
			}
		}
	}
}

func TestPresentRefusesStrangers(t *testing.T) {
	present := NewPresent(member.List{{Name: "a", Host: "sim", Port: 1}, {Name: "b", Host: "sim", Port: 2}})
	event := Event{From: Group{Names: []string{"x"}}, Arrow: OneWay, To: Group{All: true}, Action: Cut}
	if _, _, err := present.Happens(&event); err == nil {
		t.Fatal("a link of a member that nobody knows was cut")
	}
}
