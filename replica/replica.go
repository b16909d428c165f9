// Package replica acts: it steps a reducer and carries out what the reducer
// decides, in the one safe order. The real node and the simulator both use it.
//
// A [Replica] is given events with [Replica.Step]. Most of them only change
// the reducer's state and are gathered; a Flush event carries out everything
// that was gathered since the last one:
//
//  1. what must be durable is handed to the [Journal] (at once, in memory),
//  2. the journal is synced, once for all that gathered (group commit),
//  3. envelopes go to the [Sender],
//  4. batches and snapshots go to the [App], in order,
//  5. references to batches are given back.
//
// Delivery waits for the sync as sending does, although it could often come
// earlier: a batch may be delivered on the strength of an own batch or an own
// promise that a crash would still undo, and an application that has seen it
// could then see another order after the restart. One order for all is also
// the one that is easy to trust.
//
// A replica starts no goroutine and is owned by one. After an error of the
// journal it does nothing any more: what cannot be made durable is neither
// sent nor delivered, and to the others the member is one that crashed.
package replica

import (
	"fmt"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// Journal makes durable what a member must not forget.
type Journal interface {
	// Keep takes Bound, Binding, Append, Base and Reset of effects into the
	// next sync. It copies what it needs and does not write yet.
	Keep(effects protocol.Effects)
	// Sync makes durable all that was kept since the last call, and costs
	// nothing when nothing was. After an error the journal is unusable.
	Sync() error
}

// Sender sends a message to a peer, which may get it late, twice or never. It
// must not block, and must not keep the message or what it points to; a batch
// is kept by a reference to its buffer.
type Sender interface{ Send(protocol.Envelope) }

// App is the application. The batches and the snapshot are lent for the call.
type App interface {
	// Deliver hands over the next batches of the total order.
	Deliver([]protocol.Batch)
	// Reset replaces all that was delivered by a state that stands for it.
	Reset(*protocol.Snapshot)
}

// Observer sees each event with its effects, before they are carried out. All
// is lent for the call.
type Observer interface {
	Observe(protocol.Event, protocol.Effects)
}

// Replica drives one reducer.
type Replica struct {
	reducer  protocol.Reducer
	journal  Journal
	sender   Sender
	app      App
	observer Observer
	self     member.ID

	// Gathered until the next flush, for the reducer reuses its effects.
	deliver []protocol.Batch
	release []protocol.Batch
	base    protocol.Snapshot
	hasBase bool
	silent  bool // what gathered goes on waiting

	failed error
}

// New makes the replica of a reducer. Journal and observer may be nil: nothing
// is durable, nobody watches.
func New(reducer protocol.Reducer, journal Journal, sender Sender, app App, observer Observer) *Replica {
	return &Replica{
		reducer: reducer, journal: journal, sender: sender, app: app, observer: observer,
		self: reducer.Status().Self,
	}
}

// Flush steps a Flush event at a time: it carries out all that was gathered.
func (r *Replica) Flush(now time.Duration) error {
	return r.Step(protocol.Event{Kind: protocol.Flush, Now: now})
}

// Speak is a Flush for whoever must not call the application: what there is to
// deliver and to give back waits for the next Flush, and Speak says whether
// anything does.
func (r *Replica) Speak(now time.Duration) (waiting bool, err error) {
	r.silent = true
	err = r.Flush(now)
	r.silent = false
	return len(r.deliver)+len(r.release) > 0, err
}

// Step steps the reducer. What has to leave the member is gathered until the
// next flush; effects that cannot wait, because a reducer sends or resets
// outside of a flush, cause one. The error is the journal's, and final.
func (r *Replica) Step(event protocol.Event) error {
	if r.failed != nil {
		return r.failed
	}
	effects := r.reducer.Step(event)
	if r.observer != nil {
		r.observer.Observe(event, effects)
	}
	r.keep(effects)
	if event.Kind != protocol.Flush && len(effects.Send) == 0 && effects.Reset == nil {
		r.gather(&effects)
		return nil
	}
	return r.carryOut(&effects)
}

// Err gives the journal's error that stopped the replica, nil while it runs.
func (r *Replica) Err() error { return r.failed }

// keep hands to the journal what must be durable before the next message. The
// bytes of own batches are completed first, for here they are read for the
// first time.
func (r *Replica) keep(effects protocol.Effects) {
	for i := range effects.Append {
		if effects.Append[i].Origin == r.self {
			wire.Seal(&effects.Append[i])
		}
	}
	if r.journal == nil {
		return
	}
	if effects.Reset == nil {
		// The journal may forget only what the application has seen.
		effects.Base = nil
	} else {
		r.hasBase = false // an older one must not follow the new beginning
	}
	r.journal.Keep(effects)
}

// gather remembers what must wait for the next sync.
func (r *Replica) gather(effects *protocol.Effects) {
	r.deliver = append(r.deliver, effects.Deliver...)
	r.release = append(r.release, effects.Release...)
	if base := effects.Base; base != nil && r.journal != nil && effects.Reset == nil {
		r.base = protocol.Snapshot{Time: base.Time, Have: append(r.base.Have[:0], base.Have...), State: base.State}
		r.hasBase = true
	}
}

// carryOut makes durable what gathered, and lets it take effect.
func (r *Replica) carryOut(effects *protocol.Effects) error {
	if r.journal != nil {
		if err := r.journal.Sync(); err != nil {
			r.failed = fmt.Errorf("replica: stopped, nothing more is sent or delivered: %w", err)
			return r.failed
		}
	}
	for i := range effects.Send {
		r.sender.Send(effects.Send[i])
	}
	if effects.Reset != nil {
		r.handOver()
		r.app.Reset(effects.Reset)
	}
	r.gather(effects)
	if !r.silent {
		r.handOver()
	}
	return nil
}

// handOver delivers what gathered, and only then lets go of it.
func (r *Replica) handOver() {
	if len(r.deliver) > 0 {
		r.app.Deliver(r.deliver)
		clear(r.deliver)
		r.deliver = r.deliver[:0]
	}
	for i := range r.release {
		r.release[i].Buffer.Release()
	}
	clear(r.release)
	r.release = r.release[:0]
	if r.hasBase {
		r.hasBase = false
		r.journal.Keep(protocol.Effects{Base: &r.base})
	}
}
