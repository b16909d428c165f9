// Package lockstep orders batches with one batch in flight per origin.
//
// An origin repeats its batch until every member has acknowledged it, and
// only then sends the next. So whoever receives the next knows that everyone
// holds the one before, and commits it. [Lockstep] is the reducer, [Config]
// what it is made from; docs/lockstep.md explains the rules one by one.
//
// For each origin a stream keeps the one batch that waits in the receive
// buffer (at the origin itself: the batch in flight) and how far the stream is
// committed and delivered. The queue has all that is held and not delivered,
// in the total order. A peer has what another member last said of itself, and
// the link to it.
package lockstep

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// boundStep is how far ahead the clock is reserved in the journal, so that a
// bound is written once in many batches.
const boundStep = 1 << 12

// Lockstep is the reducer of one member.
type Lockstep struct {
	config Config
	mutant mutant.Mutant
	now    time.Duration

	clock   clock.Lamport
	bound   clock.Time // durable: no later time may be promised or given out
	binding member.Binding
	rebound bool   // the journal does not have this binding yet
	hash    uint64 // of the complete binding, 0 before
	agreed  bool   // all members showed this binding
	reader  bool   // another life is bound to this place: write nothing

	streams  []stream
	held     queue
	peers    []peer
	version  uint64        // of the own row; rises with each change
	hears    member.Set    // whom this member hears directly
	nextBeat time.Duration // of a life that may only read: when it says again that it goes on

	waiting   protocol.Batch // submitted while another one is in flight; Count 0: none
	closing   bool           // nothing more will be submitted
	contacted bool           // a peer was heard, or waited for long enough

	stable    clock.Time
	unstable  debt             // own batches that somebody may not have delivered yet
	state     protocol.Summary // the fold over all that was delivered
	sinceBase int              // bytes delivered since the journal's last base

	effects   protocol.Effects
	leftover  []protocol.Batch // recovered and not needed: released at the first step
	refused   uint64
	copiesIn  uint64
	appendsIn uint64
}

// New makes the reducer of one member. It panics on a Config that cannot be.
func New(config Config) *Lockstep { return NewMutant(config, mutant.None) }

// NewMutant makes a reducer that breaks one rule, to prove the checks.
func NewMutant(config Config, broken mutant.Mutant) *Lockstep {
	config = config.withDefaults()
	if config.Identity == 0 || int(config.Self) >= config.Members {
		panic(fmt.Sprintf("lockstep: member %d of %d with identity %s", config.Self, config.Members, config.Identity))
	}
	l := &Lockstep{
		config:  config,
		mutant:  broken,
		binding: make(member.Binding, config.Members),
		streams: make([]stream, config.Members),
		peers:   newPeers(config),
		version: 1,
	}
	l.held.byTimeOnly = l.breaks(mutant.TieWithoutOrigin)
	if config.Recovered != nil && !l.breaks(mutant.ForgetfulRestart) {
		l.recover(config.Recovered)
	}
	l.bindSelf()
	l.contacted = config.Members == 1
	return l
}

func (l *Lockstep) breaks(m mutant.Mutant) bool { return l.mutant == m }

// Step takes an event and gives what must be done next.
func (l *Lockstep) Step(e protocol.Event) protocol.Effects {
	l.begin(e.Now)
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
		l.onUp(e.Peer, e.Reliable)
	case protocol.Down:
		l.onDown(&l.peers[e.Peer].link)
	case protocol.Close:
		l.closing = true
	default:
		panic(fmt.Sprintf("lockstep: event of unknown kind %d", e.Kind))
	}
	l.settle()
	l.reserve()
	return l.effects
}

// begin empties the effects of the step before.
func (l *Lockstep) begin(now time.Duration) {
	l.now = max(l.now, now)
	e := &l.effects
	*e = protocol.Effects{
		Append:  e.Append[:0],
		Send:    e.Send[:0],
		Deliver: e.Deliver[:0],
		Release: append(e.Release[:0], l.leftover...),
	}
	l.leftover = nil
}

// reserve makes durable what is about to be shown: the binding, and a bound
// that no promised time exceeds. A closed stream promises infinity, which
// keeps a later life from writing on.
func (l *Lockstep) reserve() {
	if !l.config.Durable {
		return
	}
	if l.rebound {
		l.rebound = false
		l.effects.Binding = slices.Clone(l.binding)
	}
	if l.own().closed() && !l.reader && l.bound < clock.Infinity {
		l.bound = clock.Infinity
		l.effects.Bound = l.bound
	}
	if l.clock.Now() > l.bound {
		l.bound = l.clock.Now() + boundStep
		l.effects.Bound = l.bound
	}
}

// own is the stream of this member's place.
func (l *Lockstep) own() *stream { return &l.streams[l.config.Self] }

// inFlight gives the own batch that not everyone has acknowledged; its Count
// is 0 if there is none. A reader has none: its place's batches are another's.
func (l *Lockstep) inFlight() protocol.Batch {
	if l.reader {
		return protocol.Batch{}
	}
	return l.own().buffer
}

func (l *Lockstep) release(b protocol.Batch) {
	l.effects.Release = append(l.effects.Release, b)
}
