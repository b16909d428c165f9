package chatterboxtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// in runs a test in virtual time on a cluster whose promises are judged.
func in(t *testing.T, config chatterboxtest.Config, test func(t *testing.T, c *chatterboxtest.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		config.Trace = true
		test(t, chatterboxtest.New(t, config))
	})
}

func broadcast(t *testing.T, n *chatterbox.Node, payload string) chatterbox.ID {
	t.Helper()
	id, err := n.Broadcast(t.Context(), []byte(payload))
	if err != nil {
		t.Fatalf("broadcast %q: %v", payload, err)
	}
	return id
}

// within returns the position of an entry if it settles soon.
func within(t *testing.T, n *chatterbox.Node, id chatterbox.ID, wait time.Duration) chatterbox.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	at, err := n.Position(ctx, id)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return at
}

// TestACutOneWayIsOneWay lets b hear nothing of a: what b says still arrives at a.
func TestACutOneWayIsOneWay(t *testing.T) {
	in(t, chatterboxtest.Config{Size: 2}, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.CutOneWay("a", "b")
		of := map[string]chatterbox.ID{"a": broadcast(t, c.Node("a"), "x"), "b": broadcast(t, c.Node("b"), "y")}
		<-time.After(2 * time.Second)
		for name, want := range map[string]int{"a": 2, "b": 1} {
			if s := c.Node(name).Status(); s.Tentative != want || s.Settled != 0 {
				t.Errorf("%s holds %d entries, %d have settled; want %d and none", name, s.Tentative, s.Settled, want)
			}
		}
		c.HealOneWay("a", "b")
		for name, id := range of {
			if at := within(t, c.Node("b"), id, time.Minute); at == 0 {
				t.Errorf("%s of %s does not settle after the heal", id, name)
			}
		}
		c.Agree()
	})
}

// TestAMapIsPlayed carries out a failure map while two members write.
func TestAMapIsPlayed(t *testing.T) {
	in(t, chatterboxtest.Config{Seed: 7}, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		began, wrote := time.Now(), make(chan int)
		for _, name := range []string{"a", "b"} {
			n := c.Node(name)
			go func() {
				count := 0
				for time.Since(began) < 6*time.Second {
					if _, err := n.Broadcast(context.Background(), []byte("x")); err == nil {
						count++
					}
					<-time.After(10 * time.Millisecond)
				}
				wrote <- count
			}()
		}
		c.Play(`
			0s  a -> b   cut
			0s  a -> c   drop 30%
			1s  b -> c   repeat 20%
			1s  c -> b   reorder 20%
			2s  c        crash
			3s  b        pause
			4s  b        resume
			4s  c        restart
			5s  * <-> *  heal
		`)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the map took %v", took)
		}
		want := <-wrote + <-wrote
		c.Agree()
		if settled := c.Node("c").Status().Settled; int(settled) != want || want < 100 {
			t.Errorf("%d entries have settled of %d", settled, want)
		}
	})
}

// TestAMapEvicts has a map let c go, and take away its data.
func TestAMapEvicts(t *testing.T) {
	in(t, chatterboxtest.Config{}, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Play("0s c crash losing data\n1s a evict c\n")
		id := broadcast(t, c.Node("b"), "x")
		if within(t, c.Node("a"), id, time.Minute) == 0 || c.Node("a").Status().View.Number != 2 {
			t.Errorf("%+v", c.Node("a").Status())
		}
		var lines bytes.Buffer
		if err := c.Trace(&lines); err != nil {
			t.Fatal(err)
		}
		reader, err := trace.NewReader(&lines)
		if err != nil {
			t.Fatal(err)
		}
		installed, ended := map[member.ID]uint64{}, map[member.ID]member.ID{}
		for e := (trace.Event{}); reader.Next(&e) == nil; {
			switch e.Kind {
			case trace.Install:
				installed[e.Member] = e.Number
			case trace.Ends:
				ended[e.Member] = e.Stream
			}
		}
		if want := map[member.ID]uint64{0: 2, 1: 2}; !maps.Equal(installed, want) || !maps.Equal(ended, map[member.ID]member.ID{0: 2, 1: 2}) {
			t.Errorf("by the trace members went by views %v, in which the streams %v ended", installed, ended)
		}
	})
}

// TestLockstepOrdersAlike runs the slow protocol, over restarts too.
func TestLockstepOrdersAlike(t *testing.T) {
	in(t, chatterboxtest.Config{Protocol: "lockstep"}, func(t *testing.T, c *chatterboxtest.Cluster) {
		for i := range 10 {
			for _, name := range c.Names() {
				broadcast(t, c.Node(name), fmt.Sprint(name, i))
			}
		}
		c.Agree()
		c.Crash("b")
		c.Restart("b")
		id := broadcast(t, c.Node("b"), "after")
		if at := within(t, c.Node("c"), id, time.Minute); at != 31 {
			t.Errorf("%s is at %d", id, at)
		}
		if _, err := c.Node("a").Change(t.Context(), chatterbox.Change{Evict: "b"}); !errors.Is(err, chatterbox.ErrRefused) {
			t.Errorf("members of lockstep change: %v", err)
		}
		c.Agree()
	})
}

// TestMembersMeetOverSockets connects two members by sockets of this machine, in
// real time, and counts what is dialed; one crashes, and nothing is lost.
func TestMembersMeetOverSockets(t *testing.T) {
	var members []chatterbox.Member
	for _, name := range []string{"ann", "bob"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, chatterbox.Member{Name: name, Address: l.Addr().String()})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dialed := make(chan string, 1000)
	c := chatterboxtest.New(t, chatterboxtest.Config{
		Members: members, Trace: true,
		Listen: func(address string) (net.Listener, error) { return net.Listen("tcp", address) },
		Dial: func(ctx context.Context, name, address string) (net.Conn, error) {
			dialed <- name
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
	})
	id := broadcast(t, c.Node("ann"), "x")
	if _, err := c.Node("bob").Position(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	c.Crash("ann")
	c.Restart("ann")
	next := broadcast(t, c.Node("ann"), "y")
	if at, err := c.Node("bob").Position(t.Context(), next); err != nil || at != 2 || next.Seq != id.Seq+1 {
		t.Errorf("%s is at %d, %v", next, at, err)
	}
	if len(dialed) < 2 {
		t.Errorf("%d connections were dialed", len(dialed))
	}
}

// TestWhatHappensIsNotedAndDrawn reads back the trace of a run with a crash, and has it
// judged.
func TestWhatHappensIsNotedAndDrawn(t *testing.T) {
	in(t, chatterboxtest.Config{}, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		c.Agree()
		c.CutOneWay("b", "c")
		c.Crash("a")
		c.Restart("a")
		c.HealAll()
		broadcast(t, c.Node("a"), "y")
		c.Agree()
		var lines, page bytes.Buffer
		if err := errors.Join(c.Trace(&lines), c.Diagram(&page)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(page.String(), "<html") || page.Len() < 10_000 {
			t.Errorf("no page: %.100q", page.String())
		}
		reader, err := trace.NewReader(&lines)
		if err != nil {
			t.Fatal(err)
		}
		kinds, faults, judge := map[trace.Kind]int{}, "", check.New(reader.Header(), nil)
		for e := (trace.Event{}); ; {
			if err = reader.Next(&e); err != nil {
				break
			}
			judge.Tell(&e)
			if kinds[e.Kind]++; e.Kind == trace.Fault {
				faults += e.Note + "\n"
			}
		}
		if kinds[trace.Start] != 4 || kinds[trace.Crash] != 1 || kinds[trace.Deliver] < 6 || judge.Entries() != 2 || judge.Count() > 0 {
			t.Errorf("%v: %v of %d entries, broken %v", err, kinds, judge.Entries(), judge.Violations())
		}
		if !strings.Contains(faults, "b -> c cut") || !strings.Contains(faults, "* <-> * heal") {
			t.Errorf("faults %q", faults)
		}
	})
}
