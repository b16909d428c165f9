// Package node runs a member: goroutines, sockets and timers round the pure
// driver. The public face is built on it; so are the commands and the tests,
// which reach here what no application needs: listener and dialer, chance,
// another disk, imposed failures, and who watches.
//
// [Start] makes a [Node] of a [Config]. [Node.Broadcast] puts in payloads one
// by one, [Node.Fill] many at a time, and Config.Deliver is given batches in
// the order that all members agree on. [Node.CloseStream] ends what this
// member has to say; [Node.Complete] and [Node.AllComplete] tell when a run is
// over, [Node.Done] when the node is.
//
// # Life of a batch
//
// Payloads are copied, or written in place, into the open batch in the outbox
// (outbox.go), in a pooled buffer behind room for a header. A full batch is
// prepared and queued; a full queue is the back-pressure. The loop (loop.go)
// gives the driver all messages and link changes that wait, and ends the turn;
// then the driver takes own batches whenever the reducer has room, and flushes
// once. It has the reducer give each batch its place, seals the header, has the
// journal sync everything that gathered, gives messages to the transport, and
// delivers what has settled. From Broadcast to the peers' connections and to
// Deliver the bytes of a batch are the same memory. It goes back to its pool
// when the reducer has trimmed the batch and no write of the transport needs it
// any more.
//
// # Goroutines
//
//   - the loop, one a node, steps the reducer when ticks pass, own payloads
//     wait, or readers bring more than one at a time;
//   - those of the transport accept, read, write and dial; a reader runs
//     Prepare, steps what it has read itself if the loop is idle, and waits
//     when the loop falls behind;
//   - those of the application call the node's methods; Broadcast and Fill
//     submit and send an entry that the loop waits for.
//
// Whoever steps has the turn: driver, reducer and journal belong to it, and
// Deliver, Reset, the watcher and the functions given to Tentative are called
// in it. The outbox's mutex is the only one that application and loop share.
package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// Errors that a caller may want to tell apart.
var (
	// ErrClosed says that the node was closed.
	ErrClosed = errors.New("node: the node is closed")
	// ErrStreamClosed says that CloseStream was called before, if only by an
	// earlier life with the same data.
	ErrStreamClosed = errors.New("node: the stream of this member is closed")
	// ErrReader says that this member came back without its data while the
	// others remember an earlier life of it: it may not write any more.
	ErrReader = errors.New("node: this member came back without its data, so it can only read: " +
		"start it with its data folder, or start the whole cluster anew")
	// ErrNoData says the same where members come and go: it may be seated.
	ErrNoData = errors.New("node: this member came back without its data, so it can only read until it has the place of the one that it was: " +
		"that is its as soon as the others have evicted that one, by themselves or by `chatterbox members replace NAME`, asked of another member")
	// ErrReplaced says that another one has the place of this member.
	ErrReplaced = errors.New("node: another one has the place of this member, so it can only read: stop it; its folder has what only it had")
	// ErrLetGo says that the other members have gone on without this one: it may
	// not write any more.
	ErrLetGo = errors.New("node: the other members have let go of this one, so it can only read")
	// ErrJoining says that this member has a place and does not count yet: it reads.
	ErrJoining = errors.New("node: this member has joined, and does not count before it has what the others hold")
	// ErrObserves says that this member only reads, as it was started to.
	ErrObserves = errors.New("node: this member only reads: write to another one, or start it without --observe, and it becomes one that counts")
	// ErrLeaving says that this member is about to leave the cluster.
	ErrLeaving = errors.New("node: this member is leaving the cluster")
	// ErrRoom says that there was no room for a payload until its context ended.
	ErrRoom = errors.New("node: no room for more entries")
	// ErrPayload says that a payload is too large, or of no size at all.
	ErrPayload = fmt.Errorf("node: a payload has 1 to %d bytes", PayloadBytesMax)
)

// PayloadBytesMax is the largest payload, in bytes.
const PayloadBytesMax = wire.PayloadBytesMax

// Node is a running member. Its methods may be called by any goroutine, but
// not from Deliver and the other functions that the loop calls.
type Node struct {
	cfg      Config
	identity member.Identity
	life     uint64
	outbox   *outbox

	turn     chan struct{} // has something in it while somebody has the turn
	incoming chan incoming // from the transport's readers
	queued   atomic.Int64  // how many of them wait or are being stepped
	wake     chan struct{} // from the outbox, and from a reader whose turn failed
	stopping chan struct{} // closed by stop; farewell is set before
	stopOnce sync.Once
	farewell context.Context // until when peers may take what is queued for them
	deaf     chan struct{}   // closed when the loop takes nothing more from the transport

	stalled     atomic.Bool // the disk is full; set in the turn
	own         progress
	views       views
	met         chan struct{} // closed once all members have met
	complete    chan struct{}
	allComplete chan struct{}
	mended      atomic.Int64  // pieces of the folder
	done        chan struct{} // closed when the node has stopped or failed; err is set before
	ended       chan struct{} // closed when the loop has returned; closeErr is set before
	err         error
	closeErr    error

	loop // owned by whoever has the turn
}

// Start validates the configuration, recovers the journal if there is one,
// listens, and starts the node, which runs until Close or the end of ctx. The
// error names every mistake in cfg.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		if cfg.Listener != nil {
			err = errors.Join(err, cfg.Listener.Close())
		}
		return nil, err
	}
	n := &Node{
		cfg:      cfg,
		turn:     make(chan struct{}, 1),
		incoming: make(chan incoming, incomingMax), wake: make(chan struct{}, 1),
		stopping: make(chan struct{}),
		deaf:     make(chan struct{}), met: make(chan struct{}), complete: make(chan struct{}), allComplete: make(chan struct{}),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	n.turn <- struct{}{}
	if err := n.assemble(ctx); err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { n.stop(ctx) })
	go func() {
		defer release()
		n.run()
	}()
	return n, nil
}

// Broadcast puts a payload into the open batch, by copying it. It waits for
// room, which is missing while peers or the disk do not keep up, until ctx
// ends. It returns the entry's sequence number, which the entry has once it is
// in the log; without an error it goes there unless the node stops before that.
// It is not yet durable or sent: see Accepted.
func (n *Node) Broadcast(ctx context.Context, payload []byte) (number uint64, err error) {
	return n.BroadcastAfter(ctx, 0, payload)
}

// BroadcastAfter is Broadcast in the life that gave out the number after: if it turned out
// since that this life counts for nothing, the error is ErrNever. So the payloads of one
// call are all in the log, or those from one on are not. 0 is no number.
func (n *Node) BroadcastAfter(ctx context.Context, after uint64, payload []byte) (number uint64, err error) {
	if len(payload) < 1 || len(payload) > PayloadBytesMax {
		return 0, fmt.Errorf("%w, not %d", ErrPayload, len(payload))
	}
	return n.outbox.add(ctx, after, payload)
}

// BroadcastKeyed is Broadcast of a payload with a key.
func (n *Node) BroadcastKeyed(ctx context.Context, key string, payload []byte) (seq uint64, err error) {
	if len(payload) < 1 || len(payload) > PayloadBytesMax {
		return 0, fmt.Errorf("%w, not %d", ErrPayload, len(payload))
	}
	return n.outbox.addKeyed(ctx, key, payload)
}

// Fill puts many payloads of size bytes each into the open batch, without a
// call or a copy for each: fill writes some of them side by side from the
// start of dst, which has room for one or more, and gives the bytes written; 0
// ends Fill without any. It waits for room as Broadcast does, and returns the
// number of the last payload. While fill runs nobody else can broadcast, so it must be
// quick, and it must not call the node.
func (n *Node) Fill(ctx context.Context, size int, fill func(dst []byte) int) (last uint64, err error) {
	return n.FillAfter(ctx, 0, size, fill)
}

// FillAfter is to Fill what BroadcastAfter is to Broadcast.
func (n *Node) FillAfter(ctx context.Context, after uint64, size int, fill func(dst []byte) int) (last uint64, err error) {
	if size < 1 || size > PayloadBytesMax {
		return 0, fmt.Errorf("%w, not %d", ErrPayload, size)
	}
	return n.outbox.fill(ctx, after, size, fill)
}

// CloseStream says that this member will not broadcast any more. What was
// accepted goes out; after it peers know that the stream has ended, without
// which they would wait for more for ever.
func (n *Node) CloseStream() {
	n.outbox.refuse(ErrStreamClosed, false)
	n.wakeUp()
}

// Refuse takes no more payloads; what was accepted still goes out, and the
// stream does not end.
func (n *Node) Refuse() { n.outbox.stop(ErrClosed) }

// PrepareToLeave is Refuse for a member that leaves the cluster; it returns the
// sequence number of its last entry.
func (n *Node) PrepareToLeave() (last uint64) { return n.outbox.stop(ErrLeaving) }

// Refuses returns why no payloads are taken any more; nil while they are.
func (n *Node) Refuses() error { return n.outbox.refuses() }

// Stalled returns why the node stands still, which wraps protocol.ErrNoRoom; nil
// if it does not.
func (n *Node) Stalled() error { return n.outbox.stalls() }

// CutStream is CloseStream for those who can wait no longer: what was accepted
// and has found no room until now, because peers or the disk do not keep up,
// is dropped, so that the stream ends before the peers come back.
func (n *Node) CutStream() {
	n.outbox.refuse(ErrStreamClosed, true)
	n.wakeUp()
}

// Complete returns a channel that is closed once the streams of all members are
// closed and everything in them was delivered here: the log is final. A tick
// may pass before it is noticed.
func (n *Node) Complete() <-chan struct{} { return n.complete }

// AllComplete returns a channel that is closed once all members are known to be
// complete and to need this one no more.
func (n *Node) AllComplete() <-chan struct{} { return n.allComplete }

// Done returns a channel that is closed when the node has stopped, by Close or
// by an error; Err says which. After an error Status and Tentative still work,
// until Close.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns why the node stopped: ErrClosed after Close, otherwise what went
// wrong; nil while it runs.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// Identity returns the identity of this life with its data.
func (n *Node) Identity() member.Identity { return n.identity }

// Status returns the state of this member and what it knows of others.
func (n *Node) Status(ctx context.Context) (protocol.Status, error) {
	var status protocol.Status
	err := n.inTurn(ctx, func() { status = n.reducer.Status() })
	status.Dropped += n.outbox.dropped()
	return status, err
}

// Look calls visit in the turn with the state of this member and what it knows of
// others.
func (n *Node) Look(ctx context.Context, visit func(protocol.Status)) error {
	return n.inTurn(ctx, func() { visit(n.reducer.Status()) })
}

// Tentative calls visit on the loop for each batch that is held but was not
// delivered yet, in the order as far as it is known. Later batches may still
// come between them. The batch is lent for the call. If only the journal has its
// bytes it comes without them.
func (n *Node) Tentative(ctx context.Context, visit func(*protocol.Batch)) error {
	return n.inTurn(ctx, func() {
		for b := range n.reducer.Tentative() {
			visit(b)
		}
	})
}

// inTurn calls a function in a turn of its own.
func (n *Node) inTurn(ctx context.Context, call func()) error {
	select {
	case <-n.ended:
		return ErrClosed
	default:
	}
	select {
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
		call()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node: the node is busy: %w", context.Cause(ctx))
	}
}

// Changes reports whether members come and go.
func (n *Node) Changes() bool { return n.cfg.Changes && n.cfg.Protocol != Lockstep }

// awayEvery is how often it is looked whether the others know that this member stops.
const awayEvery = 5 * time.Millisecond

// Away tells the other members that this one is about to stop, as planned, so that none
// of them waits for it until it is back. It waits until those that are there know, or ctx
// ends. From then on nothing own is put into the log.
func (n *Node) Away(ctx context.Context) error {
	if !n.Changes() {
		return nil
	}
	var broken error
	told := false
	err := n.inTurn(ctx, func() {
		if broken = n.broken; broken == nil && !n.stalled.Load() {
			broken = n.driver.Away(n.now())
		}
	})
	if err = errors.Join(err, broken); err != nil {
		return err
	}
	look := func() { told = n.broken != nil || n.stalled.Load() || n.reducer.Status().Told }
	n.wakeUp() // what follows leaves with the loop's turn
	ticker := time.NewTicker(awayEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-n.done:
			return n.err
		case <-ctx.Done():
			return fmt.Errorf("node: not all members know that this one stops: %w", context.Cause(ctx))
		}
		if err := n.inTurn(ctx, look); err != nil || told {
			return err
		}
	}
}

// Close stops the node: nothing more is received or delivered, what is queued
// for peers that take it is sent, for half a second at most, and the journal is
// synced and closed. It waits until ctx ends, and gives the error of ctx or of
// the journal. To a cluster it is like a crash after the last sync; use
// CloseStream and AllComplete for a farewell.
func (n *Node) Close(ctx context.Context) error {
	farewell, cancel := context.WithTimeout(ctx, farewellMax)
	defer cancel()
	n.stop(farewell)
	select {
	case <-n.ended:
		return n.closeErr
	case <-ctx.Done():
		return fmt.Errorf("node: close: %w", context.Cause(ctx))
	}
}

// Stop is Close for those who want the node to have ended in any case: when ctx
// ends, peers are not waited for any more.
func (n *Node) Stop(ctx context.Context) error {
	farewell, cancel := context.WithTimeout(ctx, farewellMax)
	defer cancel()
	n.stop(farewell)
	<-n.ended
	return n.closeErr
}

// stop has the loop end; farewell bounds how long peers are waited for.
func (n *Node) stop(farewell context.Context) {
	n.stopOnce.Do(func() {
		n.farewell = farewell
		close(n.stopping)
	})
}

// wakeUp lets the loop make a round.
func (n *Node) wakeUp() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}
