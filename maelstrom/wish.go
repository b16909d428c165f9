package maelstrom

import (
	"encoding/json"
	"slices"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
)

// wish is a value that is wanted in the log and is not held yet.
type wish struct {
	value   []byte
	since   time.Duration
	carried bool          // somebody was asked to carry it: nobody knows whether it will be held
	askedAt time.Duration // when that was
}

// waiting is a client that waits until enough members hold a value.
type waiting struct {
	message *message
	ok      string // type of the answer
	key     string // the value
	since   time.Duration
}

// wish wants a value in the log, unless it is held or wanted already, and says
// whether there was room for it.
func (n *Node) wish(value []byte) bool {
	c := n.cluster
	if _, held := c.entries.places[string(value)]; held || c.wanted[string(value)] {
		return true
	}
	if len(c.wishes) >= wishesMax {
		return false
	}
	c.wishes = append(c.wishes, wish{value: slices.Clone(value), since: n.now})
	c.wanted[string(value)] = true
	n.hurry()
	return true
}

// fulfil puts the wishes into the log, as far as it has room.
func (n *Node) fulfil() {
	c := n.cluster
	room := c.reducer.Room()
	for i := range c.wishes {
		value := c.wishes[i].value
		if room -= len(value); room < 0 {
			break
		}
		if !c.builder.Add(value) {
			n.submit()
			c.builder.Add(value)
		}
	}
	n.submit()
	n.drop(func(w *wish) bool {
		_, held := c.entries.places[string(w.value)]
		return held
	})
}

// submit puts the open batch into the log.
func (n *Node) submit() {
	if batch := n.cluster.builder.Take(); batch.Count > 0 {
		n.step(protocol.Event{Kind: protocol.Submit, Batch: batch})
	}
}

// carry asks a member that writes to put the wishes into the log. They are
// wishes until this member holds them, and go to another one when that takes
// too long: who carried them may be gone.
func (n *Node) carry() {
	c := n.cluster
	n.drop(func(w *wish) bool {
		_, held := c.entries.places[string(w.value)]
		return held
	})
	due := func(w *wish) bool { return w.carried && n.now-w.askedAt >= carryTicks*n.cfg.Tick }
	if slices.ContainsFunc(c.wishes, func(w wish) bool { return due(&w) }) {
		c.carrier++
	}
	to, ok := n.findCarrier()
	if !ok {
		return
	}
	body, size := carryBody{Type: typeCarry}, 0
	for i := range c.wishes {
		w := &c.wishes[i]
		if w.carried && !due(w) {
			continue
		}
		w.carried, w.askedAt = true, n.now
		if size += len(w.value); size > messageBytesMax {
			n.tell(to, body)
			body.Values, size = nil, len(w.value)
		}
		body.Values = append(body.Values, json.RawMessage(w.value))
	}
	if len(body.Values) > 0 {
		n.tell(to, body)
	}
}

// findCarrier gives the member that carries wishes at present, or the next one
// after it that writes and was heard of late.
func (n *Node) findCarrier() (member.ID, bool) {
	c := n.cluster
	for range c.peers {
		id := member.ID(c.carrier % len(c.peers))
		if id != c.self && c.peers[id].writes && n.hears(id) {
			return id, true
		}
		c.carrier++
	}
	return 0, false
}

// giveUp refuses what waited too long and is certain to be nowhere.
func (n *Node) giveUp() {
	c := n.cluster
	n.drop(func(w *wish) bool {
		if w.carried || n.now-w.since < patienceTicks*n.cfg.Tick {
			return false
		}
		c.waiting = slices.DeleteFunc(c.waiting, func(waits waiting) bool {
			if waits.key == string(w.value) {
				n.refuse(waits.message, codeUnavailable, "%s", n.whyNot())
			}
			return waits.key == string(w.value)
		})
		return true
	})
}

func (n *Node) whyNot() string {
	switch {
	case !n.cluster.agreed:
		return "not all nodes have met yet: nobody may write before"
	case n.cluster.reader:
		return "this node came back without its data and may not write, and it hears nobody who may"
	}
	return "too much waits for other nodes"
}

// drop forgets the wishes that a function picks.
func (n *Node) drop(picks func(*wish) bool) {
	c := n.cluster
	c.wishes = slices.DeleteFunc(c.wishes, func(w wish) bool {
		if !picks(&w) {
			return false
		}
		delete(c.wanted, string(w.value))
		return true
	})
}

// answer shows what enough members hold, and tells the clients who wait for it.
func (n *Node) answer() {
	if n.cluster == nil {
		return
	}
	c := n.cluster
	enough := min(n.cfg.Copies, len(c.names))
	c.show(enough)
	c.waiting = slices.DeleteFunc(c.waiting, func(w waiting) bool {
		at, held := c.entries.places[w.key]
		if !held || c.copies(at) < enough {
			return false
		}
		n.reply(w.message, reply{Type: w.ok})
		return true
	})
}
