package chatterboxtest_test

import (
	"os"
	"testing"
	"testing/synctest"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// A test of what an application does while the network is broken. The function is
// what follows func TestX.
func ExampleNewCluster() {
	_ = func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := chatterboxtest.NewCluster(t, 3, nil)
			c.Isolate("c") // c still takes entries, and so do the others
			id, err := c.Node("c").Broadcast(t.Context(), []byte("alone"))
			if err != nil {
				t.Fatal(err)
			}
			c.HealAll()
			if _, err := c.Node("a").Position(t.Context(), id); err != nil {
				t.Error(err)
			}
			c.Agree()
		})
	}
}

// Several draws of chance, each judged; a run that fails leaves a diagram of what
// happened (go test -artifacts).
func ExampleNew() {
	_ = func(t *testing.T) {
		for seed := range uint64(10) {
			synctest.Test(t, func(t *testing.T) {
				c := chatterboxtest.New(t, chatterboxtest.Config{
					Size: 5, Seed: seed, Trace: true,
					Configure: func(cfg *chatterbox.Config) { cfg.Volatile = true },
				})
				c.Drop("a", "b", 0.3)
				for _, name := range c.Names() {
					if _, err := c.Node(name).Broadcast(t.Context(), []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				c.Agree()
			})
		}
	}
}

// A failure map says what happens when, and may come from a file that also drives
// the simulator and real clusters.
func ExampleCluster_Play() {
	_ = func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := chatterboxtest.NewCluster(t, 3, nil)
			go func() {
				for t.Context().Err() == nil {
					_, _ = c.Node("a").Broadcast(t.Context(), []byte("x"))
				}
			}()
			c.Play(`
				0s  b -> a   cut
				1s  c        crash
				3s  c        restart
				5s  * <-> *  heal
			`)
		})
	}
}

// The page shows messages as arrows between the lines of members.
func ExampleCluster_Diagram() {
	_ = func(t *testing.T) {
		c := chatterboxtest.New(t, chatterboxtest.Config{Trace: true})
		c.Agree()
		page, err := os.Create("cluster.html")
		if err != nil {
			t.Fatal(err)
		}
		defer page.Close()
		if err := c.Diagram(page); err != nil {
			t.Fatal(err)
		}
	}
}
