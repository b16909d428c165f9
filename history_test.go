package chatterbox_test

import (
	"fmt"
	"strings"
	"testing"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// describe returns what an entry is, without its memory.
func describe(e *chatterbox.Entry) string {
	return fmt.Sprintf("%d %s %d %.20q", e.Position, e.ID, e.Lamport, e.Payload)
}

// TestHistoryOutlivesRestartsAndMemory: with a folder everything that has
// settled can be read from the first position on, the same after crashes of all
// members, though only a part of it fits into memory.
func TestHistoryOutlivesRestartsAndMemory(t *testing.T) {
	writesMuch(t)
	small := func(cfg *chatterbox.Config) { cfg.MaxMemory = 2 << 20 }
	inCluster(t, 3, small, func(t *testing.T, c *chatterboxtest.Cluster) {
		var want []string
		written := 0
		for round := range 3 {
			for i := range 24 {
				for _, name := range c.Names() {
					broadcast(t, c.Node(name), fmt.Sprintf("%s %d %d %s", name, round, i, strings.Repeat("x", 20_000)))
					written++
				}
			}
			c.Agree()
			for _, name := range c.Names() {
				entries := read(t, c.Node(name), 0)
				if len(entries) != written {
					t.Fatalf("round %d: %s reads %d entries of %d", round, name, len(entries), written)
				}
				for i := range entries {
					if got := describe(&entries[i]); i >= len(want) {
						want = append(want, got)
					} else if got != want[i] {
						t.Fatalf("round %d: %s has %s where %s was", round, name, got, want[i])
					}
				}
				if s := c.Node(name).Status(); s.Oldest != 1 || s.MemoryBytes > 2<<20 {
					t.Errorf("%s: the oldest is %d, %d bytes of memory", name, s.Oldest, s.MemoryBytes)
				}
			}
			for _, name := range c.Names() {
				c.Crash(name)
			}
			for _, name := range c.Names() {
				c.Restart(name)
			}
			for _, name := range c.Names() {
				if err := c.Node(name).Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c.Agree()
		}
	})
}

// TestPositionsAreKnownAfterARestart of entries that are in no member's memory.
func TestPositionsAreKnownAfterARestart(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		first := broadcast(t, c.Node("a"), "first")
		for i := range 50 {
			broadcast(t, c.Node("b"), fmt.Sprint(i))
		}
		c.Agree()
		before, err := c.Node("b").Position(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		c.Crash("b")
		c.Restart("b")
		if after, err := c.Node("b").Position(t.Context(), first); err != nil || after != before {
			t.Errorf("%s was at %d and is at %d, %v", first, before, after, err)
		}
	})
}
