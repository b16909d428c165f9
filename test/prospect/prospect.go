// Package prospect tells what a failure map leaves possible in the end: who
// lives, who hears whom, and so who must agree with whom and who can only
// report what is missing. The tests on real processes judge by it.
package prospect

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// Prospect is about the members of one cluster under one schedule.
type Prospect struct {
	schedule *failure.Schedule
	members  int
}

// Of returns the prospect of a cluster of that many members.
func Of(schedule *failure.Schedule, members int) Prospect {
	return Prospect{schedule: schedule, members: members}
}

// Component returns the members that id can exchange messages with, over others
// too, once all has happened that will; itself included.
func (p Prospect) Component(id member.ID) member.Set {
	there, back := p.reach(id, p.Hears), p.reach(id, func(from, to member.ID) bool { return p.Hears(to, from) })
	var both member.Set
	for other := range member.ID(p.members) {
		if there.Has(other) && back.Has(other) {
			both.Add(other)
		}
	}
	return both
}

// First returns the first member of the component of id.
func (p Prospect) First(id member.ID) member.ID {
	component := p.Component(id)
	for other := range id {
		if component.Has(other) {
			return other
		}
	}
	return id
}

// Whole reports whether all who live in the end can exchange messages: then all
// must print the same, complete or not.
func (p Prospect) Whole() bool {
	first, found := member.ID(0), false
	for id := range member.ID(p.members) {
		switch {
		case !p.Lives(id):
		case !found:
			first, found = p.First(id), true
		case p.First(id) != first:
			return false
		}
	}
	return true
}

// reach returns who can be reached over steps that are possible.
func (p Prospect) reach(id member.ID, possible func(from, to member.ID) bool) member.Set {
	var reached member.Set
	for open := []member.ID{id}; len(open) > 0; open = open[1:] {
		reached.Add(open[0])
		for other := range member.ID(p.members) {
			if !reached.Has(other) && p.Lives(other) && possible(open[0], other) {
				open = append(open, other)
			}
		}
	}
	return reached
}

// Hears reports whether messages pass from one member to another in the end.
func (p Prospect) Hears(from, to member.ID) bool {
	return !p.schedule.Link(from, to, p.schedule.Last()).Cut
}

// Lives reports whether a member runs in the end.
func (p Prospect) Lives(id member.ID) bool {
	lives := !p.schedule.Absent(id)
	for _, event := range p.schedule.Members() {
		if event.Member == id {
			lives = !ends(event.Action)
		}
	}
	return lives
}

// Dies reports whether a life of a member ends early, or never begins. Without
// its data nobody can be complete then.
func (p Prospect) Dies(id member.ID) bool {
	begins := !p.schedule.Absent(id)
	for _, event := range p.schedule.Members() {
		if event.Member == id && ends(event.Action) {
			return true
		}
		begins = begins || event.Member == id && event.Action == failure.Start
	}
	return !begins
}

func ends(action failure.Action) bool {
	return action == failure.Crash || action == failure.Kill || action == failure.CrashLosingData || action == failure.CrashRestoring
}

// Meshed reports whether nobody ever dies and, in the end, everybody hears
// everybody: then even a protocol that never relays can complete.
func (p Prospect) Meshed() bool {
	for from := range member.ID(p.members) {
		if p.Dies(from) {
			return false
		}
		for to := range member.ID(p.members) {
			if !p.Hears(from, to) {
				return false
			}
		}
	}
	return true
}
