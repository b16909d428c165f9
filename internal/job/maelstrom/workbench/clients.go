package workbench

import (
	"encoding/json"
	"fmt"
	"time"
)

// client does one thing at a time, at one node.
type client struct {
	name   string
	node   int
	asked  int64 // number of the newest request
	busy   bool
	answer func(answer)
}

// addClient adds a client, the next node's.
func (b *bench) addClient() {
	b.clients = append(b.clients, b.newClient(len(b.clients)%b.cfg.Nodes))
}

func (b *bench) newClient(node int) *client {
	c := &client{node: node}
	b.register(c)
	return c
}

// register gives a client a name that nobody had.
func (b *bench) register(c *client) {
	c.name = fmt.Sprintf("c%d", b.named)
	b.named++
	b.byName[c.name] = c
}

// reopen ends a client that does not know what became of its request, and has
// another one in its place, as Jepsen does.
func (b *bench) reopen(c *client) {
	delete(b.byName, c.name)
	b.register(c)
}

// ask has a client of its own ask a node once.
func (b *bench) ask(node int, body map[string]any, then func(answer)) {
	c := b.newClient(node)
	b.request(c, body, func(a answer) {
		delete(b.byName, c.name)
		then(a)
	})
}

// request sends a client's request and remembers who waits for the answer.
func (b *bench) request(c *client, body map[string]any, then func(answer)) {
	c.busy, c.answer = true, then
	c.asked++
	if !b.down[c.node] { // else it is written to a process that is dead
		b.arrive(c.node, request(c.name, b.names[c.node], c.asked, body))
	}
}

// answered hands an answer to its client.
func (b *bench) answered(c *client, a answer) {
	if !c.busy || a.InReplyTo != c.asked {
		b.trouble("%s answered request %d of %s, which has its answer", b.names[c.node], a.InReplyTo, c.name)
		return
	}
	c.busy = false
	c.answer(a)
}

// operate has a free client do something, and plans the next one; when none
// is free, the next one to be free does it.
func (b *bench) operate() {
	if b.closed {
		return
	}
	var free []*client
	for _, c := range b.clients {
		if !c.busy {
			free = append(free, c)
		}
	}
	b.due = len(free) == 0
	if b.due {
		return
	}
	c := free[b.rng.IntN(len(free))]
	switch {
	case b.cfg.Workload == UniqueIDs:
		b.invoke(c, map[string]any{"type": "generate"}, operation{generate: true})
	case b.rng.IntN(2) == 0:
		b.read(c, false)
	default:
		b.write(c)
	}
	b.at(b.now+time.Duration(b.rng.Float64()*2*float64(time.Second)/b.cfg.Rate), b.operate)
}

// write has a client put in the next value.
func (b *bench) write(c *client) {
	value := b.next
	b.next++
	body := map[string]any{"type": b.cfg.Workload.writes(), "message": value}
	if b.cfg.Workload == GSet {
		body = map[string]any{"type": b.cfg.Workload.writes(), "element": value}
	}
	b.invoke(c, body, operation{write: true, value: value})
}

// read has a client read all values.
func (b *bench) read(c *client, final bool) {
	b.invoke(c, map[string]any{"type": "read"}, operation{final: final})
}

// invoke has a client ask for an operation, and notes in the history when it
// began and what became of it.
func (b *bench) invoke(c *client, body map[string]any, o operation) {
	o.node, o.at, o.invocation = c.node, b.now, len(b.history)
	b.history = append(b.history, o)
	b.open++
	b.request(c, body, func(a answer) {
		ended := b.resultOf(o, a)
		if ended.result == unknown {
			b.reopen(c)
		}
		b.end(ended)
	})
	asked := c.asked
	b.at(b.now+timeoutAfter, func() {
		if c.busy && c.asked == asked {
			c.busy = false
			o.result = unknown
			b.reopen(c)
			b.end(o)
		}
	})
}

// end notes what became of an operation; its client is free for the next one.
func (b *bench) end(o operation) {
	o.at = b.now
	b.history = append(b.history, o)
	b.open--
	if b.due {
		b.operate()
	}
}

// resultOf returns what an answer says about an operation. One that is not what
// the workload allows is trouble, and tells nothing.
func (b *bench) resultOf(o operation, a answer) operation {
	switch {
	case a.definite() && b.cfg.Workload != GSet: // there, any error ends the client
		o.result = refused
	case a.Type == "error" && a.Code != nil:
		o.result = unknown
	case o.generate && a.Type == "generate_ok":
		o.result, o.id = done, a.ID
	case o.write && a.Type == b.cfg.Workload.writes()+"_ok":
		o.result = done
	case !o.write && !o.generate && a.Type == "read_ok":
		o.result = done
		if err := b.shown(a, &o.read); err != nil {
			b.trouble("%s: %v", b.names[o.node], err)
			o.result = unknown
		}
	default:
		b.trouble("%s answered an operation with %s: %s", b.names[o.node], a.Type, a.Text)
		o.result = unknown
	}
	return o
}

// shown reads the values of an answer, which stand under the name that the
// workload expects.
func (b *bench) shown(a answer, read *[]int) error {
	values, other := a.Messages, a.Value
	if b.cfg.Workload == GSet {
		values, other = other, values
	}
	if values == nil || other != nil {
		return fmt.Errorf("a read was not answered as %s demands", b.cfg.Workload)
	}
	*read = make([]int, len(values))
	for i := range values {
		if err := json.Unmarshal(values[i], &(*read)[i]); err != nil {
			return fmt.Errorf("a read shows %s: %w", values[i], err)
		}
	}
	return nil
}

// readFinally has a client of each node read.
func (b *bench) readFinally() {
	if b.cfg.Workload == UniqueIDs {
		return
	}
	for node := range b.cfg.Nodes {
		b.read(b.newClient(node), true)
	}
}
