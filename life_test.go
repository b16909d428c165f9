package chatterbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

func TestHeldEntriesHoldUpTheClusterUntilTheyAreCompacted(t *testing.T) {
	hold := func(cfg *chatterbox.Config) {
		cfg.Volatile, cfg.MaxMemory = true, 4<<20
		cfg.Retain = chatterbox.Retain{Hold: true, Bytes: 256 << 10}
	}
	inCluster(t, 2, hold, func(t *testing.T, c *chatterboxtest.Cluster) {
		payload, sent := make([]byte, 32<<10), 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := c.Node("a").Broadcast(ctx, payload)
			cancel()
			if err != nil {
				break
			}
			if sent++; sent > 10_000 {
				t.Fatal("nothing holds up the writer")
			}
		}
		var read chatterbox.Position
		for b, err := range c.Node("b").Batches(t.Context(), 0) {
			if err != nil {
				t.Fatalf("after %d of %d: %v", read, sent, err)
			}
			read = b.Last()
			c.Node("b").Compact(read)
			c.Node("a").Compact(read)
			if int(read) >= sent {
				break
			}
		}
		c.Agree()
	})
}

func TestWriterThatIsAloneWaitsForItsReaderToo(t *testing.T) {
	hold := func(cfg *chatterbox.Config) {
		cfg.Volatile, cfg.Retain = true, chatterbox.Retain{Hold: true, Bytes: 128 << 10}
	}
	inCluster(t, 1, hold, func(t *testing.T, c *chatterboxtest.Cluster) {
		n, payload, last := c.Node("a"), make([]byte, 32<<10), chatterbox.ID{}
		for sent := 0; ; sent++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			id, err := n.Broadcast(ctx, payload)
			cancel()
			if id != (chatterbox.ID{}) {
				last = id
			}
			if err != nil {
				break
			}
			if sent > 100 {
				t.Fatal("nothing holds up the writer")
			}
		}
		if s := n.Status(); s.MemoryBytes > 1<<20 {
			t.Errorf("%d bytes in memory", s.MemoryBytes)
		}
		for b, err := range n.Batches(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if n.Compact(b.Last()); b.ID.Seq+uint64(b.Len()) > last.Seq {
				break
			}
		}
	})
}

func TestClosedNodeSaysSoEverywhere(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		id := broadcast(t, n, "x")
		c.Agree()
		ended := make(chan error, 3)
		read := func(entries func() error) { go func() { ended <- entries() }() }
		read(func() error {
			var last error
			for _, err := range n.Entries(context.Background(), 0) {
				last = err
			}
			return last
		})
		read(func() error {
			var last error
			for _, err := range n.Watch(context.Background(), 0) {
				last = err
			}
			return last
		})
		read(func() error {
			_, err := n.Position(context.Background(), chatterbox.ID{Origin: "b", Life: 1, Seq: 99})
			return err
		})
		synctest.Wait()
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, chatterbox.ErrClosed) {
				t.Errorf("a call ended with %v", err)
			}
		}
		<-n.Done()
		if err := n.Err(); !errors.Is(err, chatterbox.ErrClosed) {
			t.Errorf("Err is %v", err)
		}
		if id, err := n.Broadcast(t.Context(), []byte("y")); !errors.Is(err, chatterbox.ErrClosed) || id != (chatterbox.ID{}) {
			t.Errorf("broadcast: %s, %v", id, err)
		}
		if s := n.Status(); s.Settled != 1 || s.Accepted != id {
			t.Errorf("status %+v", s)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Errorf("a second close: %v", err)
		}
	})
}

func TestCloseSaysWhatOnlyThisMemberHas(t *testing.T) {
	inCluster(t, 2, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "both have it")
		c.Agree()
		c.Cut("a", "b")
		for range 3 {
			broadcast(t, c.Node("a"), "alone")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Node("a").Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "3 accepted entries") {
			t.Errorf("error %v", err)
		}
	})
}

func TestBroadcastBeforeTheMembersMetIsRefusedForCertain(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Crash("b")
		c.CrashLosingData("a")
		c.Restart("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		id, err := c.Node("a").Broadcast(ctx, []byte("x"))
		if id != (chatterbox.ID{}) || !errors.Is(err, chatterbox.ErrFull) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not met") {
			t.Errorf("%s, %v", id, err)
		}
		if err := c.Node("a").Status().Writable; err == nil {
			t.Error("the status says that it is writable")
		}
	})
}

// collect returns the texts of all entries that settle until ctx ends.
func collect(ctx context.Context, n *chatterbox.Node) map[string]bool {
	texts := map[string]bool{}
	for e, err := range n.Entries(ctx, 0) {
		if err != nil {
			break
		}
		text, _, _ := bytes.Cut(e.Payload, []byte("|"))
		texts[string(text)] = true
	}
	return texts
}

// TestZeroIDMeansNeverInTheLog cancels broadcasts at every moment, while
// links are cut, memory is full and members crash.
func TestZeroIDMeansNeverInTheLog(t *testing.T) {
	small := func(cfg *chatterbox.Config) {
		if cfg.Name == "a" {
			cfg.MaxMemory = 2 << 20
		}
	}
	inCluster(t, 3, small, func(t *testing.T, c *chatterboxtest.Cluster) {
		certain, refused := map[string]bool{}, map[string]bool{}
		reading, stop := context.WithCancel(t.Context())
		collected := make(chan map[string]bool)
		go func() { collected <- collect(reading, c.Node("b")) }()
		payload := make([]byte, 100<<10)
		for i := range 200 {
			switch i {
			case 60:
				c.Isolate("a")
			case 120:
				c.Crash("a")
				c.Restart("a")
				c.HealAll()
			}
			text := fmt.Sprintf("entry %d", i)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*300*time.Microsecond)
			id, err := c.Node("a").Broadcast(ctx, append([]byte(text+"|"), payload...))
			cancel()
			switch {
			case err == nil:
				certain[text] = true
			case id == (chatterbox.ID{}):
				refused[text] = true
			}
		}
		c.Agree()
		synctest.Wait() // the reader has everything
		stop()
		inLog := <-collected
		for text := range refused {
			if inLog[text] {
				t.Errorf("%s was refused and is in the log", text)
			}
		}
		for text := range certain {
			if !inLog[text] {
				t.Errorf("%s was accepted and is not in the log", text)
			}
		}
		if len(certain) == 0 || len(refused) == 0 {
			t.Errorf("%d accepted, %d refused: the test tries too little", len(certain), len(refused))
		}
	})
}

func TestStatusTellsWhoIsMissing(t *testing.T) {
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		if err := c.Node("a").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		broadcast(t, c.Node("a"), "x")
		c.Agree()
		if s := c.Node("a").Status(); s.Ready != nil || s.Writable != nil || s.Settled != 1 || s.Stable > s.Settled {
			t.Errorf("%+v", s)
		}
		c.Isolate("b")
		broadcast(t, c.Node("a"), "y")
		<-time.After(3 * time.Second)
		s := c.Node("a").Status()
		if s.Ready == nil || !strings.Contains(s.Ready.Error(), "b not heard") || s.Tentative != 1 {
			t.Errorf("%+v", s)
		}
		if s.Members[1].HoldsUpSince.IsZero() || !s.Members[2].HoldsUpSince.IsZero() {
			t.Errorf("%+v", s.Members)
		}
	})
}

// TestWhoIsHeardThroughOthersHoldsNothingUp cuts one link of three: what c
// says reaches a through b, so nobody is to blame, and a knows what each holds.
func TestWhoIsHeardThroughOthersHoldsNothingUp(t *testing.T) {
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		if err := c.Node("a").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Cut("a", "c")
		for range 60 { // 3 s in which somebody always writes
			broadcast(t, c.Node("a"), "x")
			broadcast(t, c.Node("c"), "y")
			<-time.After(50 * time.Millisecond)
			s := c.Node("a").Status()
			for _, m := range s.Members {
				if !m.HoldsUpSince.IsZero() {
					t.Fatalf("%s holds up %+v", m.Name, s)
				}
			}
		}
		s := c.Node("a").Status()
		if s.Ready != nil || s.Settled < 100 || time.Since(s.Members[2].Heard) < time.Second {
			t.Errorf("%+v", s)
		}
		c.Agree()
		if s = c.Node("a").Status(); len(s.Members[1].Holds) != 3 {
			t.Fatalf("%+v", s.Members)
		}
		for _, m := range s.Members {
			if m.Holds[0].Seq != 60 || m.Holds[2].Seq != 60 || m.Holds[0].Lamport == 0 {
				t.Errorf("%s holds %+v", m.Name, m.Holds)
			}
		}
	})
}
