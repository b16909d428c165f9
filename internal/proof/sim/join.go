package sim

import (
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/world/journal"
)

// newcomer is somebody who asks to be taken in. Until it has a place it is no
// member, and nothing of it outlives its end; a letter of the map behind those of
// the list is it until then, and whoever has that place from then on.
type newcomer struct {
	name     string
	identity member.Identity
	observes bool // it only reads
	asks     bool
	seated   bool
	rng      *rand.Rand
}

// asksEvery is how often a newcomer asks one member after the other.
const asksEvery = 100 * time.Millisecond

// joinsMost is how many join at most in a run that is drawn.
const joinsMost = 2

// drawJoins returns how many join.
func (w *world) drawJoins() int {
	if !w.config.Changes {
		return 0
	}
	return pick(stream(w.config.Seed, drawJoins), 0, 1, joinsMost)
}

// newcomerAt returns who asks as the member of a place; nil if that is a founder.
func (w *world) newcomerAt(place member.ID) *newcomer {
	if int(place) < w.config.Members {
		return nil
	}
	return &w.newcomers[int(place)-w.config.Members]
}

// happensOutside lets an event of the schedule happen to who has no place yet, and
// reports whether it happens to nobody else: another one may have been given the place
// behind its letter.
func (w *world) happensOutside(e *failure.MemberEvent) bool {
	c := w.newcomerAt(e.Member)
	if c == nil {
		return false
	}
	switch e.Action {
	case failure.Join, failure.Observe:
		if c.seated && c.observes && e.Action == failure.Join {
			w.write(c)
		}
		c.observes = e.Action == failure.Observe
		w.ask(c)
		return true
	case failure.Restart, failure.Start, failure.Resume:
		w.ask(c)
	case failure.Crash, failure.Kill, failure.CrashLosingData, failure.CrashRestoring, failure.Pause, failure.Stop, failure.Leave:
		c.asks = false
	}
	return !w.nodes[e.Member].started
}

// ask has a newcomer begin to ask, as somebody new.
func (w *world) ask(c *newcomer) {
	if c.asks || c.seated {
		return
	}
	c.asks, c.identity = true, w.newIdentity()
	for i := range w.newcomers {
		if &w.newcomers[i] == c {
			w.queue.push(event{at: w.now, kind: evJoin, aux: uint32(i)})
		}
	}
}

// write starts one again that only read, as somebody who wants to be a member.
func (w *world) write(c *newcomer) {
	c.observes = false
	for _, n := range w.nodes {
		if n.newcomer == c && n.running {
			n.end(killed)
			n.start()
		}
	}
}

// observes reports whether a member only reads, by its own will.
func (n *node) observes() bool { return n.newcomer != nil && n.newcomer.observes }

// judgeObservers: where all settles everywhere, it does so at those who only read.
func (w *world) judgeObservers() {
	for _, n := range w.nodes {
		if !w.header.Progress || !n.observes() || !n.running || n.paused {
			continue
		}
		if status := n.reducer.Status(); !status.Complete {
			w.broken("progress", n.id, "only reads, and has not read all in the end: it goes by view %d, and holds %v up to %d", status.View.Number, status.Held, uint64(status.Horizon))
		}
	}
}

// onJoin lets a newcomer ask a member that it reaches, until a view has it.
func (w *world) onJoin(e *event) {
	c := &w.newcomers[e.aux]
	if !c.asks {
		return
	}
	w.queue.push(event{at: w.now + asksEvery, kind: evJoin, aux: e.aux})
	n := w.nodes[c.rng.IntN(len(w.nodes))]
	from := member.ID(w.config.Members + int(e.aux))
	if !n.listens() || w.link(from, n.id, w.now).Cut || w.link(n.id, from, w.now).Cut {
		return
	}
	v := n.reducer.Status().View
	if v == nil {
		return
	}
	if place, has := v.TenantAt(c.identity); has {
		w.seat(c, place, v)
		return
	}
	n.change(member.Change{Kind: member.Admit, Identity: c.identity, Name: c.name, Address: "sim:" + c.name, Observes: c.observes})
}

// listens reports whether somebody can tell the member something.
func (n *node) listens() bool { return n.running && !n.paused && !n.scarce.stalled }

// seat lets a newcomer begin at its place, with the view that has it.
func (w *world) seat(c *newcomer, place member.ID, v *member.View) {
	c.asks, c.seated = false, true
	if int(place) >= len(w.nodes) {
		w.broken("one-view", place, "%d join, and view %d has %d places", len(w.newcomers), v.Number, len(v.Places))
		return
	}
	n := w.nodes[place]
	n.newcomer, n.seat, n.identity = c, v, c.identity
	if n.disk != nil {
		n.disk = new(journal.Memory)
	}
	n.start()
}

// begins returns the life of a start that finds nothing; false if the member has
// to ask for its place again, for the view that has it is lost too.
func (n *node) begins() (journal.Life, bool) {
	w := n.world
	if int(n.id) < w.config.Members {
		return journal.Life{Identity: w.newIdentity(), Count: 1}, true
	}
	if n.disk != nil && n.started {
		if owner, err := journal.OwnerOf(n.disk); err != nil || owner != nil {
			return journal.Life{Identity: n.identity, Count: 1}, true
		}
	}
	if n.seat == nil {
		n.newcomer.seated = false
		w.ask(n.newcomer)
		return journal.Life{}, false
	}
	return journal.Life{Identity: n.identity, Count: 1}, true
}

// installed takes up who belongs to the cluster.
func (n *node) installed(v *member.View) {
	if n.history != nil {
		n.history.Follow(v)
	}
	n.goBy(v)
	before := n.places
	n.places = max(before, len(v.Places))
	if n.world.shape.Streams {
		n.dialAll(before)
	}
}
