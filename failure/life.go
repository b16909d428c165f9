package failure

import "chatterbox/member"

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
		present := !isAbsent(events, member.ID(id))
		lives[id] = life{running: present, lived: present, speed: 1}
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
				event.At, event.Member = m.at, member.ID(id)
				kept = append(kept, event)
			}
		}
	}
	return absent, kept
}

// isAbsent says whether the member does not run at the start: anything starts
// it, so that it waits for that, or it crashes before it could do anything.
func isAbsent(events []boundEvent, id member.ID) bool {
	for _, e := range events {
		crash := e.Action == Crash || e.Action == CrashLosingData
		if e.from.Has(id) && (e.Action == Start || crash && e.At == 0) {
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
