package replmap

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox/chatterboxtest"
)

// run starts the maps of all members.
func run(ctx context.Context, c *chatterboxtest.Cluster) map[string]*Map {
	all := map[string]*Map{}
	for _, name := range c.Names() {
		m := New(c.Node(name), 10)
		all[name] = m
		go func() { _ = m.Run(ctx) }() // ends with the test
	}
	return all
}

func TestWhoeverWroteSeesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.NewCluster(t, 3, nil)
		all := run(t.Context(), c)
		for i := range 50 {
			key, value := fmt.Sprint("key", i%7), fmt.Sprint("value", i)
			m := all[c.Names()[i%3]]
			if err := m.Put(t.Context(), key, value); err != nil {
				t.Fatal(err)
			}
			if got, _ := m.Get(key); got != value {
				t.Fatalf("%s is %q after %q was put", key, got, value)
			}
		}
		c.Agree()
		synctest.Wait()
		for name, m := range all {
			if !maps.Equal(m.All(), all["a"].All()) {
				t.Errorf("%s has %v, a has %v", name, m.All(), all["a"].All())
			}
		}
	})
}

func TestRestartedMemberGoesOnFromItsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.NewCluster(t, 2, nil)
		all := run(t.Context(), c)
		for i := range 25 {
			if err := all["a"].Put(t.Context(), fmt.Sprint(i), "x"); err != nil {
				t.Fatal(err)
			}
		}
		c.Agree()
		c.Crash("b")
		c.Restart("b")
		b := New(c.Node("b"), 10)
		go func() { _ = b.Run(t.Context()) }()
		if err := b.Put(t.Context(), "after", "y"); err != nil {
			t.Fatal(err)
		}
		if got := len(b.All()); got != 26 {
			t.Errorf("%d keys of 26 after the restart", got)
		}
	})
}

// TestMapsAgreeAfterAllThatAMapOfFailuresDoes writes at a while links and members
// fail.
func TestMapsAgreeAfterAllThatAMapOfFailuresDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.New(t, chatterboxtest.Config{Trace: true})
		all := run(t.Context(), c)
		c.Agree()
		wrote := make(chan error)
		go func() {
			for i := range 200 {
				if err := all["a"].Put(t.Context(), fmt.Sprint("key", i%7), fmt.Sprint("value", i)); err != nil {
					wrote <- err
					return
				}
				<-time.After(20 * time.Millisecond)
			}
			wrote <- nil
		}()
		c.Play(`
			0s     a -> b   cut
			500ms  c        crash
			1s     b        pause
			2s     b        resume
			2s     c        restart
			3s     * <-> *  heal
		`)
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		c.Agree()
		synctest.Wait()
		again := New(c.Node("c"), 10) // its map went with the crash
		go func() { _ = again.Run(t.Context()) }()
		c.Agree()
		synctest.Wait()
		for name, m := range map[string]*Map{"b": all["b"], "c": again} {
			if !maps.Equal(m.All(), all["a"].All()) || len(m.All()) != 7 {
				t.Errorf("%s has %v, a has %v", name, m.All(), all["a"].All())
			}
		}
	})
}
