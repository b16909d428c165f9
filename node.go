package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/node"
)

// Node is a running member.
type Node struct {
	name     string
	members  atomic.Pointer[member.List] // by place; what it points to does not change
	self     member.ID
	volatile bool
	log      *slog.Logger

	evictAfter time.Duration
	observe    bool
	replaced   atomic.Pointer[member.View] // the view, once a place of it had more than one tenant

	inner     *node.Node
	history   *history.Log
	mender    *mender // nil: without a folder
	snapshots *snapshots
	keys      keys
	spoil     bool // the memory of batches is overwritten once they are not valid any more

	closing sync.Once
	leaving leaving
	closed  chan struct{} // closed when the node takes part no more; err is set before
	done    chan struct{} // closed when the node has ended
	err     error
	watch   watch
	meta    meta
	fetch   fetch
}

// Open starts a member: it checks cfg, recovers the folder and listens. It does
// not wait for peers; see Ready. ctx bounds this call only. Mistakes in cfg
// are all reported at once. A folder that another node uses is an error at
// once.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	list, self, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("chatterbox: open: %w", err)
	}
	seat, err := cfg.seat(ctx)
	if err != nil {
		return nil, err
	}
	if seat != nil {
		list, self = membersOf(seat.Members, seat.View), seat.Self
	}
	n := &Node{
		name: cfg.Name, self: self, volatile: cfg.Volatile, log: cfg.Log, evictAfter: cfg.EvictAfter, observe: cfg.Observe,
		closed: make(chan struct{}), done: make(chan struct{}), fetch: fetch{turn: newTurn()},
	}
	n.members.Store(&list)
	inner := cfg.inner(n, self, seat)
	if prepare := inner.Prepare; prepare != nil {
		inner.Prepare = func(b *protocol.Batch) any { return n.prepare(prepare, b) }
	}
	began := time.Now()
	n.history = history.NewLog(history.Config{
		Members: len(list), BytesMax: cfg.bytesInMemory(), AgeMax: cfg.Retain.Age, Hold: cfg.Retain.Hold,
		Prepare: inner.Prepare,
		Now:     func() time.Duration { return time.Since(began) },
	})
	inner.Deliver, inner.Held, inner.Full = n.deliver, n.held, n.history.Full
	inner.Opened = func(j *journal.Journal) {
		if archive := j.Archive(); archive != nil {
			n.mender = &mender{Archive: archive, n: n, turn: newTurn()}
			n.history.Attach(n.mender)
			n.recallKeys(archive)
		}
	}
	inner.Reset = n.beginAnew
	inner.Failed = func(err error) { n.history.Close(fmt.Errorf("%w: %w", ErrReadOnly, err)) }
	inner.Installed = n.installed
	inner.Sampled = n.watch.sample
	inner.Meta, inner.OnMeta = n.meta.tell, n.meta.hear
	inner.OnAsk, inner.OnPart, inner.OnRead, inner.MendWithin = n.serve, n.fetch.hear, n.lend, mendAtStartWithin
	n.meta.grow(len(list))
	node.Alteration(ctx)(&inner)
	n.spoil = inner.Spoil
	if n.snapshots, err = openSnapshots(&inner); err != nil {
		return nil, err
	}
	n.watch.grow(len(list))
	// The node lives on when ctx ends.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	bound := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	if n.inner, err = node.Start(life, inner); err != nil {
		end(err)
		return nil, fmt.Errorf("chatterbox: open: %w", err)
	}
	if cfg.EvictAfter > 0 && !cfg.Observe {
		go n.comeBack(life)
	}
	if cfg.Join != "" {
		go n.findOthers(life, cfg.Join)
	}
	if !bound() {
		return nil, fmt.Errorf("chatterbox: open: %w", errors.Join(context.Cause(ctx), n.Close(ctx)))
	}
	return n, nil
}

// installed takes up who belongs to the cluster.
func (n *Node) installed(v *member.View) {
	if slices.ContainsFunc(v.Places, func(p member.Place) bool { return len(p.Former) > 0 }) {
		n.replaced.Store(v)
	}
	n.history.Follow(v)
	list := n.list()
	if len(v.Places) <= len(list) {
		return
	}
	for place := len(list); place < len(v.Places); place++ {
		list = append(list[:place:place], v.Places[place].Member())
	}
	n.meta.grow(len(list))
	n.watch.grow(len(list))
	n.members.Store(&list)
}

// beginAnew begins the log behind what the others had forgotten before this member had
// it: it has no positions for that, and so none before it without a gap.
func (n *Node) beginAnew(s *protocol.Snapshot) {
	had := n.history.Settled()
	n.history.Begin(s.Have)
	if first := n.history.Extent().Oldest; had > 0 {
		n.log.Warn("the others had forgotten what settled before this member had it: its log begins anew, earlier positions are read at others, or in a backup", "had", had, "oldest", first)
	}
}

// deliver takes what has settled.
func (n *Node) deliver(batches []protocol.Batch) {
	n.history.Settle(batches)
	n.keys.learn(n.self, batches)
}

// held takes what is held.
func (n *Node) held(batches []protocol.Batch) {
	n.history.Held(batches)
	n.keys.learn(n.self, batches)
}

// Ready waits until all members have met and agreed who they are, which lasts
// from then on; whether entries can settle at this moment is Status.Ready.
// Broadcast waits by itself and does not need it.
func (n *Node) Ready(ctx context.Context) error {
	select {
	case <-n.inner.Met():
		return nil
	default:
	}
	return n.await(ctx, n.inner.Met(), func() string { return "ready: the members have not met: " + n.silent() })
}

// await waits for a channel, and tells the log if that takes long.
func (n *Node) await(ctx context.Context, ready <-chan struct{}, what func() string) error {
	defer n.tellIfLate(what).Stop()
	return n.wait(ctx, ready, what)
}

// tellIfLate tells the log what a call waits for, unless it is stopped soon.
func (n *Node) tellIfLate(what func() string) *time.Timer {
	return time.AfterFunc(patience, func() { n.log.Warn("a call waits", "for", patience, "why", what()) })
}

// wait waits for a channel.
func (n *Node) wait(ctx context.Context, ready <-chan struct{}, what func() string) error {
	select {
	case <-ready:
		return nil
	case <-n.closed:
		return n.err
	case <-ctx.Done():
		return fmt.Errorf("chatterbox: %s: %w", what(), context.Cause(ctx))
	}
}

// patience is after how long a call that waits is told of to the log.
const patience = 5 * time.Second

// Done returns a channel that is closed when the node has ended, by Close or
// because this member has left the cluster.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns why the node has ended: [ErrClosed] or [ErrRemoved]; nil while it
// runs.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// Close accepts nothing more, waits until another member holds what was
// accepted here, and stops the node; all loops and calls end with [ErrClosed]. With a
// folder it is still a member, and the others do not wait for it until it is back: what
// they write settles meanwhile, if enough of them are there to hold it. Without one it
// leaves, if the others can decide that within a second.
// When ctx ends before others hold it, the node is closed all the same, and the
// error says how many entries only this member has: with a folder they are sent
// after the next start, without one they are lost. Close does not wait for
// bodies of loops. A second call returns nil.
func (n *Node) Close(ctx context.Context) error { return n.end(ctx, ErrClosed) }

// end stops the node, the first time that it is called.
func (n *Node) end(ctx context.Context, why error) error {
	first := false
	n.closing.Do(func() { first = true })
	if !first {
		return nil
	}
	n.inner.Refuse()
	planned := errors.Is(why, ErrClosed) && ctx.Err() == nil // whoever cannot wait ends as in a crash
	if n.volatile && !(planned && n.letGo(ctx)) {
		n.inner.CloseStream() // nobody need wait for another life
	}
	alone := n.farewell(ctx)
	if planned && !n.volatile {
		n.goAway(ctx)
	}
	n.Status() // the last one, which is shown from now on
	n.err = why
	n.history.Close(why)
	close(n.closed)
	err := n.inner.Stop(ctx)
	n.snapshots.close()
	close(n.done)
	if err != nil {
		err = fmt.Errorf("chatterbox: close: %w", err)
	}
	if alone > 0 {
		err = errors.Join(fmt.Errorf("chatterbox: close: %d accepted entries are held by this member only: %w", alone, context.Cause(ctx)), err)
	}
	return err
}

// awayWithin is how long a node that closes lets the others take note of that.
const awayWithin = 500 * time.Millisecond

// goAway has nobody wait for this member until it is back.
func (n *Node) goAway(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, awayWithin)
	defer cancel()
	if err := n.inner.Away(within); err != nil {
		n.log.Debug("settling may wait for this member until it is back", "reason", err)
	}
}

// letGoWithin is how long a node without a folder that closes waits until the others go
// on without it.
const letGoWithin = time.Second

// letGo has the others go on without this member, which forgets all that it holds, as if
// it left, and reports whether they do.
func (n *Node) letGo(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, letGoWithin)
	defer cancel()
	view, _ := n.inner.View()
	if view == nil || view.Size() == 1 || !n.inner.Changes() || !view.Has(n.inner.Identity()) {
		return false
	}
	n.leaving.close()
	err := n.inner.May(ctx, view, member.Change{Kind: member.Evict, Identity: n.inner.Identity()})
	if err == nil {
		_, err = n.goWhenSettled(ctx)
	}
	if err != nil {
		n.log.Debug("settling may wait for this member until it is let go", "reason", err)
	}
	return err == nil
}

// farewellEvery is how often a node that closes looks whether others hold what
// it accepted.
const farewellEvery = 10 * time.Millisecond

// farewell waits until others hold what was accepted here, and returns how many
// entries they do not hold.
func (n *Node) farewell(ctx context.Context) uint64 {
	ticker := time.NewTicker(farewellEvery)
	defer ticker.Stop()
	defer n.tellIfLate(func() string {
		return fmt.Sprintf("close: %d entries are held by this member only: %s", n.alone(), n.silent())
	}).Stop()
	for {
		alone := n.alone()
		if alone == 0 {
			return 0
		}
		select {
		case <-ticker.C:
		case <-n.inner.Done():
			return alone
		case <-ctx.Done():
			return n.alone()
		}
	}
}

// alone returns how many accepted entries no peer is known to hold.
func (n *Node) alone() uint64 {
	accepted := n.inner.OwnEntries()
	if view, _ := n.inner.View(); accepted == 0 || len(n.list()) == 1 || view != nil && view.Size() == 1 {
		return 0
	}
	status, err := n.inner.Status(context.Background())
	if err != nil {
		return 0
	}
	held := uint64(0)
	for id, known := range status.Known {
		if member.ID(id) != n.self && int(n.self) < len(known) {
			held = max(held, known[n.self].Have)
		}
	}
	return max(accepted, held) - held
}
