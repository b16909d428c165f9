package chatterboxtest

import (
	"context"
	"strings"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// Play carries out a failure map, whose times count from the call, and returns
// after its last line:
//
//	0s  b -> a    cut
//	0s  c <-> *   drop 30%
//	2s  d         crash
//	5s  d         restart
//	5s  * <-> *   heal
//
// It is the text that drives the simulator and real clusters, see
// docs/failure-maps.md; "0s b -> a repeat 5%" alone is one failure at once. A map
// whose lines a cluster in one process cannot carry out, which are kill, crash
// restoring and clock, fails the test, and so does one that is wrong. What writes
// meanwhile does so in goroutines of its own.
func (c *Cluster) Play(text string) {
	c.t.Helper()
	events, err := failure.Parse(strings.NewReader(text), "map")
	if err != nil {
		c.t.Fatalf("chatterboxtest: %v", err)
	}
	schedule, err := events.Bind(c.list)
	if err != nil {
		c.t.Fatalf("chatterboxtest: %v", err)
	}
	began := time.Now()
	for _, line := range schedule.Lines() {
		<-time.After(line.At - time.Since(began))
		for _, e := range c.parse(line.Text) {
			about := c.happen(e)
			for i := range c.members {
				if e.Arrow == failure.NoLink && about.Has(member.ID(i)) {
					c.befall(i, &e)
				}
			}
		}
	}
}

// parse reads a line of a map that was read before.
func (c *Cluster) parse(line string) failure.Map {
	c.t.Helper()
	events, err := failure.Parse(strings.NewReader(line), "map")
	if err != nil {
		c.t.Fatalf("chatterboxtest: %v", err)
	}
	return events
}

// befall has something happen to a member, unless it makes no sense in the state
// that the member is in.
func (c *Cluster) befall(i int, e *failure.Event) {
	c.t.Helper()
	name, runs := c.members[i].Name, c.running(i) != nil
	switch e.Action {
	case failure.Crash:
		if runs {
			c.Crash(name)
		}
	case failure.CrashLosingData:
		if runs {
			c.CrashLosingData(name)
		}
	case failure.Stop:
		if runs {
			c.Stop(name)
		}
	case failure.Restart, failure.Start:
		if !runs {
			c.Restart(name)
		}
	case failure.Pause:
		if runs {
			c.Pause(name)
		}
	case failure.Resume:
		c.Resume(name)
	case failure.Evict:
		if runs {
			c.tellToEvict(i, e.Whom)
		}
	default:
		c.t.Fatalf("chatterboxtest: %q is not for a cluster in one process: members of it crash, crash losing data, stop, restart, pause, resume and evict", e)
	}
}

// tellToEvict has a member go on without another one, without waiting for it.
func (c *Cluster) tellToEvict(i int, whom string) {
	id, _ := c.list.Named(whom) // it was found when the map was bound
	n := c.running(i)
	go func() {
		// It ends with the node; what comes of it, a map does not say.
		_, _ = n.Change(context.Background(), chatterbox.Change{Evict: c.list[id].Name})
	}()
}
