package chatterbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// keyOutcome is what came of a call with a key whose context ended.
type keyOutcome string

const (
	keyIn    keyOutcome = "accepted"
	keyDoubt keyOutcome = "in doubt"
	keyOut   keyOutcome = "not in"
)

// tryKeyed makes one call that ends after a time.
func tryKeyed(t *testing.T, n *chatterbox.Node, key string, after time.Duration) (chatterbox.ID, keyOutcome) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	defer time.AfterFunc(after, func() { cancel(errEnough) }).Stop()
	id, err := n.BroadcastKeyed(ctx, key, make([]byte, 15<<10))
	switch {
	case err == nil:
		return id, keyIn
	case errors.Is(err, chatterbox.ErrFull) && id == chatterbox.ID{}:
		return id, keyOut
	case !errors.Is(err, errEnough):
		t.Fatalf("after %v: %v", after, err)
	case id == chatterbox.ID{}:
		return id, keyOut
	}
	return id, keyDoubt
}

// TestAKeyIsTriedAgainWhereverItsCallEnded: while there is no room, while the
// entry waits for its place or the disk, and when it has both. Whoever was told
// that it is not in was told the truth, an ID in doubt stays the ID, and in the
// end there is one entry.
func TestAKeyIsTriedAgainWhereverItsCallEnded(t *testing.T) {
	seen := map[keyOutcome]int{}
	for name, configure := range map[string]func(*chatterbox.Config){
		"in memory": func(cfg *chatterbox.Config) { cfg.Volatile, cfg.MaxMemory = true, 4<<20 },
		"on disk":   nil,
		fullDisk:    nil,
	} {
		for _, after := range []time.Duration{0, 1, 10 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, time.Second} {
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				inCluster(t, 2, configure, func(t *testing.T, c *chatterboxtest.Cluster) {
					n := c.Node("a")
					if err := n.Ready(t.Context()); err != nil {
						t.Fatal(err)
					}
					c.Cut("a", "b")
					fillUp(t, n, name == "in memory")
					if name == fullDisk { // an entry waits for it until somebody has enough
						c.FillDisk("a")
					}
					keys, ids := 12, map[string]chatterbox.ID{}
					for i := range keys {
						key := fmt.Sprint("key", i)
						id, outcome := tryKeyed(t, n, key, after)
						seen[outcome]++
						if outcome != keyOut {
							ids[key] = id
						}
					}
					c.HealAll()
					c.FreeDisk("a")
					<-time.After(time.Second) // it goes on by itself
					for i := range keys {
						key := fmt.Sprint("key", i)
						id, err := n.BroadcastKeyed(t.Context(), key, make([]byte, 15<<10))
						if err != nil || ids[key] != (chatterbox.ID{}) && ids[key] != id {
							t.Errorf("%s is %s, and was %s: %v", key, id, ids[key], err)
						}
					}
					c.Agree()
					count := map[string]int{}
					for _, e := range read(t, n, 0) {
						count[e.Key]++
					}
					for i := range keys {
						if key := fmt.Sprint("key", i); count[key] != 1 {
							t.Errorf("%s: %d entries", key, count[key])
						}
					}
				})
			})
		}
	}
	if seen[keyIn] == 0 || seen[keyDoubt] == 0 || seen[keyOut] == 0 {
		t.Errorf("not all kinds of ends came: %v", seen)
	}
	t.Log(seen)
}

const fullDisk = "on a disk that is full"

// fillUp leaves no room for more, if there is a limit.
func fillUp(t *testing.T, n *chatterbox.Node, limited bool) {
	t.Helper()
	for limited {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := n.Broadcast(ctx, make([]byte, 16<<10))
		cancel()
		limited = !errors.Is(err, chatterbox.ErrFull)
	}
}

// TestAKeyThatNeverGotInIsForgotten with its member: the next life takes it anew.
func TestAKeyThatNeverGotInIsForgotten(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		before, err := n.BroadcastKeyed(t.Context(), "before", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		c.Crash("a") // what comes now finds no disk
		id, err := n.BroadcastKeyed(t.Context(), "lost", []byte("x"))
		again, errAgain := n.BroadcastKeyed(t.Context(), "lost", []byte("x"))
		if err == nil || errAgain == nil || id != again {
			t.Fatalf("%s %v, then %s %v", id, err, again, errAgain)
		}
		c.Restart("a")
		n = c.Node("a")
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if id, err := n.BroadcastKeyed(t.Context(), "before", []byte("x")); err != nil || id != before {
			t.Errorf("%s, want %s: %v", id, before, err)
		}
		if _, err := n.BroadcastKeyed(t.Context(), "lost", []byte("x")); err != nil {
			t.Error(err)
		}
		c.Agree()
		count := map[string]int{}
		for _, e := range read(t, n, 0) {
			count[e.Key]++
		}
		if count["before"] != 1 || count["lost"] != 1 {
			t.Errorf("%v", count)
		}
	})
}
