package explore

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/world/driver"
)

const (
	// firstContactWait is two ticks, so that a search reaches it.
	firstContactWait = 2 * Tick
	// memoryBytes is so small that lockstep's journals get bases.
	memoryBytes = 384
	// trimNoticeBytes has delta tell its journal of every trimmed batch.
	trimNoticeBytes = 1
)

// build makes the reducer of a life.
func (w *world) build(n *node, recovered *protocol.Recovered) protocol.Reducer {
	c := w.config
	if c.Protocol == Lockstep {
		return mutant.NewLockstep(c.Mutant, lockstep.Config{
			Self: n.self, Members: c.Members, Identity: n.identity, Life: n.life, Recovered: recovered,
			Tick: Tick, Durable: c.Durable, Datagram: !c.Streams,
			FirstContactWait: firstContactWait, MemoryBytesMax: memoryBytes,
		})
	}
	return mutant.NewDelta(c.Mutant, delta.Config{
		Self: n.self, Members: w.founders(), Identity: n.identity, Life: n.life, Recovered: recovered,
		Tick: Tick, Durable: c.Durable, KeepPrepared: true, Datagram: !c.Streams,
		FirstContactWait: firstContactWait, TrimNoticeBytes: trimNoticeBytes, Changes: c.Changes,
	})
}

// identityOf names a life: 1100 is the second one of the first member. Real
// ones are random, so these are not neighbours either.
func identityOf(self member.ID, losses int) member.Identity {
	return member.Identity((int(self)+1)*1000 + losses*100)
}

// newNode makes a member before its first life.
func (w *world) newNode(self member.ID) *node {
	n := &node{self: self}
	w.live(n, nil)
	return n
}

// newcomer makes a member that begins with a view in which it has a place.
func (w *world) newcomer(self member.ID, v *member.View) *node {
	n := &node{self: self}
	w.become(n)
	w.live(n, &protocol.Recovered{View: v})
	return n
}

// founders returns how many members there were at first.
func (w *world) founders() int {
	if w.config.Joined {
		return w.config.Members - 1
	}
	return w.config.Members
}

// pen returns the identity under which a member writes now.
func (n *node) pen() member.Identity {
	if v := n.reducer.Status().View; v != nil && v.Has(n.identity) {
		return v.Places[n.self].Pen()
	}
	return n.identity
}

// restart begins another life with what the journal kept, at once: what would
// have come while it was down comes late instead.
func (h *actor) restart() {
	n, held := h.node, h.node.view.held
	h.world.live(n, n.ledger.recover())
	for j, mark := range n.reducer.Status().Held {
		if mark.Have < held[j].Have {
			h.fault("durable-first", "%s came back with %d entries of stream %s, it held %d", member.Letter(n.self), mark.Have, member.Letter(member.ID(j)), held[j].Have)
		}
	}
}

// lose begins a life as somebody new at the same place.
func (h *actor) lose() {
	h.node.latest = 0
	h.world.live(h.node, nil)
}

// live begins a life: with nothing recovered, as somebody new.
func (w *world) live(n *node, recovered *protocol.Recovered) {
	if n.app.end() >= n.before.end() {
		n.before = n.app
	}
	n.now, n.closed, n.app, n.prefix = 0, false, app{}, driver.Prefix{Fold: fold}
	if recovered == nil {
		w.become(n)
	} else {
		n.app.state = tallyOf(recovered.Base.State)
		n.prefix.Begin(&recovered.Base)
	}
	n.life++
	n.app.start()
	n.reducer = w.build(n, recovered)
}

// become makes a member somebody new.
func (w *world) become(n *node) {
	n.identity, n.life = identityOf(n.self, len(n.lives)), 0
	n.lives = append(n.lives, newPast(n.identity, w.config.Members))
	n.ledger = ledger{durable: protocol.Recovered{Base: protocol.Snapshot{Have: make([]uint64, w.config.Members)}}}
}
