package chatterbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

func store(t *testing.T, n *chatterbox.Node, at chatterbox.Position, state string) {
	t.Helper()
	if err := n.Snapshot(t.Context(), at, func(w io.Writer) error {
		_, err := io.WriteString(w, state)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func restore(ctx context.Context, n *chatterbox.Node) (at chatterbox.Position, state string, err error) {
	err = n.Restore(ctx, func(from chatterbox.Position, r io.Reader) error {
		data, err := io.ReadAll(r)
		at, state = from, string(data)
		return err
	})
	return at, state, err
}

func TestSnapshotReplacesTheFormerOneOnlyOnceItIsWhole(t *testing.T) {
	inCluster(t, 1, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		n := c.Node("a")
		broadcast(t, n, "x")
		broadcast(t, n, "y")
		store(t, n, 1, "one")
		store(t, n, 1, "one again")
		broken := errors.New("broken")
		if err := n.Snapshot(t.Context(), 2, func(w io.Writer) error {
			_, _ = io.WriteString(w, "half of")
			return broken
		}); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		if err := n.Snapshot(t.Context(), 3, func(io.Writer) error { panic("called") }); err == nil {
			t.Error("a snapshot of what has not settled")
		}
		if at, state, err := restore(t.Context(), n); at != 1 || state != "one again" || err != nil {
			t.Errorf("restored %d %q, %v", at, state, err)
		}
		c.Crash("a")
		c.Restart("a")
		n = c.Node("a")
		if at, state, err := restore(t.Context(), n); at != 1 || state != "one again" || err != nil || n.Status().Snapshot != 1 {
			t.Errorf("after a restart %d %q, %v; the status says %d", at, state, err, n.Status().Snapshot)
		}
	})
}

func TestNobodyHasASnapshot(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		c.Agree()
		if _, _, err := restore(t.Context(), c.Node("a")); !errors.Is(err, chatterbox.ErrNoSnapshot) {
			t.Errorf("error %v", err)
		}
	})
}

// A member without its data gets the state of a peer, larger than a part, over
// links that lose messages.
func TestStateOfAPeerIsRestoredWhereOwnDataIsLost(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		for i := range 10 {
			broadcast(t, c.Node("a"), fmt.Sprint("entry ", i))
		}
		c.Agree()
		want := strings.Repeat("state ", 100_000)
		store(t, c.Node("b"), 10, want)
		c.CrashLosingData("c")
		c.Drop("b", "c", 0.2)
		c.Restart("c")
		if err := c.Node("c").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, state, err := restore(t.Context(), c.Node("c"))
		if at != 10 || state != want || err != nil {
			t.Fatalf("restored %d bytes at %d, %v", len(state), at, err)
		}
		c.HealAll()
		c.Agree()
		if entries := read(t, c.Node("c"), at); len(entries) != 0 {
			t.Errorf("after the snapshot come %+v", entries)
		}
		if s := c.Node("c").Status(); s.Snapshot != 10 {
			t.Errorf("what a peer had is not kept: %d", s.Snapshot)
		}
	})
}

// TestAStateTakesFewRoundTrips of a link that is slow to answer: parts are asked for ahead.
func TestAStateTakesFewRoundTrips(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		c.Agree()
		const parts = 19
		want := strings.Repeat("state ", 200_000)
		store(t, c.Node("b"), 1, want)
		c.CrashLosingData("c")
		c.Restart("c")
		if err := c.Node("c").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		const oneWay = 100 * time.Millisecond
		c.Delay("b", "c", oneWay, oneWay)
		began := time.Now()
		at, state, err := restore(t.Context(), c.Node("c"))
		if at != 1 || state != want || err != nil {
			t.Fatalf("restored %d bytes at %d, %v", len(state), at, err)
		}
		if took := time.Since(began); took > parts/2*2*oneWay {
			t.Errorf("it took %v", took)
		}
	})
}

// TestASnapshotIsReplacedWhileItComes by one of the same position and size: who gets it begins
// anew with the newer one, so that no part of one comes behind those of the other.
func TestASnapshotIsReplacedWhileItComes(t *testing.T) {
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		broadcast(t, c.Node("a"), "y")
		c.Agree()
		older, newer := strings.Repeat("older ", 2_000_000), strings.Repeat("newer ", 2_000_000)
		store(t, c.Node("b"), 2, older)
		c.CrashLosingData("c")
		c.Restart("c")
		if err := c.Node("c").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Delay("b", "c", 100*time.Millisecond, 100*time.Millisecond)
		time.AfterFunc(time.Second, func() { store(t, c.Node("b"), 2, newer) })
		began := time.Now()
		at, state, err := restore(t.Context(), c.Node("c"))
		if at != 2 || state != newer || err != nil {
			t.Fatalf("restored %d bytes at %d, %v", len(state), at, err)
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("it took %v: the newer one came too late", took)
		}
	})
}

func TestRestoreWaitsForWhoIsNotHeard(t *testing.T) {
	inCluster(t, 2, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		c.Agree()
		store(t, c.Node("a"), 1, "state")
		c.CrashLosingData("b")
		c.Restart("b")
		c.Cut("a", "b")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, _, err := restore(ctx, c.Node("b")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a not heard") {
			t.Errorf("error %v", err)
		}
		time.AfterFunc(time.Second, c.HealAll)
		if at, state, err := restore(t.Context(), c.Node("b")); at != 1 || state != "state" || err != nil {
			t.Errorf("restored %d %q, %v", at, state, err)
		}
	})
}

func TestErrorOfTheReaderIsReturnedAsItIs(t *testing.T) {
	inCluster(t, 1, volatile, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		store(t, c.Node("a"), 1, "state")
		broken := errors.New("broken")
		if err := c.Node("a").Restore(t.Context(), func(_ chatterbox.Position, r io.Reader) error {
			var all bytes.Buffer
			_, _ = all.ReadFrom(r)
			return broken
		}); err != broken { //nolint:errorlint // as it is
			t.Errorf("error %v", err)
		}
	})
}

// TestALargeSnapshotIsWhole although it reaches the disk in pieces.
func TestALargeSnapshotIsWhole(t *testing.T) {
	inCluster(t, 1, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		broadcast(t, c.Node("a"), "x")
		want := make([]byte, 9<<20+7)
		for i := range want {
			want[i] = byte(i / 251)
		}
		err := c.Node("a").Snapshot(t.Context(), 1, func(w io.Writer) error {
			for rest, sizes := want, []int{0, 3, 4<<20 - 3, 5, 6 << 20, len(want)}; len(rest) > 0; sizes = sizes[1:] {
				n := min(sizes[0], len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Crash("a")
		c.Restart("a")
		if at, state, err := restore(t.Context(), c.Node("a")); at != 1 || state != string(want) || err != nil {
			t.Errorf("restored %d bytes at %d, %v", len(state), at, err)
		}
	})
}
