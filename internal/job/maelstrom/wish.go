package maelstrom

import (
	"encoding/binary"
	"slices"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// waiting is a client that waits until enough members hold a value.
type waiting struct {
	message *message
	ok      string // type of the answer
	key     string // the value
}

// take wants a value in the log, unless it is held or wanted already. A member
// that does not write shelves it.
func (n *Node) take(key string, asked time.Duration) {
	c := n.cluster
	switch {
	case c.entries.byKey[key] != nil || c.wanted[key]:
	case n.writes():
		n.wish(key)
		n.hurry()
	default:
		n.shelve(key, asked)
		n.hurry()
	}
}

// wish has a value put into the log with the next round.
func (n *Node) wish(key string) {
	c := n.cluster
	if !c.wanted[key] {
		c.wishes = append(c.wishes, key)
		c.wanted[key] = true
	}
}

// wishes are the source of a member that writes: the driver takes as many as
// there is room for.
type wishes struct{ n *Node }

// Next returns a batch of wishes that are not held yet, of at most so many bytes.
func (w wishes) Next(_ bool, bytesMax int) (protocol.Batch, bool) {
	c := w.n.cluster
	if !w.n.writes() {
		return protocol.Batch{}, false
	}
	size := wire.BatchHeaderBytes
	for _, key := range c.wishes {
		if c.logged(key) {
			continue
		}
		size += binary.MaxVarintLen32 + len(key) // at most
		if size > bytesMax || !c.builder.Add([]byte(key)) {
			break
		}
	}
	batch := c.builder.Take()
	return batch, batch.Count > 0
}

// Ended returns false: a member writes as long as it lives.
func (wishes) Ended() bool { return false }

// Stuck does nothing: wishes wait.
func (wishes) Stuck(int) {}

// dropHeld forgets the wishes that are in the log.
func (n *Node) dropHeld() {
	c := n.cluster
	c.wishes = slices.DeleteFunc(c.wishes, func(key string) bool {
		if c.logged(key) {
			delete(c.wanted, key)
		}
		return c.logged(key)
	})
}

// logged reports whether a value has a place in the log.
func (c *cluster) logged(key string) bool {
	e := c.entries.byKey[key]
	return e != nil && e.seq > 0
}

// answer tells the clients whose values enough members hold, or are shown all
// the same, and ends the waiting of the others before they are gone.
func (n *Node) answer() {
	c := n.cluster
	for _, w := range c.waiting {
		if !n.cfg.Strict && c.entries.byKey[w.key] == nil && n.now-w.message.asked >= n.cfg.patience() {
			n.shelve(w.key, w.message.asked) // the log has no room, or rounds are too slow
		}
	}
	n.show()
	c.waiting = slices.DeleteFunc(c.waiting, func(w waiting) bool {
		e := c.entries.byKey[w.key]
		switch {
		case e != nil && e.shown:
			n.reply(w.message, reply{Type: w.ok})
		case n.now-w.message.asked >= answerMax:
			n.refuse(w.message, codeTimeout, "%d nodes do not hold it yet, perhaps they will", n.cfg.Copies)
		default:
			return false
		}
		return true
	})
	n.answerReaders()
}
