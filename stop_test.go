package chatterbox_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/chatterboxtest"
)

// settlesAt broadcasts at a member, and has the entry settle at members.
func settlesAt(t *testing.T, c *chatterboxtest.Cluster, by, payload string, at ...string) (took time.Duration) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	id := broadcast(t, c.Node(by), payload)
	for _, name := range at {
		if _, err := c.Node(name).Position(ctx, id); err != nil {
			t.Fatalf("%s of %s at %s: %v", payload, by, name, err)
		}
	}
	return time.Since(began)
}

// TestNobodyWaitsForWhoIsStopped stops one of three after the other, for minutes each:
// what the others write settles at once, they are ready, nobody is let go, and who comes
// back writes at once.
func TestNobodyWaitsForWhoIsStopped(t *testing.T) {
	inCluster(t, 3, byCommand, func(t *testing.T, c *chatterboxtest.Cluster) {
		longest := settlesAt(t, c, "a", "first", "a", "b", "c")
		names := []string{"c", "a", "b"}
		for i, name := range names {
			x, y := names[(i+1)%3], names[(i+2)%3]
			c.Stop(name)
			longest = max(longest, settlesAt(t, c, x, "without "+name, x, y))
			<-time.After(2 * time.Minute)
			longest = max(longest, settlesAt(t, c, y, "still without "+name, x, y))
			<-time.After(time.Second) // nothing settles any more, and all is well
			for _, other := range []string{x, y} {
				if s := c.Node(other).Status(); s.Ready != nil || s.View.Number != 1 {
					t.Errorf("without %s, %s is at view %d: %v", name, other, s.View.Number, s.Ready)
				}
			}
			c.Restart(name)
			longest = max(longest, settlesAt(t, c, name, "again "+name, x, y, name))
		}
		if longest > time.Second {
			t.Errorf("an entry took %v to settle", longest)
		}
		c.Agree()
	})
}

// TestAllThatWereStoppedGoOn stops all members, and starts them again in another order.
func TestAllThatWereStoppedGoOn(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		settlesAt(t, c, "a", "before", "b")
		for range 3 {
			c.Stop("a")
			c.Stop("b")
			c.Stop("c")
			c.Restart("b")
			c.Restart("a")
			settlesAt(t, c, "a", "two are back", "b") // the third one is let go if it must
			c.Restart("c")
			settlesAt(t, c, "b", "all are back", "b", "a")
			<-time.After(time.Minute)
		}
		settlesAt(t, c, "c", "after", "c")
		c.Agree()
	})
}

// TestWhoIsStoppedLastAndStartedFirst can be read as far as anything had settled, takes
// entries, and names whom it waits for; once all are started again what it took settles,
// and nobody was let go.
func TestWhoIsStoppedLastAndStartedFirst(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		settlesAt(t, c, "a", "before", "a", "b", "c")
		c.Stop("a")
		settlesAt(t, c, "b", "without a", "b", "c")
		<-time.After(2 * time.Second)
		s := c.Node("c").Status()
		if a := s.Members[0]; !a.Stopped || !strings.Contains(a.Trouble, "stopped as planned, not heard since ") || s.Ready != nil {
			t.Errorf("c is %v, and says of a: %+v", s.Ready, a)
		}
		c.Stop("b")
		c.Stop("c")
		c.Restart("c")
		<-time.After(2 * time.Second)
		why := "a, b not heard, and 2 members must hold an entry before it settles"
		if s = c.Node("c").Status(); s.Settled != 2 || s.Ready == nil || !strings.Contains(s.Ready.Error(), why) {
			t.Errorf("c has %d settled, and is %v", s.Settled, s.Ready)
		}
		id := broadcast(t, c.Node("c"), "alone")
		for waits, names := range [][]string{{"a", "b"}, {"a"}} {
			<-time.After(2 * time.Second)
			s = c.Node("c").Status()
			for _, m := range s.Members {
				if is, should := !m.HoldsUpSince.IsZero(), slices.Contains(names, m.Name); is != should {
					t.Errorf("%d: settling waits for %s: %v", waits, m.Name, is)
				}
			}
			c.Restart([]string{"b", "a"}[waits])
		}
		for _, name := range []string{"a", "b", "c"} {
			if _, err := c.Node(name).Position(t.Context(), id); err != nil {
				t.Error(err)
			}
			if s = c.Node(name).Status(); s.View.Number != 1 {
				t.Errorf("%s goes by view %d", name, s.View.Number)
			}
		}
		c.Agree()
	})
}

// TestOfTwoTheOtherOneWaits for who is stopped, and says so: both must hold an entry.
func TestOfTwoTheOtherOneWaits(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		settlesAt(t, c, "a", "before", "b")
		c.Stop("b")
		id := broadcast(t, c.Node("a"), "alone")
		<-time.After(time.Minute)
		if s := c.Node("a").Status(); s.Ready == nil || !strings.Contains(s.Ready.Error(), "b not heard") {
			t.Errorf("it is ready: %v", s.Ready)
		}
		c.Restart("b")
		if _, err := c.Node("a").Position(t.Context(), id); err != nil {
			t.Error(err)
		}
		c.Agree()
	})
}

// TestACrashIsNoPlannedStop: who ends without any time for it is waited for.
func TestACrashIsNoPlannedStop(t *testing.T) {
	inCluster(t, 3, byCommand, func(t *testing.T, c *chatterboxtest.Cluster) {
		settlesAt(t, c, "a", "before", "b", "c")
		c.Crash("c")
		id := broadcast(t, c.Node("a"), "waits")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Node("a").Position(ctx, id); err == nil {
			t.Error("it settles without c")
		}
		c.Restart("c")
		if _, err := c.Node("a").Position(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}

// TestWhoIsStoppedWithoutAFolderLeaves stops one after the other of members that keep
// nothing on disk: the others go on without it, and the new life has its place by itself.
func TestWhoIsStoppedWithoutAFolderLeaves(t *testing.T) {
	for members, names := range map[int][]string{2: {"a", "b"}, 3: {"a", "b", "c"}} {
		inCluster(t, members, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
			settlesAt(t, c, "a", "first", "b")
			for i, name := range names {
				others := append(slices.Clone(names[i+1:]), names[:i]...)
				x := others[0]
				c.Stop(name)
				if view := c.Node(x).Status().View; len(view.Members) != members-1 {
					t.Fatalf("%s is stopped, and %s goes by %+v", name, x, view)
				}
				if took := settlesAt(t, c, x, "without "+name, others...); took > time.Second {
					t.Errorf("an entry without %s took %v to settle", name, took)
				}
				began := time.Now()
				c.Restart(name)
				for s := c.Node(name).Status(); s.Writable != nil || s.Ready != nil || len(s.View.Members) < members; s = c.Node(name).Status() {
					<-time.After(10 * time.Millisecond)
				}
				t.Logf("of %d, %s is back after %v", members, name, time.Since(began))
				settlesAt(t, c, name, "again "+name, x)
			}
			c.Agree()
		})
	}
}
