package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/journal"
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
		Violations: append(w.judge.Violations(), w.found...), Count: w.judge.Count() + len(w.found), Costs: w.costs(),
		Hash: w.hash.Sum(), Events: w.hash.Events(), Virtual: w.now, Messages: w.messages,
		Header: w.header, Map: w.lines, Shape: w.shape, Entries: w.judge.Entries(), config: w.config,
	}
	return result, nil
}

// Prepare returns the header of the trace that a run will have.
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
	case c.Protocol != Delta && (c.Changes || c.EvictAfter > 0 || c.Shape != nil && (c.Shape.Changes || c.Shape.EvictAfter > 0)):
		return fmt.Errorf("sim: the members of a cluster that runs %s never change", c.Protocol)
	case c.Members < 1 || c.Members > membersMaxSim:
		return fmt.Errorf("sim: %d members; possible are 1 to %d", c.Members, membersMaxSim)
	case c.SendFor < 0 || c.GraceFor < 0 || c.SendFor > phaseMax || c.GraceFor > phaseMax:
		return fmt.Errorf("sim: phases of %v and %v; possible is at most %v", c.SendFor, c.GraceFor, phaseMax)
	case c.Mutant != mutant.None && c.Mutant.Doc(c.Protocol) == "":
		return fmt.Errorf("sim: %s has no variant %q", c.Protocol, c.Mutant)
	case c.Mutant != mutant.None && !slices.Contains(mutant.Built(c.Protocol), c.Mutant):
		return fmt.Errorf("sim: this program was built without the variant %q of %s: chatterbox sim --mutant builds one that has it", c.Mutant, c.Protocol)
	}
	return c.Flaw.validate()
}

// prepare makes the world of a run as it is before anything happens.
func (r *Runner) prepare(c Config) (*world, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	w := &world{orders: map[member.Root]order{}, archive: unbroken, config: c, queue: &r.queue, frames: &r.frames, payloads: r.payloads, sink: c.Sink}
	if c.Shape != nil {
		w.shape = *c.Shape
	} else {
		w.shape = Draw(c.Seed, c.Members)
	}
	w.letGo()
	w.list = names(c.Members)
	w.lines = c.Map
	if c.Map == nil {
		w.names = names(c.Members + w.drawJoins())
		w.lines = w.drawMap()
	}
	w.names = w.lines.Grow(w.list)
	var err error
	if !w.shape.Changes {
		err = w.lines.WithoutChanges()
	}
	if err == nil {
		w.schedule, err = w.lines.Bind(w.names)
	}
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	if err := w.checkJoins(); err != nil {
		return nil, err
	}
	w.identities, w.load = stream(c.Seed, drawIdentity), stream(c.Seed, drawLoad)
	w.makeMembers()
	w.demand()
	w.judge = check.New(w.header, Numbers(c.Seed))
	return w, nil
}

// checkJoins returns what is wrong with who joins by the map.
func (w *world) checkJoins() error {
	for _, e := range w.schedule.Members() {
		if (e.Action == failure.Join || e.Action == failure.Observe) && int(e.Member) < w.config.Members {
			return fmt.Errorf("sim: %s is in the list, and cannot join: name one behind %s", w.names[e.Member].Name, w.names[w.config.Members-1].Name)
		}
	}
	return nil
}

// letGo draws how members are let go, if they are.
func (w *world) letGo() {
	c, s := &w.config, &w.shape
	switch {
	case c.EvictAfter > 0:
		s.EvictAfter = c.EvictAfter
	case c.Changes && c.Shape == nil:
		s.EvictAfter = pick(stream(c.Seed, drawEvictAfter), 0, 0, 2*time.Second, 4*time.Second)
	}
	if s.Changes = s.Changes || c.Changes || s.EvictAfter > 0; s.Changes {
		s.Holders = member.Holders(c.Members)
	}
}

// names returns the list of so many members: a, b, c and so on.
func names(members int) member.List {
	list := make(member.List, members)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "sim", Port: i + 1}
	}
	return list
}

func (w *world) makeMembers() {
	n := len(w.names)
	w.nodes, w.ways = make([]*node, n), make([]way, n*n)
	for i := range w.nodes {
		w.nodes[i] = &node{world: w, id: member.ID(i), rng: stream(w.config.Seed, drawMember<<32|uint64(i)), speed: 1}
		if w.shape.Journal {
			w.nodes[i].disk = new(journal.Memory)
		}
	}
	for i, n := range w.nodes {
		n.scarce.rng = stream(w.config.Seed, drawScarce<<32|uint64(i))
		n.reader.rng = stream(w.config.Seed, drawHistory<<32|uint64(i))
	}
	w.newcomers = make([]newcomer, n-w.config.Members)
	for i := range w.newcomers {
		w.newcomers[i] = newcomer{name: w.names[w.config.Members+i].Name, rng: stream(w.config.Seed, drawJoins<<32|uint64(i))}
	}
	for i := range w.ways {
		w.ways[i].rng = stream(w.config.Seed, drawLink<<32|uint64(i))
	}
}

// link returns how a link fails now.
func (w *world) link(from, to member.ID, at time.Duration) failure.Link {
	founders := w.config.Members
	if w.shape.Spared != nil && int(from) < founders && int(to) < founders && w.shape.Spared[int(from)*founders+int(to)] {
		return failure.Link{}
	}
	return w.schedule.Link(from, to, at)
}

// healSpread is how long after the send phase failures end at most.
const healSpread = 500 * time.Millisecond

// oldIn: in one of so many healed runs with journals a member comes back with an
// older copy of its data; where members come and go, after it was evicted.
const oldIn = 16

// drawMap draws what goes wrong, as the ending demands.
func (w *world) drawMap() failure.Map {
	if old := stream(w.config.Seed, drawOld); w.config.Changes && w.shape.Journal && w.config.Members > 2 && old.IntN(oldIn) == 0 {
		return failure.RandomOldOfWhoWent(old, w.config.Members, w.config.SendFor).Heal(w.config.SendFor)
	}
	if parts := stream(w.config.Seed, drawParts); w.config.Changes && w.shape.Journal && w.config.Members > 1 && parts.IntN(partsIn) == 0 {
		return failure.RandomPartings(parts, w.config.Members, w.config.SendFor).Heal(w.config.SendFor)
	}
	m := w.drawFailures()
	if w.config.Changes {
		rng, n := stream(w.config.Seed, drawChanges), len(w.names)
		m = failure.RandomChanges(rng, n, w.config.SendFor, w.shape.Journal, m)
		if leaves := stream(w.config.Seed, drawLeaves); leaves.IntN(leavesIn) == 0 {
			m = failure.RandomLeaves(leaves, n, w.config.SendFor, w.shape.Journal, m)
		}
		if n > w.config.Members { // founders who all forget begin another cluster, whoever has joined theirs
			m = slices.DeleteFunc(m, func(e failure.Event) bool {
				return w.forgets(e.Action) && slices.Equal(e.From.Names, []string{w.list[0].Name})
			})
		}
		m = failure.RandomJoins(rng, w.config.Members, n, w.config.SendFor, w.shape.Journal, m)
		m = failure.RandomObservers(stream(w.config.Seed, drawObservers), n, w.config.SendFor, m)
		if forces := stream(w.config.Seed, drawForces); n == 2 && forces.IntN(forcesIn) == 0 {
			m = failure.RandomForces(forces, w.config.SendFor, w.shape.Journal, m)
		}
	}
	return m
}

// forgets reports whether a member to which something happens has lost its data then.
func (w *world) forgets(a failure.Action) bool {
	switch a {
	case failure.Crash, failure.Kill, failure.Stop, failure.Leave:
		return !w.shape.Journal
	default:
		return a == failure.CrashLosingData
	}
}

// leavesIn: in one of so many runs with changes members leave as planned.
const leavesIn = 3

// partsIn: in one of so many runs with changes and journals several sides go on by force,
// and their histories part.
const partsIn = 6

// forcesIn: in one of so many other runs of two members with changes, one goes on by force.
const forcesIn = 2

// deathsIn: in one of so many runs in which members let go of who is away, some are
// gone for good, and nothing else fails.
const deathsIn = 4

// drawFailures draws what fails.
func (w *world) drawFailures() failure.Map {
	rng, n, c := stream(w.config.Seed, drawMap), w.config.Members, &w.config
	if deaths := stream(c.Seed, drawDeaths); w.shape.EvictAfter > 0 {
		switch deaths.IntN(deathsIn) {
		case 0:
			return failure.RandomDeaths(deaths, n, c.SendFor)
		case 1:
			if w.shape.Journal {
				return failure.RandomStops(deaths, n, c.SendFor)
			}
		}
	}
	if w.shape.Changes {
		return w.drawKept(rng)
	}
	random := failure.Random
	if w.shape.Journal && stream(c.Seed, drawOld).IntN(oldIn) == 0 {
		random = func(rng *rand.Rand, members int, length time.Duration, _ ...failure.Kind) failure.Map {
			return failure.RandomOld(rng, members, length)
		}
	}
	end := c.SendFor + time.Duration(rng.Int64N(int64(healSpread)))
	switch w.shape.Ending {
	case Healthy:
		return nil
	case Unended:
		return w.kills(failure.Random(rng, n, c.SendFor))
	case Core:
		return membersHeal(w.kills(failure.Random(rng, n, c.SendFor, coreKinds(w.shape.Journal)...)), end)
	}
	return w.kills(random(rng, n, c.SendFor)).Heal(end)
}

// drawKept draws failures of a run in which members come and go: all ends well,
// and nobody forgets anything.
func (w *world) drawKept(rng *rand.Rand) failure.Map {
	c := &w.config
	end := c.SendFor + time.Duration(rng.Int64N(int64(healSpread)))
	return w.kills(failure.Random(rng, len(w.names), c.SendFor, coreKinds(w.shape.Journal)...)).Heal(end)
}

// kills draws which crashes only end the process: with a journal that is
// something else.
func (w *world) kills(m failure.Map) failure.Map {
	if !w.shape.Journal {
		return m
	}
	return failure.Kills(stream(w.config.Seed, drawKills), m)
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

// Numbers returns any number of the score workload of a run with a seed, by
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
