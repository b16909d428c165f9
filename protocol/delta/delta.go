// Package delta is a replicated log in Lamport order without a leader: every
// member sends each peer what the matrix clock says it lacks.
//
// Each origin's batches are a stream. A member's row says how far it holds
// each stream, and with which promise; the rows of all are the matrix clock.
// What lies below the lowest promise of the own row is settled, what lies below
// the lowest of all rows is stable. A link is what is known about the way to
// one peer: what was sent, acknowledged, lost. docs/delta.md has the rules.
//
// Sources: Lamport 1978 (clock), Wuu and Bernstein 1984 (matrix clock), Golding
// 1992 (acknowledgement vectors), Chandy and Misra 1979 (null messages),
// RFC 9002 (loss detection on acknowledged numbers).
package delta

import (
	"fmt"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// Delta is the reducer of one member. It implements protocol.Reducer.
type Delta struct {
	cfg    Config
	mutant mutant.Mutant
	now    time.Duration
	wokeAt time.Duration // when this member last went on after it had stood still: what it waited for then says nothing of the way

	clock   clock.Lamport
	bound   clock.Time // no later time is given out or promised before a new bound is durable
	streams []stream
	rows    []*row // of the identity bound to each member; nil: not heard of
	mine    *row   // the own row; the one in rows unless this is a reader
	links   []link // the own place stays unused
	changes uint64 // counts changes of rows: what the stamps of rows refer to

	published uint64   // the change counter at the newest change of the own row
	delivered []uint64 // per stream: number in its log of the next batch to deliver
	fronts    []uint64 // per stream: number in its log of the first batch

	binding member.Binding
	rebound bool // the binding changed since it was made durable
	agreed  bool
	reader  bool
	contact bool // somebody was heard, or waited for long enough

	settled clock.Time
	stable  clock.Time
	laggard member.ID         // whose row was the first one found to keep stable from rising
	base    protocol.Snapshot // what is trimmed
	trimmed int               // bytes trimmed since the journal was told
	closed  bool

	logBytes int
	own      backlog
	told     clock.Time    // the own promise that every peer was told
	urgent   bool          // somebody waits for a later own promise
	tick     bool          // a tick passed since the last flush
	hearsAt  time.Duration // when whom this member hears was published
	counts   counts

	fx      protocol.Effects
	scratch scratch
}

type counts struct{ refused, copies, appends uint64 }

// New makes the reducer of a member that starts, or restarts with what its
// journal recovered.
func New(cfg Config) *Delta { return NewMutant(cfg, mutant.None) }

// NewMutant makes a deliberately broken variant, for tests of the checks.
func NewMutant(cfg Config, broken mutant.Mutant) *Delta {
	cfg = cfg.withDefaults()
	if cfg.Identity == 0 || int(cfg.Self) >= cfg.Members {
		panic(fmt.Sprintf("delta: member %d of %d with identity %s", cfg.Self, cfg.Members, cfg.Identity))
	}
	d := &Delta{
		cfg: cfg, mutant: broken,
		streams: make([]stream, cfg.Members), rows: make([]*row, cfg.Members), links: make([]link, cfg.Members),
		binding: make(member.Binding, cfg.Members), base: protocol.Snapshot{Have: make([]uint64, cfg.Members)},
		mine: newRow(cfg.Members, cfg.Identity, 0), contact: cfg.Members == 1,
		delivered: make([]uint64, cfg.Members), fronts: make([]uint64, cfg.Members),
	}
	d.mine.version = cfg.Life << 32
	d.mine.noteChanges()
	d.setMeta(d.mine)
	d.rows[cfg.Self] = d.mine
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
	}
	return d.fx
}

func (d *Delta) begin(now time.Duration) {
	if now-d.now > heardKeepAlives*d.cfg.KeepAlive {
		d.wokeAt = now
	}
	d.now = max(d.now, now)
	d.scratch.begin()
	d.fx = protocol.Effects{
		Append: d.fx.Append[:0], Send: d.fx.Send[:0], Deliver: d.fx.Deliver[:0], Release: d.fx.Release[:0],
	}
}

// recover takes up what an earlier life left. All that it had published is
// covered by what its journal kept, so to others this is a pause.
func (d *Delta) recover(r *protocol.Recovered) {
	if d.mutant != mutant.ClockResetOnRestart {
		d.clock.Merge(r.Bound)
		d.bound = r.Bound
	}
	d.closed = r.Bound >= clock.Infinity
	d.binding.Merge(r.Binding)
	d.mine.binding = d.binding.Hash()
	if owner := d.binding[d.cfg.Self]; owner != 0 && owner != d.cfg.Identity {
		d.becomeReader(owner)
	}
	if len(r.Base.Have) == d.cfg.Members {
		d.adoptBase(&r.Base)
	}
	for i := range r.Batches {
		d.replay(r.Batches[i])
	}
	for j := range d.streams {
		d.raise(member.ID(j), clock.Mark{Promise: r.Settled})
	}
	d.agreed = r.Settled > 0 && d.binding.Complete() // nothing settles before
	for i := range d.links {
		d.ask(&d.links[i])
	}
	d.fx.Append = d.fx.Append[:0]
}

// replay takes up a batch of an earlier life.
func (d *Delta) replay(b protocol.Batch) {
	if !d.binding.Bind(b.Origin, b.Identity) || b.Seq != d.mine.mark(b.Origin).Have+1 {
		return
	}
	if d.mutant != mutant.ClockResetOnRestart {
		d.clock.Merge(b.Time)
	}
	d.hold(&b)
	if d.writes(b.Origin) {
		d.own.appended += b.Size()
	}
}

// close ends the own stream, for all later lives too: that nothing follows is
// made durable before anybody is told.
func (d *Delta) close() {
	d.closed = true
	if d.cfg.Durable {
		d.bound = clock.Infinity
		d.fx.Bound = d.bound
	}
}

// adoptBase makes a snapshot the beginning of the log.
func (d *Delta) adoptBase(base *protocol.Snapshot) {
	d.base.Time, d.base.State = base.Time, base.State
	copy(d.base.Have, base.Have)
	d.clock.Merge(base.Time)
	d.settled, d.stable = max(d.settled, base.Time), max(d.stable, base.Time)
	for j := range d.streams {
		s := &d.streams[j]
		s.base, s.last = max(s.base, base.Have[j]), max(s.last, base.Time)
		d.raise(member.ID(j), clock.Mark{Have: base.Have[j], Promise: base.Time})
	}
}

// raise joins a mark into the own row.
func (d *Delta) raise(stream member.ID, mark clock.Mark) {
	if before := d.mine.mark(stream); before.Have >= mark.Have && before.Promise >= mark.Promise {
		return // mostly it is known from another member
	}
	if _, changed := d.mine.marks.Merge(int(stream), mark); changed {
		d.changed(d.mine, stream)
		d.published = d.changes
	}
}

// writes says whether the stream is the own one, which nobody else adds to.
func (d *Delta) writes(stream member.ID) bool { return stream == d.cfg.Self && !d.reader }
