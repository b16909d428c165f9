package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/transport"
)

const (
	// incomingMax is how many messages and link changes wait for the loop
	// before the transport's readers wait too.
	incomingMax = 64
	// farewellMax is how long a node that is closed lets peers take what is
	// queued for them.
	farewellMax = 500 * time.Millisecond
	// sampleEvery is how often the state is looked at as a whole, for the
	// trace and to notice that this member can only read.
	sampleEvery = 100 * time.Millisecond
	// roomEvery is how often a node whose disk is full looks whether there is
	// room again.
	roomEvery = 250 * time.Millisecond
)

// loop is what belongs to whoever has the turn: at most one goroutine at a time.
// Mostly that is the loop's own. A reader of the transport takes the turn for
// what it has just read when nobody has it, which saves an idle node two
// changes of goroutines a message.
type loop struct {
	reducer   protocol.Reducer
	driver    *driver.Driver
	journal   *journal.Journal // nil: nothing is durable
	transport *transport.Transport

	ticker  *time.Ticker
	started time.Time
	sampled time.Duration
	agreed  bool  // all members have met
	broken  error // what a turn failed with: there are no more
	reads   bool  // it was noticed that this member can only read
	heir    bool  // it was noticed that this member has the place of one that lost its data
	found   protocol.Findings
	late    []incoming       // came while the disk was full
	held    []protocol.Batch // since the last turn, with a reference to each
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
	defer func() { n.closeErr = n.closeJournal() }()
	n.ticker = time.NewTicker(n.cfg.Tick)
	defer n.ticker.Stop()
	<-n.turn // what was assembled belongs to the turn from now on
	for {
		var next incoming
		ticked := false
		arrived, emptied := n.incoming, n.full()
		if emptied != nil || n.stalled.Load() {
			arrived = nil
		}
		select {
		case next = <-arrived:
		case <-emptied:
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
	case n.stalled.Load():
		err = n.resume(next)
	case next.kind != 0:
		err = n.receiveQueued(next)
	case ticked:
		err = n.tick()
	}
	if err == nil {
		err = n.endTurn()
	}
	if errors.Is(err, protocol.ErrNoRoom) {
		n.stall(err)
		return nil
	}
	return err
}

// stall lets the node stand still until there is room on its disk: it takes
// nothing, sends nothing and delivers nothing, and says so. What has settled can
// be read.
func (n *Node) stall(why error) {
	if !n.stalled.Swap(true) {
		n.cfg.Log.Error("nothing is accepted, sent or delivered until there is room", "error", why)
	}
	n.outbox.stall(fmt.Errorf("%w; this member goes on by itself once there is room", why))
	n.ticker.Reset(roomEvery)
}

// resume goes on if there is room again, with what came late.
func (n *Node) resume(next incoming) error {
	if next.kind != 0 {
		n.late = append(n.late, next)
	}
	if err := n.driver.Resume(); err != nil {
		return err
	}
	for len(n.late) > 0 {
		first := n.late[0]
		n.late = n.late[1:]
		if err := n.receiveQueued(first); err != nil {
			return err
		}
	}
	n.late = nil
	n.stalled.Store(false)
	n.outbox.resume()
	n.ticker.Reset(n.cfg.Tick)
	n.cfg.Log.Warn("there is room on the disk again: the node goes on")
	return nil
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
		err = n.endTurn()
	}
	n.breakOff(err)
	return true
}

// callerTurn makes a turn of the application's: it submits and sends what was
// put into the outbox just now, and saves an idle node the change to the loop.
// It delivers nothing, for the caller may have locks that Deliver wants, and it
// does not wait for a disk or a trace.
func (n *Node) callerTurn() {
	if n.journal != nil || n.cfg.Watcher != nil || !n.tryTurn() {
		n.wakeUp()
		return
	}
	defer func() { <-n.turn }()
	n.breakOff(n.follow(n.driver.Speak(n.now())))
}

// tryTurn takes the turn if nobody has it, nothing is queued that came before,
// and there was no bulk of late.
func (n *Node) tryTurn() bool {
	select {
	case n.turn <- struct{}{}:
	default:
		return false
	}
	if n.broken != nil || n.stalled.Load() || n.queued.Load() > 0 || n.driver.IsBulk(n.now()) || n.full() != nil {
		<-n.turn
		return false
	}
	return true
}

// breakOff has the loop end the node after an error in somebody else's turn.
func (n *Node) breakOff(err error) {
	if errors.Is(err, protocol.ErrNoRoom) {
		n.stall(err)
		n.wakeUp() // the loop must not take what arrives
		return
	}
	if err != nil {
		n.broken = err
		n.wakeUp()
	}
}

// fail stops a node whose journal failed: nothing more is sent, not even what
// is queued. If its data is old it may still say so. What it holds can be asked
// for, and read from its folder, until it is closed.
func (n *Node) fail(err error) {
	n.cfg.Log.Error("the node stops", "error", err)
	farewell, cancel := context.WithTimeout(context.Background(), farewellMax)
	defer cancel()
	if !errors.Is(err, protocol.ErrOldData) {
		cancel()
	}
	n.end(farewell, err)
	if n.cfg.Failed != nil {
		n.cfg.Failed(err)
	}
	<-n.stopping
}

// end lets go of the world.
func (n *Node) end(farewell context.Context, why error) {
	n.turn <- struct{}{}
	n.broken = why
	<-n.turn
	n.outbox.refuse(why, true)
	close(n.deaf)
	n.transport.Close(farewell)
	n.err = why
	close(n.done)
}

// endTurn takes along what else waits, and has the driver carry out what
// follows.
func (n *Node) endTurn() error {
	for n.full() == nil && !n.driver.IsFull() {
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
	return n.follow(n.driver.End(n.now()))
}

// full returns what is closed when the application can take more; nil if it
// can.
func (n *Node) full() <-chan struct{} {
	if n.cfg.Full == nil {
		return nil
	}
	return n.cfg.Full()
}

// follow does what the driver asks for after a turn.
func (n *Node) follow(next driver.Next, err error) error {
	if next.Again {
		n.wakeUp()
	}
	if next.Tick > 0 {
		n.ticker.Reset(next.Tick)
	}
	if err == nil {
		n.passHeld()
	}
	if next.Viewed && err == nil {
		n.sample() // before anything more is taken in
	}
	n.own.advance(n.driver.Own())
	return err
}

// receiveQueued steps what a reader left to the loop. Until then the reader
// takes no turn, so that what it brings keeps its order.
func (n *Node) receiveQueued(in incoming) error {
	err := n.receive(in)
	n.queued.Add(-1)
	return err
}

func (n *Node) receive(in incoming) error {
	err := n.take(protocol.Event{Kind: in.kind, Peer: in.peer, Reliable: in.reliable, Message: in.message})
	if in.message != nil && err == nil { // else what waits may refer to it
		n.transport.Recycle(in.message)
	}
	return err
}

func (n *Node) tick() error {
	err := n.take(protocol.Event{Kind: protocol.Tick})
	if now := n.now(); n.outbox.Ended() || !n.agreed || now >= n.sampled+sampleEvery {
		n.sampled = now
		n.sample()
	}
	return err
}

// sample looks at the state as a whole, which is too much for each round.
func (n *Node) sample() {
	status := n.reducer.Status()
	if n.cfg.Watcher != nil {
		n.cfg.Watcher.Sample(&status)
	}
	if n.cfg.Sampled != nil {
		n.cfg.Sampled(&status)
	}
	if v := status.View; v != nil && v.Number == 1 { // others are told once they are durable
		n.views.set(v)
	}
	if status.Agreed && !n.agreed {
		n.agreed = true
		close(n.met)
	}
	inherits := n.inherits(&status)
	switch {
	case status.Reader:
		n.onlyReads(&status)
	case n.reads || inherits:
		n.writesAgain(&status)
	case n.agreed:
		n.outbox.open()
	}
	n.tell(status.Findings)
	if status.Complete {
		closeOnce(n.complete)
	}
	if status.Done {
		closeOnce(n.allComplete)
	}
}

// inherits begins another life, once, when this member is given the place of one that lost
// its data: own entries go on behind what that one wrote, and what was taken in before
// counts for nothing.
func (n *Node) inherits(status *protocol.Status) bool {
	if n.heir || !n.isHeir(status.View) {
		return false
	}
	n.heir = true
	if dropped := n.beginAnew() + status.Dropped; dropped > 0 && !n.reads {
		n.cfg.Log.Error("entries are lost", "error", fmt.Errorf("%w; %d entries that it had taken in before it knew are dropped", ErrNoData, dropped))
	}
	return true
}

// beginAnew drops what was taken in, which is of a life that counts for nothing, and begins
// another one: writesAgain tells behind how many entries. It returns how many were dropped
// so far.
func (n *Node) beginAnew() (dropped uint64) {
	dropped = n.outbox.begin()
	n.driver.Renumber(0)
	n.own.begin()
	return dropped
}

// isHeir reports whether this member has the place of one that lost its data.
func (n *Node) isHeir(v *member.View) bool {
	if v == nil || int(n.cfg.Self) >= len(v.Places) {
		return false
	}
	p := &v.Places[n.cfg.Self]
	return p.Identity == n.identity && len(p.Former) > 0
}

// onlyReads refuses everything from now on. What was taken in before is dropped,
// and that is said.
func (n *Node) onlyReads(status *protocol.Status) {
	if n.reads {
		return
	}
	n.reads = true
	if n.cfg.Observe {
		n.outbox.suspend(ErrObserves)
		n.own.wake() // who waits is told
		n.cfg.Log.Info(ErrObserves.Error())
		return
	}
	if v := status.View; v != nil && v.Places[n.cfg.Self].IsSeated() && v.Places[n.cfg.Self].Identity == n.identity {
		n.outbox.suspend(ErrJoining)
		n.cfg.Log.Info("this member has joined, and gets what the others hold before it is one that counts", "view", v.Number)
		return
	}
	if slices.Contains(status.Findings, protocol.Finding{Kind: protocol.LetGo, Member: n.cfg.Self}) {
		n.outbox.suspend(ErrLetGo)
		n.own.wake() // who waits is told
		n.cfg.Log.Warn(ErrLetGo.Error(), "entries_that_only_it_has", status.Orphans)
		return
	}
	why, discard := ErrReader, n.outbox.discard
	replaced := slices.Contains(status.Findings, protocol.Finding{Kind: protocol.Replaced, Member: n.cfg.Self})
	switch {
	case replaced:
		why = ErrReplaced
	case n.cfg.Changes: // it may be seated
		n.outbox.suspend(ErrNoData)
		why, discard = ErrNoData, n.beginAnew
	}
	if dropped := discard() + status.Dropped; dropped > 0 {
		why = fmt.Errorf("%w; %d entries that it had taken in before it knew are dropped", why, dropped)
		n.cfg.Log.Error("entries are lost", "error", why)
	} else {
		n.cfg.Log.Warn(why.Error())
	}
	if !n.cfg.Changes || replaced {
		n.outbox.refuse(why, true)
		n.own.drop()
	}
}

// writesAgain takes in again after this member was let go and came back, or came without
// data and was seated. What it had accepted alone goes first, then what waited: all of it
// keeps its numbers.
func (n *Node) writesAgain(status *protocol.Status) {
	n.reads = false
	behind := status.Held[n.cfg.Self].Have + status.Orphans
	if n.outbox.goOn(behind) {
		n.driver.Renumber(behind)
	}
	n.cfg.Log.Info("this member belongs to the cluster, and writes", "entries_to_be_written_again", status.Orphans)
}

// tell logs what was found out that people must see to, each once.
func (n *Node) tell(findings protocol.Findings) {
	for _, f := range findings {
		if !slices.Contains(n.found, f) {
			n.found = append(n.found, f)
			n.cfg.Log.Warn(f.Text(n.nameOf))
		}
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

func (n *Node) take(event protocol.Event) error {
	event.Now = n.now()
	return n.driver.Take(event)
}

// now returns the time since the start, by the clock that never falls.
func (n *Node) now() time.Duration { return time.Since(n.started) }
