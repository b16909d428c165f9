package failure

import (
	"slices"
	"sort"
	"time"

	"chatterbox/internal/core/member"
)

// Schedule is a map bound to the members of a cluster. It does not change and
// is safe for concurrent use.
type Schedule struct {
	links   links
	absent  member.Set
	events  []MemberEvent
	changes []time.Duration // rising

	lines   []boundEvent
	moments []moment // of lines, in order
}

// Line is a line of a map that takes effect.
type Line struct {
	At   time.Duration
	Text string
}

// MemberEvent is what happens to one member. Those of a member make sense one
// after the other: only a running one crashes or is paused, only a paused one
// resumes, only one that is not running starts or restarts.
type MemberEvent struct {
	At     time.Duration
	Member member.ID
	Action Action        // Crash, Kill, CrashLosingData, CrashRestoring, Pause, Resume, Start (its first life), Restart (a later one), Clock, Evict, Return, Join, Stop, Observe, Force or Leave
	Speed  float64       // Clock: ticks for each true one; 1 is right
	Age    time.Duration // CrashRestoring: how old the copy of its data is
	Whom   member.ID     // Evict and Force: who is to go
}

// Link returns how messages from one member to another fail at a time. It takes
// some nanoseconds and may be called for each message.
func (s *Schedule) Link(from, to member.ID, at time.Duration) Link {
	if from == to {
		return Link{}
	}
	return s.links.table(from, to).at(at)
}

// Reliable reports whether no message from one member to the other is ever dropped,
// repeated or reordered. The link may be cut for a while.
func (s *Schedule) Reliable(from, to member.ID) bool {
	return from == to || s.links.table(from, to).reliable
}

// Members returns all that happens to members, in order. Nobody may change it.
func (s *Schedule) Members() []MemberEvent { return s.events }

// Lines returns the lines of the map as often as each takes effect, in order.
func (s *Schedule) Lines() []Line {
	lines := make([]Line, len(s.moments))
	for i, m := range s.moments {
		lines[i] = Line{At: m.at, Text: s.lines[m.event].String()}
	}
	return lines
}

// Absent reports whether a member does not run at the start: it is told to start
// later, or it crashes at 0s. A Start event brings it, if anything does.
func (s *Schedule) Absent(id member.ID) bool { return s.absent.Has(id) }

// Next returns the time of the first change after a time, of any link or
// member, and whether there is one. What holds from the start on changes at 0.
func (s *Schedule) Next(after time.Duration) (time.Duration, bool) {
	i := sort.Search(len(s.changes), func(i int) bool { return s.changes[i] > after })
	if i == len(s.changes) {
		return 0, false
	}
	return s.changes[i], true
}

// Last returns the time of the last change, 0 if there is none.
func (s *Schedule) Last() time.Duration {
	if len(s.changes) == 0 {
		return 0
	}
	return s.changes[len(s.changes)-1]
}

// table is what one link does: piecewise constant over time.
type table struct {
	from     []time.Duration // rising; before the first the link is well
	links    []Link          // from the time in from on
	reliable bool
}

func (t *table) at(at time.Duration) Link {
	low, high := 0, len(t.from)
	for low < high {
		if middle := int(uint(low+high) >> 1); t.from[middle] <= at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return Link{}
	}
	return t.links[low-1]
}

// set notes that the link is as given from a time on, which never falls.
func (t *table) set(from time.Duration, link Link) {
	if n := len(t.from); n > 0 && t.from[n-1] == from {
		t.from, t.links = t.from[:n-1], t.links[:n-1] // the later event counts
	}
	before := Link{}
	if n := len(t.links); n > 0 {
		before = t.links[n-1]
	}
	if link != before {
		t.from, t.links = append(t.from, from), append(t.links, link)
	}
}

// collectChanges lists the times at which anything changes.
func (s *Schedule) collectChanges() {
	for i := range s.links.tables {
		s.changes = append(s.changes, s.links.tables[i].from...)
	}
	for _, event := range s.events {
		s.changes = append(s.changes, event.At)
	}
	slices.Sort(s.changes)
	s.changes = slices.Compact(s.changes)
}
