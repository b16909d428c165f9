package chatterbox_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// TestWhoLostItsDataIsReplaced has c lose what it had, with an entry that it alone had: the
// new one has its place when that is asked for, goes on with the numbers of it, under a
// second life, and nothing that has settled moves.
func TestWhoLostItsDataIsReplaced(t *testing.T) {
	volatile := func(cfg *chatterbox.Config) { byCommand(cfg); cfg.Volatile = true }
	inCluster(t, 3, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		told := broadcast(t, c.Node("c"), "told")
		c.Agree()
		c.Isolate("c")
		alone := broadcast(t, c.Node("c"), "alone")
		c.Crash("c")
		c.HealAll()
		c.Restart("c")
		<-time.After(time.Second)
		if _, err := c.Node("c").Broadcast(t.Context(), []byte("x")); !errors.Is(err, chatterbox.ErrReadOnly) || !strings.Contains(err.Error(), "members replace") {
			t.Errorf("it writes: %v", err)
		}
		if _, err := c.Node("c").Change(t.Context(), chatterbox.Change{Return: "c"}); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), "still wait for c") {
			t.Errorf("it returns: %v", err)
		}
		for _, wrong := range []struct{ at, name, why string }{{"c", "c", "itself"}, {"a", "b", "has its data"}, {"a", "x", "no member is called"}} {
			if _, err := c.Node(wrong.at).Change(t.Context(), chatterbox.Change{Replace: wrong.name}); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), wrong.why) {
				t.Errorf("%s is replaced at %s: %v", wrong.name, wrong.at, err)
			}
		}
		view, err := c.Node("a").Change(t.Context(), chatterbox.Change{Replace: "c"})
		if err != nil || view.Number != 4 || namesIn(view) != "a,b,c" {
			t.Fatalf("%+v, %v", view, err)
		}
		<-time.After(time.Second)
		since := broadcast(t, c.Node("c"), "since")
		c.Agree()
		if since != (chatterbox.ID{Origin: "c", Life: 2, Seq: 2}) {
			t.Errorf("c writes %s", since)
		}
		for _, name := range []string{"a", "b", "c"} {
			n := c.Node(name)
			if at, err := n.Position(t.Context(), told); (at != 1 || err != nil) && !(name == "c" && errors.Is(err, chatterbox.ErrCompacted)) {
				t.Errorf("%s is at %d at %s: %v", told, at, name, err)
			}
			if at, err := n.Position(t.Context(), since); at != 2 || err != nil {
				t.Errorf("%s is at %d at %s: %v", since, at, name, err)
			}
			if at, err := n.Position(t.Context(), alone); !errors.Is(err, chatterbox.ErrLost) {
				t.Errorf("%s is at %d at %s: %v", alone, at, name, err)
			}
			for _, never := range []chatterbox.ID{{Origin: "c", Life: 2, Seq: 1}, {Origin: "c", Life: 3, Seq: 3}} {
				if at, err := n.Position(t.Context(), never); err == nil || errors.Is(err, chatterbox.ErrLost) {
					t.Errorf("%s is at %d at %s: %v", never, at, name, err)
				}
			}
		}
	})
}
