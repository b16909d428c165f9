// Package delta is a replicated log in Lamport order without a leader: every
// member sends each peer what the matrix clock says it lacks.
//
// Each origin's batches are a stream. A member's row says how far it holds
// each stream, and with which promise; the rows of all are the matrix clock.
// What lies below the lowest promise of the own row is settled, what lies below
// the lowest of all rows is stable.
//
// [Delta] is the reducer; it steps machines with a state of their own. The roster
// says who counts, the synod who is to count next (views.go), the frontier how far
// all are; a stream has the log of one
// origin, a want what is missing of it. A link is the way to one peer: its
// presence, the cursor of what was sent, trip and window, what the peer was told
// (report, acks, relays), and the help that it gets with streams of others. All
// waits are in timing.go. Start reading at [Delta.Step]; docs/delta.md has the
// rules.
//
// Sources: Lamport 1978 (clock), Wuu and Bernstein 1984 (matrix clock), Golding
// 1992 (acknowledgement vectors), Chandy and Misra 1979 (null messages),
// RFC 9002 (loss detection on acknowledged numbers).
package delta

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
	"chatterbox/internal/core/protocol/synod"
)

// Delta is the reducer of one member. It implements protocol.Reducer.
type Delta struct {
	cfg       Config `state:"const"`
	roster    roster.Roster
	synod     *synod.Synod // chooses the next view; nil as long as there is no first one, or if members never change
	suspicion suspicion
	farewell  roster.Farewell // if the data here turns out to be old
	now       time.Duration
	wokeAt    time.Duration // when this member last went on after it had stood still: what it waited for then says nothing of the way

	clock    clock.Lamport
	bound    clock.Time // no later time is given out or promised before a new bound is durable
	streams  []stream
	frontier frontier
	links    []link // the own place stays unused

	contact bool // somebody was heard, or waited for long enough
	closed  bool
	own     backlog
	pending pending
	counts  protocol.Tally `state:"hint"`

	begun   bool             // what was released before is to be given back
	fx      protocol.Effects `state:"scratch"`
	scratch scratch          `state:"scratch"`
}

// pending is what the next flush has to tell.
type pending struct {
	promised clock.Time // the own promise that every peer was told
	urgent   bool       // somebody waits for a later one
	ticked   bool       // a tick passed since the last flush
}

// New makes the reducer of a member that starts, or restarts with what its
// journal recovered.
func New(cfg Config) *Delta {
	cfg = withDefaults(cfg)
	d := &Delta{
		cfg: cfg, roster: roster.New(cfg.Self, cfg.Identity, cfg.List),
		streams: make([]stream, cfg.Members), links: make([]link, cfg.Members),
		frontier: newFrontier(&cfg), contact: cfg.Members == 1,
	}
	for i := range d.links {
		d.links[i] = newLink(member.ID(i), cfg)
	}
	if cfg.Recovered != nil {
		d.recover(cfg.Recovered)
	}
	d.bind(cfg.Self, cfg.Identity)
	d.agree()
	return d
}

// Step takes an event and gives what must be done next.
func (d *Delta) Step(e protocol.Event) protocol.Effects {
	d.begin(e.Now)
	if d.farewell.Begun() {
		d.farewell.Step(&e, &d.fx, &d.counts)
		return d.fx
	}
	switch e.Kind {
	case protocol.Submit:
		d.onSubmit(&e.Batch)
	case protocol.Receive:
		d.onReceive(e.Message)
	case protocol.Flush:
		d.onFlush()
	case protocol.Tick:
		d.onTick()
	case protocol.Up:
		d.onUp(&d.links[e.Peer], e.Reliable)
	case protocol.Down:
		d.onDown(&d.links[e.Peer])
	case protocol.Close:
		d.close()
	case protocol.Change:
		d.fx.Refused = d.onChange(e.Change)
	case protocol.Away:
		d.onAway()
	}
	return d.fx
}

func (d *Delta) begin(now time.Duration) {
	if now-d.now > heardKeepAlives*d.cfg.KeepAlive {
		d.wokeAt = now
	}
	d.now = max(d.now, now)
	d.scratch.begin()
	release, trim := d.fx.Release, d.fx.Trim
	clear(trim) // it would keep their memory
	if d.begun {
		clear(release)
		release = release[:0]
	}
	d.begun = true
	d.fx = protocol.Effects{Append: d.fx.Append[:0], Send: d.fx.Send[:0], Deliver: d.fx.Deliver[:0], Trim: trim[:0], Release: release, Orphans: d.fx.Orphans[:0]}
}

// recover takes up what an earlier incarnation left. All that it had published is
// covered by what its journal kept, so to others this is a pause.
func (d *Delta) recover(r *protocol.Recovered) {
	d.clock.Merge(r.Bound)
	d.bound = r.Bound
	d.closed = r.Bound >= clock.Infinity
	d.roster.Recover(r.Binding, r.View)
	if d.roster.Observes() {
		d.frontier.rows[d.cfg.Self] = nil
	}
	if len(r.Base.Have) == d.roster.Len() {
		d.adoptBase(&r.Base)
	}
	for b := range r.All() {
		d.replay(b)
	}
	d.frontier.assured = r.Settled
	for j := range d.streams {
		d.frontier.raise(member.ID(j), clock.Mark{Promise: r.Settled})
	}
	d.frontier.mine.binding = d.roster.Hash()
	d.roster.RecoverAgreement(r.Agreed)
	for j := range d.streams {
		d.frontier.restored = append(d.frontier.restored, d.frontier.held(member.ID(j)))
	}
	d.convene(r.Voted)
	d.wantPlace()
	for i := range d.links {
		d.ask(&d.links[i])
	}
}

// replay takes up a batch of an earlier incarnation.
func (d *Delta) replay(b protocol.Batch) {
	d.roster.Bind(b.Origin, b.Identity)
	if !d.roster.Takes(&b) || b.Seq != d.frontier.held(b.Origin)+1 {
		d.keepOrphan(&b)
		return
	}
	d.clock.Merge(b.Time)
	d.hold(&b)
	d.fx.Append = d.fx.Append[:0] // it is in the journal
	if d.roster.Writes(b.Origin) {
		d.own.appended += b.Size()
	}
	d.forgetOrphans()
}

// close ends the own stream, for all later incarnations too: that nothing follows is
// made durable before anybody is told. What is to be written again comes first, also of
// a member that may be about to come back.
func (d *Delta) close() {
	if d.roster.MayReturn() || len(d.own.back.orphans) > 0 && !d.roster.Observes() {
		d.own.back.closing = true
		return
	}
	d.closed = true
	if d.cfg.Durable {
		d.bound = clock.Infinity
		d.fx.Bound = d.bound
	}
}

// adoptBase makes a snapshot the beginning of the log.
func (d *Delta) adoptBase(base *protocol.Snapshot) {
	d.frontier.base.Time = base.Time
	copy(d.frontier.base.Have, base.Have)
	d.clock.Merge(base.Time)
	d.frontier.settled, d.frontier.stable = max(d.frontier.settled, base.Time), max(d.frontier.stable, base.Time)
	for j := range d.streams {
		s := &d.streams[j]
		s.base, s.last = max(s.base, base.Have[j]), max(s.last, base.Time)
		d.frontier.raise(member.ID(j), clock.Mark{Have: base.Have[j], Promise: base.Time})
	}
}
