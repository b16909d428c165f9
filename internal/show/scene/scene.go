// Package scene says what a cluster looks like at a moment, from the events of
// its trace and nothing else.
//
// A [Scene] is a [trace.Sink]: told events in order of time, it knows of each
// [Member] what it holds and what is settled there, of each [Link] how it
// fails, what each member knows of each other one, and who waits for whom. It
// is pure and works in increments. A [Run] keeps the events of a whole trace
// and gives the scene at any time. Dashboard, diagrams and reports draw what a
// scene says. The nouns begin with [Scene.Tell].
package scene

import (
	"slices"
	"strconv"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// State says what a member does.
type State uint8

// The states of a member.
const (
	Absent  State = iota // it has not started yet
	Running              // it takes part
	Paused               // it does nothing, and will go on
	Down                 // it has crashed
)

// String returns the state as a word.
func (s State) String() string {
	switch s {
	case Absent:
		return "absent"
	case Running:
		return "running"
	case Paused:
		return "paused"
	default:
		return "down"
	}
}

// Member is what is known of a member at the present.
type Member struct {
	Name   string
	State  State
	Since  time.Duration // when it came into the state
	Life   uint64        // counts its starts with its data, from 1; 0 before the first
	Starts int           // counts its starts, with and without data

	Have       []uint64      // entries of each stream that it holds without a gap
	Settled    uint64        // entries that have their final place here
	SettledKey Key           // of the last batch of these
	Own        clock.Time    // what it promised of its own stream
	Closed     bool          // its own stream has ended
	View       trace.View    // that it goes by
	Final      *Final        // its result, once it said it
	Bytes      uint64        // of batches in memory, as it said last
	Heard      time.Duration // when it last did anything

	knows     []clock.Time // promise of each stream that it knows of
	news      []int        // of each stream: place of the first promise that it does not know
	next      []int        // of each stream: place of the first batch that it does not hold
	tentative []*Batch     // held and not settled, in order
	arrivals  []arrival    // of these, and perhaps others, in order of arrival
}

// Held counts the entries that the member holds, of all streams.
func (m *Member) Held() uint64 {
	var held uint64
	for _, have := range m.Have {
		held += have
	}
	return max(held, m.Settled)
}

// Final is the result of a member.
type Final struct {
	Entries  uint64
	Hash     uint64
	Complete bool
	Text     string // what it printed
}

// Scene is what a trace says of the present. Use [New].
type Scene struct {
	Header  trace.Header
	Now     time.Duration // of the last event
	Phase   string        // of the run, empty before the first
	Members []Member
	// Written counts the entries of each stream that anybody is known to hold.
	Written []uint64
	// Frontier is the largest position that is settled anywhere.
	Frontier uint64
	Batches  int        // counts the batches seen so far
	View     trace.View // the newest that anybody goes by

	present *failure.Present
	links   []Link
	streams []stream

	// Witness is told what becomes of batches and links; nil is nobody.
	Witness Witness
}

// Witness is told changes in the moment that they happen, at Scene.Now.
type Witness interface {
	Born(*Batch)               // somebody holds a batch that nobody held
	Held(*Batch, member.ID)    // a member holds it from now on
	Settled(*Batch, member.ID) // it has its final place there
	Lost(*Batch)               // it never will: a view ended its stream before it
	Dropped(*Batch, member.ID) // a member that holds it learns of that
	Restarted(member.ID)       // a member begins anew, and holds nothing yet
}

// New returns the scene of a run before its first event.
func New(header trace.Header) *Scene {
	n := len(header.Members)
	s := &Scene{
		Header: header, Members: make([]Member, n), Written: make([]uint64, n),
		present: failure.NewPresent(list(header)), links: make([]Link, n*n), streams: make([]stream, n),
	}
	for i := range s.Members {
		m := &s.Members[i]
		m.Name = header.Members[i]
		m.Have, m.knows = make([]uint64, n), make([]clock.Time, n)
		m.news, m.next = make([]int, n), make([]int, n)
	}
	return s
}

// list makes members of the names, as failure maps want them.
func list(header trace.Header) member.List {
	all := make(member.List, len(header.Members))
	for i, name := range header.Members {
		all[i] = member.Member{Name: name, Host: strconv.Itoa(i), Port: i + 1}
	}
	return all
}

// Clone returns a copy that is told other events. It has no witness.
func (s *Scene) Clone() *Scene {
	c := *s
	c.Witness = nil
	c.present = s.present.Clone()
	c.Members, c.links, c.streams = slices.Clone(s.Members), slices.Clone(s.links), slices.Clone(s.streams)
	c.Written, c.View.Out = slices.Clone(s.Written), slices.Clone(s.View.Out)
	for i := range c.Members {
		m := &c.Members[i]
		m.View.Out = slices.Clone(m.View.Out)
		m.Have, m.knows = slices.Clone(m.Have), slices.Clone(m.knows)
		m.news, m.next = slices.Clone(m.news), slices.Clone(m.next)
		m.tentative, m.arrivals = slices.Clone(m.tentative), slices.Clone(m.arrivals)
	}
	for i := range c.streams {
		t := &c.streams[i]
		t.batches, t.promises = slices.Clone(t.batches), slices.Clone(t.promises)
	}
	return &c
}

// Tell takes in the next event of the trace. Times never fall.
func (s *Scene) Tell(e *trace.Event) {
	s.Now = max(s.Now, e.At)
	m := &s.Members[e.Member]
	switch e.Kind {
	case trace.Append:
		s.hold(m, e)
	case trace.Publish:
		s.know(m, e.Stream, e.Promise)
	case trace.Believe:
		if e.Peer == e.Member {
			s.know(m, e.Stream, e.Promise)
		}
	case trace.Deliver:
		s.deliver(m, e)
	case trace.Receive, trace.Send, trace.Push, trace.Trim:
		m.Heard = s.Now
	case trace.Fault:
		s.fail(e.Note)
	case trace.Phase:
		s.Phase = e.Note
	default:
		s.live(m, e)
	}
}

// live takes in what happens to a member as a whole.
func (s *Scene) live(m *Member, e *trace.Event) {
	switch e.Kind {
	case trace.Start:
		s.start(m, e)
	case trace.Recover:
		s.recover(m, e)
	case trace.Reset:
		s.reset(m, e)
	case trace.Crash:
		s.become(m, Down)
	case trace.Pause:
		s.become(m, Paused)
	case trace.Resume:
		s.become(m, Running)
	case trace.Close:
		m.Closed = true
	case trace.Install, trace.Ends, trace.Opens:
		s.install(m, e)
	case trace.Up, trace.Down:
		s.connect(e)
	case trace.Sample:
		m.Heard, m.Bytes = s.Now, e.Bytes
	case trace.Final:
		m.Final = &Final{Entries: e.Position, Hash: e.Hash, Complete: e.Complete, Text: e.Note}
	}
}

func (s *Scene) become(m *Member, state State) {
	if m.State != state {
		m.State, m.Since = state, s.Now
	}
}

// start begins a life: the member holds nothing until it says what it kept.
func (s *Scene) start(m *Member, e *trace.Event) {
	m.State, m.Since, m.Heard = Running, s.Now, s.Now
	m.Life, m.Closed, m.Final = e.Life, false, nil
	m.Starts++
	m.Settled, m.SettledKey, m.Own, m.View = 0, Key{}, 0, trace.View{}
	m.tentative, m.arrivals = m.tentative[:0], m.arrivals[:0]
	clear(m.Have)
	clear(m.knows)
	clear(m.news)
	clear(m.next)
	if m.Starts > 1 && s.Witness != nil {
		s.Witness.Restarted(e.Member)
	}
}

// Stable counts the entries that are settled at every member that is not down
// or absent, nor was let go; those can lack some more.
func (s *Scene) Stable() uint64 {
	stable, running := s.Frontier, false
	for i := range s.Members {
		if m := &s.Members[i]; (m.State == Running || m.State == Paused) && !s.Out(member.ID(i)) {
			stable, running = min(stable, m.Settled), true
		}
	}
	if !running {
		return 0
	}
	return stable
}

// Entries counts the entries that anybody is known to hold.
func (s *Scene) Entries() uint64 {
	var entries uint64
	for _, written := range s.Written {
		entries += written
	}
	return max(entries, s.Frontier)
}
