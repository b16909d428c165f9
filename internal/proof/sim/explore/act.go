package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/wire"
)

// action is what happens to one member.
type action uint8

const (
	doSubmit  action = iota + 1 // it broadcasts a batch
	doClose                     // it ends its stream
	doTick                      // a tick passes
	doLeap                      // a pause, and then a tick
	doGet                       // a message arrives
	doRelink                    // its link to a peer breaks and comes up again
	doRestart                   // it crashes, and comes back with its data
	doLose                      // it crashes, and comes back without
	doBegin                     // its first start
	doEvict                     // it is told to let a peer go
	doReturn                    // it asks to be taken back
	doAdmit                     // it is asked for a place
)

// actor does something to a member: it is the journal, the sender and the
// application of the member's driver, and watches what passes.
type actor struct {
	world  *world
	node   *node
	driver *driver.Driver
	sent   []*mail
	found  *Fault // the first one
}

// act does an action to a copy of a member.
func (w *world) act(n *node, a action, peer member.ID, m *mail) *actor {
	h := &actor{world: w, node: n.copy(w.mirror)}
	h.carryOut(a, peer, m)
	return h
}

// carryOut does an action to the member itself. A panic of the reducer is a
// finding like any other.
func (h *actor) carryOut(a action, peer member.ID, m *mail) {
	defer func() {
		if cause := recover(); cause != nil {
			h.fault("no-panic", "%s: %v", member.Letter(h.node.self), cause)
		}
	}()
	h.do(a, peer, m)
	before := h.node.view
	h.node.look()
	h.judgeDurable()
	if a != doRestart && a != doLose {
		h.judgeBeliefs(&before)
	}
}

func (h *actor) do(a action, peer member.ID, m *mail) {
	n := h.node
	switch a {
	case doRestart:
		h.restart()
	case doLose:
		h.lose()
	case doTick:
		n.now += Tick
		n.ticked++
	case doLeap:
		n.now += LeapFor
		n.leapt++
	}
	h.attend()
	switch a {
	case doSubmit:
		n.submitted++
		h.step(protocol.Event{Kind: protocol.Submit, Batch: h.world.payload(n)})
	case doClose:
		n.closed = true
		h.step(protocol.Event{Kind: protocol.Close})
	case doTick, doLeap:
		h.step(protocol.Event{Kind: protocol.Tick})
	case doGet:
		message := m.open()
		h.step(protocol.Event{Kind: protocol.Receive, Peer: m.from, Message: &message})
	case doEvict:
		h.step(protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Evict, Identity: identityOf(peer, 0)}})
	case doReturn:
		h.step(protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Rejoin, Identity: n.identity}})
	case doAdmit:
		name := member.Letter(peer)
		h.step(protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Admit, Identity: identityOf(peer, 0), Name: name, Address: name + ":1"}})
	case doRelink:
		h.step(protocol.Event{Kind: protocol.Down, Peer: peer})
		h.step(protocol.Event{Kind: protocol.Up, Peer: peer, Reliable: true})
	case doRestart, doLose, doBegin:
		h.connect()
	}
	h.step(protocol.Event{Kind: protocol.Flush})
	if h.world.config.Evicted {
		h.writeAgain()
	}
}

// writeAgain submits what is to be written again, as the end of a turn does.
func (h *actor) writeAgain() {
	for again := true; again; {
		next, err := h.driver.End(h.node.now)
		if err != nil {
			panic(err) // this journal gives none
		}
		again = next.Again
	}
}

// attend makes the driver around the reducer. It keeps nothing between two
// flushes, so it need not be copied along.
func (h *actor) attend() {
	var journal driver.Journal
	if h.world.config.Durable {
		journal = h
	}
	h.driver = driver.New(driver.Config{Reducer: h.node.reducer, Journal: journal, Sender: h, App: h, Observer: h, Prefix: &h.node.prefix})
}

func (h *actor) step(e protocol.Event) {
	e.Now = h.node.now
	switch err := h.driver.Step(e); {
	case errors.Is(err, protocol.ErrOldData):
		h.fault("old-data-stops", "%s stops for old data, which nobody has here", member.Letter(h.node.self))
	case err != nil:
		panic(err) // this journal gives none
	}
}

// Load is asked for what is to be written again only: all else fits into the memory.
func (h *actor) Load(b *protocol.Batch) error {
	if kept := h.node.ledger.find(b); kept != nil && h.node.reducer.Status().Orphans > 0 {
		b.Bytes, b.Parked = kept.Bytes, 0
		return nil
	}
	return fmt.Errorf("explore: %d/%d is parked, though there is memory", b.Origin, b.Seq)
}

// IsFull returns false: the disk has no end.
func (h *actor) IsFull() bool { return false }

// connect brings up the member's own links, where links come up at all.
func (h *actor) connect() {
	for peer := range member.ID(h.world.config.Members) {
		if h.world.config.Streams && peer != h.node.self {
			h.step(protocol.Event{Kind: protocol.Up, Peer: peer, Reliable: true})
		}
	}
}

// payload makes a batch of one entry that tells whose it is and which one.
func (w *world) payload(n *node) protocol.Batch {
	bytes := slices.Clone(w.batch)
	content := uint64(n.identity)<<16 | n.life<<8 | uint64(n.submitted)
	binary.LittleEndian.PutUint64(bytes[wire.BatchHeaderBytes:], content)
	return protocol.Batch{Count: 1, Bytes: bytes}
}

// blankBatch is a batch of one entry of eight bytes, for payload to fill in.
func blankBatch() []byte {
	size := wire.BatchHeaderBytes + 8
	builder := wire.NewBuilder(protocol.NewPool(size, 1), size)
	builder.Add(make([]byte, 8))
	batch := builder.Take()
	return slices.Clone(batch.Bytes)
}

// Keep is the driver's journal.
func (h *actor) Keep(effects protocol.Effects) { h.node.ledger.keep(&effects) }

// Sync is the driver's journal. It never fails: a crash before it is one
// before the transition, and a crash after it one after the transition whose messages are
// lost.
func (h *actor) Sync() error {
	h.node.ledger.sync()
	return nil
}

// Order is for what can be read again, which is not looked at here.
func (h *actor) Order([]protocol.Batch) {}

// Restore is the same.
func (h *actor) Restore(*protocol.Snapshot) {}

// Send puts a message on its way, encoded.
func (h *actor) Send(e protocol.Envelope) {
	h.judgeMessage(e.Message)
	if !h.world.isDead(int(h.node.self), int(e.To)) {
		h.sent = append(h.sent, newMail(h.node.self, e.To, e.Message))
	}
}

// Deliver is the application.
func (h *actor) Deliver(batches []protocol.Batch) {
	for i := range batches {
		f := factOf(&batches[i])
		if !h.node.app.deliver(f) {
			h.fault("append-only", "%s delivers %s after later ones", member.Letter(h.node.self), f)
		}
	}
}

// Reset is the application.
func (h *actor) Reset(s *protocol.Snapshot) {
	n, begun := h.node, tallyOf(s.State)
	if begun[countWord] < n.app.end() {
		h.fault("append-only", "%s goes back from %d entries to %d", member.Letter(n.self), n.app.end(), begun[countWord])
	}
	if n.app.end() >= n.before.end() {
		n.before = n.app
	}
	n.app = app{state: begun}
	n.app.start()
}

// Observe notes what the member writes and holds.
func (h *actor) Observe(_ protocol.Event, effects protocol.Effects) {
	for i := range effects.Append {
		f := factOf(&effects.Append[i])
		if f.origin == h.node.self && f.identity == h.node.pen() {
			h.judgeOwn(&f)
			h.node.written = append(h.node.written, f)
		}
		h.node.latest = max(h.node.latest, f.time)
	}
}

// judgeOwn judges a batch that the member writes: it follows the one before,
// and comes later than all that was held.
func (h *actor) judgeOwn(f *fact) {
	n := h.node
	next := uint64(1)
	if v := n.reducer.Status().View; v != nil {
		from, _ := v.Span(n.self, f.identity)
		next = from + 1
	}
	for i := range n.written {
		if n.written[i].identity == f.identity {
			next = n.written[i].last() + 1
		}
	}
	if f.seq != next {
		h.fault("contiguous", "%s writes %s where number %d comes next", member.Letter(n.self), f, next)
	}
	promised := n.lives[len(n.lives)-1].marks[n.self].Promise
	if f.identity != n.identity {
		promised = n.reducer.Status().View.Places[n.self].Start // its stream had ended, and goes on
	}
	if f.time <= promised {
		h.fault("true-promises", "%s writes %s after it promised %s", member.Letter(n.self), f, promised)
	}
	if f.time <= n.latest {
		h.fault("causality", "%s writes %s after it held one of time %s", member.Letter(n.self), f, n.latest)
	}
}

// judgeMessage: what a message says is held is durable by now.
func (h *actor) judgeMessage(m *protocol.Message) {
	n := h.node
	for i := range m.Rows {
		r := &m.Rows[i]
		if !h.world.config.Durable || r.Member != n.self || r.Identity != n.identity {
			continue
		}
		for _, mark := range r.Marks {
			if kept := n.ledger.holds(mark.Stream); mark.Have > kept {
				h.fault("durable-first", "%s says that it holds %d entries of stream %s, of which %d are durable",
					member.Letter(n.self), mark.Have, member.Letter(mark.Stream), kept)
			}
		}
	}
}

// judgeDurable: what is promised of the own stream binds the next life too.
func (h *actor) judgeDurable() {
	n := h.node
	if !h.world.config.Durable || n.view.reader {
		return
	}
	if promise := n.view.held[n.self].Promise; promise > n.ledger.durable.Bound && n.ledger.durable.Bound < clock.Infinity {
		h.fault("durable-first", "%s promises time %s, the durable bound is %s", member.Letter(n.self), promise, n.ledger.durable.Bound)
	}
}

// judgeBeliefs: what a member knows of others never becomes less, as long as
// nobody begins another life.
func (h *actor) judgeBeliefs(before *view) {
	now, b := &h.node.view, &h.world.config.Bounds
	if !before.agreed || b.Crashes+b.Losses > 0 || h.node.view.is != before.is {
		return
	}
	for k, vector := range before.known {
		for j, mark := range vector {
			if less := now.known[k][j]; less.Have < mark.Have || less.Promise < mark.Promise {
				h.fault("below-truth", "%s forgets that %s holds %d entries of stream %s and promises %s, and takes it for %d and %s",
					member.Letter(h.node.self), member.Letter(member.ID(k)), mark.Have, member.Letter(member.ID(j)), mark.Promise, less.Have, less.Promise)
			}
		}
	}
}

func (h *actor) fault(check, format string, args ...any) {
	if h.found == nil {
		h.found = &Fault{Check: check, Text: fmt.Sprintf(format, args...)}
	}
}
