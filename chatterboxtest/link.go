package chatterboxtest

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/world/fault"
)

// link returns how a link fails just now.
func (c *Cluster) link(from, to member.ID) fault.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down[from] || c.down[to] {
		return fault.Link{Cut: true}
	}
	return c.links.Link(from, to)
}

// happen has something happen to links, and returns whom it is about.
func (c *Cluster) happen(e failure.Event) (from member.Set) {
	c.t.Helper()
	e.At = time.Since(c.began)
	c.mu.Lock()
	from, _, err := c.links.Happens(&e)
	c.mu.Unlock()
	if err != nil {
		c.t.Fatalf("chatterboxtest: %v", err)
	}
	if c.record != nil && e.Arrow != failure.NoLink {
		c.record.fault(e.String())
	}
	return from
}

// between has something happen to the links between two members.
func (c *Cluster) between(a string, arrow failure.Arrow, b string, e failure.Event) {
	c.t.Helper()
	c.place(a)
	c.place(b)
	e.From, e.Arrow, e.To = failure.Group{Names: []string{a}}, arrow, failure.Group{Names: []string{b}}
	c.happen(e)
}

// Cut lets nothing pass between two members any more; nobody is told.
func (c *Cluster) Cut(a, b string) {
	c.t.Helper()
	c.between(a, failure.BothWays, b, failure.Event{Action: failure.Cut})
}

// CutOneWay lets nothing pass from one member to another; what the other says still
// arrives.
func (c *Cluster) CutOneWay(from, to string) {
	c.t.Helper()
	c.between(from, failure.OneWay, to, failure.Event{Action: failure.Cut})
}

// Isolate cuts a member off from all others.
func (c *Cluster) Isolate(name string) {
	c.t.Helper()
	c.place(name)
	one := failure.Group{Names: []string{name}}
	c.happen(failure.Event{From: one, Arrow: failure.BothWays, To: failure.Group{All: true}, Action: failure.Cut})
}

// Heal ends all failures of the links between two members.
func (c *Cluster) Heal(a, b string) {
	c.t.Helper()
	c.between(a, failure.BothWays, b, failure.Event{Action: failure.Heal})
}

// HealOneWay ends all failures of the link from one member to another.
func (c *Cluster) HealOneWay(from, to string) {
	c.t.Helper()
	c.between(from, failure.OneWay, to, failure.Event{Action: failure.Heal})
}

// HealAll ends all failures of all links.
func (c *Cluster) HealAll() {
	c.t.Helper()
	all := failure.Group{All: true}
	c.happen(failure.Event{From: all, Arrow: failure.BothWays, To: all, Action: failure.Heal})
}

// Drop lets a share of the messages between two members be lost, from 0 to 1.
func (c *Cluster) Drop(a, b string, share float64) {
	c.t.Helper()
	c.between(a, failure.BothWays, b, failure.Event{Action: failure.Drop, Percent: 100 * share})
}

// Delay lets messages between two members take longer, from least to most.
func (c *Cluster) Delay(a, b string, least, most time.Duration) {
	c.t.Helper()
	c.between(a, failure.BothWays, b, failure.Event{Action: failure.Delay, DelayMin: least, DelayMax: most})
}
