// Package outlook tells what one running member sees of its cluster, as steps
// of a film.
//
// Whoever serves a member knows no more than it does: whom it hears, what each
// member is known to hold, what has settled here. [Watch] looks at a node again
// and again through the public face, and an [Outlook] makes a [film.Step] of
// what changed since the last look. It says nothing that the member cannot
// know: links between others are unknown, and who is not heard is silent, not
// down. Start reading at [Outlook.Look].
//
// Goroutines: none; Watch runs in its caller's.
package outlook

import (
	"slices"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/show/film"
)

// Outlook makes steps of what a member knows. Use [New].
type Outlook struct {
	names []string
	self  member.ID
	take  func(*film.Step)

	step  *film.Step
	at    int64 // of the look, in microseconds since the first
	wall  time.Time
	began time.Time

	tiles tiles
	news  news
	story story
	told  told
}

// told is what the steps have told so far of what they tell only when it
// changes.
type told struct {
	members  []film.Member
	links    []film.Link
	news     []int64
	headline film.Headline
	totals   [2]uint64
}

// The conditions of links and members that only a member's own outlook knows.
const (
	linkUp      = "up"
	linkGone    = "gone"    // nothing comes, or there is no connection; the label says why
	linkUnknown = "unknown" // it lies between others
	running     = "running"
	silent      = "silent" // nothing is heard of it directly
	absent      = "absent" // nothing was ever heard of it
)

// heardFor is how long a member counts as heard after it was.
const heardFor = time.Second

// New returns the outlook of a member from a moment on. It gives its steps to
// take, which may keep them.
func New(status *chatterbox.Status, began time.Time, take func(*film.Step)) *Outlook {
	n := len(status.Members)
	o := &Outlook{take: take, began: began, names: make([]string, n), news: newNews(n), story: newStory(n)}
	for i := range status.Members {
		o.names[i] = status.Members[i].Name
		if o.names[i] == status.Name {
			o.self = member.ID(i)
		}
	}
	o.told.members, o.told.links, o.told.news = make([]film.Member, n), make([]film.Link, n*n), make([]int64, n*n)
	o.tiles.init(n)
	return o
}

// Names returns the names of the members, in their order.
func (o *Outlook) Names() []string { return o.names }

// Look takes in how the member is at a time, and what it holds around its
// frontier.
func (o *Outlook) Look(wall time.Time, s *chatterbox.Status, seen *Seen) {
	o.wall, o.at = wall, max(o.micros(wall), o.at)
	o.step = &film.Step{T: o.at, First: o.tiles.all}
	o.tiles.tell(o.step, o.at, o.self, s, seen)
	o.story.tell(o, s)
	o.tellMembers(s)
	o.tellLinks(s)
	o.tellNews(s)
	if totals := [2]uint64{uint64(s.Settled) + uint64(s.Tentative), uint64(s.Settled)}; totals != o.told.totals {
		o.told.totals = totals
		o.step.Totals = totals[:]
	}
	if headline := o.story.headline(o, s); headline != o.told.headline {
		o.told.headline = headline
		o.step.Headline = &headline
	}
	o.take(o.step)
}

// micros is a moment as it stands in steps.
func (o *Outlook) micros(at time.Time) int64 { return max(at.Sub(o.began).Microseconds(), 0) }

// heard reports whether a member is heard directly.
func (o *Outlook) heard(m *chatterbox.MemberStatus) bool { return o.wall.Sub(m.Heard) < heardFor }

func (o *Outlook) tellMembers(s *chatterbox.Status) {
	for i := range s.Members {
		now := o.member(member.ID(i), s)
		if before := &o.told.members[i]; !now.Equal(before) {
			*before = now
			o.step.Members = append(o.step.Members, now)
		}
	}
}

// member returns what is known of a member now.
func (o *Outlook) member(id member.ID, s *chatterbox.Status) film.Member {
	m := &s.Members[id]
	now := film.Member{ID: id, State: running, Settled: uint64(m.Settled), Oldest: -1, Out: m.Evicted}
	switch {
	case id == o.self:
		now.Settled, now.Held = uint64(s.Settled), uint64(s.Settled)+uint64(s.Tentative)
		now.Oldest = o.tiles.oldest(o.at, s)
		for i := range s.Members {
			if since := s.Members[i].HoldsUpSince; !since.IsZero() {
				now.Late, now.Waits = true, append(now.Waits, member.ID(i))
				now.Oldest = o.micros(since)
			}
		}
		return now
	case m.Heard.IsZero():
		now.State = absent
	case !o.heard(m):
		now.State, now.Since = silent, o.micros(m.Heard)
	}
	for _, h := range m.Holds {
		now.Held += h.Seq
	}
	now.Held = max(now.Held, now.Settled)
	return now
}

func (o *Outlook) tellLinks(s *chatterbox.Status) {
	n := len(s.Members)
	for i := range o.told.links {
		from, to := member.ID(i/n), member.ID(i%n)
		if from == to {
			continue
		}
		now := o.link(from, to, s)
		if before := &o.told.links[i]; now.State != before.State || now.Label != before.Label {
			now.Since = o.at
			*before = now
			o.step.Links = append(o.step.Links, now)
		}
	}
}

// link returns what is known of a link.
func (o *Outlook) link(from, to member.ID, s *chatterbox.Status) film.Link {
	link := film.Link{From: from, To: to, State: linkUnknown}
	switch {
	case to == o.self:
		link.State = linkUp
		if m := &s.Members[from]; m.Heard.IsZero() || !o.heard(m) {
			link.State, link.Label = linkGone, "nothing is heard"
		}
	case from == o.self:
		link.State = linkUp
		if m := &s.Members[to]; m.Trouble != "" {
			link.State, link.Label = linkGone, m.Trouble
		} else if m.Heard.IsZero() {
			link.State, link.Label = linkGone, "no connection yet"
		}
	}
	return link
}

// freshFor is how old news may be and still count as fresh: it is looked at now
// and then only, and acknowledgements are under way meanwhile.
const freshFor = 600 * time.Millisecond

func (o *Outlook) tellNews(s *chatterbox.Status) {
	n := len(s.Members)
	o.news.look(o.at, s)
	for i := range o.told.news {
		id, of := member.ID(i/n), member.ID(i%n)
		now := int64(0)
		if since, old := o.news.since(id, of, s); old && o.at-since > freshFor.Microseconds() {
			now = since + 1
		} else if m := &s.Members[of]; !old && id != of && of != o.self && !m.Heard.IsZero() && !o.heard(m) && id == o.self {
			now = o.micros(m.Heard) + 1
		}
		if now != o.told.news[i] {
			o.told.news[i] = now
			o.step.News = append(o.step.News, int64(id), int64(of), now-1)
		}
	}
}

// Key returns a step that tells everything as it was at the last look, but for
// batches, for those who have not seen the steps before.
func (o *Outlook) Key() *film.Step {
	n := len(o.names)
	headline := o.told.headline
	key := &film.Step{T: o.at, First: o.tiles.all, Totals: slices.Clone(o.told.totals[:]), Headline: &headline, Members: slices.Clone(o.told.members)}
	for i, link := range o.told.links {
		if link.State != "" {
			key.Links = append(key.Links, link)
		}
		if since := o.told.news[i]; since != 0 {
			key.News = append(key.News, int64(i/n), int64(i%n), since-1)
		}
	}
	key.Opened = o.story.openSpans()
	return key
}
