package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble is a test in virtual time with one of the protocols.
type bubble struct {
	*testing.T
	protocol Protocol
}

func (b bubble) world(members int) *world {
	return newWorld(b.T, members, func(c *Config) { c.Protocol = b.protocol })
}

// inBubbles runs a test with each protocol.
func inBubbles(t *testing.T, test func(bubble)) {
	t.Helper()
	for _, name := range []Protocol{Delta, Lockstep} {
		t.Run(string(name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(bubble{t, name}) })
		})
	}
}

func TestThreeMembersAgree(t *testing.T) {
	inBubbles(t, func(b bubble) {
		w := b.world(3)
		w.startAll()
		for i := range w.nodes {
			w.say(i, 50, "x")
		}
		w.finish(150)
	})
}

func TestOneMemberAloneAgreesWithItself(t *testing.T) {
	inBubbles(t, func(b bubble) {
		w := b.world(1)
		w.startAll()
		w.say(0, 10, "x")
		w.finish(10)
	})
}

func TestHealedMemberCatchesUp(t *testing.T) {
	inBubbles(t, func(b bubble) {
		w := b.world(3)
		w.startAll()
		w.say(0, 5, "before")
		pass(time.Second)
		w.cut(1, false)
		w.cut(2, false)
		w.say(1, 5, "during")
		w.say(0, 5, "alone")
		pass(5 * time.Second)
		w.cut(1, true)
		w.cut(2, true)
		w.finish(15)
	})
}

func TestMembersThatNeverSeeEachOtherAgreeThroughAThird(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil)
		w.cut(1, false)
		w.startAll()
		for i := range w.nodes {
			w.say(i, 20, "x")
		}
		w.finish(60)
	})
}

func TestRestartWithDataContinues(t *testing.T) {
	inBubbles(t, func(b bubble) {
		disks := make([]journal.Memory, 3)
		w := newWorld(b.T, 3, func(c *Config) {
			c.Protocol, c.Files = b.protocol, &disks[c.Self]
		})
		w.startAll()
		w.say(1, 20, "first")
		pass(2 * time.Second)
		identity := w.nodes[1].Identity()
		w.close(1)
		disks[1].Crash(nil)
		w.say(0, 5, "meanwhile") // lockstep has one in flight, and the outbox takes the others
		pass(2 * time.Second)
		if n := w.start(1); n.Identity() != identity {
			b.Errorf("identity %s became %s", identity, n.Identity())
		}
		w.say(1, 20, "second")
		w.finish(45)
		if w.logs[1].resets != 1 {
			b.Errorf("%d resets, want one at the restart", w.logs[1].resets)
		}
	})
}

func TestClosedStreamStaysClosedOverRestarts(t *testing.T) {
	inBubbles(t, func(b bubble) {
		var disk journal.Memory
		w := newWorld(b.T, 1, func(c *Config) { c.Protocol, c.Files = b.protocol, &disk })
		w.start(0)
		w.say(0, 3, "only")
		w.finish(3)
		n := w.start(0)
		if _, err := n.Broadcast(context.Background(), []byte("more")); !errors.Is(err, ErrStreamClosed) {
			b.Errorf("broadcast into a closed stream: %v", err)
		}
		<-n.AllComplete()
		w.close(0)
	})
}

func TestRestartWithoutDataOnlyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil)
		w.startAll()
		w.say(1, 3, "first")
		pass(2 * time.Second)
		w.close(1)
		n := w.start(1)
		pass(2 * time.Second)
		if _, err := n.Broadcast(context.Background(), []byte("again")); !errors.Is(err, ErrReader) {
			t.Errorf("broadcast after the loss of the data: %v", err)
		}
		status, err := n.Status(context.Background())
		if err != nil || !status.Reader {
			t.Errorf("status: %+v, %v", status, err)
		}
		w.closeAll()
	})
}

// TestWhatIsDroppedIsReported: a member without its data that hears nobody takes
// entries in, and learns only later that its place belongs to an earlier life.
func TestWhatIsDroppedIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil)) // one for all: it keeps their lines apart
		disks := make([]journal.Memory, 3)
		w := newWorld(t, 3, func(c *Config) {
			c.Log = logger
			if c.Self != 1 {
				c.Files = &disks[c.Self]
			}
		})
		w.startAll()
		w.say(0, 3, "first")
		pass(2 * time.Second)
		w.closeAll()
		n := w.start(1)
		pass(time.Second)
		for range 3 {
			if _, err := n.Broadcast(context.Background(), []byte("in vain")); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Second)
		w.start(0)
		w.start(2)
		pass(2 * time.Second)
		const dropped = "3 entries that it had taken in before it knew are dropped"
		if _, err := n.Broadcast(context.Background(), []byte("again")); !errors.Is(err, ErrReader) || !strings.Contains(err.Error(), dropped) {
			t.Errorf("broadcast: %v", err)
		}
		if status, err := n.Status(context.Background()); err != nil || status.Dropped != 3 {
			t.Errorf("%d are dropped, %v", status.Dropped, err)
		}
		w.closeAll()
		if !strings.Contains(log.String(), dropped) {
			t.Errorf("logged is %s", log.String())
		}
	})
}

// TestOlderDataStopsTheNode, which says so, and its peers name it.
func TestOlderDataStopsTheNode(t *testing.T) {
	inBubbles(t, func(b bubble) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil)) // one for all: it keeps their lines apart
		disks := make([]*journal.Memory, 3)
		for i := range disks {
			disks[i] = new(journal.Memory)
		}
		w := newWorld(b.T, 3, func(c *Config) {
			c.Protocol, c.Files = b.protocol, disks[c.Self]
			if c.Self != 2 {
				c.Log = logger
			}
		})
		w.startAll()
		w.say(2, 3, "first")
		pass(2 * time.Second)
		w.closeAll()
		older := disks[2].Clone()
		w.startAll()
		w.say(2, 3, "second")
		pass(2 * time.Second)
		w.closeAll()
		disks[2] = older
		w.start(0)
		w.start(1)
		n := w.start(2)
		<-n.Done()
		if !errors.Is(n.Err(), protocol.ErrOldData) {
			b.Errorf("stopped by %v", n.Err())
		}
		if _, err := n.Broadcast(context.Background(), []byte("third")); !errors.Is(err, protocol.ErrOldData) {
			b.Errorf("broadcast: %v", err)
		}
		pass(time.Second)
		w.closeAll()
		if !strings.Contains(log.String(), "came back with older data than it had") {
			b.Errorf("the others log %s", log.String())
		}
	})
}

// TestBroadcastDeliversNothing: whoever broadcasts may hold what Deliver waits
// for.
func TestBroadcastDeliversNothing(t *testing.T) {
	for _, members := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			w := newWorld(t, members, nil)
			for i := range w.logs {
				deliver := w.logs[i].deliver
				w.change = func(c *Config) {
					c.Deliver = func(batches []protocol.Batch) {
						mu.Lock()
						defer mu.Unlock()
						deliver(batches)
					}
				}
				w.start(i)
			}
			pass(time.Second)
			for i := range w.nodes {
				mu.Lock()
				w.say(i, 3, "held")
				mu.Unlock()
				pass(time.Second)
			}
			w.finish(3 * members)
		})
	}
}

func TestAbsentPeerMeansBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(c *Config) { c.MemoryBytesMax = 4 << 20 })
		w.start(0)
		w.start(1)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		next := uint64(1)
		for {
			if _, err := w.nodes[0].Fill(ctx, 8, numbers(&next)); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("fill: %v", err)
				}
				break
			}
		}
		status, err := w.nodes[0].Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if status.LogBytes < 512<<10 || status.LogBytes > 4<<20 {
			t.Errorf("%d bytes in memory, allowed were %d", status.LogBytes, 4<<20)
		}
		w.start(2)
		for range 20 {
			if _, err := w.nodes[0].Fill(context.Background(), 8, numbers(&next)); err != nil {
				t.Fatal(err)
			}
		}
		w.finish(int(next) - 1)
	})
}

func TestTentativeShowsWhatIsHeldAndNotSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		w.start(0)
		pass(time.Second)
		w.say(0, 3, "x")
		pass(time.Second)
		held := 0
		err := w.nodes[0].Tentative(context.Background(), func(b *protocol.Batch) { held += int(b.Count) })
		if err != nil || held != 3 || len(w.logs[0].entries) != 0 {
			t.Errorf("%d entries held, %d delivered, %v", held, len(w.logs[0].entries), err)
		}
		w.start(1)
		w.finish(3)
	})
}

func TestFailedJournalStopsTheNodeButShowsWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken disk")
		var isBroken atomic.Bool
		disk := journal.Memory{Fail: func(string, string) error {
			if isBroken.Load() {
				return broken
			}
			return nil
		}}
		w := newWorld(t, 2, func(c *Config) {
			if c.Self == 0 {
				c.Files = &disk
			}
		})
		w.startAll()
		w.say(0, 2, "x")
		pass(time.Second)
		isBroken.Store(true)
		w.say(0, 1, "y")
		n := w.nodes[0]
		<-n.Done()
		if !errors.Is(n.Err(), broken) {
			t.Errorf("stopped by %v", n.Err())
		}
		if _, err := n.Broadcast(context.Background(), []byte("z")); !errors.Is(err, broken) {
			t.Errorf("broadcast: %v", err)
		}
		if status, err := n.Status(context.Background()); err != nil || status.Held[0].Have < 2 {
			t.Errorf("status: %+v, %v", status, err)
		}
		if err := n.Close(context.Background()); !errors.Is(err, broken) {
			t.Errorf("close: %v", err)
		}
		w.close(1)
	})
}

// A member whose disk is full refuses at once and is otherwise as one that is
// paused; then it goes on by itself with all that was on its way.
func TestFullDiskIsWaitedFor(t *testing.T) {
	inBubbles(t, func(b bubble) {
		disks := make([]journal.Memory, 3)
		w := newWorld(b.T, 3, func(c *Config) { c.Protocol, c.Files = b.protocol, &disks[c.Self] })
		w.startAll()
		w.say(0, 5, "before")
		pass(time.Second)
		disks[0].Resize(disks[0].Size() + 20)
		w.say(1, 5, "meanwhile")
		pass(time.Second)
		n := w.nodes[0]
		for range 2 {
			if err := n.Stalled(); !errors.Is(err, protocol.ErrNoRoom) || n.Err() != nil {
				b.Errorf("stalled by %v, ended by %v", err, n.Err())
				break
			}
			if _, err := n.Broadcast(context.Background(), []byte("x")); !errors.Is(err, protocol.ErrNoRoom) {
				b.Errorf("broadcast: %v", err)
			}
			disks[0].Resize(disks[0].Size() + 10) // which is not enough
			pass(time.Second)
		}
		if status, err := n.Status(context.Background()); err != nil || status.Held[0].Have < 5 {
			b.Errorf("status: %+v, %v", status, err)
		}
		disks[0].Resize(0)
		pass(time.Second)
		if err := n.Stalled(); err != nil {
			b.Errorf("still stalled by %v", err)
		}
		w.say(0, 5, "after")
		w.finish(15)
	})
}

func TestEndOfContextEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil)
		listener, err := w.network.Listen("host:1")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		n, err := Start(ctx, Config{Members: w.list, Listener: listener, Dial: w.network.Dialer("host:1")})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-n.Done()
		if !errors.Is(n.Err(), ErrClosed) {
			t.Errorf("stopped by %v", n.Err())
		}
		_, broadcast := n.Broadcast(context.Background(), []byte("x"))
		for what, err := range map[string]error{
			"broadcast": broadcast,
			"close":     n.Close(context.Background()),
		} {
			if what == "close" && err != nil || what != "close" && !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := n.Status(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("status: %v", err)
		}
	})
}
