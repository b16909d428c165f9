package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNever says that an own entry that was put in is not in the log, and never
// will be.
var ErrNever = errors.New("the entry never got into the log")

// progress is how far own entries got. The turn publishes it, and wakes up
// whoever waits; that costs nothing while nobody does.
type progress struct {
	appended atomic.Uint64 // the last own entry that has its place
	accepted atomic.Uint64 // the last one that is durable and goes out
	dropped  atomic.Bool   // what has no place yet will have none
	waiters  atomic.Int32

	mu      sync.Mutex    // guards below
	changed chan struct{} // closed at the next progress; nil: nobody waits
}

// advance publishes how far own entries are. It is called in the turn.
func (p *progress) advance(appended, accepted uint64) {
	p.appended.Store(appended)
	if p.accepted.Load() == accepted {
		return
	}
	p.accepted.Store(accepted)
	if p.waiters.Load() > 0 {
		p.wake()
	}
}

// begin says that numbers begin anew: nothing of those is in the log yet.
func (p *progress) begin() {
	p.appended.Store(0)
	p.accepted.Store(0)
	p.wake()
}

// drop says that what has no place yet will have none.
func (p *progress) drop() {
	p.dropped.Store(true)
	p.wake()
}

func (p *progress) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (p *progress) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// Accepted waits until the own entries up to a number are accepted: durable here, if
// anything is, and on their way. ErrNever means that the entry is not in the log and
// never will be; after any other error it is in doubt.
func (n *Node) Accepted(ctx context.Context, number uint64) error {
	seq := Seq(number)
	if n.own.accepted.Load() >= seq && !n.outbox.isPast(number) {
		return nil
	}
	n.own.waiters.Add(1)
	defer n.own.waiters.Add(-1)
	defer time.AfterFunc(patience, func() {
		n.cfg.Log.Warn("a broadcast waits to be accepted", "for", patience, "why", n.WhyNoRoom())
	}).Stop()
	for {
		changed := n.own.next()
		dropped, ended := n.own.dropped.Load(), n.hasEnded()
		switch {
		case n.outbox.isPast(number):
			return ErrNever
		case n.own.accepted.Load() >= seq:
			return nil
		case (dropped || ended) && n.own.appended.Load() < seq:
			return ErrNever
		case ended:
			return n.err
		case n.own.appended.Load() < seq && n.outbox.isSuspended():
			return fmt.Errorf("own entry %d waits until this member comes back: %w", seq, ErrLetGo)
		}
		select {
		case <-changed:
		case <-n.done:
		case <-ctx.Done():
			return fmt.Errorf("node: own entry %d is not accepted: %w", seq, context.Cause(ctx))
		}
	}
}

// Never reports whether an own entry that was put in is not in the log and
// never will be.
func (n *Node) Never(number uint64) bool {
	return n.outbox.isPast(number) || (n.own.dropped.Load() || n.hasEnded()) && n.own.appended.Load() < Seq(number)
}

// OwnEntries returns the sequence number of the last own entry that was
// accepted.
func (n *Node) OwnEntries() uint64 { return n.own.accepted.Load() }

// Met returns a channel that is closed once all members have met and agreed
// who they are.
func (n *Node) Met() <-chan struct{} { return n.met }

// WhyNoRoom returns in words what own entries wait for.
func (n *Node) WhyNoRoom() string {
	select {
	case <-n.met:
	default:
		return "the members have not met yet"
	}
	if n.stalled.Load() {
		return "the disk is full"
	}
	if n.full() != nil {
		return "the application has not compacted what it was given"
	}
	if n.DiskIsFull() {
		return fmt.Sprintf("the folder has the %d bytes that it may have", n.cfg.DiskBytesMax)
	}
	return "peers or the disk do not keep up"
}

// DiskBytes returns the size of the folder; 0 if there is none.
func (n *Node) DiskBytes() int64 {
	if n.journal == nil {
		return 0
	}
	return n.journal.Bytes()
}

// DiskIsFull reports whether the folder has the size that it may have.
func (n *Node) DiskIsFull() bool {
	return n.cfg.DiskBytesMax > 0 && n.DiskBytes() >= n.cfg.DiskBytesMax
}

func (n *Node) hasEnded() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}
