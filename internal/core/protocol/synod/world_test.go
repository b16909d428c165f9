package synod_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/synod"
	"chatterbox/internal/proof/mutant"
)

// world is a cluster of plain replicated logs round synods: rows and entries are
// told as in delta, but without any thrift, and a network that loses, repeats
// and reorders what it likes. The rules that a member keeps beside its synod
// (who counts for settling, horizon, trimming, installing) are those that delta
// is to have.
type world struct {
	random *rand.Rand
	mutant mutant.Mutant
	now    time.Duration
	nodes  []*node
	mail   []*message
	cut    map[[2]int]bool // by index of sender and receiver
	judge  judge
	still  bool   // nobody crashes or is asked to change anything
	asked  uint64 // the number of the view from which some went on by force last
	forced bool   // members go on by force
	lively bool   // many changes go through
	barren bool   // messages bring no entries
}

// stream is what a node holds of a place's stream.
type stream struct {
	base      uint64       // entries that are not kept
	times     []clock.Time // of those that are, in order
	promise   clock.Time   // no entry up to it is missing
	delivered uint64
	trimmed   uint64
	former    uint64 // what was trimmed in earlier views
}

func (s *stream) have() uint64 { return s.base + uint64(len(s.times)) }

// row is what is known of a member.
type row struct {
	have    []uint64 // said before it was wedged
	clock   clock.Time
	trimmed []uint64
	horizon clock.Time // said in the present view
}

// node is one identity. All of it is durable but synod and rows.
type node struct {
	at       int
	identity member.Identity
	name     string
	up       bool
	dead     bool // for good
	mutant   mutant.Mutant

	view    *member.View // nil: it knows nothing yet
	record  *protocol.VoteRecord
	clock   clock.Time
	streams []stream
	order   []entry    // what it delivered, from the beginning
	settled clock.Time // everything up to it is delivered
	stable  clock.Time

	synod mutant.Choosing
	rows  map[member.Identity]*row
}

// entry is an entry in the order.
type entry struct {
	time  clock.Time
	place member.ID
	seq   uint64
}

// message is all that a node says at once.
type message struct {
	from, to int
	identity member.Identity
	view     *member.View
	wedged   bool
	clock    clock.Time
	horizon  clock.Time
	streams  []stream // with the entries from the receiver's first missing one on
	order    []entry  // what is trimmed: the snapshot
	stable   clock.Time
	facts    *protocol.Choice
}

// newWorld returns founders, and others that are to come.
func newWorld(seed uint64, founders, others int, broken mutant.Mutant) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 7)), mutant: broken, cut: map[[2]int]bool{}}
	w.judge = judge{orders: map[member.Root][]entry{}}
	list, binding := make(member.List, founders), make(member.Binding, founders)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "h", Port: i + 1}
		binding[i] = member.Identity(i + 1)
	}
	first := member.Founding(list, binding)
	for i := range founders + others {
		n := &node{at: i, identity: member.Identity(i + 1), name: member.Letter(member.ID(i)), up: true, mutant: broken, rows: map[member.Identity]*row{}}
		w.nodes = append(w.nodes, n)
		if i < founders {
			n.found(first)
		}
	}
	w.judge.decided(w, w.nodes[0], first)
	return w
}

func (n *node) found(v *member.View) {
	n.view = v
	n.streams = make([]stream, len(v.Places))
	n.start(0)
}

// start begins with what is durable.
func (n *node) start(now time.Duration) {
	broken := n.mutant
	if strings.HasPrefix(string(broken), "test: ") {
		broken = mutant.None
	}
	n.synod = mutant.NewSynod(broken, synod.Config{Self: n.identity, View: n.view, Voted: n.record, Now: now})
}

// isMember reports whether the node is a member of its view.
func (n *node) isMember() bool { return n.view != nil && n.view.Has(n.identity) }

// Have implements synod.Log.
func (n *node) Have(place member.ID) uint64 { return n.streams[place].have() }

// Clock implements synod.Log.
func (n *node) Clock() clock.Time { return n.clock }

// Ended implements synod.Log.
func (*node) Ended() bool { return false }

// write appends an own entry.
func (w *world) write(n *node) {
	place, ok := n.view.PlaceOf(n.identity)
	if !ok {
		return
	}
	n.clock++
	s := &n.streams[place]
	s.times = append(s.times, n.clock)
	s.promise = n.clock
}

// tell sends all that a node has to say to another one.
func (w *world) tell(n, to *node) {
	m := &message{
		from: n.at, to: to.at, identity: n.identity, view: n.view, wedged: n.synod.Wedged(), clock: n.clock, horizon: n.horizon(), stable: n.stable,
		streams: make([]stream, len(n.streams)),
	}
	if f := n.synod.Choice(); f != nil {
		m.facts = &protocol.Choice{Number: f.Number, Lineage: f.Lineage, Bids: slices.Clone(f.Bids), Votes: slices.Clone(f.Votes)}
	}
	trimmed := 0
	for p := range n.streams {
		m.streams[p] = n.streams[p]
		m.streams[p].times = slices.Clone(n.streams[p].times)
		trimmed += int(n.streams[p].trimmed)
	}
	if n.isMember() {
		w.judge.reaches(n, trimmed)
		m.order = n.order[:trimmed]
	}
	w.judge.told(n, m)
	w.mail = append(w.mail, m)
}

// step has the synod of a node go on, and carries out what it says.
func (w *world) step(n *node) {
	if n.view == nil {
		return
	}
	if place, ok := n.view.PlaceOf(n.identity); ok {
		n.streams[place].promise = n.clock
	}
	voted, decided := n.synod.Step(w.now, n)
	if voted != nil {
		n.record = voted
	}
	if decided != nil {
		w.install(n, decided)
	}
	w.settle(n)
	w.trim(n)
}

// receive takes in a message.
func (w *world) receive(n *node, m *message) {
	if n.view == nil {
		if !m.view.Has(m.identity) {
			return // only members give snapshots
		}
		w.begin(n, m)
	}
	if w.refuses(n, m.view) {
		return
	}
	if m.view.Number > n.view.Number {
		if _, err := n.synod.Adopt(m.view); err != nil {
			if !w.forced {
				w.judge.fault("history", "%s: %v", n.name, err)
			}
			return
		}
		w.install(n, m.view)
	}
	n.clock = max(n.clock, m.clock)
	w.takeRow(n, m)
	w.takeStreams(n, m)
	if m.facts != nil {
		n.synod.Join(m.facts, w.now)
	}
	w.step(n)
}

// begin has a node that knows nothing start with a snapshot.
func (w *world) begin(n *node, m *message) {
	n.record, n.rows = nil, map[member.Identity]*row{}
	n.found(m.view)
	n.order, n.settled, n.stable = slices.Clone(m.order), m.stable, m.stable
	for p := range n.streams {
		s, from := &n.streams[p], &m.streams[p]
		s.base, s.delivered, s.trimmed, s.promise = from.trimmed, from.trimmed, from.trimmed, m.stable
	}
	w.judge.delivered(n, 0)
}

// takeRow joins what a node says of itself.
func (w *world) takeRow(n *node, m *message) {
	r := n.rows[m.identity]
	if r == nil {
		r = &row{}
		n.rows[m.identity] = r
	}
	r.grow(len(n.streams))
	for p := range min(len(m.streams), len(n.streams)) {
		if m.view.Number < n.view.Places[p].Since {
			continue // it is about who had the place before
		}
		have := m.streams[p].have()
		if n.view.Places[p].Role == member.Gone {
			have = min(have, n.view.Places[p].Base)
		}
		if !m.wedged {
			r.have[p] = max(r.have[p], have)
		}
		r.trimmed[p] = max(r.trimmed[p], m.streams[p].trimmed)
	}
	if !m.wedged {
		r.clock = max(r.clock, m.clock)
	}
	if m.view.Number == n.view.Number {
		r.horizon = max(r.horizon, m.horizon)
	}
}

func (r *row) grow(places int) {
	for len(r.have) < places {
		r.have, r.trimmed = append(r.have, 0), append(r.trimmed, 0)
	}
}

// takeStreams takes entries and promises.
func (w *world) takeStreams(n *node, m *message) {
	for p := range min(len(m.streams), len(n.streams)) {
		place, s, from := &n.view.Places[p], &n.streams[p], &m.streams[p]
		if m.view.Number < place.Since || place.Identity == n.identity && place.Role == member.Writer {
			continue
		}
		room := ^uint64(0)
		if place.Role == member.Gone {
			room = place.Base
		}
		budget := w.random.IntN(6)
		if w.barren {
			budget = 0
		}
		for ; budget > 0 && s.have() < min(from.have(), room) && s.have() >= from.base; budget-- {
			time := from.times[s.have()-from.base]
			s.times = append(s.times, time)
			s.promise = max(s.promise, time)
			n.clock = max(n.clock, time)
		}
		if from.have() <= s.have() {
			s.promise = max(s.promise, from.promise)
		}
	}
}
