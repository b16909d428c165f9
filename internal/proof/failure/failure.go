// Package failure says what goes wrong, on which link or member, and when. It
// is pure data: the simulator and a real cluster carry it out.
//
// A [Map] is a list of [Event] values, one a line of its text form, which
// [Parse] reads and [Map.String] writes (docs/failure-maps.md). [Map.Bind]
// makes a [Schedule] of it for the members of one cluster, which answers what a
// [Link] does at a time and lists each [MemberEvent]. [Random] draws maps from
// a seed; [Shipped] holds those that come along, with names that are claims.
package failure

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
)

// Map is what goes wrong in a run, in any order of time; of events at the same
// time, the later one in the map comes last. Whoever shrinks a map may drop
// or change single events and bind it again.
type Map []Event

// Event is one line of a map: at some time something happens to some links or
// members. Which of the last fields count depends on Action.
type Event struct {
	At    time.Duration // since the start of the run
	Every time.Duration // 0: once; else again after each Every, before Until
	Until time.Duration

	From   Group // whose links, or for a member's action, who
	Arrow  Arrow // whether it is about links, and in which direction
	To     Group // the other end of the links
	Action Action

	Only           Action        // Heal: the one failure that ends; 0: all of them
	Percent        float64       // Drop, Repeat, Reorder: of the messages; Clock: of the true speed
	DelayMin       time.Duration // Delay: each message takes a time from DelayMin
	DelayMax       time.Duration // to DelayMax, each equally likely
	BytesPerSecond int64         // Rate: at most that much, from 1
	Age            time.Duration // CrashRestoring: how old the copy is
	Whom           string        // Evict and Force: who is to go, as written in a map

	// Source tells where the event was written, as file:line, and Column where its
	// action stands there, from 1; for errors.
	Source string
	Column int
}

// Last returns the last time that the event happens.
func (e *Event) Last() time.Duration {
	return e.At + time.Duration(e.times()-1)*e.Every
}

// Group is some of the members, as written in a map: by name, by letter or by
// number (member.List.Named).
type Group struct {
	All   bool     // all members but Names, else just Names
	Names []string // not empty if All is not set
}

// Arrow says which way the links of an event go.
type Arrow uint8

// The arrows.
const (
	NoLink   Arrow = iota // the event is about members
	OneWay                // from each of From to each of To
	BothWays              // and back
)

// Action is what happens.
type Action uint8

// What can happen to links: these end with Heal or when set anew.
const (
	Cut     Action = iota + 1 // nothing passes
	Heal                      // the failures end, or one kind of them
	Drop                      // Percent of the messages are lost
	Delay                     // messages take longer
	Rate                      // only so many bytes a second pass
	Repeat                    // Percent of the messages arrive twice
	Reorder                   // Percent of the messages are overtaken by later ones
)

// What can happen to members. What makes no sense in the state that a member
// is in, such as to resume one that is not paused, does nothing.
const (
	Crash           Action = iota + 16 // its machine fails: it ends at once, and what was made durable stays
	CrashLosingData                    // it ends at once and its disk is lost
	CrashRestoring                     // it ends at once and finds a copy of its data that is as old as Age
	Pause                              // it does nothing, and its timers stand still
	Resume                             // it goes on after a pause
	Restart                            // it runs again if it is not running
	Start                              // the same; but before its first start a member is absent
	Clock                              // its ticks come at Percent of the true speed
	Kill                               // its process ends at once; what it wrote stays, until its machine fails
	Evict                              // it is told to have Whom let go
	Return                             // it is told to come back, if it was let go
	Join                               // somebody who is not in the list asks to be taken in, and is called so
	Stop                               // its process is told to end, as before an upgrade, and does so once the others know that
	Observe                            // the same, to read only, until it joins
	Force                              // it is told to go on by force, with those whom it hears and without Whom
	Leave                              // it is told to leave for good: it ends once all that it wrote has settled, and the others go on without it
)

// comes reports whether somebody asks to be taken in.
func (a Action) comes() bool { return a == Join || a == Observe }

// WithoutChanges returns an error that tells each line that only a run with
// changes can carry out, in which members choose views.
func (m Map) WithoutChanges() error {
	var mistakes mistakes
	for i := range m {
		if e := &m[i]; e.Action == Evict || e.Action == Force || e.Action == Return || e.Action == Stop || e.Action == Leave || e.Action.comes() {
			mistakes.add("%s%s happens only in runs with changes: chatterbox sim --changes", e.actionPrefix(), e.Action)
		}
	}
	return mistakes.join()
}

// Without returns the map without its event i.
func (m Map) Without(i int) Map { return slices.Delete(slices.Clone(m), i, i+1) }

// Heal returns the map in which at a time everything ends well: links heal,
// paused members resume, those that are not running start, clocks go right,
// and nothing happens afterwards.
func (m Map) Heal(at time.Duration) Map {
	var healed Map
	for _, event := range m {
		switch {
		case event.At < at:
			event.Until = min(event.Until, at)
			if event.Every != 0 && event.At+event.Every >= event.Until {
				event.Every, event.Until = 0, 0
			}
			healed = append(healed, event)
		case event.Action == Start: // else it would not be absent before
			event.At, event.Every, event.Until = at, 0, 0
			healed = append(healed, event)
		}
	}
	everybody := Group{All: true}
	return append(healed,
		Event{At: at, From: everybody, Arrow: BothWays, To: everybody, Action: Heal},
		Event{At: at, From: everybody, Action: Resume},
		Event{At: at, From: everybody, Action: Restart},
		Event{At: at, From: everybody, Action: Clock, Percent: 100})
}

// Grow returns the list with those behind its members who join by the map, up to
// the last of them: they are called by letters.
func (m Map) Grow(list member.List) member.List {
	grown := slices.Clone(list)
	for i := range m {
		for _, name := range m[i].From.Names {
			if m[i].Action.comes() {
				grown = growTo(grown, name)
			}
		}
	}
	return grown
}

// growTo adds members until one has a name; none if it is no letter of one.
func growTo(list member.List, name string) member.List {
	place := placeOf(name)
	if _, known := list.Named(name); known || place < len(list) {
		return list
	}
	for id := len(list); id <= place; id++ {
		list = append(list, member.Member{Name: member.Letter(member.ID(id)), Host: "joins", Port: id + 1})
	}
	return list
}

// Restrict returns what is left of the map in a cluster of the members of list:
// others are taken out of its groups, and events without anybody fall away.
func (m Map) Restrict(list member.List) Map {
	var restricted Map
	for _, event := range m {
		event.From, event.To = event.From.restrict(list), event.To.restrict(list)
		if event.From.empty() || event.Arrow != NoLink && event.To.empty() {
			continue
		}
		restricted = append(restricted, event)
	}
	return restricted
}

func (g Group) restrict(list member.List) Group {
	known := Group{All: g.All}
	for _, name := range g.Names {
		if _, ok := list.Named(name); ok {
			known.Names = append(known.Names, name)
		}
	}
	return known
}

func (g Group) empty() bool { return !g.All && len(g.Names) == 0 }
