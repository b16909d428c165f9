package maelstrom

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// entry is a value that is held here, in the log, on the shelf or in both.
type entry struct {
	key   string
	since time.Duration // when it came

	stream member.ID // its first place in the order of the log
	seq    uint64    // 0: it has none
	time   clock.Time

	life   member.Identity // its place on the shelf, the one of the lowest life
	number uint64          // 0: it has none

	shown   bool // enough members hold it: reads show it
	settled bool // its place in the log is final
}

// entries are the values that are held, each once.
type entries struct {
	byKey   map[string]*entry
	hidden  []*entry // held here, and perhaps nowhere else
	settled []*entry // in the order of the log
	open    []*entry // all others
}

// add returns the entry of a value, a new one if there is none.
func (c *cluster) add(key string, now time.Duration) *entry {
	e := c.entries.byKey[key]
	if e == nil {
		e = &entry{key: key, since: now}
		c.entries.byKey[key] = e
		c.entries.hidden = append(c.entries.hidden, e)
		c.entries.open = append(c.entries.open, e)
		c.fresh = true
	}
	return e
}

// Observe takes in what the member appends to its log, its own and others'.
// What is no JSON cannot be shown to anybody: no member of this version writes
// that.
func (c *cluster) Observe(event protocol.Event, effects protocol.Effects) {
	for i := range effects.Append {
		b := &effects.Append[i]
		s := &c.streams[b.Origin]
		s.life, s.have = b.Identity, b.Last()
		seq := b.Seq
		for payload := range wire.Payloads(b).All() {
			if json.Valid(payload) {
				c.add(string(payload), event.Now).appended(b, seq)
			}
			seq++
		}
	}
}

// appended notes a place in the log, unless there is an earlier one.
func (e *entry) appended(b *protocol.Batch, seq uint64) {
	later := cmp.Or(cmp.Compare(b.Time, e.time), cmp.Compare(b.Origin, e.stream), cmp.Compare(seq, e.seq)) >= 0
	if e.seq == 0 || !later {
		e.stream, e.seq, e.time = b.Origin, seq, b.Time
	}
}

// Deliver notes the final order.
func (c *cluster) Deliver(batches []protocol.Batch) {
	for i := range batches {
		for payload := range wire.Payloads(&batches[i]).All() {
			if e := c.entries.byKey[string(payload)]; e != nil && !e.settled {
				e.settled = true
				c.entries.settled = append(c.entries.settled, e)
			}
		}
	}
	c.entries.open = slices.DeleteFunc(c.entries.open, func(e *entry) bool { return e.settled })
}

// show lets reads see what enough members hold, for what was read once must not
// be lost with the only one that had it; and what nobody else takes in time.
func (n *Node) show() {
	c := n.cluster
	enough := min(n.cfg.Copies, len(c.names))
	c.entries.hidden = slices.DeleteFunc(c.entries.hidden, func(e *entry) bool {
		e.shown = c.copies(e) >= enough || !n.cfg.Strict && n.now-e.since >= n.cfg.patience()
		return e.shown
	})
}

// list returns what is shown: first what is settled, in the order of the log,
// then the rest in the order that it will most likely have.
func (e *entries) list() []json.RawMessage {
	values := make([]json.RawMessage, 0, len(e.settled)+len(e.open))
	slices.SortFunc(e.open, (*entry).compare)
	for _, part := range [][]*entry{e.settled, e.open} {
		for _, one := range part {
			if one.shown {
				values = append(values, json.RawMessage(one.key))
			}
		}
	}
	return values
}

// compare orders entries by their place in the log, then those that have none
// by their place on the shelf.
func (e *entry) compare(other *entry) int {
	if (e.seq == 0) != (other.seq == 0) {
		return cmp.Compare(other.seq, e.seq)
	}
	return cmp.Or(cmp.Compare(e.time, other.time), cmp.Compare(e.stream, other.stream), cmp.Compare(e.seq, other.seq),
		cmp.Compare(e.life, other.life), cmp.Compare(e.number, other.number))
}

// copies counts the members that are known to hold an entry, this one included.
func (c *cluster) copies(e *entry) int {
	copies := 1
	for i := range c.peers {
		if member.ID(i) != c.self && c.peers[i].holds(e) {
			copies++
		}
	}
	return copies
}
