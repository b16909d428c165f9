package failure

import (
	"slices"

	"chatterbox/internal/core/member"
)

// life is the state of a member while its events are gone through.
type life struct {
	running  bool
	killed   bool // it does not run, and its machine does
	paused   bool
	lived    bool // it ran before
	outside  bool // it is no member before it joins
	observes bool // it joined to read only
	speed    float64
}

// compileMembers keeps of all that is told to members what changes their
// state, and says who does not run at the start.
func compileMembers(events []boundEvent, moments []moment, members int) (absent member.Set, kept []MemberEvent) {
	lives := make([]life, members)
	for id := range lives {
		present := !isAbsent(events, member.ID(id))
		lives[id] = life{running: present, lived: present, outside: joins(events, member.ID(id)), speed: 1}
		if !present {
			absent.Add(member.ID(id))
		}
	}
	for _, m := range moments {
		e := events[m.event]
		if e.Arrow != NoLink {
			continue
		}
		for id := range lives {
			if !e.from.Has(member.ID(id)) {
				continue
			}
			if event, changed := lives[id].happen(e.Event); changed {
				event.At, event.Member, event.Whom = m.at, member.ID(id), e.whom
				kept = append(kept, event)
			}
		}
	}
	return absent, kept
}

// isAbsent reports whether the member does not run at the start: anything starts
// it, so that it waits for that, or it crashes before it could do anything.
func isAbsent(events []boundEvent, id member.ID) bool {
	for _, e := range events {
		crash := e.Action == Crash || e.Action == Kill || e.Action == CrashLosingData || e.Action == CrashRestoring
		if e.from.Has(id) && (e.Action == Start || e.Action.comes() || crash && e.At == 0) {
			return true
		}
	}
	return false
}

// joins reports whether somebody asks to be taken in as the member.
func joins(events []boundEvent, id member.ID) bool {
	return slices.ContainsFunc(events, func(e boundEvent) bool { return e.Action.comes() && e.from.Has(id) })
}

// happen changes the state and says whether it is another one afterwards. It
// calls a first life Start and a later one Restart.
func (l *life) happen(e *Event) (event MemberEvent, changed bool) {
	event.Action = e.Action
	before := *l
	if l.outside && !e.Action.comes() {
		return event, false
	}
	switch e.Action {
	case Crash, CrashLosingData, CrashRestoring:
		l.running, l.killed, l.paused = false, false, false
		event.Age = e.Age
	case Kill, Stop, Leave:
		l.running, l.killed, l.paused = false, l.killed || l.running, false
	case Pause:
		l.paused = l.running
	case Resume:
		l.paused = false
	case Restart, Start:
		event.Action = Restart
		if !l.lived {
			event.Action = Start
		}
		l.running, l.killed, l.lived = true, false, true
	case Join, Observe:
		if l.outside {
			l.outside, l.running, l.lived = false, true, true
			l.observes = e.Action == Observe
		}
		l.observes = l.observes && e.Action == Observe
	case Clock:
		l.speed = e.Percent / 100
		event.Speed = l.speed
	}
	return event, *l != before || (e.Action == Evict || e.Action == Force || e.Action == Return) && l.running
}
