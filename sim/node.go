package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"chatterbox/check"
	"chatterbox/journal"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/replica"
	"chatterbox/trace"
	"chatterbox/wire"
	"chatterbox/workload"
)

// inboxMax is how many messages may wait for a member that is paused or busy;
// further datagrams are lost, as in a full socket buffer.
const inboxMax = 4096

// node is a member and what of it outlives a crash.
type node struct {
	world *world
	id    member.ID
	rng   *rand.Rand
	disk  *journal.Memory // nil without a journal
	life  uint32          // counts starts and crashes: events of another life are void

	running, paused bool
	started         bool // it ran before
	identity        member.Identity
	reducer         protocol.Reducer
	replica         *replica.Replica
	recorder        *trace.Recorder
	builder         *wire.Builder
	numbers         *workload.Numbers
	app             app

	speed      float64       // ticks for each true one
	local      time.Duration // the member's own time at the moment since
	since      time.Duration
	inbox      []item
	awake      bool // a turn of the loop is scheduled
	waiting    int  // entries that the application wants to broadcast
	closing    bool
	fallWithin int // operations of the disk until the member falls; 0: it does not
}

// item is something that waits for the loop's turn.
type item struct {
	kind     protocol.Kind
	peer     member.ID
	reliable bool
	frame    int32
}

// errFallen is what the disk says to a member that crashes in an operation.
var errFallen = errors.New("the member crashed")

// now is the member's own time, which drifts and never falls.
func (n *node) now() time.Duration {
	return n.local + time.Duration(float64(n.world.now-n.since)*n.speed)
}

// setSpeed lets the own time run faster or slower from now on.
func (n *node) setSpeed(speed float64) {
	n.local, n.since, n.speed = n.now(), n.world.now, speed
}

// start begins a life: with what the journal kept, or as somebody new.
func (n *node) start() {
	w := n.world
	life := journal.Life{Identity: member.Identity(w.identities.Uint64() | 1), Count: 1}
	var kept trace.Journal
	if w.shape.Journal {
		j, opened, err := n.open(life.Identity)
		if err != nil {
			w.broken("recovers-acknowledged", n.id, "the journal cannot be opened: %v", err)
			return
		}
		kept, life = j, opened
	}
	n.life++
	n.running, n.started, n.paused, n.awake, n.fallWithin = true, true, false, false, 0
	n.identity = life.Identity
	n.local, n.since = 0, w.now
	n.app = app{}
	if life.Recovered != nil {
		n.app.state = life.Recovered.Base.State
	}
	n.reducer = w.newReducer(n, life)
	n.recorder = trace.NewRecorder(w, w.clock, n.id, len(w.nodes), kept, n, &n.app)
	n.replica = replica.New(n.reducer, n.recorder, n.recorder, n.recorder, n.recorder)
	n.recorder.Start(life.Identity, life.Count, life.Recovered)
	n.resumeNumbers()
	w.queue.push(event{at: w.now + time.Duration(n.rng.Int64N(int64(w.shape.Tick))), kind: evTick, to: uint16(n.id), life: n.life})
	if w.shape.Streams {
		n.dialAll()
	}
	if w.closed {
		n.close()
	}
	w.unblock()
}

// open opens the journal on the member's disk and sums up what it gave back.
func (n *node) open(identity member.Identity) (*journal.Journal, journal.Life, error) {
	j, life, err := journal.Open(n.disk, journal.Config{
		Cluster: "sim", Self: n.id, Members: len(n.world.nodes), Identity: identity, SegmentBytesMax: n.world.shape.SegmentBytesMax,
	})
	if err != nil || life.Recovered == nil {
		return j, life, err
	}
	for i := range life.Recovered.Batches {
		if err := workload.Summarize(&life.Recovered.Batches[i]); err != nil {
			return nil, life, err
		}
	}
	return j, life, nil
}

// resumeNumbers goes on in the stream of numbers behind what is held of it.
func (n *node) resumeNumbers() {
	n.numbers = workload.NewNumbers(n.world.config.Seed, int(n.id))
	for range n.reducer.Status().Held[n.id].Have {
		n.numbers.Next()
	}
	if n.builder == nil {
		n.builder = wire.NewBuilder(n.world.payloads, wire.BatchHeaderBytes+n.world.shape.BatchMax*workload.EntryBytes)
	}
	n.waiting = 0
}

func (n *node) dialAll() {
	for to := range n.world.nodes {
		if member.ID(to) != n.id {
			v := n.world.way(n.id, member.ID(to))
			v.dialing = false
			n.world.dial(n.id, member.ID(to), v)
		}
	}
}

// crash ends the life at once: what was not synced is lost, but perhaps for a
// part, and without a journal everything is.
func (n *node) crash(losingData bool) {
	if !n.running {
		return
	}
	w := n.world
	n.stop()
	note := "keeping its data"
	if n.disk != nil {
		n.disk.Fail = nil
	}
	switch {
	case losingData || n.disk == nil:
		note = check.DataLost
		if n.disk != nil {
			n.disk = new(journal.Memory)
		}
	case w.shape.Torn:
		n.disk.Crash(func(unsynced int) int { return n.rng.IntN(unsynced + 1) })
	default:
		n.disk.Crash(nil)
	}
	w.Tell(&trace.Event{At: w.now, Kind: trace.Crash, Member: n.id, Note: note})
}

// stop takes the member out of the world.
func (n *node) stop() {
	n.running, n.paused = false, false
	n.life++
	n.drop()
	n.reducer, n.replica = nil, nil
	for peer := range n.world.nodes {
		if peer := member.ID(peer); peer != n.id {
			n.world.hangUp(n.id, peer, n.world.way(n.id, peer), n.world.shape.DelayMax+1)
			n.world.hangUp(peer, n.id, n.world.way(peer, n.id), 0)
		}
	}
}

// drop forgets what waits in the inbox.
func (n *node) drop() {
	for i := range n.inbox {
		if n.inbox[i].kind == protocol.Receive {
			n.world.frames.done(n.inbox[i].frame)
		}
	}
	n.inbox = n.inbox[:0]
}

// fallSoon lets the member crash in one of the next operations of its disk, or
// now if it has none.
func (n *node) fallSoon() {
	if n.disk == nil || n.fallWithin > 0 || n.rng.IntN(2) == 0 {
		n.crash(false)
		return
	}
	n.fallWithin = 1 + n.rng.IntN(4)
	n.disk.Fail = func(string, string) error {
		if n.fallWithin > 0 {
			n.fallWithin--
			if n.fallWithin == 0 {
				n.fallWithin = -1
			}
		}
		if n.fallWithin < 0 {
			return errFallen
		}
		return nil
	}
	n.world.queue.push(event{at: n.world.now + fallBy, kind: evFallBy, to: uint16(n.id), life: n.life})
}

// fallBy is how long a member waits for an operation of its disk to crash in.
const fallBy = 50 * time.Millisecond

// Send gives a message to the network.
func (n *node) Send(envelope protocol.Envelope) {
	n.blocksOn(envelope)
	n.world.transmit(n.id, envelope)
}

// turn is one turn of the member's loop: everything that waits, then a flush.
func (n *node) turn(tick bool) {
	n.awake = false
	if !n.running || n.paused {
		return
	}
	n.world.acting = n.id
	if n.stopsNow(tick) {
		return
	}
	for i := 0; i < len(n.inbox) && n.running; i++ {
		n.take(&n.inbox[i])
	}
	n.inbox = n.inbox[:0]
	if tick {
		n.step(protocol.Event{Kind: protocol.Tick})
	}
	n.submit(tick)
	n.step(protocol.Event{Kind: protocol.Flush})
}

func (n *node) take(i *item) {
	if i.kind != protocol.Receive {
		n.step(protocol.Event{Kind: i.kind, Peer: i.peer, Reliable: i.reliable})
		return
	}
	w := n.world
	m := &w.message
	err := w.frames.open(i.frame, m)
	for k := range m.Batches {
		if err == nil {
			err = workload.Summarize(&m.Batches[k])
		}
	}
	if err != nil {
		panic(err) // what members send is well formed
	}
	n.step(protocol.Event{Kind: protocol.Receive, Peer: i.peer, Message: m})
	w.frames.done(i.frame)
}

// step steps the replica. An error is the disk's: the member crashed in it.
func (n *node) step(e protocol.Event) {
	if !n.running {
		return
	}
	e.Now = n.now()
	if err := n.replica.Step(e); err != nil {
		n.inbox = n.inbox[:0:0]
		n.crash(false)
	}
}

// submit broadcasts what waits, as far as there is room. While an
// acknowledgement is on its way a small batch waits for it and grows.
func (n *node) submit(tick bool) {
	shape := &n.world.shape
	for n.running && n.waiting > 0 && !n.closing {
		entries := min(n.waiting, shape.BatchMax)
		if n.reducer.Room() < wire.BatchHeaderBytes+entries*workload.EntryBytes {
			return
		}
		if n.reducer.Busy() && !tick && entries < shape.BatchMax {
			return
		}
		n.builder.Fill(workload.EntryBytes, func(dst []byte) int { return n.numbers.Fill(dst[:entries*workload.EntryBytes]) })
		batch := n.builder.Take()
		if err := workload.Summarize(&batch); err != nil {
			panic(err)
		}
		n.waiting -= entries
		n.step(protocol.Event{Kind: protocol.Submit, Batch: batch})
	}
}

// close ends the own stream.
func (n *node) close() {
	n.closing = true
	if n.running && n.world.config.Flaw != LastUncounted {
		n.step(protocol.Event{Kind: protocol.Close})
		n.world.wakeSoon(n)
	}
}
