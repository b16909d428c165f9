package lockstep_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/script"
	"chatterbox/internal/world/driver"
)

// shape is what a random run is like, besides its seed.
type shape struct {
	members           int
	batch             int // entries at most
	datagram, durable bool
	drop, repeat      float64
	cuts, restarts    bool
	losesData         bool
	alone             bool // a restarted member hears nobody for a while
	oneWayRing        bool // only the links of a ring ever work, in one direction
	idle              bool // member 0 broadcasts nothing
	unhealed          bool // cuts stay
	killed            bool // the last member dies for good in the send phase
	mutant            mutant.Mutant
	memory            int
}

const (
	netTick  = 10 * time.Millisecond
	sendFor  = 1500 * time.Millisecond
	graceFor = 4500 * time.Millisecond
)

// net is a network of members in virtual time.
type net struct {
	shape
	rng     *rand.Rand
	now     time.Duration
	events  eventHeap
	order   int
	nodes   []*netNode
	links   []netLink // from*members + to
	born    uint64
	judge   judge
	lastSay time.Duration // when anything was sent last
}

type netLink struct {
	up      bool // as the sender was told
	cut     bool
	era     int           // rises with each cut: what was on its way is lost
	busy    time.Duration // reliable: nothing arrives before
	oneSide bool          // not part of the ring
}

// netNode is a member and its journal.
type netNode struct {
	id        member.ID
	reducer   protocol.Reducer // nil: it does not run
	status    protocol.Status  // of the reducer, after its last step
	committed []uint64         // by it
	started   time.Duration
	identity  member.Identity
	life      uint64
	journal   protocol.Recovered
	prefix    driver.Prefix // of the application
	owned     map[*protocol.Buffer]bool
	own       uint64 // entries submitted in this incarnation
	closed    bool
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}

func (n *net) after(d time.Duration, do func()) {
	n.order++
	heap.Push(&n.events, event{n.now + d, n.order, do})
}

func newNet(seed uint64, s shape) *net {
	n := &net{shape: s, rng: rand.New(rand.NewPCG(seed, 1)), links: make([]netLink, s.members*s.members)}
	n.judge = newJudge(s.members)
	for i := range s.members {
		n.nodes = append(n.nodes, &netNode{id: member.ID(i)})
		for j := range s.members {
			l := n.link(i, j)
			l.up = s.datagram
			l.oneSide = s.oneWayRing && j != (i+1)%s.members
		}
	}
	for _, node := range n.nodes {
		n.after(time.Duration(n.rng.IntN(50))*time.Millisecond, func() { n.start(node) })
	}
	return n
}

func (n *net) link(from, to int) *netLink { return &n.links[from*n.members+to] }

// run plays the whole run: failures during the send phase, healed in the grace
// phase.
func (n *net) run() {
	if n.cuts {
		n.cutSome()
	}
	if n.restarts {
		n.restartSome()
	}
	if n.killed {
		n.after(sendFor*3/4, func() { n.nodes[n.members-1].reducer = nil })
	}
	n.after(sendFor, n.judgeSending)
	n.after(sendFor+time.Duration(n.rng.IntN(int(time.Second))), func() { n.heal() })
	for n.now < sendFor+graceFor && len(n.judge.faults) == 0 && len(n.events) > 0 {
		e := heap.Pop(&n.events).(event)
		n.now = e.at
		e.do()
	}
	if len(n.judge.faults) == 0 {
		n.judgeEnd()
	}
}

func (n *net) start(node *netNode) {
	config := lockstep.Config{
		Self: node.id, Members: n.members, Tick: netTick, Batch: n.batch, Durable: n.durable, Datagram: n.datagram,
		FirstContactWait: 100 * time.Millisecond, MemoryBytesMax: n.memory,
	}
	node.owned = make(map[*protocol.Buffer]bool)
	if node.identity == 0 {
		n.born++
		node.identity, node.life, node.journal = member.Identity(n.born), 0, protocol.Recovered{}
	} else {
		recovered := node.journal
		recovered.Batches = slices.Clone(recovered.Batches)
		for i := range recovered.Batches {
			n.lend(node, &recovered.Batches[i])
		}
		config.Recovered = &recovered
	}
	node.prefix = driver.Prefix{Fold: script.Fold}
	node.prefix.Begin(&node.journal.Base)
	node.life++
	config.Identity, config.Life = node.identity, node.life
	node.started, node.own, node.closed = n.now, 0, false
	node.reducer = mutant.NewLockstep(n.mutant, config)
	node.look()
	n.judge.begin(node)
	reducer := node.reducer
	if !n.datagram {
		for to := range n.nodes {
			if l := n.link(int(node.id), to); member.ID(to) != node.id && !l.cut && !l.oneSide {
				l.up = true
				l.era++
				n.step(node, protocol.Event{Kind: protocol.Up, Peer: member.ID(to), Reliable: true})
			}
		}
	}
	n.after(0, func() { n.turn(node, reducer) })
}

// turn is a member's tick: it may broadcast, and closes after the send phase.
func (n *net) turn(node *netNode, life protocol.Reducer) {
	if node.reducer != life {
		return
	}
	if n.now < sendFor && !(n.idle && node.id == 0) && n.rng.IntN(3) == 0 {
		n.submit(node)
	}
	if n.now >= sendFor && !node.closed {
		node.closed = true
		n.step(node, protocol.Event{Kind: protocol.Close})
	}
	n.step(node, protocol.Event{Kind: protocol.Tick})
	n.step(node, protocol.Event{Kind: protocol.Flush})
	n.after(netTick, func() { n.turn(node, life) })
}

func (n *net) submit(node *netNode) {
	if node.reducer.Room() <= 0 {
		return
	}
	node.own++
	text := fmt.Sprintf("%s#%d.%d", node.identity, node.life, node.own)
	b := protocol.Batch{Count: uint32(1 + n.rng.IntN(max(1, n.batch))), Bytes: []byte(text)}
	n.lend(node, &b)
	n.step(node, protocol.Event{Kind: protocol.Submit, Batch: b})
}

func (n *net) lend(node *netNode, b *protocol.Batch) {
	b.Bytes = slices.Clone(b.Bytes)
	b.Buffer = protocol.NewPool(0, 0).Get()
	node.owned[b.Buffer] = true
}

// step gives an event to a member and does what the effects say.
func (n *net) step(node *netNode, e protocol.Event) {
	e.Now = n.now - node.started
	effects := node.reducer.Step(e)
	node.prefix.Take(&effects)
	node.look()
	n.judge.look(node, &effects)
	node.keep(&effects)
	for i := range effects.Send {
		n.send(node, &effects.Send[i])
	}
	given := slices.Concat(effects.Trim, effects.Release)
	for i := range given {
		if b := &given[i]; node.owned[b.Buffer] {
			delete(node.owned, b.Buffer)
		} else {
			n.judge.fault("%d releases %d/%d, which it does not own", node.id, b.Origin, b.Seq)
		}
	}
	if n.judge.faults == nil {
		n.judge.compare(n)
	}
}

// look notes where the reducer is now.
func (node *netNode) look() {
	node.status = node.reducer.Status()
	node.committed = node.reducer.(interface{ Committed() []uint64 }).Committed()
}

// keep plays the journal.
func (node *netNode) keep(e *protocol.Effects) {
	if e.Binding != nil {
		node.journal.Binding = slices.Clone(e.Binding)
	}
	node.journal.Agreed = node.journal.Agreed || e.Agreed
	node.journal.Bound = max(node.journal.Bound, e.Bound)
	node.journal.Batches = append(node.journal.Batches, e.Append...)
	if e.Base != nil {
		node.journal.Base = *e.Base
		node.journal.Batches = slices.DeleteFunc(node.journal.Batches, func(b protocol.Batch) bool {
			return b.Last() <= e.Base.Have[b.Origin]
		})
	}
}

// send puts a message on its way, or loses it.
func (n *net) send(node *netNode, envelope *protocol.Envelope) {
	n.lastSay = n.now
	l := n.link(int(node.id), int(envelope.To))
	if !l.up || l.cut || l.oneSide || n.datagram && n.rng.Float64() < n.drop {
		return
	}
	copies := 1
	if n.datagram && n.rng.Float64() < n.repeat {
		copies = 2
	}
	m, era, to := cloneMessage(envelope.Message), l.era, n.nodes[envelope.To]
	for range copies {
		delay := time.Duration(1+n.rng.IntN(20)) * time.Millisecond
		if !n.datagram {
			l.busy = max(l.busy, n.now+delay)
			delay = l.busy - n.now
		} else if n.rng.IntN(100) == 0 {
			delay += 300 * time.Millisecond // a straggler
		}
		n.after(delay, func() {
			if (n.datagram || l.era == era) && !l.cut {
				n.arrive(to, m)
			}
		})
	}
}

func (n *net) arrive(node *netNode, m *protocol.Message) {
	if node.reducer == nil {
		return
	}
	m = cloneMessage(m)
	for i := range m.Batches {
		n.lend(node, &m.Batches[i])
	}
	n.step(node, protocol.Event{Kind: protocol.Receive, Message: m})
	if node.reducer != nil && n.rng.IntN(4) > 0 {
		n.step(node, protocol.Event{Kind: protocol.Flush})
	}
}

// cutSome cuts and heals links at random, both ways or one.
func (n *net) cutSome() {
	for range 1 + n.rng.IntN(2*n.members) {
		from, to := n.rng.IntN(n.members), n.rng.IntN(n.members)
		if from == to {
			continue
		}
		at := time.Duration(n.rng.IntN(int(sendFor)))
		length := time.Duration(n.rng.IntN(int(sendFor)))
		both := n.rng.IntN(2) == 0
		n.after(at, func() { n.setCut(from, to, both, true) })
		n.after(at+length, func() { n.setCut(from, to, both, n.unhealed && n.now > sendFor) })
	}
}

func (n *net) setCut(from, to int, both, cut bool) {
	l := n.link(from, to)
	if l.cut != cut && !l.oneSide {
		l.cut = cut
		l.era++
		n.tellLink(from, to)
	}
	if both {
		n.setCut(to, from, false, cut)
	}
}

// tellLink lets the sender of a reliable link know.
func (n *net) tellLink(from, to int) {
	l, node := n.link(from, to), n.nodes[from]
	if n.datagram {
		return
	}
	l.up, l.busy = !l.cut, 0
	kind := protocol.Up
	if l.cut {
		kind = protocol.Down
	}
	if node.reducer != nil {
		n.step(node, protocol.Event{Kind: kind, Peer: member.ID(to), Reliable: !l.cut})
	}
}

// restartSome crashes members and starts them again, with their data where
// there is a journal. The last member never loses its data: when nobody is left
// who knew the first incarnations, nobody can tell that they are not the first.
func (n *net) restartSome() {
	for range 1 + n.rng.IntN(3) {
		node := n.nodes[n.rng.IntN(n.members-1)]
		at := 100*time.Millisecond + time.Duration(n.rng.IntN(int(sendFor)-int(100*time.Millisecond)))
		loses := n.losesData && n.rng.IntN(2) == 0
		n.after(at, func() {
			node.reducer = nil
			if loses || !n.durable {
				node.identity = 0
			}
			n.after(time.Duration(n.rng.IntN(500))*time.Millisecond, func() {
				if node.reducer == nil {
					n.isolate(node)
					n.start(node)
				}
			})
		})
	}
}

// isolate cuts a member off for longer than it waits for a first contact.
func (n *net) isolate(node *netNode) {
	for k := range n.members {
		if member.ID(k) != node.id && n.alone {
			n.setCut(int(node.id), k, true, true)
			n.after(300*time.Millisecond, func() { n.setCut(int(node.id), k, true, false) })
		}
	}
}

func (n *net) heal() {
	if n.unhealed {
		return
	}
	n.drop, n.repeat = 0, 0
	for i := range n.links {
		if from, to := i/n.members, i%n.members; from != to && n.links[i].cut {
			n.setCut(from, to, false, false)
		}
	}
}

// cloneMessage copies a message with all that it points to.
func cloneMessage(m *protocol.Message) *protocol.Message {
	c := *m
	c.Binding = slices.Clone(m.Binding)
	c.Batches = slices.Clone(m.Batches)
	c.Rows = slices.Clone(m.Rows)
	for i := range c.Rows {
		c.Rows[i].Hears = slices.Clone(c.Rows[i].Hears)
		c.Rows[i].Marks = slices.Clone(c.Rows[i].Marks)
	}
	return &c
}
