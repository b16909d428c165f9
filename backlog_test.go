package chatterbox_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

const (
	littleMemory = 2 << 20
	// backlogEntries of backlogBytes each are ten times littleMemory.
	backlogEntries = 10 * littleMemory / backlogBytes
	backlogBytes   = 8 << 10
)

// writesMuch skips a test in which few goroutines write much, where -short asks for
// that: it is what takes longest under the race detector, and shows it least.
func writesMuch(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("much is written, by few goroutines")
	}
}

func little(cfg *chatterbox.Config) { cfg.MaxMemory = littleMemory }

// writeMuch has a member accept entries, many at a time, and looks at its memory
// meanwhile.
func writeMuch(t *testing.T, n *chatterbox.Node, name string, entries int) {
	t.Helper()
	for i := 0; i < entries; {
		var payloads [][]byte
		for range min(50, entries-i) {
			payload := make([]byte, backlogBytes)
			copy(payload, fmt.Sprintf("%s %d ", name, i))
			payloads = append(payloads, payload)
			i++
		}
		if ids, err := n.BroadcastAll(t.Context(), payloads); err != nil || len(ids) != len(payloads) {
			t.Fatalf("%s accepts %d of %d: %v", name, len(ids), len(payloads), err)
		}
		judgeMemory(t, n, name)
	}
}

func judgeMemory(t *testing.T, n *chatterbox.Node, name string) {
	t.Helper()
	if s := n.Status(); s.MemoryBytes > littleMemory {
		t.Fatalf("%s has %d bytes in memory, and may have %d", name, s.MemoryBytes, littleMemory)
	}
}

// judgeAll reads all that has settled at each member, by the batch: each entry
// once, those of one member as it wrote them, the same at all.
func judgeAll(t *testing.T, c *chatterboxtest.Cluster, writers map[string]int) {
	t.Helper()
	var want []chatterbox.ID
	for _, name := range c.Names() {
		n := c.Node(name)
		end, next := n.Status().Settled, map[string]int{}
		var got []chatterbox.ID
		for e, err := range n.Entries(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			origin := e.ID.Origin
			if text := fmt.Sprintf("%s %d ", origin, next[origin]); !strings.HasPrefix(string(e.Payload), text) {
				t.Fatalf("%s: position %d has %.20q, want %q", name, e.Position, e.Payload, text)
			}
			next[origin]++
			got = append(got, e.ID)
			if e.Position == end {
				break
			}
		}
		for origin, count := range writers {
			if next[origin] != count {
				t.Errorf("%s reads %d entries of %s, which accepted %d", name, next[origin], origin, count)
			}
		}
		if want == nil {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("%s has another order", name)
		}
		judgeMemory(t, n, name)
	}
}

// TestAnAbsentMemberCostsDiskAndNoMemory: the others write ten times what they
// may have in memory each; it comes back and catches up.
func TestAnAbsentMemberCostsDiskAndNoMemory(t *testing.T) {
	writesMuch(t)
	inCluster(t, 3, little, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Crash("c")
		writeMuch(t, c.Node("a"), "a", backlogEntries)
		writeMuch(t, c.Node("b"), "b", backlogEntries/8)
		for _, name := range []string{"a", "b"} {
			if s := c.Node(name).Status(); s.DiskBytes < 10*littleMemory || s.Settled > 0 {
				t.Errorf("%s has %d bytes on disk, settled %d", name, s.DiskBytes, s.Settled)
			}
		}
		c.Restart("c")
		for c.Node("c").Status().Settled < backlogEntries*9/8 {
			for _, name := range c.Names() {
				judgeMemory(t, c.Node(name), name)
			}
			<-time.After(10 * time.Millisecond)
		}
		c.Agree()
		judgeAll(t, c, map[string]int{"a": backlogEntries, "b": backlogEntries / 8})
	})
}

// TestABacklogOutlivesItsWriter: those who wrote it crash and come back meanwhile.
func TestABacklogOutlivesItsWriter(t *testing.T) {
	writesMuch(t)
	inCluster(t, 3, little, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Crash("c")
		for part := range 4 {
			for _, name := range []string{"a", "b"} {
				writeFrom(t, c.Node(name), name, part*backlogEntries/8, (part+1)*backlogEntries/8)
			}
			c.Crash("a")
			if part%2 == 1 {
				c.Crash("b")
				c.Restart("b")
			}
			c.Restart("a")
			for _, name := range []string{"a", "b"} {
				judgeMemory(t, c.Node(name), name)
			}
		}
		c.Restart("c")
		c.Agree()
		judgeAll(t, c, map[string]int{"a": backlogEntries / 2, "b": backlogEntries / 2})
	})
}

// writeFrom has a member accept entries of the numbers from one to before another.
func writeFrom(t *testing.T, n *chatterbox.Node, name string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		payload := make([]byte, backlogBytes)
		copy(payload, fmt.Sprintf("%s %d ", name, i))
		if _, err := n.Broadcast(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheTailOfABacklogIsReadFromDisk: what has not settled can be looked at and
// watched, whole and in order, by who has not the memory for it.
func TestTheTailOfABacklogIsReadFromDisk(t *testing.T) {
	inCluster(t, 3, little, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Crash("c")
		const each = backlogEntries / 6
		writeMuch(t, c.Node("a"), "a", each)
		writeMuch(t, c.Node("b"), "b", each)
		n := c.Node("a")
		for n.Status().Tentative < 2*each {
			<-time.After(10 * time.Millisecond)
		}
		next := map[string]int{}
		see := func(what string, id chatterbox.ID, payload []byte) {
			if text := fmt.Sprintf("%s %d ", id.Origin, next[id.Origin]); !strings.HasPrefix(string(payload), text) || int(id.Seq) != next[id.Origin]+1 {
				t.Fatalf("%s: %s has %.20q, want %q", what, id, payload, text)
			}
			next[id.Origin]++
		}
		latest := uint64(0)
		for b, err := range n.Tentative(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if b.First != 0 || b.Lamport < latest {
				t.Fatalf("tentative: position %d, time %d after %d", b.First, b.Lamport, latest)
			}
			latest = b.Lamport
			for i := range b.Len() {
				id := b.ID
				id.Seq += uint64(i)
				see("tentative", id, b.Payload(i))
			}
		}
		if next["a"] != each || next["b"] != each {
			t.Fatalf("tentative: %v, want %d of each", next, each)
		}
		clear(next)
		for e, err := range n.Watch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if see("watch", e.ID, e.Payload); next["a"]+next["b"] == 2*each {
				break
			}
		}
		judgeMemory(t, n, "a")
		c.Restart("c")
		c.Agree()
	})
}

// TestAFullFolderSaysWhoLacksWhatFillsIt, and takes entries again when it lacks
// nothing any more.
func TestAFullFolderSaysWhoLacksWhatFillsIt(t *testing.T) {
	writesMuch(t)
	full := func(cfg *chatterbox.Config) {
		cfg.MaxMemory, cfg.MaxDisk, cfg.Retain.Bytes = littleMemory, 16<<20, 1<<20
	}
	inCluster(t, 3, full, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Crash("c")
		n, written := c.Node("a"), 0
		fill := func() error {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				payload := make([]byte, backlogBytes)
				copy(payload, fmt.Sprintf("a %d ", written))
				_, err := n.Broadcast(ctx, payload)
				cancel()
				if err != nil {
					return err
				}
				written++
			}
		}
		err := fill()
		if !errors.Is(err, chatterbox.ErrFull) || !errors.Is(err, context.DeadlineExceeded) ||
			!strings.Contains(err.Error(), "c was not heard of since 2000-01-01 00:00:") || !strings.Contains(err.Error(), "MaxDisk") {
			t.Errorf("%d entries, then: %v", written, err)
		}
		if s := n.Status(); s.Writable == nil || !strings.Contains(s.Writable.Error(), "MaxDisk") || s.DiskBytes > 20<<20 {
			t.Errorf("writable: %v, with %d bytes on disk", s.Writable, s.DiskBytes)
		}
		judgeMemory(t, n, "a")
		c.Restart("c")
		c.Agree()
		if _, err := n.Broadcast(t.Context(), []byte("again")); err != nil {
			t.Error(err)
		}
		if s := n.Status(); s.Writable != nil || s.DiskBytes > 8<<20 {
			t.Errorf("writable: %v, with %d bytes on disk", s.Writable, s.DiskBytes)
		}
	})
}

// TestWhatIsHeldFillsTheFolder: with Hold it is the application that has to let
// go, and all members wait for it.
func TestWhatIsHeldFillsTheFolder(t *testing.T) {
	writesMuch(t)
	hold := func(cfg *chatterbox.Config) {
		cfg.MaxMemory, cfg.Retain.Bytes = littleMemory, 1<<20
		if cfg.Name == "c" {
			cfg.Retain.Hold, cfg.MaxDisk = true, 16<<20
		}
	}
	inCluster(t, 3, hold, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		var last chatterbox.ID
		number := make([]byte, backlogBytes)
		var err error
		write := func() {
			for i := uint64(1); err == nil; i++ {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				binary.BigEndian.PutUint64(number, i)
				var id chatterbox.ID
				if id, err = c.Node("c").Broadcast(ctx, number); err == nil {
					last = id
				}
				cancel()
			}
		}
		write()
		if !errors.Is(err, chatterbox.ErrFull) || !strings.Contains(err.Error(), "Compact") && !strings.Contains(err.Error(), "compacted") {
			t.Fatalf("after %s: %v", last, err)
		}
		s := c.Node("c").Status()
		if s.Oldest != 1 || s.Settled == 0 {
			t.Errorf("the oldest is %d of %d, though all is held", s.Oldest, s.Settled)
		}
		c.Node("c").Compact(s.Settled)
		if _, err := c.Node("c").Broadcast(t.Context(), number); err != nil {
			t.Error(err)
		}
		c.Agree()
	})
}
