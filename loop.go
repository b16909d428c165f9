package chatterbox

import (
	"context"
	"time"

	"chatterbox/journal"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/replica"
	"chatterbox/trace"
	"chatterbox/transport"
)

const (
	// incomingMax is how many messages and link changes wait for the loop
	// before the transport's readers wait too.
	incomingMax = 64
	// eventsPerRoundMax is how many of them the loop steps before it flushes.
	eventsPerRoundMax = 64
	// batchesPerRoundMax is how many own batches it submits before it flushes.
	batchesPerRoundMax = 16
	// farewellMax is how long a node that is closed lets peers take what is
	// queued for them.
	farewellMax = 500 * time.Millisecond
	// bulkBytes is how much in one message or own batch means bulk, and
	// bulkFor how long after it only the loop takes turns: under bulk it pays to
	// take along whatever else waits.
	bulkBytes = 4 << 10
	bulkFor   = 10 * time.Millisecond
	// sampleEvery is how often the state is looked at as a whole, for the
	// trace and to notice that this member can only read.
	sampleEvery = 100 * time.Millisecond
)

// loop is what belongs to whoever has the turn: at most one goroutine at a time.
// Mostly that is the loop's own. A reader of the transport takes the turn for
// what it has just read when nobody has it, which saves an idle node two
// changes of goroutines a message.
type loop struct {
	reducer   protocol.Reducer
	replica   *replica.Replica
	journal   *journal.Journal // nil: nothing is durable
	transport *transport.Transport
	recorder  *trace.Recorder // nil: nobody watches

	ticker       *time.Ticker
	resting      bool          // ticks come less often
	bulkUntil    time.Duration // until when only the loop takes turns
	started      time.Time
	sampled      time.Duration
	ticked       bool // a tick passed since the last round
	streamClosed bool
	broken       error // what a round failed with: there are no more
}

// incoming is what the transport tells the loop.
type incoming struct {
	kind     protocol.Kind // Receive, Up or Down
	peer     member.ID
	reliable bool
	message  *protocol.Message
}

// run is the loop. It waits for one thing, takes along all that waits besides,
// and carries out what follows from it together.
func (n *Node) run() {
	defer close(n.ended)
	n.ticker = time.NewTicker(n.cfg.Tick)
	defer n.ticker.Stop()
	<-n.turn // what was assembled belongs to the turn from now on
	for {
		var next incoming
		ticked := false
		select {
		case next = <-n.incoming:
		case <-n.wake:
		case <-n.ticker.C:
			ticked = true
		case <-n.stopping:
			n.end(n.farewell, ErrClosed)
			return
		}
		if err := n.loopTurn(next, ticked); err != nil {
			n.fail(err)
			return
		}
	}
}

// loopTurn makes a turn of the loop's own.
func (n *Node) loopTurn(next incoming, ticked bool) error {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	err := n.broken
	switch {
	case err != nil:
	case next.kind != 0:
		err = n.receiveQueued(next)
	case ticked:
		err = n.tick()
	}
	if err == nil {
		err = n.round()
	}
	return err
}

// readerTurn makes a turn of a reader's, if nobody else has one and nothing is
// queued that came before.
func (n *Node) readerTurn(in incoming) bool {
	if !n.tryTurn() {
		return false
	}
	defer func() { <-n.turn }()
	err := n.receive(in)
	if err == nil {
		err = n.round()
	}
	n.breakOff(err)
	return true
}

// callerTurn makes a turn of the application's: it submits and sends what was
// put into the outbox just now, and saves an idle node the change to the loop.
// It delivers nothing, for the caller may have locks that Deliver wants, and it
// does not wait for a disk or a trace.
func (n *Node) callerTurn() {
	if n.journal != nil || n.recorder != nil || !n.tryTurn() {
		n.wakeUp()
		return
	}
	defer func() { <-n.turn }()
	err := n.submit()
	if err == nil {
		var waiting bool
		if waiting, err = n.replica.Speak(n.now()); waiting {
			n.wakeUp()
		}
		n.rest()
	}
	n.breakOff(err)
}

// tryTurn takes the turn if nobody has it, nothing is queued that came before,
// and there was no bulk of late.
func (n *Node) tryTurn() bool {
	select {
	case n.turn <- struct{}{}:
	default:
		return false
	}
	if n.broken != nil || n.queued.Load() > 0 || n.now() < n.bulkUntil {
		<-n.turn
		return false
	}
	return true
}

// breakOff has the loop end the node after an error in somebody else's turn.
func (n *Node) breakOff(err error) {
	if err != nil {
		n.broken = err
		n.wakeUp()
	}
}

// fail stops a node whose journal failed: nothing more is sent, not even what
// is queued. What it holds can still be asked for.
func (n *Node) fail(err error) {
	n.cfg.Log.Error("the node stops", "error", err)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	n.end(now, err)
	<-n.stopping
}

// end lets go of the world.
func (n *Node) end(farewell context.Context, why error) {
	n.turn <- struct{}{}
	n.broken = why
	<-n.turn
	n.outbox.refuse(why)
	close(n.deaf)
	n.transport.Close(farewell)
	n.closeErr = n.closeJournal()
	n.err = why
	close(n.done)
}

// round steps what else waits, submits own batches and flushes.
func (n *Node) round() error {
	for range eventsPerRoundMax {
		select {
		case in := <-n.incoming:
			if err := n.receiveQueued(in); err != nil {
				return err
			}
			continue
		default:
		}
		break
	}
	if err := n.submit(); err != nil {
		return err
	}
	err := n.replica.Flush(n.now())
	n.rest()
	n.ticked = false
	return err
}

// rest leaves out the ticks that nobody needs, and goes back to the full pace
// as soon as something happens. Who waits for the end of a run looks often.
func (n *Node) rest() {
	if !n.ticked && !n.resting {
		return
	}
	length := n.reducer.Rest()
	if n.streamClosed || n.recorder != nil {
		length = 0
	}
	if resting := length > n.cfg.Tick; n.ticked && resting || resting != n.resting {
		n.resting = resting
		n.ticker.Reset(max(length, n.cfg.Tick))
	}
}

// submit gives own batches to the reducer as long as it has room. The open one
// goes as soon as nothing own is on its way, so that an entry into an idle
// cluster leaves at once; otherwise it grows until it is full, until what is
// on its way has arrived, or until a tick.
func (n *Node) submit() error {
	partly := n.ticked || !n.reducer.Busy()
	for submitted := 0; n.reducer.Room() > 0; submitted++ {
		if submitted == batchesPerRoundMax {
			n.wakeUp()
			return nil
		}
		batch, ok := n.outbox.next(partly)
		if !ok {
			return n.closeStream()
		}
		n.noteBulk(batch.Size())
		if err := n.step(protocol.Event{Kind: protocol.Submit, Batch: batch}); err != nil {
			return err
		}
	}
	n.outbox.dropIfCut()
	return n.closeStream()
}

// closeStream ends the own stream once everything that was accepted is in it.
func (n *Node) closeStream() error {
	if n.streamClosed || !n.outbox.isEmpty() {
		return nil
	}
	n.streamClosed = true
	return n.step(protocol.Event{Kind: protocol.Close})
}

// noteBulk leaves turns to the loop for a while if a batch is large.
func (n *Node) noteBulk(bytes int) {
	if bytes > bulkBytes {
		n.bulkUntil = n.now() + bulkFor
	}
}

// receiveQueued steps what a reader left to the loop. Until then the reader
// takes no turn, so that what it brings keeps its order.
func (n *Node) receiveQueued(in incoming) error {
	err := n.receive(in)
	n.queued.Add(-1)
	return err
}

func (n *Node) receive(in incoming) error {
	if in.message != nil {
		for i := range in.message.Batches {
			n.noteBulk(in.message.Batches[i].Size())
		}
	}
	err := n.step(protocol.Event{Kind: in.kind, Peer: in.peer, Reliable: in.reliable, Message: in.message})
	if in.message != nil {
		n.transport.Recycle(in.message)
	}
	return err
}

func (n *Node) tick() error {
	n.ticked = true
	err := n.step(protocol.Event{Kind: protocol.Tick})
	if now := n.now(); n.streamClosed || now >= n.sampled+sampleEvery {
		n.sampled = now
		n.sample()
	}
	return err
}

// sample looks at the state as a whole, which is too much for each round.
func (n *Node) sample() {
	status := n.reducer.Status()
	if n.recorder != nil {
		n.recorder.Sample(&status)
	}
	if status.Reader {
		n.outbox.refuse(ErrReader)
	}
	if status.Complete {
		closeOnce(n.complete)
	}
	if status.Done {
		closeOnce(n.allComplete)
	}
}

// closeOnce closes a channel that only the loop closes.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

func (n *Node) step(event protocol.Event) error {
	event.Now = n.now()
	return n.replica.Step(event)
}

// now gives the time since the start, by the clock that never falls.
func (n *Node) now() time.Duration { return time.Since(n.started) }
