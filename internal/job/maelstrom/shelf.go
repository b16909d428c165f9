package maelstrom

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"chatterbox/internal/core/member"
)

// The shelf holds values that were taken by members who could not put them into
// the log: before all had met, or as a life that came back without its data. They
// are as good as held: answered, shown, and spread to all by vectors of how much
// each member has of each life's (Golding 1992). Whoever writes puts them
// into the log, its own at once and those of others after a while, so that they
// get a place in the order as well.

const (
	addsBytesMax = 8 << 10 // of shelved values in a letter, but at least one
	resendTicks  = 12      // what is on its way for longer is sent again
	relayTicks   = 12      // what a member lacks for longer others send it, too
	relaySlots   = 4       // and not all of them at the same time
)

// shelf is what is known of each life's values.
type shelf map[member.Identity]*ledger

// ledger holds the values of one life, in its own numbering.
type ledger struct {
	base  uint64 // so many are in everybody's log, and not kept here
	items []*entry
}

func (l *ledger) end() uint64 { return l.base + uint64(len(l.items)) }

// shelfNews is what a letter tells of the sender's shelf.
type shelfNews struct {
	Life string            `json:"life"`          // of the sender
	Have map[string]uint64 `json:"have"`          // by life: how many values it has
	Ask  bool              `json:"ask,omitempty"` // it wants to know the same of the receiver
	Adds []shelfAdd        `json:"adds,omitempty"`
}

// shelfAdd are values of one life that follow on those before them.
type shelfAdd struct {
	Life   string            `json:"life"`
	Base   uint64            `json:"base,omitempty"` // so many are in everybody's log
	After  uint64            `json:"after"`
	Values []json.RawMessage `json:"values"`
}

// shelved is what is known of a peer's shelf.
type shelved struct {
	has   map[member.Identity]uint64 // nil: it told nothing yet
	asked bool                       // it asked
	sent  map[member.Identity]uint64 // what is on its way to it, since at
	at    time.Duration
}

func newShelved() shelved { return shelved{sent: make(map[member.Identity]uint64)} }

// shelve takes a value of this life that somebody asked for at a time.
func (n *Node) shelve(key string, asked time.Duration) {
	n.cluster.put(n.cluster.identity, n.cluster.add(key, asked))
}

// put appends a value to a life's ledger.
func (c *cluster) put(life member.Identity, e *entry) {
	l := c.shelf[life]
	if l == nil {
		l = new(ledger)
		c.shelf[life] = l
	}
	l.items = append(l.items, e)
	if e.number == 0 || life < e.life {
		e.life, e.number = life, l.end()
	}
	c.fresh = true
}

// clear lets go of what all members have in their logs.
func (c *cluster) clear() {
	for _, l := range c.shelf {
		for len(l.items) > 0 && c.inAllLogs(l.items[0]) {
			l.base++
			l.items = l.items[1:]
		}
	}
}

// inAllLogs reports whether all members are known to have a value in their logs.
func (c *cluster) inAllLogs(e *entry) bool {
	for i := range c.peers {
		if member.ID(i) != c.self && c.peers[i].have[e.stream] < e.seq {
			return false
		}
	}
	return e.seq > 0
}

// adopt puts into the log what is on the shelf and has no place there: own
// values at once, those of others, who may be gone or may not write, when they
// wait for long: the members after one another.
func (n *Node) adopt() {
	c := n.cluster
	for _, life := range slices.Sorted(maps.Keys(c.shelf)) {
		rank := (int(c.self) + len(c.names) - int(uint64(life)%uint64(len(c.names)))) % len(c.names)
		wait := n.cfg.ticks(float64(adoptTicks + pauseTicks*rank))
		for _, e := range c.shelf[life].items {
			if e.seq == 0 && (life == c.identity || n.now-max(e.since, c.agreedAt) >= wait) {
				n.wish(e.key)
			}
		}
	}
}

// vector returns how much is held of each life's values.
func (s shelf) vector() map[member.Identity]uint64 {
	vector := make(map[member.Identity]uint64, len(s))
	for life, l := range s {
		vector[life] = l.end()
	}
	return vector
}

// differs reports whether a peer is not known to have the same on its shelf.
func (c *cluster) differs(p *peer) bool { return !maps.Equal(c.shelf.vector(), p.shelved.has) }

// shelfFor returns what a letter to a peer should tell of the shelf, nil if there
// is nothing to tell.
func (n *Node) shelfFor(to member.ID) *shelfNews {
	c := n.cluster
	p := &c.peers[to]
	if len(c.shelf) == 0 && !p.shelved.asked {
		return nil
	}
	differs := c.differs(p)
	if !differs && !p.shelved.asked {
		return nil
	}
	p.shelved.asked = false
	news := &shelfNews{Life: c.identity.String(), Have: make(map[string]uint64), Ask: differs}
	for life, l := range c.shelf {
		news.Have[life.String()] = l.end()
	}
	if differs {
		news.Adds = n.addsFor(to)
	}
	return news
}

// addsFor returns the values that a peer lacks and that nobody else seems to
// send.
func (n *Node) addsFor(to member.ID) (adds []shelfAdd) {
	c := n.cluster
	s := &c.peers[to].shelved
	if n.now-s.at >= n.cfg.ticks(resendTicks) {
		clear(s.sent)
		s.at = n.now
	}
	slot := (int(c.self) + int(to)*3) % relaySlots
	wait := n.cfg.ticks(float64(relayTicks * (1 + slot)))
	size := 0
	for _, life := range slices.Sorted(maps.Keys(c.shelf)) {
		l := c.shelf[life]
		has := max(s.has[life], s.sent[life], l.base)
		add := shelfAdd{Life: life.String(), Base: l.base, After: has}
		for _, e := range l.items[min(has-l.base, uint64(len(l.items))):] {
			if life != c.identity && (s.has == nil || n.now-e.since < wait) {
				break
			}
			if size += len(e.key); size > addsBytesMax && size > len(e.key) {
				break
			}
			add.Values = append(add.Values, json.RawMessage(e.key))
		}
		if len(add.Values) > 0 || l.base > s.has[life] && s.has != nil {
			s.sent[life] = has + uint64(len(add.Values))
			adds = append(adds, add)
		}
	}
	return adds
}

// onShelf takes in what a peer tells of its shelf.
func (n *Node) onShelf(from member.ID, news *shelfNews) error {
	c := n.cluster
	p := &c.peers[from]
	if news.Life != p.identity.String() {
		return nil // of a life that is gone, or not met yet: it will tell again
	}
	has := make(map[member.Identity]uint64, len(news.Have))
	for text, end := range news.Have {
		life, err := parseLife(text)
		if err != nil {
			return err
		}
		has[life] = end
	}
	p.shelved.has = has
	p.shelved.asked = p.shelved.asked || news.Ask
	for i := range news.Adds {
		if err := n.onAdds(&news.Adds[i]); err != nil {
			return err
		}
	}
	return nil
}

// onAdds takes values that follow on those that are here.
func (n *Node) onAdds(add *shelfAdd) error {
	c := n.cluster
	life, err := parseLife(add.Life)
	if err != nil {
		return err
	}
	if life == c.identity {
		return nil
	}
	l := c.shelf[life]
	if l == nil {
		l = new(ledger)
		c.shelf[life] = l
	}
	if add.Base > l.end() {
		l.base, l.items = add.Base, nil
		c.fresh = true
	}
	for i, value := range add.Values {
		if add.After+uint64(i) != l.end() {
			continue // known, or beyond a gap
		}
		if len(value) == 0 || len(value) > ValueBytesMax {
			return fmt.Errorf("a shelved value of %d bytes, allowed are 1 to %d", len(value), ValueBytesMax)
		}
		c.put(life, c.add(string(value), n.now))
	}
	return nil
}

// parseLife reads an identity as String writes it.
func parseLife(text string) (life member.Identity, err error) {
	if _, err := fmt.Sscanf(text, "%x", (*uint64)(&life)); err != nil || life == 0 || life.String() != text {
		return 0, fmt.Errorf("%q is no life", text)
	}
	return life, nil
}
