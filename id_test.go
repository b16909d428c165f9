package chatterbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// TestIDsOutliveRestartsAndViews asks for the same entries again and again: after c
// was evicted, after everybody was restarted twice, and after c is back with what it
// alone had.
func TestIDsOutliveRestartsAndViews(t *testing.T) {
	inCluster(t, 3, byCommand, func(t *testing.T, c *chatterboxtest.Cluster) {
		places := map[chatterbox.ID]chatterbox.Position{}
		for i := range 12 {
			places[broadcast(t, c.Node(c.Names()[i%3]), "x")] = 0
			c.Agree()
		}
		for id := range places {
			at, err := c.Node("b").Position(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			places[id] = at
		}
		c.Isolate("c")
		lost := broadcast(t, c.Node("c"), "only c has it")
		c.Crash("c")
		c.HealAll()
		ask := func(when string, names ...string) {
			t.Helper()
			for _, name := range names {
				for id, want := range places {
					if at, err := c.Node(name).Position(t.Context(), id); at != want || err != nil {
						t.Errorf("%s, %s of %s: %d, %v; want %d", when, id, name, at, err, want)
					}
				}
				if at, err := c.Node(name).Position(t.Context(), lost); !errors.Is(err, chatterbox.ErrLost) {
					t.Errorf("%s, %s of %s: %d, %v", when, lost, name, at, err)
				}
			}
		}
		c.Evict("a", "c")
		ask("evicted", "a", "b")
		c.Restart("c")
		for range 2 {
			for _, name := range c.Names() {
				c.Crash(name)
				c.Restart(name)
			}
			c.Agree()
			ask("restarted", c.Names()...)
		}
		becomesMember(t, c.Node("c"), "c")
		number := c.Node("c").Status().View.Number
		for _, name := range c.Names() {
			for view, err := range c.Node(name).Views(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if view.Number >= number { // until then it is lost
					break
				}
			}
			if at, err := c.Node(name).Position(t.Context(), lost); at != 13 || err != nil {
				t.Errorf("c is back, %s of %s: %d, %v; want 13", lost, name, at, err)
			}
		}
	})
}

// TestAnIDThatNoEntryCanHaveIsNotWaitedFor asks without a deadline, also for entries
// of a second life of a member that came back without its data: it writes none.
func TestAnIDThatNoEntryCanHaveIsNotWaitedFor(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("c"), "x")
		c.Agree()
		c.CrashLosingData("c")
		c.Restart("c")
		for why, id := range map[string]chatterbox.ID{
			"has had lives up to 1":  {Origin: "c", Life: 2, Seq: 1},
			`no member is called ""`: {},
			`is called "x"`:          {Origin: "x", Life: 1, Seq: 1},
			"both count from 1":      {Origin: "c", Life: 0, Seq: 1},
			"entry 0 of life 1":      {Origin: "c", Life: 1},
		} {
			for _, name := range c.Names() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				at, err := c.Node(name).Position(ctx, id)
				cancel()
				if at != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), why) {
					t.Errorf("%+v at %s: %d, %v; want %q", id, name, at, err, why)
				}
			}
		}
	})
}
