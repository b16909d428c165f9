package chatterbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// evict has a member go on without another one, within ten seconds.
func evict(t *testing.T, at *chatterbox.Node, name string) (chatterbox.View, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return at.Change(ctx, chatterbox.Change{Evict: name})
}

func namesIn(v chatterbox.View) string {
	var names []string
	for _, m := range v.Members {
		names = append(names, m.Name)
	}
	return strings.Join(names, ",")
}

// TestWhoIsAwayForLongIsLetGo has a member of three die: the others go on without it
// once they have waited for so long, and no sooner, and lose nothing, and c comes back
// by itself when it is there again. Of the two that
// are left none can be let go. Who is cut off from both alone lets nobody go.
func TestWhoIsAwayForLongIsLetGo(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Isolate("a")
		<-time.After(9 * time.Second)
		c.HealAll()
		broadcast(t, c.Node("a"), "nobody waited for long enough")
		c.Agree()
		if s := c.Node("a").Status(); s.View.Number != 1 || s.EvictAfter != 10*time.Second {
			t.Errorf("after 9 s: %+v", s.View)
		}
		c.Crash("c")
		id := broadcast(t, c.Node("b"), "while c is away")
		<-time.After(9 * time.Second)
		if s := c.Node("b").Status(); s.View.Number != 1 || s.Settled != 1 {
			t.Errorf("after 9 s: %+v, and %d settled", s.View, s.Settled)
		}
		<-time.After(2 * time.Second)
		for _, name := range []string{"a", "b"} {
			if s := c.Node(name).Status(); s.View.Number != 2 || namesIn(s.View) != "a,b" || s.Settled != 2 || s.Ready != nil {
				t.Errorf("%s after 11 s: %+v, and %d settled; %v", name, s.View, s.Settled, s.Ready)
			}
		}
		if at, err := c.Node("a").Position(t.Context(), id); err != nil || at != 2 {
			t.Errorf("%d, %v", at, err)
		}
		c.Crash("b")
		<-time.After(time.Minute)
		if s := c.Node("a").Status(); s.View.Number != 2 || s.Ready == nil {
			t.Errorf("one of two: %+v, %v", s.View, s.Ready)
		}
		c.Restart("b")
		c.Restart("c")
		<-time.After(time.Minute)
		c.Agree()
		if s := c.Node("c").Status(); s.View.Number != 3 || namesIn(s.View) != "a,b,c" {
			t.Errorf("c is there again: %+v", s.View)
		}
	})
}

// TestTheOthersGoOnWithoutWhoIsEvicted cuts c off, lets it write, and evicts it
// once it is gone. What c had told before settles, what it wrote alone is lost and
// can be read as orphans; c reads on when it is back.
func TestTheOthersGoOnWithoutWhoIsEvicted(t *testing.T) {
	inCluster(t, 3, byCommand, func(t *testing.T, c *chatterboxtest.Cluster) {
		told := broadcast(t, c.Node("c"), "told")
		c.Agree()
		c.Isolate("c")
		alone := broadcast(t, c.Node("c"), "alone")
		before := broadcast(t, c.Node("a"), "before")
		c.Crash("c")
		c.HealAll()
		if first := c.Node("a").Status(); first.View.Number != 1 || first.View.Quorum != 2 || first.View.Holders != 2 || namesIn(first.View) != "a,b,c" {
			t.Errorf("at first %+v", first.View)
		}
		view, err := evict(t, c.Node("b"), "c")
		if err != nil || view.Number != 2 || namesIn(view) != "a,b" || view.Quorum != 2 {
			t.Fatalf("%+v, %v", view, err)
		}
		for _, name := range []string{"a", "b"} {
			n := c.Node(name)
			for _, id := range []chatterbox.ID{told, before, broadcast(t, n, "after")} {
				if at, err := n.Position(t.Context(), id); err != nil || at == 0 {
					t.Errorf("%s of %s: %d, %v", id, name, at, err)
				}
			}
			if at, err := n.Position(t.Context(), alone); !errors.Is(err, chatterbox.ErrLost) {
				t.Errorf("%s at %s: %d, %v", alone, name, at, err)
			}
			if s := n.Status(); s.Ready != nil || !s.Members[2].Evicted || s.Members[1].Evicted || s.View.Number != 2 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if again, err := evict(t, c.Node("a"), "c"); err != nil || again.Number != 2 {
			t.Errorf("evicted again: %+v, %v", again, err)
		}
		c.Restart("c")
		c.Agree()
		n := c.Node("c")
		doubtful, err := n.Broadcast(t.Context(), []byte("doubtful"))
		if !errors.Is(err, chatterbox.ErrReadOnly) || !strings.Contains(err.Error(), "let go") {
			t.Errorf("c writes: %v", err)
		}
		if _, err := n.Position(t.Context(), alone); !errors.Is(err, chatterbox.ErrLost) {
			t.Errorf("at c: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for e, err := range n.Watch(ctx, n.Status().Settled) {
			if err == nil {
				t.Errorf("%s passes for one that may settle", e.ID)
			}
		}
		if got := orphans(t, n, "c"); !slices.Equal(got, []string{"c/2 alone"}) {
			t.Errorf("orphans at c: %q", got)
		}
		if got := append(orphans(t, c.Node("a"), "c"), orphans(t, n, "a")...); len(got) > 0 {
			t.Errorf("orphans that there are not: %q", got)
		}
		if _, err := c.Node("a").Change(t.Context(), chatterbox.Change{Return: "c"}); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), "asked itself") {
			t.Errorf("another one is asked: %v", err)
		}
		comesBack(t, c, taken(alone, doubtful))
	})
}

// taken returns those of the entries that were taken in. Who is in doubt of one has its
// ID: it waits until its member comes back, and no other entry gets that.
func taken(ids ...chatterbox.ID) []chatterbox.ID {
	return slices.DeleteFunc(ids, func(id chatterbox.ID) bool { return id == chatterbox.ID{} })
}

// comesBack has c, which was evicted, come back: what it had accepted alone settles in
// order, before anything that it takes now, everywhere at the same positions.
func comesBack(t *testing.T, c *chatterboxtest.Cluster, alone []chatterbox.ID) {
	t.Helper()
	n := c.Node("c")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	view, err := n.Change(ctx, chatterbox.Change{Return: "c"})
	if err != nil || view.Number != 3 || namesIn(view) != "a,b,c" || view.Quorum != 2 {
		t.Fatalf("%+v, %v", view, err)
	}
	late := broadcast(t, n, "late")
	if last := alone[len(alone)-1]; late.Seq != last.Seq+1 {
		t.Errorf("%s follows %s", late, last)
	}
	before := chatterbox.Position(0)
	for _, id := range append(slices.Clone(alone), late) {
		at, err := n.Position(t.Context(), id)
		if err != nil || at <= before {
			t.Errorf("%s is at %d, after %d: %v", id, at, before, err)
		}
		for _, name := range []string{"a", "b"} {
			if there, err := c.Node(name).Position(t.Context(), id); there != at || err != nil {
				t.Errorf("%s is at %d, at %s at %d: %v", id, at, name, there, err)
			}
		}
		before = at
	}
	c.Agree()
	if s := n.Status(); s.Ready != nil || s.Members[2].Evicted {
		t.Errorf("%+v", s)
	}
	if got := append(orphans(t, n, "c"), orphans(t, c.Node("a"), "c")...); len(got) > 0 {
		t.Errorf("orphans %q", got)
	}
	if again, err := n.Change(t.Context(), chatterbox.Change{Return: "c"}); err != nil || again.Number != 3 {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

func orphans(t *testing.T, at *chatterbox.Node, of string) (all []string) {
	t.Helper()
	for e, err := range at.Orphans(t.Context(), of) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s", e.ID, e.Payload))
	}
	return all
}

// TestViewsOutliveRestarts restarts everybody after an eviction.
func TestViewsOutliveRestarts(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "first")
		c.Agree()
		c.Crash("b")
		c.Evict("c", "b")
		for _, name := range []string{"a", "c"} {
			broadcast(t, c.Node(name), "second")
		}
		c.Agree()
		for _, name := range []string{"a", "c"} {
			c.Crash(name)
		}
		for _, name := range []string{"a", "c"} {
			c.Restart(name)
		}
		id := broadcast(t, c.Node("a"), "third")
		if at, err := c.Node("c").Position(t.Context(), id); err != nil || at != 4 {
			t.Errorf("position %d, %v", at, err)
		}
		for view, err := range c.Node("a").Views(t.Context()) {
			if err != nil || view.Number != 2 || namesIn(view) != "a,c" {
				t.Errorf("%+v, %v", view, err)
			}
			break
		}
		c.Restart("b")
		c.Agree()
	})
}

// TestViewsAreTold follows the views of a member.
func TestViewsAreTold(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		ended := make(chan error, 1)
		go func() {
			for view, err := range c.Node("a").Views(ctx) {
				if err != nil {
					ended <- err
					return
				}
				told = append(told, fmt.Sprint(view.Number, " ", namesIn(view)))
			}
		}()
		c.Agree()
		c.Crash("c")
		c.Evict("b", "c")
		c.Agree()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if !slices.Equal(told, []string{"1 a,b,c", "2 a,b"}) {
			t.Errorf("%q", told)
		}
	})
}

// TestChangesThatCannotBeMadeAreRefused asks for what makes no sense, and for what
// nobody could decide.
func TestChangesThatCannotBeMadeAreRefused(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		a := c.Node("a")
		refused := func(name, why string) {
			t.Helper()
			if _, err := evict(t, a, name); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), why) {
				t.Errorf("evict %q: %v, should say %q", name, err, why)
			}
		}
		refused("", "name one member")
		refused("x", `no member is called "x"`)
		for why, change := range map[string]chatterbox.Change{
			"name one member":     {Evict: "b", Leave: "c"},
			"moves to an address": {Move: "b"},
			"nothing else":        {Evict: "b", Address: "x:1"},
			"write it as":         {Move: "b", Address: "x"},
			"is that of a too":    {Move: "b", Address: "a:1"},
		} {
			if _, err := a.Change(t.Context(), change); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), why) {
				t.Errorf("%+v: %v, should say %q", change, err, why)
			}
		}
		c.Crash("b")
		c.Crash("c")
		<-time.After(5 * time.Second)
		refused("c", "2 of 3 members decide on a change, here is only a; not heard: b, c")
		if v := a.Status().View; v.Number != 1 {
			t.Errorf("%+v", v)
		}
		c.Restart("b")
		c.Restart("c")
		c.Agree()
	})
}

// TestAnEvictedMemberThatNoticedNothingLearnsOfIt lets c write on while it is cut
// off and evicted. Once links heal it takes nothing more, and reads what the
// others have settled meanwhile; what it showed before stands where it stood.
func TestAnEvictedMemberThatNoticedNothingLearnsOfIt(t *testing.T) {
	inCluster(t, 3, byCommand, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("c"), "told")
		c.Agree()
		c.Isolate("c")
		var alone []chatterbox.ID
		for range 3 {
			alone = append(alone, broadcast(t, c.Node("c"), "alone"))
		}
		c.Evict("a", "c")
		alone = append(alone, broadcast(t, c.Node("c"), "alone"))
		after := broadcast(t, c.Node("b"), "after")
		if at, err := c.Node("a").Position(t.Context(), after); err != nil || at != 2 {
			t.Errorf("%s at %d, %v", after, at, err)
		}
		waits := make(chan error, 1)
		go func() {
			_, err := c.Node("c").Position(context.Background(), alone[0])
			waits <- err
		}()
		c.HealAll()
		c.Agree()
		if err := <-waits; !errors.Is(err, chatterbox.ErrLost) {
			t.Errorf("who waited is told %v", err)
		}
		for _, id := range alone {
			if _, err := c.Node("c").Position(t.Context(), id); !errors.Is(err, chatterbox.ErrLost) {
				t.Errorf("%s: %v", id, err)
			}
		}
		if settled := c.Node("c").Status().Settled; settled != 2 {
			t.Errorf("%d entries have settled", settled)
		}
		doubtful, err := c.Node("c").Broadcast(t.Context(), []byte("doubtful"))
		if !errors.Is(err, chatterbox.ErrReadOnly) {
			t.Errorf("it writes: %v", err)
		}
		if got := orphans(t, c.Node("c"), "c"); len(got) != len(alone) || got[0] != alone[0].String()+" alone" {
			t.Errorf("orphans %q", got)
		}
		if _, err := evict(t, c.Node("c"), "a"); !errors.Is(err, chatterbox.ErrRefused) {
			t.Errorf("who was evicted evicts: %v", err)
		}
		comesBack(t, c, taken(append(alone, doubtful)...))
	})
}

// TestConflictingChangesAreMadeOneAfterTheOther has two of five members let go of
// each other, and a third one of a fourth, at the same time.
func TestConflictingChangesAreMadeOneAfterTheOther(t *testing.T) {
	inCluster(t, 5, byCommand, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Crash("e")
		ended := make(chan error, 3)
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}, {"c", "e"}} {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				_, err := c.Node(pair[0]).Change(ctx, chatterbox.Change{Evict: pair[1]})
				ended <- err
			}()
		}
		done := 0
		for range cap(ended) {
			if err := <-ended; err == nil {
				done++
			} else if !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), "does not belong to the cluster any more") {
				t.Error(err)
			}
		}
		c.Agree()
		view := c.Node("c").Status().View // which may have come to c last
		t.Logf("view %d: %s", view.Number, namesIn(view))
		if names := namesIn(view); strings.Contains(names, "e") || !strings.Contains(names, "c,d") || strings.Contains(names, "a,b") || done != 2 {
			t.Errorf("%d of 3 changes are made, the members are %s", done, names)
		}
		id := broadcast(t, c.Node("c"), "after")
		if _, err := c.Node("d").Position(t.Context(), id); err != nil {
			t.Error(err)
		}
		c.Agree()
	})
}

// TestWhoLeavesLosesNothing has members of three leave one after the other, down to
// one. What they accepted has settled; they end, and the others go on.
func TestWhoLeavesLosesNothing(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		want := 0
		for i, name := range []string{"c", "b"} {
			n := c.Node(name)
			var last chatterbox.ID
			for range 100 {
				last = broadcast(t, n, "x")
				want++
			}
			if _, err := c.Node("a").Change(t.Context(), chatterbox.Change{Leave: name}); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), "asked itself") {
				t.Errorf("another one is asked: %v", err)
			}
			if _, err := evict(t, n, name); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), "itself") {
				t.Errorf("it evicts itself: %v", err)
			}
			view, err := n.Change(t.Context(), chatterbox.Change{Leave: name})
			if err != nil || view.Number != uint64(i)+2 || len(view.Members) != 2-i {
				t.Fatalf("%+v, %v", view, err)
			}
			if <-n.Done(); !errors.Is(n.Err(), chatterbox.ErrRemoved) {
				t.Errorf("it ended with %v", n.Err())
			}
			if _, err := n.Broadcast(t.Context(), []byte("x")); !errors.Is(err, chatterbox.ErrRemoved) {
				t.Errorf("it writes: %v", err)
			}
			if _, err := n.Change(t.Context(), chatterbox.Change{Leave: name}); !errors.Is(err, chatterbox.ErrRemoved) {
				t.Errorf("it leaves again: %v", err)
			}
			if at, err := c.Node("a").Position(t.Context(), last); err != nil || at != chatterbox.Position(want) {
				t.Errorf("%s is at %d, %v", last, at, err)
			}
			c.Crash(name)
		}
		id := broadcast(t, c.Node("a"), "alone")
		if at, err := c.Node("a").Position(t.Context(), id); err != nil || at != chatterbox.Position(want)+1 {
			t.Errorf("%s is at %d, %v", id, at, err)
		}
		if _, err := c.Node("a").Change(t.Context(), chatterbox.Change{Leave: "a"}); !errors.Is(err, chatterbox.ErrRefused) {
			t.Errorf("the last one leaves: %v", err)
		}
	})
}

// TestLeavingWaitsForWhatItAccepted cuts b off, so that nothing settles: c waits,
// also when nobody waits for it any more, and goes once b is back.
func TestLeavingWaitsForWhatItAccepted(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Isolate("b")
		n := c.Node("c")
		id := broadcast(t, n, "x")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := n.Change(ctx, chatterbox.Change{Leave: "c"}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "b not heard") {
			t.Errorf("left: %v", err)
		}
		if _, err := n.Broadcast(t.Context(), []byte("y")); !errors.Is(err, chatterbox.ErrReadOnly) || !strings.Contains(err.Error(), "leaving") {
			t.Errorf("it writes: %v", err)
		}
		c.HealAll()
		<-n.Done()
		for _, name := range []string{"a", "b"} {
			if at, err := c.Node(name).Position(t.Context(), id); err != nil || at != 1 {
				t.Errorf("%s: %d, %v", name, at, err)
			}
			broadcast(t, c.Node(name), "after")
		}
		c.Crash("c")
		c.Agree()
	})
}

// TestAChangeThatTakesLongIsTold has all messages take a second, so that a change
// takes some: meanwhile nothing settles, and the status says why.
func TestAChangeThatTakesLongIsTold(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		for _, pair := range [][2]string{{"a", "b"}, {"a", "c"}, {"b", "c"}} {
			c.Delay(pair[0], pair[1], time.Second, time.Second)
		}
		<-time.After(2 * time.Second)
		decided := make(chan error, 1)
		go func() {
			_, err := evict(t, c.Node("a"), "c")
			decided <- err
		}()
		id := broadcast(t, c.Node("a"), "x")
		told := 0
		for waiting := true; waiting; {
			select {
			case err := <-decided:
				if waiting = false; err != nil {
					t.Error(err)
				}
			case <-time.After(100 * time.Millisecond):
				if ready := c.Node("a").Status().Ready; ready != nil && strings.Contains(ready.Error(), "a change of themselves") {
					told++
				}
			}
		}
		if told < 10 {
			t.Errorf("it was told %d times", told)
		}
		if _, err := c.Node("b").Position(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}
