package sim

import (
	"fmt"
	"time"

	"chatterbox/check"
	"chatterbox/failure"
	"chatterbox/journal"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/trace"
	"chatterbox/workload"
)

// Runner runs one configuration after the other and uses memory again. It is
// for one goroutine.
type Runner struct {
	queue    queue
	frames   frames
	payloads *protocol.Pool
}

// Buffers that own batches are made in: their size, and how many free ones are
// kept.
const (
	payloadBytes  = 4 << 10
	payloadsKept  = 64
	membersMaxSim = 2048
)

// NewRunner makes a runner.
func NewRunner() *Runner {
	return &Runner{frames: newFrames(), payloads: protocol.NewPool(payloadBytes, payloadsKept)}
}

// Run runs a cluster from its start to its deadline, see [Run].
func (r *Runner) Run(c Config) (Result, error) {
	w, err := r.prepare(c.withDefaults())
	if err != nil {
		return Result{}, err
	}
	w.found = append(w.guarded(), w.found...)
	r.queue.reset()
	r.frames.reset()
	result := Result{
		Violations: append(w.judge.Violations(), w.found...), Count: w.judge.Count() + len(w.found),
		Hash: w.hash.Sum(), Events: w.hash.Events(), Virtual: w.now, Messages: w.messages,
		Header: w.header, Map: w.lines, Shape: w.shape, Entries: w.judge.Entries(), config: w.config,
	}
	return result, nil
}

// Prepare gives the header of the trace that a run will have.
func Prepare(c Config) (trace.Header, error) {
	w, err := NewRunner().prepare(c.withDefaults())
	if err != nil {
		return trace.Header{}, err
	}
	return w.header, nil
}

func (c *Config) validate() error {
	switch {
	case c.Protocol != Delta && c.Protocol != Lockstep:
		return fmt.Errorf("sim: protocol %q; there are %s and %s", c.Protocol, Delta, Lockstep)
	case c.Members < 1 || c.Members > membersMaxSim:
		return fmt.Errorf("sim: %d members; possible are 1 to %d", c.Members, membersMaxSim)
	case c.SendFor < 0 || c.GraceFor < 0:
		return fmt.Errorf("sim: phases of %v and %v", c.SendFor, c.GraceFor)
	}
	return c.Flaw.validate()
}

// prepare makes the world of a run as it is before anything happens.
func (r *Runner) prepare(c Config) (*world, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	w := &world{config: c, queue: &r.queue, frames: &r.frames, payloads: r.payloads, sink: c.Sink}
	if c.Shape != nil {
		w.shape = *c.Shape
	} else {
		w.shape = Draw(c.Seed, c.Members)
	}
	w.list = names(c.Members)
	w.lines = c.Map
	if c.Map == nil {
		w.lines = w.drawMap()
	}
	var err error
	if w.schedule, err = w.lines.Bind(w.list); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	w.identities, w.load = stream(c.Seed, drawIdentity), stream(c.Seed, drawLoad)
	w.makeMembers()
	w.demand()
	w.judge = check.New(w.header, Numbers(c.Seed))
	return w, nil
}

// names gives the list of so many members: a, b, c and so on.
func names(members int) member.List {
	list := make(member.List, members)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "sim", Port: i + 1}
	}
	return list
}

func (w *world) makeMembers() {
	n := w.config.Members
	w.nodes, w.ways = make([]*node, n), make([]way, n*n)
	for i := range w.nodes {
		w.nodes[i] = &node{world: w, id: member.ID(i), rng: stream(w.config.Seed, drawMember<<32|uint64(i)), speed: 1}
		if w.shape.Journal {
			w.nodes[i].disk = new(journal.Memory)
		}
	}
	for i := range w.ways {
		w.ways[i].rng = stream(w.config.Seed, drawLink<<32|uint64(i))
	}
}

// link tells how a link fails now.
func (w *world) link(from, to member.ID, at time.Duration) failure.Link {
	if w.shape.Spared != nil && w.shape.Spared[int(from)*len(w.nodes)+int(to)] {
		return failure.Link{}
	}
	return w.schedule.Link(from, to, at)
}

// healSpread is how long after the send phase failures end at most.
const healSpread = 500 * time.Millisecond

// drawMap draws what goes wrong, as the ending demands.
func (w *world) drawMap() failure.Map {
	rng, n, c := stream(w.config.Seed, drawMap), w.config.Members, &w.config
	end := c.SendFor + time.Duration(rng.Int64N(int64(healSpread)))
	switch w.shape.Ending {
	case Healthy:
		return nil
	case Unended:
		return failure.Random(rng, n, c.SendFor)
	case Core:
		return membersHeal(failure.Random(rng, n, c.SendFor, coreKinds(w.shape.Journal)...), end)
	}
	return failure.Random(rng, n, c.SendFor).Heal(end)
}

// coreKinds are the failures after which all can still become complete: no
// data is lost.
func coreKinds(journal bool) []failure.Kind {
	var kinds []failure.Kind
	for _, kind := range failure.Kinds() {
		if kind != failure.Amnesias && (journal || kind != failure.Crashes) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// membersHeal lets members be well from a time on; links stay as they are.
func membersHeal(m failure.Map, at time.Duration) failure.Map {
	var kept failure.Map
	for _, e := range m.Heal(at) {
		if e.Arrow != failure.NoLink && e.Action == failure.Heal && e.At == at {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// Numbers gives any number of the score workload of a run with a seed, by
// drawing it again.
func Numbers(seed uint64) check.Numbers {
	type cursor struct {
		numbers *workload.Numbers
		next    uint64
		value   uint64
	}
	cursors := map[member.ID]*cursor{}
	return func(origin member.ID, seq uint64) uint64 {
		c := cursors[origin]
		if c == nil || c.next > seq {
			c = &cursor{numbers: workload.NewNumbers(seed, int(origin))}
			cursors[origin] = c
		}
		for c.next < seq {
			c.value = c.numbers.Next()
			c.next++
		}
		return c.value
	}
}
