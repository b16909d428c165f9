package cache

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

func TestChangedKeysAreAskedForAgainEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.NewCluster(t, 3, func(cfg *chatterbox.Config) { cfg.Volatile = true })
		var version, asked atomic.Int64
		source := func(_ context.Context, key string) (string, error) {
			asked.Add(1)
			return fmt.Sprint(key, " version ", version.Load()), nil
		}
		caches := map[string]*Cache{}
		for _, name := range c.Names() {
			near := New(c.Node(name), source)
			caches[name] = near
			go func() { _ = near.Run(t.Context()) }() // ends with the test
		}
		synctest.Wait()
		get := func(name, want string, askedFor int64) {
			t.Helper()
			before := asked.Load()
			got, err := caches[name].Get(t.Context(), "k")
			if err != nil || got != want || asked.Load()-before != askedFor {
				t.Errorf("%s: %q, %v, after asking %d times; want %q", name, got, err, asked.Load()-before, want)
			}
		}
		for _, name := range c.Names() {
			get(name, "k version 0", 1)
			get(name, "k version 0", 0)
		}
		version.Store(1)
		if err := caches["b"].Changed(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		c.Agree()
		synctest.Wait()
		for _, name := range c.Names() {
			get(name, "k version 1", 1)
		}
	})
}
