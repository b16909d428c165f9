// Package driver acts: it steps a reducer and carries out what the reducer
// decides, in the one safe order. The real node, the simulator and Maelstrom's
// world all use it, so that whatever decides anything runs in the simulator.
// It is pure: it has no goroutine, no lock and no clock.
//
// A [Driver] works in turns. In a turn it is given events with [Driver.Take];
// most of them only change the reducer's state, and their effects are gathered.
// [Driver.End] ends the turn: it takes own batches out of the [Source] as far
// as there is room, and then flushes, which carries out all that was gathered:
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
// When the open batch leaves, how much a turn takes along, who may take turns
// and how long no tick is needed is decided in turn.go. [Outbox] is the source
// of those worlds that gather payloads as they come.
//
// A driver is owned by one goroutine at a time. After an error of the journal
// it does nothing any more: what cannot be made durable is neither sent nor
// delivered, and to the others the member is one that crashed. Nor does it
// after the reducer found that the member must stop.
package driver

import (
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// Journal makes durable what a member must not forget.
type Journal interface {
	// Keep takes Bound, Binding, Append, Vote, View, Settled, Base and Reset of
	// effects into the next sync, in this order: a vote promises that what it says
	// is held. It copies what it needs and does not write yet.
	Keep(effects protocol.Effects)
	// Sync makes durable all that was kept since the last call, and costs
	// nothing when nothing was. After an error the journal is unusable, but for
	// one that wraps protocol.ErrNoRoom: then the next call tries again.
	Sync() error
	// Load reads the bytes of a parked batch, which is durable. An error is final,
	// like that of Sync.
	Load(*protocol.Batch) error
	// IsFull reports whether the journal has reached a limit, so that nothing of
	// this member's own may be added.
	IsFull() bool
	// Order takes up the order of batches that are durable, before they are
	// delivered.
	Order([]protocol.Batch)
	// Restore begins the order anew behind what a snapshot stands for.
	Restore(*protocol.Snapshot)
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

// Source is where own payloads wait for the driver.
type Source interface {
	// Next returns the oldest batch that is full, or else, if partly filled ones
	// are wanted, the open one, unless it has more than bytesMax bytes. If there is
	// none although partly is set, the source has somebody make a turn as soon as
	// it has an entry.
	Next(partly bool, bytesMax int) (batch protocol.Batch, ok bool)
	// Ended reports whether nothing is left and nothing will come.
	Ended() bool
	// Stuck tells that there is only room for a batch of bytesMax bytes at present.
	Stuck(bytesMax int)
}

// Config is all that a driver is made from.
type Config struct {
	Reducer  protocol.Reducer
	Journal  Journal  // nil: nothing is durable
	Sender   Sender   // is given messages
	App      App      // is given the log
	Observer Observer // nil: nobody watches
	Source   Source   // nil: own batches come as events
	// Installed is told each view once it is durable, before anything of it is sent;
	// nil: nobody is told.
	Installed func(*member.View)
	// Accepted is told how far own entries are that are durable now, before anything
	// is sent: whoever waits for that need not wait for the sending. Nil: nobody is
	// told; without a journal neither.
	Accepted func(appended, accepted uint64)
	// Prepare makes anew what was prepared of a batch that was parked; nil:
	// nothing is prepared, or the reducer keeps it.
	Prepare func(*protocol.Batch) any
	// Prefix has what the application keeps of what is trimmed; nil: it keeps
	// nothing, and snapshots have no state.
	Prefix *Prefix
	// Tick is how far apart ticks are when nothing rests; 0 if the world has a
	// pace of its own.
	Tick time.Duration
	// Watched keeps ticks at their pace, for somebody looks at the state with
	// each of them.
	Watched bool
}

// Driver drives one reducer.
type Driver struct {
	reducer    protocol.Reducer
	journal    Journal
	sender     Sender
	app        App
	observer   Observer
	prepare    func(*protocol.Batch) any
	installed  func(*member.View)
	acceptedTo func(appended, accepted uint64)
	prefix     *Prefix
	self       member.ID
	identity   member.Identity
	turn       turn

	// Gathered until the next flush, for the reducer reuses its effects.
	deliver []protocol.Batch
	release []protocol.Batch
	orphans []protocol.Batch // to be submitted again, before what is in the source
	base    protocol.Snapshot
	hasBase bool
	view    *member.View
	silent  bool // what gathered goes on waiting
	more    bool // there is more to deliver

	appended uint64 // the last own entry that has its place
	accepted uint64 // the last own entry that is durable

	refused error            // why the last change that was asked for cannot be made
	stalled error            // why what was decided waits for room on the disk; nil: it does not
	waiting protocol.Effects // what waits; it is the reducer's memory, which is not stepped meanwhile

	failed error
}

// New returns a driver.
func New(cfg Config) *Driver {
	status := cfg.Reducer.Status()
	d := &Driver{
		reducer: cfg.Reducer, journal: cfg.Journal, sender: cfg.Sender, app: cfg.App, observer: cfg.Observer, prepare: cfg.Prepare,
		installed: cfg.Installed, acceptedTo: cfg.Accepted, prefix: cfg.Prefix, self: status.Self, identity: status.Identity,
		turn: turn{source: cfg.Source, tick: cfg.Tick, watched: cfg.Watched},
	}
	if int(d.self) < len(status.Held) {
		d.appended = status.Held[d.self].Have + status.Orphans
	}
	d.accepted = d.appended
	return d
}

// Own returns the sequence number of the last own entry that has its place in
// the log, and of the last one that is durable as well and will be sent.
func (d *Driver) Own() (appended, accepted uint64) { return d.appended, d.accepted }

// Flush steps a Flush event at a time: it carries out all that was gathered.
func (d *Driver) Flush(now time.Duration) error {
	return d.Step(protocol.Event{Kind: protocol.Flush, Now: now})
}

// Step steps the reducer. What has to leave the member is gathered until the
// next flush; effects that cannot wait, because a reducer sends or resets
// outside of a flush, cause one. The error is the journal's, or
// protocol.ErrOldData if the reducer had the member stop, and final; but if it
// wraps protocol.ErrNoRoom, the event was taken and its effects wait: see Resume.
func (d *Driver) Step(event protocol.Event) error {
	if d.failed != nil {
		return d.failed
	}
	if d.stalled != nil {
		return fmt.Errorf("driver: an event of kind %d is lost: %w", event.Kind, d.stalled)
	}
	effects := d.reducer.Step(event)
	d.refused = effects.Refused
	if d.observer != nil {
		d.observer.Observe(event, effects)
	}
	d.prefix.Take(&effects)
	d.keep(event.Kind, effects)
	if event.Kind != protocol.Flush && len(effects.Send) == 0 && effects.Reset == nil && !effects.Stop {
		d.gather(&effects)
		return nil
	}
	return d.carryOut(&effects)
}

// Change has the reducer begin a change of the members. refused says why it
// cannot be made; without it the change was taken up, and may still come to
// nothing. What follows from it leaves with the next turn.
func (d *Driver) Change(now time.Duration, change member.Change) (refused, err error) {
	err = d.Step(protocol.Event{Kind: protocol.Change, Now: now, Change: &change})
	return d.refused, err
}

// Away has the reducer tell that this member is about to stop, as planned. What follows
// from it leaves with the next turn.
func (d *Driver) Away(now time.Duration) error {
	return d.Step(protocol.Event{Kind: protocol.Away, Now: now})
}

// Resume tries again to make durable what found no room on the disk, and carries
// out what waits for that. Until then no event may be stepped: to the others the
// member is one that is paused.
func (d *Driver) Resume() error {
	if d.stalled == nil {
		return d.failed
	}
	effects := d.waiting
	d.stalled, d.waiting = nil, protocol.Effects{}
	return d.carryOut(&effects)
}

// Err returns the error that stopped the driver, nil while it runs.
func (d *Driver) Err() error { return d.failed }

// Renumber has own entries go on behind so many, which others wrote at this place: what
// was put in before counts for nothing.
func (d *Driver) Renumber(behind uint64) { d.appended, d.accepted = behind, behind }

// keep hands to the journal what must be durable before the next message. The
// bytes of own batches are completed first, for here they are read for the
// first time. It notes which own entries have their place: what others hold of the own
// stream, which an earlier life wrote, is not among them.
func (d *Driver) keep(kind protocol.Kind, effects protocol.Effects) {
	for i := range effects.Append {
		b := &effects.Append[i]
		if b.Origin != d.self {
			continue
		}
		wire.Seal(b)
		if kind == protocol.Submit || b.Identity == d.identity {
			d.appended = max(d.appended, b.Last()) // what is written again has its number
		}
	}
	if effects.View != nil {
		d.view, d.turn.viewed = effects.View, true
	}
	if d.journal == nil {
		return
	}
	if effects.Reset == nil {
		// The journal may forget only what the application has seen.
		effects.Base = nil
	} else {
		d.hasBase = false // an older one must not follow the new beginning
	}
	d.journal.Keep(effects)
}

// gather remembers what must wait for the next sync.
func (d *Driver) gather(effects *protocol.Effects) {
	d.deliver = append(d.deliver, effects.Deliver...)
	d.release = append(append(d.release, effects.Trim...), effects.Release...)
	if base := effects.Base; base != nil && d.journal != nil && effects.Reset == nil {
		d.base = protocol.Snapshot{Time: base.Time, Have: append(d.base.Have[:0], base.Have...), State: base.State}
		d.hasBase = true
	}
}

// carryOut makes durable what gathered, and lets it take effect.
func (d *Driver) carryOut(effects *protocol.Effects) error {
	if d.journal != nil {
		if err := d.journal.Sync(); errors.Is(err, protocol.ErrNoRoom) {
			d.stalled, d.waiting = err, *effects
			return err
		} else if err != nil {
			d.failed = fmt.Errorf("driver: stopped, nothing more is sent or delivered: %w", err)
			return d.failed
		}
	}
	if d.accepted = d.appended; d.journal != nil && d.acceptedTo != nil {
		d.acceptedTo(d.appended, d.accepted)
	}
	d.more = effects.More
	d.orphans = append(d.orphans[:0], effects.Orphans...)
	if v := d.view; v != nil {
		if d.view = nil; d.installed != nil {
			d.installed(v)
		}
	}
	for i := range effects.Send {
		batches := effects.Send[i].Message.Batches
		for k := range batches {
			if d.failed = d.load(&batches[k]); d.failed != nil {
				return d.failed
			}
		}
		d.sender.Send(effects.Send[i])
	}
	if effects.Reset != nil {
		if d.handOver(); d.failed != nil {
			return d.failed
		}
		if d.journal != nil {
			d.journal.Restore(effects.Reset)
		}
		d.app.Reset(effects.Reset)
	}
	d.gather(effects)
	if !d.silent {
		d.handOver()
	}
	if effects.Stop && d.failed == nil {
		d.failed = protocol.ErrOldData
	}
	return d.failed
}

// load reads a batch if it is parked. What cannot be read stops the member: to
// leave it out would tell peers or the application of another log.
func (d *Driver) load(b *protocol.Batch) error {
	if b.Parked == 0 {
		return nil
	}
	err := errNoJournal
	if d.journal != nil {
		err = d.journal.Load(b)
	}
	if err != nil {
		err = fmt.Errorf("driver: stopped, entries %d to %d of member %d cannot be read again to be sent or delivered: %w", b.Seq, b.Last(), b.Origin, err)
	}
	return err
}

var errNoJournal = errors.New("there is no journal")

// order has a batch that is to be delivered take its place in the order, with its
// bytes in memory.
func (d *Driver) order(one []protocol.Batch) error {
	if err := d.load(&one[0]); err != nil {
		return err
	}
	if one[0].Prepared == nil && d.prepare != nil {
		one[0].Prepared = d.prepare(&one[0])
	}
	if d.journal != nil {
		d.journal.Order(one)
	}
	return nil
}

// handOver delivers what gathered, and only then lets go of it.
func (d *Driver) handOver() {
	if len(d.deliver) > 0 {
		for i := range d.deliver {
			if d.failed = d.order(d.deliver[i : i+1]); d.failed != nil {
				return
			}
		}
		d.app.Deliver(d.deliver)
		clear(d.deliver)
		d.deliver = d.deliver[:0]
	}
	for i := range d.release {
		d.release[i].Buffer.Release()
	}
	clear(d.release)
	d.release = d.release[:0]
	if d.hasBase {
		d.hasBase = false
		d.journal.Keep(protocol.Effects{Base: &d.base})
	}
}
