package chatterboxtest

import (
	"context"
	"fmt"
	"time"

	"chatterbox"
)

const (
	lookEvery   = 10 * time.Millisecond
	calmFor     = 100 * time.Millisecond
	agreeWithin = time.Minute
)

// Agree waits until all that run have met, and settled everything, and nothing new
// comes for 100 ms. It fails the test if that takes a minute, or if two members have
// another entry at the same position.
func (c *Cluster) Agree() {
	c.t.Helper()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	began, calmSince, last := time.Now(), time.Now(), chatterbox.Position(0)
	for {
		settled, calm := c.calm()
		if !calm || settled != last {
			calmSince, last = time.Now(), settled
		}
		if time.Since(calmSince) >= calmFor {
			break
		}
		if time.Since(began) > agreeWithin {
			c.t.Fatalf("chatterboxtest: no agreement within %v:%s", agreeWithin, c.describe())
		}
		<-ticker.C
	}
	c.compare()
}

// calm reports whether all that run have met, and settled as much, and all that they
// hold.
func (c *Cluster) calm() (settled chatterbox.Position, calm bool) {
	first := true
	for i := range c.members {
		n := c.running(i)
		if n == nil {
			continue
		}
		s := n.Status()
		met := s.View.Number > 0 || s.Settled > 0 || c.config.Protocol == "lockstep" // which has no views
		if !met || s.Tentative > 0 || !first && s.Settled != settled {
			return settled, false
		}
		settled, first = s.Settled, false
	}
	return settled, true
}

func (c *Cluster) describe() (text string) {
	for i := range c.members {
		n := c.running(i)
		if n == nil {
			text += fmt.Sprintf("\n%s does not run", c.members[i].Name)
			continue
		}
		s := n.Status()
		text += fmt.Sprintf("\n%s: settled %d, tentative %d, ready: %v", s.Name, s.Settled, s.Tentative, s.Ready)
	}
	return text
}

// compare compares what members can still read.
func (c *Cluster) compare() {
	c.t.Helper()
	known := map[chatterbox.Position]entry{}
	for i := range c.members {
		n := c.running(i)
		if n == nil {
			continue
		}
		for position, e := range c.read(n) {
			if other, ok := known[position]; ok && other != e {
				c.t.Fatalf("chatterboxtest: position %d of %s is %s %q %q, of others %s %q %q",
					position, c.members[i].Name, e.id, e.key, e.payload, other.id, other.key, other.payload)
			}
			known[position] = e
		}
	}
}

// entry is what members must have in common at a position.
type entry struct {
	id      chatterbox.ID
	key     string
	payload string
}

// read returns what a node has at each position.
func (c *Cluster) read(n *chatterbox.Node) map[chatterbox.Position]entry {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	found, s := map[chatterbox.Position]entry{}, n.Status()
	if s.Oldest > s.Settled {
		return found
	}
	for e, err := range n.Entries(ctx, s.Oldest-1) {
		if err != nil {
			c.t.Fatalf("chatterboxtest: read %s: %v", s.Name, err)
		}
		found[e.Position] = entry{e.ID, e.Key, string(e.Payload)}
		if e.Position >= s.Settled {
			break
		}
	}
	return found
}
