package chatterbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

var errEnough = errors.New("enough")

// calls are all that wait, each with what only its context can end.
func calls(n *chatterbox.Node) map[string]func(context.Context) error {
	unknown := chatterbox.ID{Origin: "b", Life: 1, Seq: 1 << 40}
	large := make([]byte, chatterbox.MaxPayload)
	return map[string]func(context.Context) error{
		"Position": func(ctx context.Context) error {
			_, err := n.Position(ctx, unknown)
			return err
		},
		"Entries": func(ctx context.Context) (last error) {
			for _, err := range n.Entries(ctx, 0) {
				last = err
			}
			return last
		},
		"Batches": func(ctx context.Context) (last error) {
			for _, err := range n.Batches(ctx, 0) {
				last = err
			}
			return last
		},
		"Watch": func(ctx context.Context) (last error) {
			for _, err := range n.Watch(ctx, 0) {
				last = err
			}
			return last
		},
		"Broadcast": func(ctx context.Context) error {
			for {
				if _, err := n.Broadcast(ctx, large); err != nil {
					return err
				}
			}
		},
		"BroadcastKeyed": func(ctx context.Context) error {
			for i := 0; ; i++ {
				if _, err := n.BroadcastKeyed(ctx, fmt.Sprint("key", i), large); err != nil {
					return err
				}
			}
		},
		"BroadcastAll": func(ctx context.Context) error {
			for {
				ids, err := n.BroadcastAll(ctx, [][]byte{large, large})
				if err != nil && len(ids) == 2 && ids[0] == ids[1] {
					return fmt.Errorf("two entries are called %s: %w", ids[0], err)
				}
				if err != nil {
					return err
				}
			}
		},
		"Restore": func(ctx context.Context) error {
			return n.Restore(ctx, func(chatterbox.Position, io.Reader) error { panic("there is no snapshot") })
		},
		"Fill": func(ctx context.Context) error {
			_, err := n.Fill(ctx, 1000, func(dst []byte) int { return len(dst) / 1000 })
			return err
		},
	}
}

// The call ends at once with the cause of its context, wherever it waits: before
// anything happened, while it does, and when all is full.
func TestCallsEndWithTheCauseOfTheirContext(t *testing.T) {
	small := func(cfg *chatterbox.Config) { cfg.Volatile, cfg.MaxMemory = true, 4<<20 }
	names := make([]string, 0, 8)
	synctest.Test(t, func(t *testing.T) {
		for name := range calls(chatterboxtest.NewCluster(t, 1, small).Node("a")) {
			names = append(names, name)
		}
	})
	for _, name := range names {
		for _, after := range []time.Duration{0, 1, 50 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, time.Second, time.Minute} {
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				inCluster(t, 2, small, func(t *testing.T, c *chatterboxtest.Cluster) {
					if err := c.Node("a").Ready(t.Context()); err != nil {
						t.Fatal(err)
					}
					c.Cut("a", "b") // memory fills, nothing settles
					ctx, cancel := context.WithCancelCause(t.Context())
					began := time.Now()
					time.AfterFunc(after, func() { cancel(errEnough) })
					err := calls(c.Node("a"))[name](ctx)
					if !errors.Is(err, errEnough) {
						t.Errorf("error %v", err)
					}
					if late := time.Since(began) - after; late > 0 {
						t.Errorf("%v after its context", late)
					}
				})
			})
		}
	}
}

func TestCallsWithADeadContextDoNothing(t *testing.T) {
	inCluster(t, 1, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		broadcast(t, n, "x")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errEnough)
		_, opened := chatterbox.Open(ctx, chatterbox.Config{Name: "z", Members: []chatterbox.Member{{Name: "z", Address: "z:1"}}, Volatile: true})
		for name, err := range map[string]error{
			"Open":     opened,
			"Snapshot": n.Snapshot(ctx, 1, func(io.Writer) error { panic("called") }),
			"Restore":  n.Restore(ctx, func(chatterbox.Position, io.Reader) error { panic("called") }),
		} {
			if !errors.Is(err, errEnough) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := n.Close(ctx); err != nil {
			t.Errorf("a lonely member that closes has nobody to wait for: %v", err)
		}
	})
}

// Whoever waits for another call, or for members that never met, is no longer
// bound to that than its context lasts.
func TestCallsBehindOthersEndWithTheCauseOfTheirContext(t *testing.T) {
	ends := func(t *testing.T, name string, call func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errEnough) })
		if err := call(ctx); !errors.Is(err, errEnough) {
			t.Errorf("%s: %v", name, err)
		}
	}
	inCluster(t, 1, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		broadcast(t, n, "x")
		c.Agree()
		written, first := make(chan struct{}), make(chan error, 1)
		go func() {
			first <- n.Snapshot(t.Context(), 1, func(io.Writer) error {
				<-written
				return nil
			})
		}()
		synctest.Wait()
		ends(t, "Snapshot", func(ctx context.Context) error {
			return n.Snapshot(ctx, 1, func(io.Writer) error { panic("called") })
		})
		ends(t, "Restore", func(ctx context.Context) error {
			return n.Restore(ctx, func(chatterbox.Position, io.Reader) error { panic("called") })
		})
		close(written)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Isolate("c")
		n := c.Node("c")
		ends(t, "Ready", n.Ready)
		ends(t, "Broadcast before the members met", func(ctx context.Context) error {
			_, err := n.Broadcast(ctx, []byte("x"))
			return err
		})
		restored := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			restored <- n.Restore(ctx, func(chatterbox.Position, io.Reader) error { panic("called") })
		}()
		synctest.Wait()
		ends(t, "Restore behind another one", func(ctx context.Context) error {
			return n.Restore(ctx, func(chatterbox.Position, io.Reader) error { panic("called") })
		})
		cancel()
		if err := <-restored; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		c.HealAll()
	})
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		if err := c.Node("a").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Cut("a", "b")
		broadcast(t, c.Node("a"), "only a has it")
		ends(t, "Close", c.Node("a").Close)
	})
}
