package sim

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/wire"
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
	// copies are of the disk as it once was, by the number of the member event
	// that brings each one back.
	copies  map[uint32]*journal.Memory
	journal *journal.Journal // of this life; nil without one
	life    uint32           // counts starts and crashes: events of another life are void

	running, paused bool
	started         bool // it ran before
	seeks           bool // it came without data, and asks to be seated where it was
	sought          time.Duration
	identity        member.Identity
	count           uint64 // starts with this data
	reducer         protocol.Reducer
	driver          *driver.Driver
	recorder        *trace.Recorder
	outbox          *driver.Outbox
	numbers         *workload.Numbers
	app             app
	history         *history.Log // nil: nobody reads
	reader          reader

	speed    float64       // ticks for each true one
	local    time.Duration // the member's own time at the moment since
	since    time.Duration
	pace     time.Duration // of its ticks, in its own time
	ticks    uint32        // counts the changes of pace: ticks of an older one are void
	inbox    []item
	awake    bool // a turn of the loop is scheduled
	waiting  int  // entries for which the outbox has no room
	closing  bool
	stopping stopping
	fall     fall
	scarce   scarce

	tip      member.Root  // where the history that it goes by was forced to go on last
	places   int          // of which it knows
	newcomer *newcomer    // who has the place if it is none of the list's; nil: nobody
	seat     *member.View // with which that begins; nil: it began
}

// item is something that waits for the loop's turn.
type item struct {
	kind     protocol.Kind
	peer     member.ID
	reliable bool
	frame    int32
}

// now is the member's own time, which drifts and never falls.
func (n *node) now() time.Duration {
	return n.local + time.Duration(float64(n.world.now-n.since)*n.speed)
}

// setSpeed lets the own time run faster or slower from now on.
func (n *node) setSpeed(speed float64) {
	n.local, n.since, n.speed = n.now(), n.world.now, speed
}

// wrongClockIn: the clock of one life in so many is wrong by up to an hour.
const wrongClockIn = 8

// newIdentity draws the identity of a life that begins now.
func (w *world) newIdentity() member.Identity {
	random := w.identities.Uint64()
	begins := time.Hour + w.now
	if wrong := random >> 32; wrong%wrongClockIn == 0 {
		begins += time.Duration(wrong>>3%7200)*time.Second - time.Hour
	}
	return member.NewIdentity(begins.Milliseconds(), random)
}

// start begins a life: with what the journal kept, or as somebody new.
func (n *node) start() {
	w := n.world
	life, ready := n.begins()
	if !ready {
		return
	}
	var kept driver.Journal
	var j *journal.Journal
	if w.shape.Journal {
		var opened journal.Life
		var err error
		j, opened, err = n.open(n.disk, life.Identity)
		if err != nil {
			w.broken("recovers-acknowledged", n.id, "the journal cannot be opened: %v", err)
			return
		}
		kept, life = j, opened
	} else if n.seat != nil {
		life.Recovered = &protocol.Recovered{View: n.seat}
	}
	n.seat, n.places, n.tip = nil, w.config.Members, member.Root{}
	if life.Recovered != nil && life.Recovered.View != nil {
		n.places, n.tip = len(life.Recovered.View.Places), tipOf(life.Recovered.View)
	}
	n.journal = j
	before := n.started
	n.life++
	n.running, n.started, n.paused, n.awake, n.fall, n.scarce.stalled = true, true, false, false, fall{}, false
	n.identity, n.count = life.Identity, life.Count
	n.local, n.since = 0, w.now
	n.app = app{n: n}
	n.openHistory(j, life.Recovered)
	prefix := &driver.Prefix{Fold: workload.FoldState}
	if life.Recovered != nil {
		n.app.state = workload.SummaryOf(life.Recovered.Base.State)
		prefix.Begin(&life.Recovered.Base)
	}
	n.reducer = w.newReducer(n, life)
	if j != nil && j.Err() != nil {
		w.broken("recovers-acknowledged", n.id, "the journal cannot be read: %v", j.Err())
		return
	}
	n.seeks = w.shape.Changes && (before && (n.seeks || life.Recovered == nil) || n.hasNoPlace())
	n.resumeNumbers()
	parts := driver.Config{
		Reducer: n.reducer, Journal: kept, Sender: n, App: &n.app, Source: n.outbox, Tick: w.shape.Tick,
		Prefix: prefix, Installed: n.installed,
	}
	n.recorder = trace.NewRecorder(w, n.id, len(w.nodes))
	n.recorder.Begin(w.clock, life, &parts)
	n.driver = driver.New(parts)
	n.pace = w.shape.Tick
	n.nextTick(time.Duration(n.rng.Int64N(int64(n.pace))))
	if w.shape.Streams {
		n.dialAll(0)
	}
	if w.closed {
		n.close()
	}
	n.nextRoom()
	w.unblock()
}

// open opens the journal on a disk of the member's and sums up what it gave back.
func (n *node) open(disk *journal.Memory, identity member.Identity) (*journal.Journal, journal.Life, error) {
	j, life, err := journal.Open(disk, journal.Config{
		Cluster: "sim", Self: n.id, Members: n.world.config.Members, View: n.seat, Identity: identity, SegmentBytesMax: n.world.shape.diskPart(n.world.shape.SegmentBytesMax),
		BytesMax:     n.world.diskBytes(),
		LoadBytesMax: n.world.shape.ParkBytes, PlacesMax: n.world.shape.placesMax(),
		Retain: n.world.retain(n),
	})
	if err != nil || life.Recovered == nil {
		return j, life, err
	}
	life.Recovered.Visit = func(b *protocol.Batch) { b.Prepared = workload.Prepare(b) }
	return j, life, nil
}

// resumeNumbers begins with an empty outbox, and goes on in the stream of
// numbers behind what is held of it.
func (n *node) resumeNumbers() {
	status := n.reducer.Status()
	n.goOnBehind(status.Held[n.id].Have + status.Orphans)
	batchMax := n.world.shape.BatchMax
	n.outbox = driver.NewOutbox(n.world.payloads, wire.BatchHeaderBytes+batchMax*workload.EntryBytes, batchMax, workload.Prepare)
	if n.disk != nil {
		n.outbox.Durable()
	}
	n.waiting = 0
}

// goOnBehind has the next number be that of the entry after so many.
func (n *node) goOnBehind(entries uint64) {
	n.numbers = workload.NewNumbers(n.world.config.Seed, int(n.id))
	for range entries {
		n.numbers.Next()
	}
}

// dialAll dials the members from a place on.
func (n *node) dialAll(from int) {
	for to := from; to < n.places; to++ {
		if member.ID(to) != n.id {
			v := n.world.way(n.id, member.ID(to))
			v.dialing = false
			n.world.dial(n.id, member.ID(to), v)
		}
	}
}

// stop takes the member out of the world.
func (n *node) stop() {
	n.running, n.paused, n.stopping = false, false, stopping{}
	n.life++
	n.drop()
	n.outbox.Close()
	n.reducer, n.driver, n.outbox, n.history = nil, nil, nil, nil
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

// Send gives a message to the network.
func (n *node) Send(envelope protocol.Envelope) {
	n.blocksOn(envelope)
	n.world.transmit(n.id, envelope)
}

// turn is one turn of the member's loop: what waits, as much as the driver
// takes at once, and what follows from it.
func (n *node) turn(tick bool) {
	n.awake = false
	if !n.running || n.paused {
		return
	}
	n.world.acting = n.id
	if n.stopsNow(tick) || !n.resumes() {
		return
	}
	if tick {
		n.step(protocol.Event{Kind: protocol.Tick})
		n.seek()
	}
	taken := 0
	for ; taken < len(n.inbox) && !n.driver.IsFull(); taken++ {
		if n.scarce.stalled {
			break
		}
		n.take(&n.inbox[taken])
		if !n.running {
			return
		}
	}
	n.inbox = n.inbox[:copy(n.inbox, n.inbox[taken:])]
	n.follow(n.driver.End)
	n.fill()
	if tick {
		n.read()
	}
}

// follow ends a turn, and does what the driver asks for after it.
func (n *node) follow(end func(now time.Duration) (driver.Next, error)) {
	if !n.running || n.scarce.stalled {
		return
	}
	next, err := end(n.now())
	if err != nil {
		n.fell(err)
		return
	}
	if next.Again || len(n.inbox) > 0 {
		n.world.wakeSoon(n)
	}
	if next.Tick > 0 {
		n.pace = next.Tick
		n.nextTick(n.pace)
	}
}

// nextTick schedules a tick after some of the member's own time, in place of
// what was scheduled before.
func (n *node) nextTick(after time.Duration) {
	n.ticks++
	at := n.world.now + time.Duration(math.Round(float64(after)/n.speed))
	n.world.queue.push(event{at: at, kind: evTick, to: uint16(n.id), aux: n.ticks, life: n.life})
}

// fell is what an error of the driver means: the life ended in an operation of
// its disk, or found out that its data is old.
func (n *node) fell(err error) {
	if n.stalls(err) {
		return
	}
	n.inbox = n.inbox[:0:0]
	if errors.Is(err, protocol.ErrOldData) {
		n.retire()
		return
	}
	n.end(n.fall.ending)
}

func (n *node) take(i *item) {
	if i.kind != protocol.Receive {
		n.step(protocol.Event{Kind: i.kind, Peer: i.peer, Reliable: i.reliable})
		return
	}
	w := n.world
	m := &w.message
	if err := w.frames.open(i.frame, m); err != nil {
		panic(err) // what members send is well formed
	}
	for k := range m.Batches {
		m.Batches[k].Prepared = workload.Prepare(&m.Batches[k])
	}
	n.step(protocol.Event{Kind: protocol.Receive, Peer: i.peer, Message: m})
	w.frames.done(i.frame)
}

// step steps the driver.
func (n *node) step(e protocol.Event) {
	if !n.running {
		return
	}
	e.Now = n.now()
	if err := n.driver.Take(e); err != nil {
		n.fell(err)
	}
}

// fill puts what the application wants to broadcast into the outbox, as far as
// that has room. What is wanted at once is sent in a turn of the application's
// own, as long as nothing waits that came before and there is no disk to wait
// for.
func (n *node) fill() {
	if !n.running || n.paused || n.closing || n.stopping.by > 0 || n.scarce.stalled || n.seeks || n.observes() {
		return
	}
	for n.waiting > 0 {
		put := n.outbox.Fill(workload.EntryBytes, func(dst []byte) int {
			filled := n.numbers.Fill(dst[:min(len(dst), n.waiting*workload.EntryBytes)])
			n.waiting -= filled / workload.EntryBytes
			return filled
		})
		switch {
		case put.Wanted && n.disk == nil && len(n.inbox) == 0 && !n.driver.IsBulk(n.now()):
			n.world.acting = n.id
			n.follow(n.driver.Speak)
		case put.Wanted || put.Closed:
			n.world.wakeSoon(n)
		}
		if !put.Done {
			return
		}
	}
}

// close ends the own stream, as soon as what is in the outbox is sent or finds
// no room.
func (n *node) close() {
	n.closing, n.waiting = true, 0
	if n.running && n.world.config.Flaw != LastUncounted {
		n.outbox.End(true)
		n.world.wakeSoon(n)
	}
}
