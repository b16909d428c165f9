package workbench

import (
	"bytes"
	"math/rand/v2"
	"time"

	"chatterbox/internal/job/maelstrom"
)

// virtual is a world in which time passes only when nothing else is to be
// done: nodes are values in this process.
type virtual struct {
	bench *bench
	nodes []*virtualNode
	lives *rand.Rand
}

// virtualNode is a node and what waits for it.
type virtualNode struct {
	node    *maelstrom.Node
	life    int // counts starts and kills: what was planned for another life is void
	paused  bool
	waiting [][]byte // lines that came during a pause
	alarm   time.Duration
}

func newVirtual(b *bench) *virtual {
	v := &virtual{bench: b, lives: rand.New(rand.NewPCG(b.cfg.Seed, 2)), nodes: make([]*virtualNode, b.cfg.Nodes)}
	for i := range v.nodes {
		v.nodes[i] = new(virtualNode)
	}
	return v
}

func (v *virtual) start(id int) error {
	n := v.nodes[id]
	life := n.life + 1
	send := func(line []byte) {
		text := bytes.Clone(line)
		v.bench.at(v.bench.now, func() { v.bench.route(id, text) })
	}
	*n = virtualNode{life: life, node: maelstrom.New(v.bench.cfg.node(send, v.lives.Uint64))}
	return nil
}

func (v *virtual) kill(id int) { *v.nodes[id] = virtualNode{life: v.nodes[id].life + 1} }

func (v *virtual) pause(id int, on bool) {
	n := v.nodes[id]
	n.paused = on
	if on || n.node == nil {
		return
	}
	waiting := n.waiting
	n.waiting = nil
	for _, line := range waiting {
		v.deliver(id, line)
	}
	v.wake(id)
}

func (v *virtual) deliver(id int, line []byte) {
	n := v.nodes[id]
	switch {
	case n.node == nil:
	case n.paused:
		n.waiting = append(n.waiting, line)
	default:
		n.node.Receive(v.bench.now, line)
		v.wake(id)
	}
}

// wake lets a node do what is due, and plans when to come again.
func (v *virtual) wake(id int) {
	n := v.nodes[id]
	if n.node == nil || n.paused {
		return
	}
	n.node.Wake(v.bench.now)
	due, ok := n.node.Due()
	if !ok || due == n.alarm {
		return
	}
	n.alarm = due
	life := n.life
	v.bench.at(due, func() {
		if n.life == life && n.alarm == due {
			n.alarm = -1
			v.wake(id)
		}
	})
}

func (v *virtual) wait(until time.Duration) time.Duration { return until }

func (v *virtual) close() error { return nil }
