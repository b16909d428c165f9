package chatterbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// TestWhatWasForgottenIsNotReadAtWhoReturns evicts c, and has the others forget what they
// write until c is back: its log begins behind that, a reader of less is told why, and
// the others have all of it, under the same positions.
func TestWhatWasForgottenIsNotReadAtWhoReturns(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		settlesAt(t, c, "a", "before", "a", "b", "c")
		c.Crash("c")
		c.Evict("a", "c")
		for i := range 10 {
			settlesAt(t, c, "a", fmt.Sprint("meanwhile ", i), "a", "b")
		}
		<-time.After(time.Minute) // who is not there any more is not waited for
		c.Restart("c")
		n := c.Node("c")
		for s := n.Status(); s.Writable != nil || s.View.Number < 3; s = n.Status() {
			<-time.After(10 * time.Millisecond)
		}
		settlesAt(t, c, "c", "after", "a", "b", "c")
		first := n.Status().Oldest
		if first <= 2 || first > 12 {
			t.Fatalf("the log begins at %d", first)
		}
		for _, err := range n.Entries(t.Context(), 0) {
			why := fmt.Sprintf("the first that is kept here is %d: what is before it was let go, or settled while this member was away", first)
			if !errors.Is(err, chatterbox.ErrCompacted) || !strings.Contains(err.Error(), why) {
				t.Errorf("read from the beginning: %v", err)
			}
		}
		here, there := read(t, n, first-1), read(t, c.Node("b"), 0)
		if len(there) != 12 || len(here) != 12-int(first-1) {
			t.Fatalf("c reads %d entries, b %d", len(here), len(there))
		}
		for i, e := range there[first-1:] {
			if e.Position != here[i].Position || e.ID != here[i].ID {
				t.Errorf("c reads %v at %d, b %v", here[i].ID, here[i].Position, e.ID)
			}
		}
	})
}
