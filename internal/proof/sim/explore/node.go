package explore

import (
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/state"
	"chatterbox/internal/world/driver"
)

// node is one member in one of its states, and what the judge remembers of its
// past. Once it is kept it is never changed: what happens next happens to a
// copy.
type node struct {
	print uint64 // hash of all that is not derived
	self  member.ID

	identity member.Identity
	life     uint64 // starts with this data
	reducer  protocol.Reducer
	now      time.Duration // since the start of this life
	ledger   ledger        // stays empty without a journal
	app      app
	prefix   driver.Prefix // what it keeps of what is trimmed

	submitted, ticked, leapt int
	closed                   bool

	// What the judge remembers.
	before  app        // the longest order that an earlier life was told
	lives   []past     // this one comes last
	written []fact     // own batches of all lives
	latest  clock.Time // of all batches that this life with its data held

	view view // derived from the rest
}

// past is the most that a life of a member ever held and promised.
type past struct {
	identity member.Identity
	marks    clock.Vector
}

func newPast(identity member.Identity, members int) past {
	return past{identity: identity, marks: make(clock.Vector, members)}
}

// copy returns a member that goes on from here by itself.
func (n *node) copy(m *state.Mirror) *node {
	c := *n
	c.reducer = state.Copy(m, n.reducer)
	c.app.delivered, c.app.steps = slices.Clip(n.app.delivered), slices.Clip(n.app.steps)
	c.written = slices.Clip(n.written)
	c.lives = slices.Clone(n.lives)
	present := &c.lives[len(c.lives)-1]
	present.marks = slices.Clone(present.marks)
	return &c
}

// appendState appends everything that tells this state from others.
func (n *node) appendState(w *state.Words, m *state.Mirror) {
	state.PutAll(w, []uint64{uint64(n.self), uint64(n.identity), n.life, uint64(n.now), uint64(n.latest)})
	state.PutAll(w, []int{n.submitted, n.ticked, n.leapt})
	w.Flags(n.closed)
	m.Append(w, n.reducer)
	n.ledger.appendState(w)
	n.app.appendState(w)
	w.Bytes(n.prefix.State)
	n.before.appendState(w)
	for i := range n.lives {
		state.Put(w, n.lives[i].identity)
		w.Vector(n.lives[i].marks)
	}
	for i := range n.written {
		f := &n.written[i]
		state.PutAll(w, []uint64{uint64(f.identity), f.seq, uint64(f.time), f.content})
	}
}

// view is what of a member the judge compares with others, and what the
// search must know to go on.
type view struct {
	held      clock.Vector
	known     []clock.Vector
	trimmed   []uint64
	committed []uint64 // nil: not a notion of the protocol
	facts     []fact   // all batches that this life was told or holds
	agreed    bool
	reader    bool
	complete  bool
	room      int
	is        *member.View // by which it goes; nil: none
}

// look makes the view anew, and lets the past rise with it.
func (n *node) look() {
	s := n.reducer.Status()
	n.view = view{
		held: s.Held, known: s.Known, trimmed: s.Trimmed,
		agreed: s.Agreed, reader: s.Reader, complete: s.Complete, room: n.reducer.Room(), is: s.View,
	}
	if r, ok := n.reducer.(interface{ Committed() []uint64 }); ok {
		n.view.committed = r.Committed()
	}
	n.view.facts = append(n.view.facts, n.app.delivered...)
	for b := range n.reducer.Tentative() {
		n.view.facts = append(n.view.facts, factOf(b))
	}
	n.lives[len(n.lives)-1].marks.Merge(s.Held)
}
