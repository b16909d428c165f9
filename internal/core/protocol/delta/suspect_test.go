package delta

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// TestSuspicion: who has been away for 2 s after some looks at who is together, each
// so long after the one before. Nobody looks for longer than 100 ms, so more is a
// pause of who looks.
func TestSuspicion(t *testing.T) {
	const limit, moment = 2 * time.Second, 100 * time.Millisecond
	set := func(ids ...member.ID) (s member.Set) {
		for _, id := range ids {
			s.Add(id)
		}
		return s
	}
	type looks struct {
		times    int
		after    time.Duration
		together member.Set // nil: too few
	}
	for name, test := range map[string]struct {
		looks   []looks
		planned bool
		whom    member.ID
		found   bool
	}{
		"nobody is away":                     {looks: []looks{{30, moment, set(0, 1, 2)}}},
		"not for long enough":                {looks: []looks{{19, moment, set(0, 1)}}},
		"one is":                             {looks: []looks{{20, moment, set(0, 1)}}, whom: 2, found: true},
		"one is, as planned":                 {looks: []looks{{20, moment, set(0, 1)}}, planned: true},
		"one is, as planned, for too long":   {looks: []looks{{3000, moment, set(0, 1)}}, planned: true, whom: 2, found: true},
		"it came back":                       {looks: []looks{{19, moment, set(0, 1)}, {1, moment, set(0, 1, 2)}, {19, moment, set(0, 1)}}},
		"two, one of them for longer":        {looks: []looks{{5, moment, set(0, 1)}, {25, moment, set(0)}}, whom: 2, found: true},
		"who looks stood still":              {looks: []looks{{1, moment, set(0, 1)}, {1, time.Hour, set(0, 1)}}},
		"too few were there for a while":     {looks: []looks{{19, moment, set(0, 1)}, {1, moment, nil}, {19, moment, set(0, 1)}}},
		"who was let go is not looked after": {looks: []looks{{20, moment, set(0, 1, 2)}}},
	} {
		t.Run(name, func(t *testing.T) {
			view := &member.View{Places: []member.Place{{Role: member.Writer}, {Role: member.Writer}, {Role: member.Writer}, {Role: member.Gone}}}
			var s suspicion
			now := time.Duration(0)
			for _, look := range test.looks {
				for range look.times {
					if now += look.after; look.together == nil {
						s.clear(now)
					} else {
						s.pass(now, moment, view, look.together)
					}
				}
			}
			planned := func(member.ID) bool { return test.planned }
			if whom, found := s.overdue(limit, planned); whom != test.whom || found != test.found {
				t.Errorf("overdue is %d, %t", whom, found)
			}
		})
	}
}

// TestWhoIsLetGoAgainIsTakenBackLater: after 2 s at first, then after twice as long each
// time in a row, up to five minutes; after a stay of 40 s it is the first time again.
func TestWhoIsLetGoAgainIsTakenBackLater(t *testing.T) {
	const limit = 2 * time.Second
	view := func(number, since, strikes uint64, role member.Role) *member.View {
		return &member.View{
			Number: number, Places: []member.Place{{Role: member.Writer, Name: "a", Since: 1}, {Role: role, Name: "b", Since: since}},
			Strikes: []member.Strike{{Name: "b", Count: strikes}},
		}
	}
	var s suspicion
	now, number := time.Duration(0), uint64(1)
	last := view(1, 1, 0, member.Writer)
	for i, test := range []struct {
		stays, barred time.Duration
		strikes       uint64
	}{
		{time.Second, limit, 1}, {39 * time.Second, 2 * limit, 2}, {0, 4 * limit, 3}, {40 * time.Second, limit, 1}, {time.Hour, limit, 1},
	} {
		now += test.stays
		s.away = []time.Duration{0, 0}
		strikes := s.strikes(1, last.StrikesOf("b"), now, limit)
		gone := view(number+1, last.Places[1].Since, strikes, member.Gone)
		s.install(last, gone, now, limit)
		if strikes != test.strikes || !s.isBarred(1, now+test.barred-1) || s.isBarred(1, now+test.barred) || s.isBarred(0, now) {
			t.Errorf("%d: strike %d, barred at %v: %t", i, strikes, now+test.barred-1, s.isBarred(1, now+test.barred-1))
		}
		now += test.barred
		last = view(number+2, number+2, strikes, member.Writer)
		s.install(gone, last, now, limit)
		number += 2
	}
	s.install(last, view(number+1, number, 50, member.Gone), now, limit)
	if !s.isBarred(1, now+barMax-1) || s.isBarred(1, now+barMax) {
		t.Error("not barred for five minutes")
	}
}

// TestTogether: with whom a is together by who hears whom, of five members, of whom
// e was let go. Rows that a cannot learn of are out of date.
func TestTogether(t *testing.T) {
	for name, test := range map[string]struct {
		hears [4]string // whom each one hears
		want  string
	}{
		"all hear all":                   {[4]string{"bcd", "acd", "abd", "abc"}, "abcd"},
		"nobody":                         {[4]string{}, "a"},
		"d is gone":                      {[4]string{"bc", "ac", "ab", "abc"}, "abc"},
		"d hears nobody":                 {[4]string{"bcd", "acd", "abd", ""}, "abc"},
		"d is heard by c alone":          {[4]string{"bc", "ac", "abd", "c"}, "abcd"},
		"d hears c, and b alone hears d": {[4]string{"bc", "acd", "ab", "c"}, "abcd"},
		"a ring in one direction":        {[4]string{"d", "a", "b", "c"}, "abcd"},
		"two and two":                    {[4]string{"b", "a", "d", "c"}, "ab"},
		"who was let go does not count":  {[4]string{"be", "a", "e", "e"}, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			list, binding := member.Lettered(5), member.Binding{1, 2, 3, 4, 5}
			view, err := member.Founding(list, binding).Successor(member.Change{Kind: member.Evict, Identity: 5}, member.Grounds{})
			if err != nil {
				t.Fatal(err)
			}
			d := New(Config{Self: 0, Members: 5, Identity: 1, Datagram: true, Changes: true, EvictAfter: time.Second})
			d.install(view)
			for k, heard := range test.hears {
				r := d.frontier.rowOf(member.ID(k), binding[k], 0)
				for _, letter := range heard {
					r.hears.Add(member.ID(letter - 'a'))
				}
			}
			got := ""
			for id, together := member.ID(0), d.together(); id < 5; id++ {
				if together.Has(id) {
					got += member.Letter(id)
				}
			}
			if got != test.want || d.allTogether() != (name == "all hear all") {
				t.Errorf("together are %s, want %s; all: %t", got, test.want, d.allTogether())
			}
		})
	}
}
