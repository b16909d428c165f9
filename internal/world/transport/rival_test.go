package transport

import (
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// another runs a second process of a member, elsewhere.
func (w *world) another(id member.ID, change func(*Config)) *node {
	w.Helper()
	before := w.nodes[id]
	elsewhere := w.list[id].Name + "-elsewhere:1"
	n := w.start(id, func(c *Config) {
		listener, err := w.network.Listen(elsewhere)
		if err != nil {
			w.Fatal(err)
		}
		c.Listener, c.Dial, c.Seed = listener, w.network.Dialer(elsewhere), 77
		if change != nil {
			change(c)
		}
	})
	w.nodes[id] = before
	w.Cleanup(func() { n.Close(w.Context()) })
	return n
}

// TestSecondProcessOfAMemberIsRefusedByName starts a second process of member
// 0, without data and as a copy of its data, at an earlier and at a later start.
func TestSecondProcessOfAMemberIsRefusedByName(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"without data": func(c *Config) { c.Identity = 999 },
		"a copy":       nil,
		"a later copy": func(c *Config) { c.Life = 5 },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				w.startAll(nil)
				w.rest(1200 * time.Millisecond)
				n := w.another(0, change)
				w.rest(30 * time.Second)
				for i, other := range w.nodes {
					if history := other.history(); history != "[]" {
						w.Fatalf("links of member %d: %s\n%s", i, history, w.log)
					}
				}
				for _, stats := range n.Stats() {
					if stats.Up || !strings.Contains(stats.Trouble, "member a runs already, as a process that dials from hosta:1") {
						w.Fatalf("the second process: %+v", stats)
					}
				}
				if told := w.log.count("refused a connection"); told != 2 {
					w.Fatalf("the others tell of it %d times:\n%s", told, w.log)
				}
				if told := w.log.count("dialing again until this is mended"); told != 2 {
					w.Fatalf("the second process tells of it %d times:\n%s", told, w.log)
				}
				w.talk(10)
				w.stop(1)
				w.rest(time.Second)
				if trouble := n.Stats()[0].Trouble; !strings.HasSuffix(trouble, "stop one of them; and now nobody listens at the address") {
					w.Fatalf("after the end of member 1: %q", trouble)
				}
			})
		})
	}
}

// TestMemberThatStartsAnewIsNoRival ends a member at a moment and starts it
// again at once, without its data; also a host that falls silent instead.
func TestMemberThatStartsAnewIsNoRival(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		for life := range 20 {
			w.stop(0)
			w.rest(time.Duration(life) * time.Millisecond)
			w.start(0, func(c *Config) { c.Identity, c.Seed = member.Identity(1000+life), uint64(1000+life) })
			w.rest(300 * time.Millisecond)
			w.talk(5)
		}
		if told := w.log.count("runs already"); told != 0 {
			w.Fatalf("the log has it that somebody runs twice:\n%s", w.log)
		}
	})
}

// TestMemberWhosePlaceIsTakenIsTold pauses a member; a second process takes its
// place, and the first one is told when it goes on.
func TestMemberWhosePlaceIsTakenIsTold(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.startAll(nil)
		w.network.Pause(w.address(0))
		w.rest(3 * time.Second)
		n := w.another(0, func(c *Config) { c.Identity = 999 })
		w.rest(time.Second)
		if !n.isUp(1) {
			w.Fatalf("who is silent keeps its place:\n%s", w.log)
		}
		w.network.Resume(w.address(0))
		w.rest(5 * time.Second)
		stats := w.nodes[0].Stats()[0]
		if stats.Up || !strings.Contains(stats.Trouble, "runs already, as a process that dials from a-elsewhere:1") {
			w.Fatalf("the first one: %+v\n%s", stats, w.log)
		}
		n.Close(w.Context())
		w.rest(time.Second)
		w.talk(5)
	})
}

// TestTicksThatDifferAreTold starts members with ticks that are far apart.
func TestTicksThatDifferAreTold(t *testing.T) {
	for _, pair := range []struct {
		ticks [2]time.Duration
		told  int
	}{
		{[2]time.Duration{10 * time.Millisecond, 100 * time.Millisecond}, 2},
		{[2]time.Duration{10 * time.Millisecond, 12 * time.Millisecond}, 0},
	} {
		inWorld(t, 2, func(w *world) {
			w.startAll(func(c *Config) { c.Tick = pair.ticks[c.Self] })
			w.stop(1)
			w.start(1, func(c *Config) { c.Tick = pair.ticks[1] })
			w.rest(time.Minute)
			told := w.log.count("--tick-duration")
			if pair.told > 0 {
				told-- // member 1 was started twice
			}
			if told != pair.told {
				w.Fatalf("ticks %v: the log tells of it %d times:\n%s", pair.ticks, told, w.log)
			}
		})
	}
}
