package chatterbox_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// waits is a log that notes why calls wait.
type waits struct {
	slog.Handler
	mu  sync.Mutex // guards why
	why []string
}

func (w *waits) Enabled(context.Context, slog.Level) bool { return true }

func (w *waits) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "why" {
			w.why = append(w.why, a.Value.String())
		}
		return true
	})
	return nil
}

// TestCallsThatWaitLongAreTold has calls wait for more than five seconds.
func TestCallsThatWaitLongAreTold(t *testing.T) {
	told := &waits{Handler: slog.DiscardHandler}
	log := func(cfg *chatterbox.Config) {
		if cfg.Name == "a" {
			cfg.Log = slog.New(told)
		}
	}
	inCluster(t, 3, log, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		n := c.Node("a")
		for _, name := range []string{"b", "c"} {
			c.Delay("a", name, 4*time.Second, 4*time.Second)
		}
		id := broadcast(t, n, "x")
		waits := func(want string, call func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			defer cancel()
			err := call(ctx)
			told.mu.Lock()
			defer told.mu.Unlock()
			if !errors.Is(err, context.DeadlineExceeded) || !slices.Contains(told.why, want) {
				t.Errorf("%v, told was %q, want %q", err, told.why, want)
			}
		}
		waits("a/1 is not settled: all members are heard", func(ctx context.Context) error {
			_, err := n.Position(ctx, id)
			return err
		})
		waits("the change is not decided: all members are heard", func(ctx context.Context) error {
			_, err := n.Change(ctx, chatterbox.Change{Evict: "c"})
			return err
		})
	})
}
