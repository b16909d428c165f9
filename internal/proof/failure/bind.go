package failure

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
)

// changesMax bounds how often the lines of a map happen in all.
const changesMax = 100_000

// Bind makes the schedule of the map for the members of list. The error tells
// every event that names somebody who is not in the list, or that Parse would
// not take, a line each.
func (m Map) Bind(list member.List) (*Schedule, error) {
	var mistakes mistakes
	bound := make([]boundEvent, len(m))
	total := int64(0)
	for i := range m {
		var err error
		if bound[i], err = m[i].bind(list); err != nil {
			mistakes.add("%s%w", m[i].prefix(), err)
			continue
		}
		total += m[i].times()
	}
	if total > changesMax {
		mistakes.add("the lines of the map happen %d times in all, at most %d are possible", total, changesMax)
	}
	if err := mistakes.join(); err != nil {
		return nil, err
	}
	moments := momentsOf(bound, total)
	s := &Schedule{links: compileLinks(bound, moments, len(list))}
	s.absent, s.events = compileMembers(bound, moments, len(list))
	s.collectChanges()
	s.lines, s.moments = bound, moments
	return s, nil
}

// boundEvent is an event with its members by place.
type boundEvent struct {
	*Event
	from, to member.Set
	whom     member.ID
}

// moment is one of the times that an event happens.
type moment struct {
	at    time.Duration
	event int // its place in the map
}

// momentsOf returns all moments in order; at the same time, in order of the map.
func momentsOf(events []boundEvent, total int64) []moment {
	moments := make([]moment, 0, total)
	for i, e := range events {
		for n := range e.times() {
			moments = append(moments, moment{at: e.At + time.Duration(n)*e.Every, event: i})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return moments
}

func (e *Event) prefix() string {
	if e.Source == "" {
		return e.String() + ": "
	}
	return e.Source + ": "
}

// actionPrefix is the prefix of a mistake in what happens.
func (e *Event) actionPrefix() string {
	if e.Source == "" {
		return e.prefix()
	}
	return fmt.Sprintf("%s:%d: ", e.Source, e.Column)
}

// bind resolves the groups. An event that was made by hand obeys the same
// rules as one that was read: it is written and read again.
func (e *Event) bind(list member.List) (boundEvent, error) {
	p := lineParser{words: splitWords(e.String())}
	if p.event(); p.err != nil {
		return boundEvent{}, fmt.Errorf("not a line of a failure map, column %w", p.err)
	}
	bound := boundEvent{Event: e}
	var err error
	if bound.from, err = e.From.bind(list); err == nil && e.Arrow != NoLink {
		bound.to, err = e.To.bind(list)
	}
	if err == nil && (e.Action == Evict || e.Action == Force) {
		bound.whom, err = called(list, e.Whom)
	}
	if err == nil && bound.isOneself() {
		err = fmt.Errorf("%s and %s are the same member, and nobody has a link to himself", e.From, e.To)
	}
	return bound, err
}

// isOneself reports whether both ends of a link are called by names, and all
// of them are of one member.
func (e *boundEvent) isOneself() bool {
	return e.Arrow != NoLink && !e.From.All && !e.To.All && e.from.Len() == 1 && e.from.Equal(e.to)
}

// called returns the place of a member as it is called in a map.
func called(list member.List, name string) (member.ID, error) {
	id, ok := list.Named(name)
	if !ok {
		return 0, fmt.Errorf("no member is called %q: use a name, a letter by place or a number from 1 of %s", name, list)
	}
	return id, nil
}

func (g Group) bind(list member.List) (member.Set, error) {
	var named, set member.Set
	for _, name := range g.Names {
		id, err := called(list, name)
		if err != nil {
			return nil, err
		}
		named.Add(id)
	}
	for id := range list {
		if named.Has(member.ID(id)) != g.All {
			set.Add(member.ID(id))
		}
	}
	return set, nil
}
