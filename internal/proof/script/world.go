package script

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/driver"
)

// world is one cluster with all that surrounds it.
type world struct {
	build   func(Member) protocol.Reducer
	base    Member // what all members have in common
	names   []string
	nodes   []*node
	links   [][]*link // from, to
	now     time.Duration
	born    uint64 // identities given out
	hidden  map[string]bool
	quiet   bool
	outcome strings.Builder
	faults  []string // broken ownership and other mistakes of a reducer
}

// node is a member and what of it outlives a crash.
type node struct {
	id       member.ID
	reducer  protocol.Reducer // nil while it does not run
	started  time.Duration
	identity member.Identity
	life     uint64
	journal  protocol.Recovered
	prefix   driver.Prefix // of the application
	backup   backup
	log      []protocol.Batch            // delivered in this life, and what its base covers
	past     []protocol.Batch            // delivered before the last restart
	owned    map[*protocol.Buffer]string // references the reducer has not given back
}

// backup is a copy of a member's data as it once was.
type backup struct {
	identity member.Identity
	life     uint64
	journal  protocol.Recovered
}

// link is one direction between two members.
type link struct {
	up, reliable, cut bool
	waiting           []*protocol.Message
}

func (w *world) printf(format string, args ...any) {
	if !w.quiet {
		fmt.Fprintf(&w.outcome, format+"\n", args...)
	}
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// setUp makes the members and links of a fresh cluster and starts those that
// are not absent.
func (w *world) setUp(absent []string) {
	w.nodes, w.links = nil, nil
	for i := range w.names {
		w.nodes = append(w.nodes, &node{id: member.ID(i)})
		row := make([]*link, len(w.names))
		for j := range row {
			row[j] = &link{up: w.base.Datagram}
		}
		w.links = append(w.links, row)
	}
	for i, n := range w.nodes {
		if !slices.Contains(absent, w.names[i]) {
			w.start(n, true)
		}
	}
}

// start builds a reducer for n: from its journal, or as somebody new.
func (w *world) start(n *node, losingData bool) {
	w.crash(n)
	m := w.base
	m.ID, m.Members = n.id, len(w.nodes)
	if losingData || !w.base.Durable {
		w.born++
		n.identity, n.life, n.journal = member.Identity(w.born), 0, protocol.Recovered{}
		n.log, n.past = nil, nil
	} else {
		m.Recovered = w.recover(n)
	}
	n.prefix = driver.Prefix{Fold: Fold}
	n.prefix.Begin(&n.journal.Base)
	n.life++
	n.started = w.now
	m.Identity, m.Life = n.identity, n.life
	n.reducer = w.build(m)
}

// crash stops a member; only its journal stays. What it sent is on its way.
func (w *world) crash(n *node) {
	n.reducer = nil
	n.owned = make(map[*protocol.Buffer]string)
	for _, l := range w.links[n.id] {
		l.up, l.reliable = w.base.Datagram, false
	}
}

// recover copies the journal, with a reference to each batch for the reducer.
// The application starts again from the journal's base.
func (w *world) recover(n *node) *protocol.Recovered {
	r := n.journal
	r.Base.Have = slices.Clone(r.Base.Have)
	r.Binding = slices.Clone(r.Binding)
	r.Batches = slices.Clone(r.Batches)
	for i := range r.Batches {
		w.lend(n, &r.Batches[i])
	}
	n.past, n.log = n.log, nil
	for _, b := range n.past {
		if len(r.Base.Have) > 0 && b.Last() <= r.Base.Have[b.Origin] {
			n.log = append(n.log, b)
		}
	}
	return &r
}

// keepCopy makes a copy of a member's data, and bringBack starts it with that.
func (w *world) keepCopy(n *node) {
	j := n.journal
	j.Batches, j.Binding, j.Base.Have = slices.Clone(j.Batches), slices.Clone(j.Binding), slices.Clone(j.Base.Have)
	n.backup = backup{n.identity, n.life, j}
}

func (w *world) bringBack(n *node) {
	b := n.backup
	w.crash(n)
	n.identity, n.life, n.journal = b.identity, b.life, b.journal
	n.log, n.past = nil, nil
	w.start(n, false)
	n.past = nil // what it delivered since then is not to be delivered again
	w.flush(n)
}

// lend gives the reducer a copy of a batch with a reference of its own.
func (w *world) lend(n *node, b *protocol.Batch) {
	b.Bytes = slices.Clone(b.Bytes)
	b.Buffer = protocol.NewPool(0, 0).Get()
	n.owned[b.Buffer] = w.batch(b)
}

// step gives a running member an event and carries out the effects.
func (w *world) step(n *node, event protocol.Event) {
	if n.reducer == nil {
		return
	}
	event.Now = w.now - n.started
	w.carryOut(n, n.reducer.Step(event))
}

func (w *world) flush(n *node) { w.step(n, protocol.Event{Kind: protocol.Flush}) }

// receive takes messages off the link from one member to another. Those for a
// member that does not run are lost.
func (w *world) receive(from, to *node, limit int) int {
	l := w.links[from.id][to.id]
	taken := slices.Clone(l.waiting[:min(limit, len(l.waiting))])
	l.waiting = slices.Delete(l.waiting, 0, len(taken))
	for _, message := range taken {
		if to.reducer == nil {
			continue
		}
		message = clone(message)
		for i := range message.Batches {
			w.lend(to, &message.Batches[i])
		}
		w.step(to, protocol.Event{Kind: protocol.Receive, Message: message})
	}
	return len(taken)
}

// round passes on all that waits now, receiver by receiver, and says whether
// anything did.
func (w *world) round() bool {
	var counts [][]int
	for _, row := range w.links {
		var waiting []int
		for _, l := range row {
			waiting = append(waiting, len(l.waiting))
		}
		counts = append(counts, waiting)
	}
	busy := false
	for _, to := range w.nodes {
		taken := 0
		for _, from := range w.nodes {
			taken += w.receive(from, to, counts[from.id][to.id])
		}
		if taken > 0 {
			busy = true
			w.flush(to)
		}
	}
	return busy
}

// tick moves the clock by a tick for the given members.
func (w *world) tick(nodes []*node) {
	w.now += w.base.Tick
	for _, n := range nodes {
		w.step(n, protocol.Event{Kind: protocol.Tick})
		w.flush(n)
	}
}

func (w *world) setLink(from, to *node, kind protocol.Kind) {
	l := w.links[from.id][to.id]
	l.waiting = nil
	l.up = kind == protocol.Up
	l.reliable = !w.base.Datagram
	w.step(from, protocol.Event{Kind: kind, Peer: to.id, Reliable: l.up && l.reliable})
	w.flush(from)
}
