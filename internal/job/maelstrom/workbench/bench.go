package workbench

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// bench is a run: the one queue of what happens next, and what was seen.
type bench struct {
	cfg   Config
	world world
	now   time.Duration
	queue queue
	rng   *rand.Rand

	names    []string
	ids      map[string]int
	schedule *failure.Schedule
	zero     time.Duration // when clients begin, and the failure map with them
	begun    bool
	down     []bool
	backlog  [][][]byte // lines that came for nodes that are down

	registered []bool // nodes that others can send to
	muted      []bool // nodes that sent to somebody who is not registered

	clients []*client
	byName  map[string]*client
	named   int  // clients so far, those that are gone included
	next    int  // the next value
	open    int  // operations that have begun and not ended
	due     bool // an operation waits for a free client
	closed  bool // no more operations are begun

	history  history
	counts   counts
	hash     uint64
	troubles []string // what no history shows
}

// counts are messages between nodes.
type counts struct {
	sent    int
	quiet   int // sent after the last operation began
	longest int // bytes of a line
}

func newBench(cfg Config) (*bench, error) {
	if cfg.Nodes < 1 || cfg.Rate <= 0 || cfg.SendFor <= 0 {
		return nil, errors.New("workbench: nodes, a rate and a time are needed")
	}
	b := &bench{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), ids: make(map[string]int), byName: make(map[string]*client),
		down: make([]bool, cfg.Nodes), backlog: make([][][]byte, cfg.Nodes),
		registered: make([]bool, cfg.Nodes), muted: make([]bool, cfg.Nodes),
	}
	list := make(member.List, cfg.Nodes)
	for i := range list {
		name := fmt.Sprintf("n%d", i)
		list[i] = member.Member{Name: name, Host: name, Port: 1}
		b.names = append(b.names, name)
		b.ids[name] = i
	}
	events := cfg.Map
	if len(events) > 0 {
		events = events.Heal(cfg.SendFor)
	}
	var err error
	b.schedule, err = events.Bind(list)
	return b, err
}

// run plays the whole story: all start, clients operate, all heals, a pause,
// the final reads.
func (b *bench) run(ctx context.Context) error {
	if err := b.setup(ctx); err != nil {
		return err
	}
	b.zero, b.begun = b.now, true
	for i := range b.names {
		if b.schedule.Absent(member.ID(i)) { // it was set up like all others, and is killed at once
			b.kill(i)
		}
	}
	for _, event := range b.schedule.Members() {
		b.at(b.zero+event.At, func() { b.happen(event) })
	}
	for range b.cfg.Clients {
		b.addClient()
	}
	b.at(b.now, b.operate)
	if err := b.pass(ctx, b.zero+b.cfg.SendFor); err != nil {
		return err
	}
	b.closed, b.counts.quiet = true, -b.counts.sent
	if err := b.pass(ctx, b.now+b.cfg.Recover); err != nil {
		return err
	}
	b.counts.quiet += b.counts.sent
	b.readFinally()
	for until := b.now + timeoutAfter; b.open > 0 && b.now < until; {
		if err := b.step(ctx, until); err != nil {
			return err
		}
	}
	return nil
}

// setup starts, registers and initializes one node after the other, in any
// order but the first one of the list last; then, where the workload has one,
// each is told the topology.
func (b *bench) setup(ctx context.Context) error {
	open := len(b.names)
	for turn, i := range b.rng.Perm(len(b.names)) {
		at := b.now + b.cfg.Register*time.Duration(turn)/time.Duration(len(b.names))
		if i == 0 {
			at = b.now + b.cfg.Register
		}
		b.at(at, func() {
			if err := b.world.start(i); err != nil {
				b.trouble("%s does not start: %v", b.names[i], err)
				return
			}
			b.registered[i] = true
			b.ask(i, b.setupBody(i, "init"), func(answer) { open-- })
		})
	}
	if err := b.settle(ctx, &open, "init"); err != nil || b.cfg.Workload != Broadcast {
		return err
	}
	open = len(b.names)
	for i := range b.names {
		b.ask(i, b.setupBody(i, "topology"), func(answer) { open-- })
	}
	return b.settle(ctx, &open, "topology")
}

// settle waits until all nodes have answered a request.
func (b *bench) settle(ctx context.Context, open *int, request string) error {
	for until := b.now + setupMax; *open > 0; {
		if b.now >= until {
			return fmt.Errorf("%d of %d nodes did not answer %s within %s", *open, len(b.names), request, setupMax)
		}
		if err := b.step(ctx, until); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) setupBody(node int, request string) map[string]any {
	if request == "init" {
		return map[string]any{"type": "init", "node_id": b.names[node], "node_ids": b.names}
	}
	topology := make(map[string][]string)
	for i, name := range b.names {
		topology[name] = []string{b.names[(i+1)%len(b.names)]}
	}
	return map[string]any{"type": "topology", "topology": topology}
}

// pass lets everything happen up to a moment.
func (b *bench) pass(ctx context.Context, until time.Duration) error {
	for b.now < until {
		if err := b.step(ctx, until); err != nil {
			return err
		}
	}
	return nil
}

// step does the next thing, no later than until.
func (b *bench) step(ctx context.Context, until time.Duration) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if next, ok := b.queue.first(); ok {
		until = min(until, next)
	}
	b.now = max(b.now, b.world.wait(until))
	for next, ok := b.queue.first(); ok && next <= b.now; next, ok = b.queue.first() {
		b.queue.pop()()
	}
	return nil
}

// at has something done at a time; at the same time, in the order of asking.
func (b *bench) at(at time.Duration, do func()) { b.queue.push(at, do) }

// happen kills, starts, pauses and resumes nodes.
func (b *bench) happen(event failure.MemberEvent) {
	node := int(event.Member)
	switch event.Action {
	case failure.Crash, failure.Kill, failure.CrashLosingData, failure.CrashRestoring: // nothing is durable here
		b.kill(node)
	case failure.Start, failure.Restart:
		b.restart(node)
	case failure.Pause, failure.Resume:
		b.world.pause(node, event.Action == failure.Pause)
	}
}

func (b *bench) kill(node int) {
	b.down[node] = true
	b.world.kill(node)
}

// restart gives a node a new life: nothing is left of the old one, and only
// init tells it anything, but for what came while it was down.
func (b *bench) restart(node int) {
	if err := b.world.start(node); err != nil {
		b.trouble("%s does not start again: %v", b.names[node], err)
		return
	}
	b.down[node], b.muted[node] = false, false
	missed := b.backlog[node]
	b.backlog[node] = nil
	b.ask(node, b.setupBody(node, "init"), func(answer) {
		for _, line := range missed {
			b.world.deliver(node, line)
		}
	})
}

func (b *bench) trouble(format string, args ...any) {
	b.troubles = append(b.troubles, fmt.Sprintf(format, args...))
}

// note mixes a line into the hash of the run.
func (b *bench) note(line []byte) {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%d %d %s", b.hash, b.now, line)
	b.hash = hash.Sum64()
}
