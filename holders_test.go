package chatterbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"chatterbox/chatterboxtest"
)

// TestNothingSettlesThatOneDiskCouldLose: of three members two must hold an entry
// before it settles anywhere. Here a learns, before anybody can have its entry,
// that nothing earlier will come: that alone is not enough.
func TestNothingSettlesThatOneDiskCouldLose(t *testing.T) {
	const delay = time.Second
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "before")
		c.Agree()
		for _, peer := range []string{"b", "c"} {
			c.Delay("a", peer, delay, delay)
		}
		for range 20 {
			broadcast(t, c.Node("b"), "takes the clocks of b and c on")
		}
		under, cancel := context.WithTimeout(t.Context(), delay*9/10) // that is under way to a meanwhile
		defer cancel()
		<-under.Done()
		id := broadcast(t, c.Node("a"), "x")
		ctx, cancel := context.WithTimeout(t.Context(), delay*9/10)
		defer cancel()
		if position, err := c.Node("a").Position(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("settled at %d, %v, before anybody else can hold it", position, err)
		}
		if _, err := c.Node("a").Position(t.Context(), id); err != nil {
			t.Error(err)
		}
		c.HealAll()
		c.Agree()
	})
}
