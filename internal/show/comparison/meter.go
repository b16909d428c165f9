package comparison

import (
	"fmt"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// Figures are what a run comes to.
type Figures struct {
	Entries  uint64 // that all members wrote
	Agreed   uint64 // the first so many have their place at every member that ran in the end
	Complete bool   // every member of the list ended complete
	Bytes    uint64 // of batches that were sent
	Messages uint64 // that were sent
	Changed  bool   // the failure map changes something after the start
	// After is how long after the last change every member that ran in the end
	// had settled all that was written until then; negative if that never came.
	After  time.Duration
	Broken []string // promises that were broken: the name of the check and where

	settled []settling // in the order in which the batches were written
}

// settling is how soon after they were written entries were settled at every
// member that ran in the end.
type settling struct {
	after   time.Duration
	entries uint64
}

// Agree reports whether no promise was broken.
func (f *Figures) Agree() bool { return len(f.Broken) == 0 }

// Meter is a sink that measures a run.
type Meter struct {
	header  trace.Header
	judge   *check.Judge
	places  map[place]int
	batches []batch
	states  []state
	figures Figures
	change  time.Duration // the last one
}

type place struct {
	stream   member.ID
	identity member.Identity
	seq      uint64
}

// batch is what becomes of a batch: settled is when at each member, negative
// as long as it is not.
type batch struct {
	written time.Duration
	entries uint64
	settled []time.Duration
}

type state struct {
	running  bool
	complete bool
	settled  uint64
}

// NewMeter returns the meter of a run. Numbers may be nil, see [check.New].
func NewMeter(header trace.Header, numbers check.Numbers) *Meter {
	return &Meter{
		header: header, judge: check.New(header, numbers), places: map[place]int{},
		states: make([]state, len(header.Members)),
	}
}

// Tell takes in an event.
func (m *Meter) Tell(e *trace.Event) {
	m.judge.Tell(e)
	who := &m.states[e.Member]
	switch e.Kind {
	case trace.Append:
		m.append(e)
	case trace.Deliver:
		who.settled = max(who.settled, e.Position+e.Count)
		if i, ok := m.places[place{e.Stream, e.Identity, e.Seq}]; ok && m.batches[i].settled[e.Member] < 0 {
			m.batches[i].settled[e.Member] = e.At
		}
	case trace.Reset:
		who.settled = max(who.settled, e.Position)
	case trace.Send:
		m.figures.Messages++
		m.figures.Bytes += e.Bytes
	case trace.Start:
		who.running, who.complete = true, false
	case trace.Crash:
		who.running, who.complete = false, false
		m.changed(e.At)
	case trace.Resume, trace.Fault:
		m.changed(e.At)
	case trace.Final:
		who.complete = e.Complete
	}
}

// atStart is how soon after the start of a run a change belongs to it: members
// that are processes take a while to start.
const atStart = 10 * time.Millisecond

func (m *Meter) changed(at time.Duration) {
	if at > atStart {
		m.figures.Changed, m.change = true, max(m.change, at)
	}
}

// append notes a batch when it is first held, which is at its origin.
func (m *Meter) append(e *trace.Event) {
	key := place{e.Stream, e.Identity, e.Seq}
	if _, known := m.places[key]; known {
		return
	}
	m.places[key] = len(m.batches)
	b := batch{written: e.At, entries: e.Count, settled: make([]time.Duration, len(m.states))}
	for i := range b.settled {
		b.settled[i] = -1
	}
	m.batches = append(m.batches, b)
	m.figures.Entries += e.Count
}

// Figures ends the run and returns what it comes to.
func (m *Meter) Figures() Figures {
	f := &m.figures
	f.Complete, f.After = true, 0
	first := true
	for i := range m.states {
		s := &m.states[i]
		f.Complete = f.Complete && s.complete
		if s.running && (first || s.settled < f.Agreed) {
			f.Agreed, first = s.settled, false
		}
	}
	for i := range m.batches {
		m.settle(&m.batches[i])
	}
	for _, violation := range m.judge.Violations() {
		f.Broken = append(f.Broken, fmt.Sprintf("%s at %s, %.3f s", violation.Check, m.header.Members[violation.Member], violation.At.Seconds()))
	}
	return *f
}

// settle counts in when a batch was settled at all that ran in the end.
func (m *Meter) settle(b *batch) {
	last := time.Duration(-1)
	for i, at := range b.settled {
		if !m.states[i].running {
			continue
		}
		if at < 0 {
			if b.written <= m.change {
				m.figures.After = -1
			}
			return
		}
		last = max(last, at)
	}
	if last < 0 {
		return // nobody ran in the end
	}
	m.figures.settled = append(m.figures.settled, settling{last - b.written, b.entries})
	if b.written <= m.change && m.figures.After >= 0 {
		m.figures.After = max(m.figures.After, last-m.change)
	}
}
