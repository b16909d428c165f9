// Package lockstep orders batches with one batch in flight per origin.
//
// An origin repeats its batch until every member has acknowledged it, and
// only then sends the next. So whoever receives the next knows that everyone
// holds the one before, and commits it. [Lockstep] is the reducer, [Config]
// what it is made from; docs/lockstep.md explains the rules one by one.
//
// It steps machines with a state of their own. The roster says who counts. A
// stream has the one batch of an origin that waits in the receive buffer (at the
// origin itself: the batch in flight) and how far the stream is held and
// delivered; the backlog all that is held and not delivered, in the total order;
// the writer what waits to go into the own stream. A view is what one incarnation
// of a peer said of itself, a link the way to a peer and what was said on it.
package lockstep

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
)

// boundStep is how far ahead the clock is reserved in the journal, so that a
// bound is written once in many batches.
const boundStep = 1 << 12

// Config is all that a Lockstep is made from.
type Config = protocol.Config

func withDefaults(c Config) Config {
	c = c.WithDefaults()
	c.Batch = cmp.Or(c.Batch, 1)
	c.KeepAlive = cmp.Or(c.KeepAlive, 100*time.Millisecond)
	return c
}

// Lockstep is the reducer of one member.
type Lockstep struct {
	config Config `state:"const"`
	now    time.Duration

	roster   roster.Roster
	farewell roster.Farewell // if the data here turns out to be old
	clock    clock.Lamport
	bound    clock.Time // durable: no later time may be promised or given out

	streams []stream
	held    backlog
	peers   []peer // the own place stays unused
	row     ownRow
	writer  writer

	contacted        bool // a peer was heard, or waited for long enough
	heardOfAgreement bool // somebody said that all agreed

	stable    clock.Time // every member holds all up to it
	sinceBase int        // bytes delivered since the journal's last base

	effects protocol.Effects `state:"scratch"`
	tally   protocol.Tally   `state:"hint"`
}

// ownRow is what others are told of this member besides its marks.
type ownRow struct {
	version  uint64        // rises with each change
	hears    member.Set    // whom this member hears directly
	nextBeat time.Duration // of one that may only read: when it says again that it goes on
}

// New makes the reducer of one member. It panics on a Config that cannot be.
func New(config Config) *Lockstep {
	config = withDefaults(config)
	l := &Lockstep{
		config:  config,
		roster:  roster.New(config.Self, config.Identity, config.List),
		streams: make([]stream, config.Members), peers: make([]peer, config.Members),
		row: ownRow{version: 1}, contacted: config.Members == 1,
	}
	for id := range l.peers {
		l.peers[id].link.up = config.Datagram && member.ID(id) != config.Self
	}
	if config.Recovered != nil {
		l.recover(config.Recovered)
	}
	l.roster.Bind(config.Self, config.Identity)
	l.roster.KeepAgain()
	l.row.version++
	return l
}

// recover continues where the journal ends. The newest batch of each stream
// goes back into its buffer: whether everyone has it is asked again.
func (l *Lockstep) recover(r *protocol.Recovered) {
	l.roster.Recover(r.Binding, nil)
	for id := range min(len(r.Base.Have), l.roster.Len()) {
		l.streams[id].restore(r.Base.Have[id], r.Base.Time)
	}
	l.clock.Merge(r.Base.Time)
	for b := range r.All() {
		if !l.roster.Has(b.Origin) || b.Seq != l.streams[b.Origin].have+1 {
			continue
		}
		if l.roster.Bind(b.Origin, b.Identity); l.roster.Counts(b.Origin, b.Identity) {
			l.hold(b)
		}
	}
	l.roster.RecoverAgreement(r.Agreed)
	l.bound = r.Bound
	l.clock.Merge(r.Bound)
	if r.Bound >= clock.Infinity && l.roster.Counts(l.config.Self, l.config.Identity) {
		l.own().end(clock.Infinity)
	}
}

// Step takes an event and gives what must be done next.
func (l *Lockstep) Step(e protocol.Event) protocol.Effects {
	l.now = max(l.now, e.Now)
	l.effects = protocol.Effects{
		Append: l.effects.Append[:0], Send: l.effects.Send[:0], Deliver: l.effects.Deliver[:0],
		Trim: l.effects.Trim[:0], Release: l.effects.Release[:0],
	}
	if l.farewell.Begun() {
		l.farewell.Step(&e, &l.effects, &l.tally)
		return l.effects
	}
	switch e.Kind {
	case protocol.Submit:
		l.onSubmit(e.Batch)
	case protocol.Receive:
		l.onReceive(e.Message)
	case protocol.Flush:
		l.onFlush()
	case protocol.Tick:
		l.onTick()
	case protocol.Up:
		l.onUp(&l.peers[e.Peer].link, e.Reliable)
	case protocol.Down:
		l.onDown(&l.peers[e.Peer].link)
	case protocol.Close:
		l.writer.closing = true
	case protocol.Away: // its members wait for each other
	case protocol.Change:
		l.effects.Refused = errors.New("members of a cluster that runs lockstep are those of its list, for as long as it runs: run delta")
	default:
		panic(fmt.Sprintf("lockstep: event of unknown kind %d", e.Kind))
	}
	l.settle()
	l.reserve()
	return l.effects
}

// reserve makes durable what is about to be shown: the binding, and a bound
// that no promised time exceeds. A closed stream promises infinity, which
// keeps a later incarnation from writing on.
func (l *Lockstep) reserve() {
	if !l.config.Durable {
		return
	}
	l.roster.Keep(&l.effects)
	switch now := l.clock.Now(); {
	case l.own().closed() && !l.roster.Observes() && l.bound < clock.Infinity:
		l.bound = clock.Infinity
	case now > l.bound:
		l.bound = now + boundStep
	default:
		return
	}
	l.effects.Bound = l.bound
}

// own is the stream of this member's place.
func (l *Lockstep) own() *stream { return &l.streams[l.config.Self] }

// inFlight returns the own batch that not everyone has acknowledged; its Count
// is 0 if there is none. An observer has none: its place's batches are another's.
func (l *Lockstep) inFlight() protocol.Batch {
	if l.roster.Observes() {
		return protocol.Batch{}
	}
	return l.own().buffer
}

func (l *Lockstep) release(b protocol.Batch) {
	l.effects.Release = append(l.effects.Release, b)
}
