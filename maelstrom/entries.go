package maelstrom

import (
	"encoding/json"
	"slices"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// place is where a value stands in the log: its entry's stream and number.
type place struct {
	stream member.ID
	seq    uint64
}

// entries are the values of all entries that are held, settled or not, each
// value once.
type entries struct {
	places map[string]place
	shown  []json.RawMessage // in the order in which enough members held them
	hidden []string          // held here, and perhaps nowhere else
}

// Observe takes in what the member appends to its log, its own and others'.
func (c *cluster) Observe(_ protocol.Event, effects protocol.Effects) {
	for i := range effects.Append {
		b := &effects.Append[i]
		s := &c.streams[b.Origin]
		s.life, s.have = b.Identity, b.Last()
		seq := b.Seq
		for payload := range wire.Payloads(b).All() {
			c.entries.add(payload, place{b.Origin, seq})
			seq++
		}
	}
}

// add notes a payload. What is no JSON cannot be shown to anybody: no member
// of this version writes that.
func (e *entries) add(payload []byte, at place) {
	if _, known := e.places[string(payload)]; known || !json.Valid(payload) {
		return
	}
	key := string(payload)
	e.places[key] = at
	e.hidden = append(e.hidden, key)
}

// show lets reads see what enough members hold: what was read once must not be
// lost with the only one that had it.
func (c *cluster) show(enough int) {
	e := &c.entries
	e.hidden = slices.DeleteFunc(e.hidden, func(key string) bool {
		if c.copies(e.places[key]) < enough {
			return false
		}
		e.shown = append(e.shown, json.RawMessage(key))
		return true
	})
}

// copies counts the members that are known to hold an entry, this one included.
func (c *cluster) copies(of place) int {
	copies := 1
	for i := range c.peers {
		if member.ID(i) != c.self && c.peers[i].have[of.stream] >= of.seq {
			copies++
		}
	}
	return copies
}
