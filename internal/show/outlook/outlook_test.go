package outlook

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
	"chatterbox/internal/show/film"
)

// audience collects what is told, as a page does.
type audience struct {
	t        *testing.T
	tiles    int
	members  map[int]film.Member
	links    map[[2]int]string
	news     map[[2]int]int64
	headline film.Headline
	totals   []uint64
	words    []string
	spans    int
	order    map[int64]int64 // of each batch that has settled here, entries before it
	holders  map[int64]int
	last     int64
}

func (a *audience) take(step *film.Step) {
	if step.T < a.last || step.First != a.tiles {
		a.t.Errorf("a step of %d with first %d, after %d and %d batches", step.T, step.First, a.last, a.tiles)
	}
	a.last = step.T
	a.tiles += len(step.Batches) / 5
	for _, m := range step.Members {
		a.members[int(m.ID)] = m
	}
	for _, l := range step.Links {
		a.links[[2]int{int(l.From), int(l.To)}] = l.State
	}
	for i := 0; i < len(step.News); i += 3 {
		a.news[[2]int{int(step.News[i]), int(step.News[i+1])}] = step.News[i+2]
	}
	if step.Headline != nil {
		a.headline = *step.Headline
	}
	if step.Totals != nil {
		a.totals = step.Totals
	}
	for _, w := range step.Words {
		a.words = append(a.words, w.Text)
	}
	for i := 0; i < len(step.Places); i += 2 {
		a.order[step.Places[i]] = step.Places[i+1]
	}
	for i := 0; i < len(step.Held); i += 3 {
		a.holders[step.Held[i]]++
	}
	a.spans += len(step.Opened) - len(step.Closed)/2
}

// said demands that something was said, in that order.
func (a *audience) said(begins ...string) {
	a.t.Helper()
	rest := a.words
	for _, text := range begins {
		at := slices.IndexFunc(rest, func(word string) bool { return strings.HasPrefix(word, text) })
		if at < 0 {
			a.t.Fatalf("nothing begins with %q in %q", text, a.words)
		}
		rest = rest[at+1:]
	}
}

// watched begins to watch the first of three members.
func watched(t *testing.T) (*chatterboxtest.Cluster, *audience, *Outlook) {
	t.Helper()
	c := chatterboxtest.NewCluster(t, 3, func(cfg *chatterbox.Config) { cfg.Dir, cfg.Volatile = "", true })
	n := c.Node("a")
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := &audience{
		t: t, members: map[int]film.Member{}, links: map[[2]int]string{}, news: map[[2]int]int64{},
		order: map[int64]int64{}, holders: map[int64]int{},
	}
	status := n.Status()
	view := New(&status, time.Now(), a.take)
	go view.Watch(t.Context(), n, func() bool { return true })
	return c, a, view
}

// TestAMemberTellsWhatItSees lets a member be watched while a peer goes and
// comes back.
func TestAMemberTellsWhatItSees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, view := watched(t)
		write := func(names ...string) {
			for _, name := range names {
				if _, err := c.Node(name).Broadcast(t.Context(), []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
		}
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		write("a", "b", "c", "a")
		c.Agree()
		pass(2 * time.Second)
		if len(a.order) != 4 || a.tiles != 4 || a.totals[0] != 4 || a.totals[1] != 4 || a.headline.Say != "a hears both others. Everything settles." {
			t.Errorf("%+v", a)
		}
		for number, holders := range a.holders {
			if holders != 3 {
				t.Errorf("batch %d is known to be held by %d", number, holders)
			}
		}
		for link, state := range a.links {
			want := linkUp
			if link[0] != 0 && link[1] != 0 {
				want = linkUnknown
			}
			if state != want {
				t.Errorf("link %v is %s", link, state)
			}
		}
		for cell, since := range a.news {
			if since >= 0 {
				t.Errorf("in quiet times the news in %v is old since %d", cell, since)
			}
		}

		c.Isolate("c")
		write("a", "b")
		pass(3 * time.Second)
		self, gone := a.members[0], a.members[2]
		if !self.Late || len(self.Waits) != 1 || self.Waits[0] != 2 || self.Held != 6 || self.Settled != 4 || gone.State != silent || a.spans != 1 {
			t.Errorf("%+v %+v, %d spans", self, gone, a.spans)
		}
		if a.headline.Say != "c is not heard." || a.headline.Sub != "a waits for c: {lag} by now." || a.news[[2]int{0, 2}] < 0 || a.links[[2]int{2, 0}] != linkGone {
			t.Errorf("%+v, %v, %v", a.headline, a.news, a.links)
		}
		if key := view.Key(); len(key.Members) != 3 || len(key.Opened) != 1 || key.First != a.tiles || key.Totals[0] != 6 {
			t.Errorf("a newcomer is told %+v", key)
		}

		c.HealAll()
		c.Agree()
		pass(2 * time.Second)
		if len(a.order) != 6 || a.order[5] != 5 || a.spans != 0 || a.members[0].Late || a.members[2].State != running {
			t.Errorf("%+v", a)
		}
		a.said("all have met", "settling waits for c", "c is not heard", "c is heard again, after", "settling goes on, after")
	})
}

// TestAMemberTellsWhoWasEvicted has the others go on without c, which is faint
// from then on and missed by nobody.
func TestAMemberTellsWhoWasEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, _ := watched(t)
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		c.Crash("c")
		if _, err := c.Node("a").Broadcast(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		if a.headline.Say != "c is not heard." || a.members[2].State != silent {
			t.Errorf("%+v, %+v", a.headline, a.members[2])
		}
		c.Evict("b", "c")
		pass(2 * time.Second)
		if a.headline.Say != "a hears b. Everything settles." || !a.members[2].Out || a.members[0].Late || a.spans != 0 || len(a.order) != 1 {
			t.Errorf("%+v, %+v, %d spans, %v", a.headline, a.members, a.spans, a.order)
		}
		a.said("settling waits for c", "c is not heard", "view 2: the members are a, b; c was evicted", "settling goes on, after")
	})
}

// TestWhatNobodySawSettlesAllTheSame: while nobody watches no batch is read;
// whoever comes later sees no settled batch as tentative.
func TestWhatNobodySawSettlesAllTheSame(t *testing.T) {
	status := chatterbox.Status{Name: "a", Members: []chatterbox.MemberStatus{{Member: chatterbox.Member{Name: "a"}}}}
	var told []*film.Step
	o := New(&status, time.Unix(100, 0), func(step *film.Step) { told = append(told, step) })
	batch := func(seq, lamport uint64) Batch {
		return Batch{ID: chatterbox.ID{Origin: "a", Life: 1, Seq: seq}, Entries: 1, Lamport: lamport}
	}
	status.Tentative = 2
	o.Look(time.Unix(101, 0), &status, &Seen{Tentative: []Batch{batch(1, 5), batch(2, 7)}})
	status.Settled, status.Tentative = 1, 1
	o.Look(time.Unix(102, 0), &status, &Seen{Skipped: true, Tentative: []Batch{batch(2, 7)}})
	if got := told[1].Settled; !slices.Equal(got, []int64{0, 0, 2_000_000}) {
		t.Errorf("%v", got)
	}
	if got := told[1].Members[0]; got.Oldest != 1_000_000 || got.Held != 2 || got.Settled != 1 {
		t.Errorf("%+v", got)
	}
}
