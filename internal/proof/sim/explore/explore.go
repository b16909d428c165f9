// Package explore searches small worlds exhaustively: two or three members
// with a few batches, and every order in which messages arrive, are lost or
// repeated, time passes and members restart, up to stated bounds.
//
// [Run] searches the world that a [Config] describes. A situation is where all
// members are and what is on its way between them; a transition leads from one to the
// next: a member broadcasts, gets a message, ticks, restarts, or a message
// is lost. The search goes breadth first over all transitions, so that what it finds
// wrong it finds by the shortest path, and judges every situation. Members are
// the real reducers, driven by the real driver; messages are encoded and
// decoded. [Worlds] are the small worlds that tests search.
//
// A member changes only by what happens to itself, and few of its states make
// many situations. So each of a member's states is kept once, and so is what
// comes of each event in it; a situation is a few numbers of such states. A
// situation that was met is remembered by a hash of 64 bits: of n situations,
// one is mistaken for another with a probability of about n²/2^65, 3 in a
// million for ten million.
package explore

import (
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/proof/mutant"
)

// The protocols, as the command line spells them.
const (
	Delta    = "delta"
	Lockstep = "lockstep"
)

// evictsMax is how many requests to let a member go a small world may have.
const evictsMax = 8

// membersMax is how many members a small world may have.
const membersMax = 3

// Config is a small world, the bounds of its search, and how it is searched.
type Config struct {
	Name     string // for people
	Protocol string // Delta or Lockstep
	Members  int    // 2 or 3
	// Acquainted begins with members that all know who is who; otherwise
	// the search begins before they ever heard of each other.
	Acquainted bool
	// Durable gives every member a journal.
	Durable bool
	// Streams connects members by links that keep order and lose nothing as
	// long as they are up; otherwise they are datagrams.
	Streams bool
	// Dead are links that never carry anything.
	Dead []Link
	// Changes has members choose views: what settles is held by enough of them.
	Changes bool
	// Evicted begins with a last member that was let go, and had written an entry that
	// is in nobody's order; only Changes.
	Evicted bool
	// Joined begins with a last member that was given a place, by a view that one founder
	// and itself have; links that never carry anything did before; only Changes.
	Joined bool

	Bounds Bounds
	Mutant mutant.Mutant // a broken variant of the protocol; default none

	// StatesMax ends the search after the step that reaches so many
	// situations; 0 goes on until there are no more.
	StatesMax int
	// SettleOneIn is from how many situations one is taken to let everything
	// settle from there; 0 takes none.
	SettleOneIn uint64
	// Spread calls do for all tasks from 0, in any order, several at a time if
	// it likes, and returns when all are done. Nil does one after the other.
	// The result does not depend on it.
	Spread func(tasks int, do func(task int))
}

// Link is a way from one member to another, by their places.
type Link struct{ From, To int }

// Bounds limit what can happen in a world.
type Bounds struct {
	Submits  [membersMax]int // batches, of one entry each, that a member may broadcast
	Close    bool            // members may end their stream at any moment
	Ticks    int             // of each member; one after the other, but in no step with those of others
	Leaps    int             // of each member: a tick that comes LeapFor late, as after a pause
	Drops    int             // messages that are lost, in all
	Repeats  int             // messages that arrive twice, in all
	Crashes  int             // restarts with the data, in all; only Durable
	Losses   int             // restarts without it, in all
	Breaks   int             // links that break and come up again, in all; only Streams
	Evicts   []Link          // requests, each at most once: From is told to let To go; only Changes
	Returns  int             // requests of who was let go to be taken back, in all; only Evicted
	InFlight int             // messages on a link; further datagrams are lost
}

const (
	// Tick is the time between the ticks of a member.
	Tick = 10 * time.Millisecond
	// LeapFor is how long a pause is: longer than all keep-alives that make a
	// member count as heard.
	LeapFor = 600 * time.Millisecond
)

func (c *Config) validate() error {
	var wrong []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf("explore: "+format, args...))
		}
	}
	b := &c.Bounds
	add(c.Protocol != Delta && c.Protocol != Lockstep, "protocol %q; there are %s and %s", c.Protocol, Delta, Lockstep)
	add(c.Members < 2 || c.Members > membersMax, "%d members; possible are 2 to %d", c.Members, membersMax)
	add(c.Members*(c.Members-1)*b.InFlight > mailMax || b.InFlight < 1,
		"%d messages in flight on each link; with %d members 1 to %d are possible", b.InFlight, c.Members, mailMax/max(1, c.Members*(c.Members-1)))
	add(b.Crashes > 0 && !c.Durable, "restarts with the data need a journal: set Durable")
	add(c.Acquainted && b.Losses >= c.Members, "%d losses of data; somebody must be left of %d members who knows who was there first", b.Losses, c.Members)
	add(b.Breaks > 0 && !c.Streams, "only links of Streams break")
	add(len(b.Evicts) > 0 && (!c.Changes || !c.Acquainted || c.Protocol != Delta || b.Losses > 0), "only acquainted members of delta with Changes, who lose no data, are let go")
	add(len(b.Evicts) > evictsMax, "%d requests to let members go; at most %d are possible", len(b.Evicts), evictsMax)
	add((c.Evicted || c.Joined) && (!c.Changes || !c.Acquainted || c.Protocol != Delta || c.Streams || c.Joined && c.Durable), "only acquainted members of delta with Changes, over datagrams, go before the search, and join, without journals")
	add(c.Evicted && c.Joined || c.Joined && c.Members < 3, "two founders and one who joins, or one who was let go")
	add(b.Returns > 0 && !c.Evicted, "only who was let go comes back: set Evicted")
	add(b.Drops+b.Repeats > 0 && c.Streams, "links of Streams neither lose nor repeat")
	for _, dead := range c.Dead {
		add(dead.From == dead.To || min(dead.From, dead.To) < 0 || max(dead.From, dead.To) >= c.Members, "a dead link from %d to %d", dead.From, dead.To)
	}
	return errors.Join(wrong...)
}

// Result is what a search found.
type Result struct {
	States      int  // situations that differ
	Transitions int  // transitions that were tried in them
	Depth       int  // transitions on the longest of the shortest paths
	Exhausted   bool // no further situation can be reached within the bounds
	Settled     int  // situations from which everything was let settle
	Full        int  // transitions left out since a link of Streams had no room
	Members     int  // states of single members that differ
	Messages    int  // messages that differ
	Fault       *Fault
}

// Fault is a broken promise and the shortest way to it.
type Fault struct {
	Check string // the name of the promise, as package check spells it
	Text  string // what was seen
	Path  []string
}

// String returns the fault for people, a transition a line.
func (f *Fault) String() string {
	text := f.Check + ": " + f.Text
	for _, line := range f.Path {
		text += "\n" + line
	}
	return text
}
