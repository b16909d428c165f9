package chatterbox_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

func TestStatusSaysWhyThereIsNoConnection(t *testing.T) {
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		for _, m := range c.Node("a").Status().Members {
			if m.Trouble != "" {
				t.Errorf("%s: %q", m.Name, m.Trouble)
			}
		}
		c.Crash("b")
		c.Cut("a", "c")
		<-time.After(5 * time.Second)
		for i, want := range []string{"", "nobody listens at the address", "the connection was lost: another failure is imposed on the link"} {
			if got := c.Node("a").Status().Members[i].Trouble; got != want {
				t.Errorf("trouble of member %d is %q, want %q", i, got, want)
			}
		}
		c.HealAll()
		c.Restart("b")
	})
}

func TestMembersThatCannotBeDialedAreRefused(t *testing.T) {
	for want, members := range map[string][]chatterbox.Member{
		"the host is empty":                            {{Name: "a", Address: ":3000"}},
		"every address of a machine":                   {{Name: "a", Address: "0.0.0.0:3000"}},
		"port \"0\" is not from 1":                     {{Name: "a", Address: "127.0.0.1:0"}},
		"[::ffff:127.0.0.1]:3000 is that of member 1":  {{Name: "a", Address: "127.0.0.1:3000"}, {Name: "b", Address: "[::ffff:127.0.0.1]:3000"}},
		"the address LOCALHOST:3000 is that of member": {{Name: "a", Address: "localhost:3000"}, {Name: "b", Address: "LOCALHOST:3000"}},
	} {
		node, err := chatterbox.Open(t.Context(), chatterbox.Config{Name: "a", Members: members, Volatile: true})
		if err == nil {
			_ = node.Close(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// told is a log that several goroutines write.
type told struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (w *told) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// since returns what was written since the last call.
func (w *told) since() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.text.Reset()
	return w.text.String()
}

// Whoever waits for ever, for want of a context that ends, finds the reason in the
// log.
func TestCallsThatWaitLongAreToldOf(t *testing.T) {
	var log told
	watched := func(cfg *chatterbox.Config) {
		if cfg.Name == "c" {
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		}
	}
	waits := func(t *testing.T, want string, call func(context.Context)) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		log.since()
		call(ctx)
		if text := log.since(); !strings.Contains(text, want) {
			t.Errorf("%q is not told of:\n%s", want, text)
		}
	}
	inCluster(t, 3, watched, func(t *testing.T, c *chatterboxtest.Cluster) {
		for _, name := range c.Names() { // else c may have met them already
			c.CrashLosingData(name)
		}
		c.Isolate("c")
		for _, name := range c.Names() {
			c.Restart(name)
		}
		n := c.Node("c")
		waits(t, "ready: the members have not met: a, b not heard", func(ctx context.Context) { _ = n.Ready(ctx) })
		waits(t, "a broadcast waits for room", func(ctx context.Context) { _, _ = n.Broadcast(ctx, []byte("x")) })
		waits(t, "restore: there is no snapshot here, and of peers a, b not heard", func(ctx context.Context) {
			_ = n.Restore(ctx, func(chatterbox.Position, io.Reader) error { return nil })
		})
		c.HealAll()
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		waits(t, "b/99 is not settled: all members are heard", func(ctx context.Context) {
			for range 20 { // whatever settles meanwhile
				time.AfterFunc(time.Duration(broadcast(t, c.Node("a"), "x").Seq)*200*time.Millisecond, func() { _, _ = c.Node("a").Broadcast(ctx, []byte("y")) })
			}
			_, _ = n.Position(ctx, chatterbox.ID{Origin: "b", Life: 1, Seq: 99})
		})
		c.Isolate("c")
		id := broadcast(t, n, "only c has it")
		waits(t, id.String()+" is not settled: a, b not heard", func(ctx context.Context) { _, _ = n.Position(ctx, id) })
		waits(t, "close: 1 entries are held by this member only: a, b not heard", func(ctx context.Context) { _ = n.Close(ctx) })
	})
}

// TestMembersThatCannotMeetSaySo starts a member anew without its data before all were
// there: nobody waits for what never comes without being told.
func TestMembersThatCannotMeetSaySo(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		for _, name := range c.Names() {
			c.CrashLosingData(name)
		}
		c.Restart("a")
		c.Restart("b")
		<-time.After(time.Second)
		c.CrashLosingData("b")
		c.Restart("b")
		c.Restart("c")
		<-time.After(10 * time.Second)
		const want = "lost its data before all"
		for _, name := range c.Names() {
			s := c.Node(name).Status()
			for _, err := range []error{s.Ready, s.Writable} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		for _, name := range c.Names() {
			c.CrashLosingData(name)
		}
		for _, name := range c.Names() {
			c.Restart(name)
		}
		c.Agree()
		for _, name := range c.Names() {
			if err := c.Node(name).Ready(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}
