package chatterbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// inCluster runs a test in virtual time on a cluster.
func inCluster(t *testing.T, members int, configure func(*chatterbox.Config), test func(t *testing.T, c *chatterboxtest.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, chatterboxtest.NewCluster(t, members, configure))
	})
}

// byCommand has members go and come back by command alone.
func byCommand(cfg *chatterbox.Config) { cfg.EvictAfter = -1 }

func volatile(cfg *chatterbox.Config) { cfg.Volatile = true }

func broadcast(t *testing.T, n *chatterbox.Node, payload string) chatterbox.ID {
	t.Helper()
	id, err := n.Broadcast(t.Context(), []byte(payload))
	if err != nil {
		t.Fatalf("broadcast %q: %v", payload, err)
	}
	return id
}

// read returns the entries after a position up to what has settled.
func read(t *testing.T, n *chatterbox.Node, after chatterbox.Position) []chatterbox.Entry {
	t.Helper()
	var entries []chatterbox.Entry
	settled := n.Status().Settled
	if after >= settled {
		return nil
	}
	for e, err := range n.Entries(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		if entries = append(entries, e); e.Position >= settled {
			break
		}
	}
	return entries
}

func TestAllReadTheSameEntriesInOneOrder(t *testing.T) {
	for name, configure := range map[string]func(*chatterbox.Config){"volatile": volatile, "durable": nil} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 3, configure, func(t *testing.T, c *chatterboxtest.Cluster) {
				for i := range 20 {
					for _, name := range c.Names() {
						broadcast(t, c.Node(name), fmt.Sprint(name, i))
					}
				}
				c.Agree()
				entries := read(t, c.Node("b"), 0)
				if len(entries) != 60 {
					t.Fatalf("%d entries of 60", len(entries))
				}
				for i, e := range entries {
					if e.Position != chatterbox.Position(i+1) {
						t.Fatalf("entry %d has position %d", i, e.Position)
					}
					if want := fmt.Sprint(e.ID.Origin, e.ID.Seq-1); string(e.Payload) != want {
						t.Fatalf("%s is %q, want %q", e.ID, e.Payload, want)
					}
				}
			})
		})
	}
}

func TestPositionIsWhereEntriesYieldsTheEntry(t *testing.T) {
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		id := broadcast(t, c.Node("a"), "x")
		for _, name := range c.Names() {
			position, err := c.Node(name).Position(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for e, err := range c.Node(name).Entries(t.Context(), position-1) {
				if err != nil || e.ID != id || e.Position != position {
					t.Fatalf("at %d is %+v, %v", position, e, err)
				}
				break
			}
		}
	})
}

func TestNothingSettlesOverACutAndAllDoesAfterTheHeal(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "before")
		c.Agree()
		c.Isolate("c")
		alone := broadcast(t, c.Node("c"), "alone")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.Node("c").Position(ctx, alone)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "c/1 is not settled: a, b not heard") {
			t.Errorf("error %v", err)
		}
		c.HealAll()
		for _, name := range c.Names() {
			if position, err := c.Node(name).Position(t.Context(), alone); err != nil || position != 2 {
				t.Errorf("%s: position %d, %v", name, position, err)
			}
		}
		c.Agree()
	})
}

func TestAcceptedEntriesSurviveACrash(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "first")
		c.Agree()
		c.Isolate("b")
		id := broadcast(t, c.Node("b"), "only b has it")
		c.Crash("b")
		c.HealAll()
		c.Restart("b")
		if _, err := c.Node("a").Position(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if next := broadcast(t, c.Node("b"), "next"); next.Seq != id.Seq+1 {
			t.Errorf("the entry after %s is %s", id, next)
		}
		c.Agree()
	})
}

func TestMemberWithoutItsDataReadsAndSaysWhyItDoesNotWrite(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		c.Agree()
		c.CrashLosingData("c")
		c.Restart("c")
		id, err := c.Node("c").Broadcast(t.Context(), []byte("y"))
		if !errors.Is(err, chatterbox.ErrReadOnly) || id != (chatterbox.ID{}) {
			t.Errorf("%s, %v", id, err)
		}
	})
}

// A restart does not read again what all members hold, but keys of that count.
func TestKeyOutlivesWhatAStartReads(t *testing.T) {
	writesMuch(t)
	small := func(cfg *chatterbox.Config) { cfg.MaxMemory = 2 << 20 }
	inCluster(t, 2, small, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		first, err := n.BroadcastKeyed(t.Context(), "order-7", []byte("pay"))
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			if _, err := n.Broadcast(t.Context(), make([]byte, 100_000)); err != nil {
				t.Fatal(err)
			}
		}
		c.Agree()
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Crash("a")
		c.Restart("a")
		if again, err := c.Node("a").BroadcastKeyed(t.Context(), "order-7", []byte("pay again")); err != nil || again != first {
			t.Errorf("after a restart: %s, %v; before: %s", again, err, first)
		}
		c.Agree()
	})
}

func TestKeyIsAcceptedOnceAlsoAcrossARestart(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		keyed := func(payload string) chatterbox.ID {
			id, err := c.Node("a").BroadcastKeyed(t.Context(), "order-7", []byte(payload))
			if err != nil {
				t.Error(err)
			}
			return id
		}
		ids := make(chan chatterbox.ID, 2)
		for range 2 {
			go func() { ids <- keyed("pay") }()
		}
		first := <-ids
		if second := <-ids; second != first {
			t.Errorf("calls at the same time made %s and %s", first, second)
		}
		c.Crash("a")
		c.Restart("a")
		if again := keyed("pay again"); again != first {
			t.Errorf("after a restart: %s, before: %s", again, first)
		}
		c.Agree()
		entries := read(t, c.Node("b"), 0)
		if len(entries) != 1 || entries[0].Key != "order-7" || string(entries[0].Payload) != "pay" {
			t.Errorf("entries %+v", entries)
		}
	})
}

func TestManyPayloadsGoInTogether(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		ids, err := c.Node("a").BroadcastAll(t.Context(), [][]byte{[]byte("one"), []byte("two"), []byte("three")})
		if err != nil || len(ids) != 3 || ids[2].Seq != 3 {
			t.Fatalf("%v, %v", ids, err)
		}
		left := 1000
		last, err := c.Node("a").Fill(t.Context(), 4, func(dst []byte) int {
			count := min(left, len(dst)/4)
			left -= count
			copy(dst, strings.Repeat("fill", count))
			return count
		})
		if err != nil || last.Seq != 1003 {
			t.Fatalf("%s, %v", last, err)
		}
		c.Agree()
		entries := read(t, c.Node("b"), 3)
		if len(entries) != 1000 || string(entries[999].Payload) != "fill" {
			t.Errorf("%d entries", len(entries))
		}
	})
}

func TestBatchesBeginWithinABatchAndLendTheirMemory(t *testing.T) {
	inCluster(t, 1, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		left := 10
		if _, err := n.Fill(t.Context(), 2, func(dst []byte) int {
			count := left
			for i := range count {
				copy(dst[2*i:], fmt.Sprintf("%02d", i))
			}
			left = 0
			return count
		}); err != nil {
			t.Fatal(err)
		}
		var kept []byte
		for b, err := range n.Batches(t.Context(), 4) {
			if err != nil {
				t.Fatal(err)
			}
			data, size := b.Fixed()
			if b.First != 5 || b.Last() != 10 || b.Len() != 6 || b.ID.Seq != 5 || size != 2 || string(data) != "040506070809" {
				t.Fatalf("%+v: %q", b, data)
			}
			if kept = b.Payload(1); string(kept) != "05" {
				t.Errorf("payload 1 is %q", kept)
			}
			break
		}
		if string(kept) == "05" {
			t.Error("what was lent is still there after the body")
		}
	})
}

func TestEntriesBelongToWhoReadsThem(t *testing.T) {
	inCluster(t, 1, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		broadcast(t, n, "mine")
		first := read(t, n, 0)[0]
		copy(first.Payload, "yours")
		if again := read(t, n, 0)[0]; string(again.Payload) != "mine" {
			t.Errorf("the log now has %q", again.Payload)
		}
	})
}

func TestCompactedEntriesAreGoneAndTheirPositionsKnown(t *testing.T) {
	inCluster(t, 2, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		var ids []chatterbox.ID
		for i := range 5 {
			ids = append(ids, broadcast(t, n, fmt.Sprint(i)))
			c.Agree()
		}
		n.Compact(3)
		if s := n.Status(); s.Oldest != 4 || s.Settled != 5 {
			t.Errorf("oldest %d, settled %d", s.Oldest, s.Settled)
		}
		for _, err := range n.Entries(t.Context(), 2) {
			if !errors.Is(err, chatterbox.ErrCompacted) {
				t.Errorf("error %v", err)
			}
		}
		if position, err := n.Position(t.Context(), ids[1]); position != 2 || err != nil {
			t.Errorf("position %d, %v", position, err)
		}
		if got := len(read(t, n, 3)); got != 2 {
			t.Errorf("%d entries are left", got)
		}
	})
}

func TestWatchYieldsWhatIsHeldBeforeItSettles(t *testing.T) {
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("b"), "settled")
		c.Agree()
		c.Isolate("c")
		id := broadcast(t, c.Node("b"), "held")
		var seen []string
		for e, err := range c.Node("a").Watch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, fmt.Sprintf("%d %s", e.Position, e.Payload))
			if e.ID == id {
				if e.Position > 0 {
					break
				}
				c.HealAll()
			}
		}
		if want := []string{"1 settled", "0 held", "2 held"}; !slices.Equal(seen, want) {
			t.Errorf("saw %q, want %q", seen, want)
		}
	})
}

func TestTentativeIsTheTailAsItStands(t *testing.T) {
	inCluster(t, 2, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "settled")
		c.Agree()
		c.Cut("a", "b")
		id := broadcast(t, c.Node("a"), "tail")
		count := 0
		for b, err := range c.Node("a").Tentative(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if count++; b.ID != id || b.First != 0 || b.Last() != 0 || string(b.Payload(0)) != "tail" {
				t.Errorf("%+v", b)
			}
		}
		if count != 1 || c.Node("a").Status().Tentative != 1 {
			t.Errorf("%d batches, status says %d entries", count, c.Node("a").Status().Tentative)
		}
		c.HealAll()
	})
}

func TestMetaIsToldToAllMembers(t *testing.T) {
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		meta := []byte("b serves at b:80")
		if err := c.Node("b").SetMeta(meta); err != nil {
			t.Fatal(err)
		}
		meta[0] = 'x'
		<-time.After(time.Second)
		for _, name := range c.Names() {
			if got := c.Node(name).Status().Members[1].Meta; string(got) != "b serves at b:80" {
				t.Errorf("%s knows %q", name, got)
			}
		}
		if err := c.Node("b").SetMeta(make([]byte, chatterbox.MaxMeta+1)); err == nil {
			t.Error("more than MaxMeta was taken")
		}
	})
}

// What Prepare was lent is overwritten, so that one that keeps it is found.
func TestWhatPrepareKeepsIsOverwritten(t *testing.T) {
	keeping := func(cfg *chatterbox.Config) {
		cfg.Prepare = func(b chatterbox.Batch) any { return b.Payload(0) }
	}
	inCluster(t, 2, keeping, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "mine")
		for _, name := range c.Names() {
			for b, err := range c.Node(name).Batches(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if kept, ok := b.Prepared.([]byte); !ok || string(kept) == "mine" || string(b.Payload(0)) != "mine" {
					t.Errorf("%s: %q was kept, the payload is %q", name, kept, b.Payload(0))
				}
				break
			}
		}
	})
}

func TestWhatIsPreparedComesWithTheBatchAtEveryMember(t *testing.T) {
	count := func(cfg *chatterbox.Config) {
		cfg.Volatile = true
		cfg.Prepare = func(b chatterbox.Batch) any {
			size := 0
			for i := range b.Len() {
				size += len(b.Payload(i))
			}
			return size
		}
	}
	inCluster(t, 2, count, func(t *testing.T, c *chatterboxtest.Cluster) {
		if _, err := c.Node("a").BroadcastAll(t.Context(), [][]byte{[]byte("four"), []byte("seventy")}); err != nil {
			t.Fatal(err)
		}
		c.Agree()
		for _, name := range c.Names() {
			size := 0
			for b, err := range c.Node(name).Batches(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if size += b.Prepared.(int); b.Last() == 2 {
					break
				}
			}
			if size != len("four")+len("seventy") {
				t.Errorf("%s prepared %d bytes", name, size)
			}
		}
	})
}
