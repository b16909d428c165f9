package failure

import (
	"time"

	"chatterbox/member"
)

// life is the state of a member while its events are gone through.
type life struct {
	running bool
	paused  bool
	lived   bool // it ran before
	speed   float64
}

// compileMembers keeps of all that is told to members what changes their
// state, and says who does not run at the start.
func compileMembers(events []boundEvent, moments []moment, members int) (absent member.Set, kept []MemberEvent) {
	lives := make([]life, members)
	for id := range lives {
		late := startsLate(events, member.ID(id))
		lives[id] = life{running: !late, lived: !late, speed: 1}
		if late {
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
			if e.neverRan(m.at) {
				lives[id].running, lives[id].lived = false, false
				absent.Add(member.ID(id))
			} else if event, changed := lives[id].happen(e.Event); changed {
				event.At, event.Member = m.at, member.ID(id)
				kept = append(kept, event)
			}
		}
	}
	return absent, kept
}

// neverRan says that the event, at a time, is a crash before anything could be
// done: such a member is not even started.
func (e *Event) neverRan(at time.Duration) bool {
	return at == 0 && (e.Action == Crash || e.Action == CrashLosingData)
}

// startsLate says whether anything starts the member: then it is absent until
// that happens.
func startsLate(events []boundEvent, id member.ID) bool {
	for _, e := range events {
		if e.Action == Start && e.from.Has(id) {
			return true
		}
	}
	return false
}

// happen changes the state and says whether it is another one afterwards. It
// calls a first life Start and a later one Restart.
func (l *life) happen(e *Event) (event MemberEvent, changed bool) {
	event.Action = e.Action
	before := *l
	switch e.Action {
	case Crash, CrashLosingData:
		l.running, l.paused = false, false
	case Pause:
		l.paused = l.running
	case Resume:
		l.paused = false
	case Restart, Start:
		event.Action = Restart
		if !l.lived {
			event.Action = Start
		}
		l.running, l.lived = true, true
	case Clock:
		l.speed = e.Percent / 100
		event.Speed = l.speed
	}
	return event, *l != before
}
