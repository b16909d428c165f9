package delta_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/script"
	"chatterbox/internal/world/driver"
)

// weather is what a storm is made of. Chances are per millisecond.
type weather struct {
	members  int
	mutant   mutant.Mutant
	durable  bool // members have journals
	reliable bool // links are connections: in order, nothing lost until they break
	calm     bool // no message comes twice

	loss    float64 // of each message
	cuts    float64 // chance that a link fails or heals
	crashes float64 // chance that a running member crashes or a crashed one restarts
	amnesia float64 // chance that a restart, once the members agreed, finds no data
	idle    int     // members, the last ones, that have nothing to say
	evicts  float64 // chance that a member is told to have another one let go
	moves   float64 // chance that a member is told that one has another address
	returns float64 // chance that one that was let go, or came without data, is told to come back
	joins   int     // newcomers, who ask for places behind those of the members

	sizeMax                         int // bytes of a batch; 0: 100
	window, message, memory, ahead  int // of delta.Config
	sendEvery, delayMin, delayRange int // milliseconds; 0: 20, 1, 20
}

// delayMax is the longest way of a message, in milliseconds.
const delayMax = 128

// storm drives members over a network that loses, repeats, reorders and cuts,
// and through crashes that undo what was not synced.
type storm struct {
	weather
	rng   *rand.Rand
	nodes []*stormNode
	now   time.Duration
	air   [delayMax][]packet // by the millisecond of arrival
	links [][]stormLink      // from, to
	judge *judge
	sent  int // batches submitted
	mails int // messages sent

	loaded int // parked batches that were read again
	again  int // batches that were written again
}

// stormNode is a member with all that outlives it.
type stormNode struct {
	id       member.ID
	reducer  protocol.Reducer // nil while it does not run
	identity member.Identity
	life     uint64
	started  time.Duration
	durable  bool

	journal protocol.Recovered
	prefix  driver.Prefix      // of the application
	pending []protocol.Effects // not synced yet
	deliver []protocol.Batch   // waits for the sync
	release []protocol.Batch
	owns    int          // references that the reducer has not given back
	view    *member.View // by which it goes; nil: none
	places  int          // that its reducer knows of
	loses   bool         // it does not run, and will find nothing of its data
}

type stormLink struct {
	cut   bool
	epoch int // counts the breaks
	last  int // millisecond of the last arrival, where links keep the order
}

type packet struct {
	from, to, epoch int
	message         protocol.Message
}

func newStorm(seed uint64, w weather) *storm {
	s := &storm{weather: w, rng: rand.New(rand.NewPCG(seed, 0)), judge: newJudge(w.members + w.joins)}
	for i := range w.members + w.joins {
		s.nodes = append(s.nodes, &stormNode{id: member.ID(i), identity: member.Identity(i + 1), durable: w.durable})
		s.links = append(s.links, make([]stormLink, w.members+w.joins))
	}
	for i := range w.members {
		s.start(i)
	}
	return s
}

// start builds the reducer of a member from its journal.
func (s *storm) start(i int) {
	n := s.nodes[i]
	n.life++
	n.started = s.now
	config := delta.Config{
		Self: n.id, Members: s.members, Identity: n.identity, Life: n.life, Durable: n.durable, Datagram: !s.reliable,
		WindowBytesMax: s.window, MessageBytesMax: s.message, MemoryBytesMax: s.memory, AheadBytesMax: s.ahead,
		TrimNoticeBytes: s.memory / 4, Changes: s.changes(),
	}
	n.owns, n.view, n.places = 0, n.journal.View, s.members
	if n.view != nil {
		n.places = len(n.view.Places)
	}
	n.prefix = driver.Prefix{Fold: script.Fold}
	n.prefix.Begin(&n.journal.Base)
	if n.life > 1 || n.view != nil {
		config.Recovered = n.recover()
	}
	n.reducer = mutant.NewDelta(s.mutant, config)
	s.judge.begin(n)
	for k := range s.nodes {
		if s.reliable && k != i {
			s.connect(i, k)
			s.connect(k, i)
		}
	}
}

// crash undoes what was not synced. What was sent is on its way.
func (s *storm) crash(i int) {
	n := s.nodes[i]
	n.reducer, n.pending, n.deliver, n.release = nil, nil, nil, nil
	s.judge.crashed(n)
	for k := range s.nodes {
		if s.reliable && k != i {
			s.sever(i, k)
			s.sever(k, i)
		}
	}
}

// lose has a crashed member find nothing of its data.
func (n *stormNode) lose() {
	n.identity += 100
	n.life, n.journal = 0, protocol.Recovered{}
}

// sever breaks a connection, connect makes a new one if both ends are there.
func (s *storm) sever(from, to int) {
	s.links[from][to].epoch++
	if s.nodes[from].reducer != nil && to < s.nodes[from].places {
		s.step(from, protocol.Event{Kind: protocol.Down, Peer: member.ID(to)})
	}
}

func (s *storm) connect(from, to int) {
	if !s.links[from][to].cut && s.nodes[from].reducer != nil && s.nodes[to].reducer != nil && to < s.nodes[from].places {
		s.step(from, protocol.Event{Kind: protocol.Up, Peer: member.ID(to), Reliable: true})
	}
}

// setCut fails or heals one direction between two members.
func (s *storm) setCut(from, to int, cut bool) {
	l := &s.links[from][to]
	changes := l.cut != cut
	l.cut = cut
	switch {
	case !s.reliable || !changes:
	case cut:
		s.sever(from, to)
	default:
		s.connect(from, to)
	}
}

// step steps a member and, mostly, has it carry out at once what it decided.
func (s *storm) step(i int, e protocol.Event) {
	s.take(i, e)
	if s.rng.IntN(4) > 0 {
		s.flush(i)
	}
}

func (s *storm) flush(i int) { s.take(i, protocol.Event{Kind: protocol.Flush}) }

func (s *storm) take(i int, e protocol.Event) {
	n := s.nodes[i]
	e.Now = s.now - n.started
	fx := n.reducer.Step(e)
	n.prefix.Take(&fx)
	s.judge.appended(n, &fx)
	n.keep(&fx)
	s.load(n, fx.Deliver)
	for _, envelope := range fx.Send {
		s.load(n, envelope.Message.Batches)
	}
	n.deliver = append(n.deliver, fx.Deliver...)
	n.release = append(n.release, fx.Release...)
	for _, b := range fx.Trim {
		if b.Parked == 0 {
			n.release = append(n.release, b)
		}
	}
	orphans := slices.Clone(fx.Orphans)
	defer s.goOn(i, fx.View, orphans)
	if e.Kind != protocol.Flush && fx.Reset == nil {
		return
	}
	for i := range n.pending {
		if v := n.pending[i].View; v != nil {
			s.judge.installs(n, v)
		}
	}
	n.sync()
	for _, envelope := range fx.Send {
		s.send(i, envelope)
	}
	s.handOver(n, fx.Reset)
	s.judge.look(s, n, e.Kind == protocol.Flush)
}

func (s *storm) handOver(n *stormNode, reset *protocol.Snapshot) {
	if reset != nil {
		s.judge.reset(n, reset)
	}
	for i := range n.deliver {
		s.judge.delivered(n, &n.deliver[i])
	}
	for i := range n.release {
		s.judge.alive(n, &n.release[i], "releases")
		if b := n.release[i].Buffer; b != nil {
			b.Bytes = nil // whoever uses it from now on is found out
			n.owns--
		}
	}
	n.deliver, n.release = n.deliver[:0], n.release[:0]
}

// lend gives a reducer a reference of its own to a batch.
func (n *stormNode) lend(b *protocol.Batch) {
	b.Buffer = protocol.NewPool(1, 0).Get()
	n.owns++
}

// send puts a message into the air, once, twice or not at all.
func (s *storm) send(from int, envelope protocol.Envelope) {
	to, m := int(envelope.To), envelope.Message
	s.mails++
	for i := range m.Batches {
		s.judge.alive(s.nodes[from], &m.Batches[i], "sends")
	}
	l := &s.links[from][to]
	if s.reliable {
		if !l.cut {
			l.last = max(l.last, s.arrival())
			s.fly(l.last, packet{from, to, l.epoch, clone(m)})
		}
		return
	}
	copies := 1
	if !s.calm {
		copies += s.rng.IntN(2) * s.rng.IntN(2)
	}
	for ; copies > 0; copies-- {
		if !l.cut && s.rng.Float64() >= s.loss {
			s.fly(s.arrival(), packet{from, to, l.epoch, clone(m)})
		}
	}
}

// arrival draws the millisecond in which a message sent now comes.
func (s *storm) arrival() int {
	least, spread := s.delayMin, s.delayRange
	if spread == 0 {
		least, spread = 1, 20
	}
	return int(s.now/time.Millisecond) + least + s.rng.IntN(spread)
}

func (s *storm) fly(millisecond int, p packet) {
	slot := &s.air[millisecond%delayMax]
	*slot = append(*slot, p)
}

func clone(m *protocol.Message) protocol.Message {
	c := *m
	c.Ack.Ranges = slices.Clone(m.Ack.Ranges)
	c.Binding, c.Pulls, c.Batches = slices.Clone(m.Binding), slices.Clone(m.Pulls), slices.Clone(m.Batches)
	c.Views = slices.Clone(m.Views)
	if m.Choice != nil {
		choice := *m.Choice
		choice.Bids, choice.Votes = slices.Clone(choice.Bids), slices.Clone(choice.Votes)
		c.Choice = &choice
	}
	c.Rows = slices.Clone(m.Rows)
	for i := range c.Rows {
		c.Rows[i].Hears, c.Rows[i].Marks = slices.Clone(m.Rows[i].Hears), slices.Clone(m.Rows[i].Marks)
	}
	if m.Snapshot != nil {
		snapshot := *m.Snapshot
		snapshot.Have = slices.Clone(snapshot.Have)
		c.Snapshot = &snapshot
	}
	return c
}
