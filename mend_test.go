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

// writeAll writes entries at each member in turn, and waits until all have settled
// everywhere.
func writeAll(t *testing.T, c *chatterboxtest.Cluster, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		names := c.Names()
		broadcast(t, c.Node(names[i%len(names)]), payload(i)+strings.Repeat("\x00", paddingBytes))
	}
	c.Agree()
	<-time.After(5 * time.Second) // until all know it
}

// payload is what an entry begins with; what follows makes it so large that few
// are in memory.
func payload(i int) string { return fmt.Sprintf("payload %04d", i) }

const paddingBytes = 128 << 10

// readAll reads the entries up to a position.
func readAll(ctx context.Context, n *chatterbox.Node, to int) (payloads []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for e, err := range n.Entries(ctx, 0) {
		if err != nil {
			return payloads, err
		}
		if payloads = append(payloads, string(e.Payload[:len(payload(0))])); len(payloads) == to {
			break
		}
	}
	return payloads, nil
}

// complete returns what is wrong with payloads that should be all up to a number.
func complete(payloads []string, to int) error {
	seen := map[string]bool{}
	for _, p := range payloads {
		seen[p] = true
	}
	for i := 1; i <= to; i++ {
		if !seen[payload(i)] {
			return fmt.Errorf("%q is missing in %q", payload(i), payloads)
		}
	}
	if len(payloads) != to {
		return fmt.Errorf("%d entries, want %d", len(payloads), to)
	}
	return nil
}

// TestDamageIsMendedFromPeers damages entries on the disk of a member: of each
// origin, while it is down and while it runs, in the newest segment and in older
// ones. They are got from the peers, and read as they were.
func TestDamageIsMendedFromPeers(t *testing.T) {
	inCluster(t, 3, little, func(t *testing.T, c *chatterboxtest.Cluster) {
		writeAll(t, c, 1, 12)
		damage := func(where string, i int) {
			t.Helper()
			if c.DamageDisk("c", payload(i)) == 0 {
				t.Fatalf("%s: %q is not on the disk", where, payload(i))
			}
		}
		whole := func(where string, to int) {
			t.Helper()
			got, err := readAll(t.Context(), c.Node("c"), to)
			if err = errors.Join(err, complete(got, to)); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if status := c.Node("c").Status(); status.Mended == 0 || status.Damage != nil {
				t.Fatalf("%s: %d pieces mended, damage %v", where, status.Mended, status.Damage)
			}
		}
		c.Crash("c")
		for _, i := range []int{1, 5, 6} { // of each origin, and not of the last group: that looks like the end of a write
			damage("while it is down", i)
		}
		c.Restart("c")
		whole("while it is down", 12)
		writeAll(t, c, 13, 15)
		c.Crash("c")
		c.Restart("c") // now the first segments are old
		for _, i := range []int{2, 6, 7, 10} {
			damage("while it runs", i)
		}
		whole("while it runs", 15)
		writeAll(t, c, 16, 18)
		c.Agree()
	})
}

// TestParkedBatchesAreMendedFromPeers damages what two members have parked for a third
// one that is away, entries of each, on the disk of both: when it is back and they
// need them again, each gets from the other what it lacks, goes on, and has its
// folder as it was.
func TestParkedBatchesAreMendedFromPeers(t *testing.T) {
	writesMuch(t)
	inCluster(t, 3, little, func(t *testing.T, c *chatterboxtest.Cluster) {
		c.Agree()
		c.Crash("c")
		writeMuch(t, c.Node("a"), "a", backlogEntries/4)
		writeMuch(t, c.Node("b"), "b", backlogEntries/4)
		for i := range 20 { // of the oldest ones, which are parked
			member, origin := []string{"a", "b"}[i%2], []string{"a", "b"}[i/2%2]
			if text := fmt.Sprintf("%s %d ", origin, i); c.DamageDisk(member, text) == 0 {
				t.Fatalf("%q is not on the disk of %s", text, member)
			}
		}
		c.Restart("c")
		c.Agree()
		judgeAll(t, c, map[string]int{"a": backlogEntries / 4, "b": backlogEntries / 4})
		for _, name := range []string{"a", "b"} {
			if status := c.Node(name).Status(); status.Mended == 0 || status.Damage != nil {
				t.Errorf("%s: %d pieces mended, damage %v", name, status.Mended, status.Damage)
			}
		}
	})
}

// TestFlippedBitsAreMendedOrSaid changes bits all over the folder of a member that
// was stopped, one before each start: it starts with all that it had, mended or
// not in need of it, or it does not start, and says where it is damaged.
func TestFlippedBitsAreMendedOrSaid(t *testing.T) {
	const bits = 64
	inCluster(t, 3, nil, func(t *testing.T, c *chatterboxtest.Cluster) {
		written, mended, refused := 0, 0, 0
		for n := range bits {
			for range 3 {
				written++
				broadcast(t, c.Node(c.Names()[written%3]), payload(written))
			}
			c.Agree()
			<-time.After(time.Second)
			if err := c.Node("c").Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Crash("c") // of which nothing is lost any more
			bit := c.DamageBit("c", -1) / bits * n
			c.DamageBit("c", bit)
			if err := c.TryRestart("c"); err != nil {
				if refused++; !strings.Contains(err.Error(), "damaged") && !strings.Contains(err.Error(), "byte") {
					t.Fatalf("bit %d: %v", bit, err)
				}
				c.DamageBit("c", bit)
				c.Restart("c")
			}
			c.Agree()
			if c.Node("c").Status().Mended > 0 {
				mended++
			}
			for e, err := range c.Node("c").Entries(t.Context(), 0) {
				if err != nil || !strings.HasPrefix(string(e.Payload), "payload ") {
					t.Fatalf("bit %d: %q, %v", bit, e.Payload, err)
				}
				if e.Position == chatterbox.Position(written) {
					break
				}
			}
		}
		if t.Logf("%d bits: %d mended, %d refused", bits, mended, refused); mended < bits/4 || refused == 0 {
			t.Error("this proves little")
		}
	})
}

// TestDamageThatNobodyCanMendIsSaid damages an entry that no peer keeps any more:
// a reader ends there with the reason, the status has it, and all else goes on.
func TestDamageThatNobodyCanMendIsSaid(t *testing.T) {
	inCluster(t, 3, little, func(t *testing.T, c *chatterboxtest.Cluster) {
		writeAll(t, c, 1, 6)
		c.Crash("c")
		c.Restart("c")
		writeAll(t, c, 7, 9)
		c.Crash("c")
		c.Restart("c")
		for _, name := range []string{"a", "b"} {
			c.Node(name).Compact(6)
		}
		n := c.Node("c")
		all, err := readAll(t.Context(), n, 9)
		if err = errors.Join(err, complete(all, 9)); err != nil || c.DamageDisk("c", all[2]) == 0 {
			t.Fatalf("%q is not on the disk, %v", all, err)
		}
		got, err := readAll(t.Context(), n, 9)
		if err == nil || !strings.Contains(err.Error(), "no peer has it") || !slices.Equal(got, all[:2]) {
			t.Fatalf("read %q, %v", got, err)
		}
		if status := n.Status(); status.Damage == nil || !strings.Contains(status.Damage.Error(), "position 3") || status.Writable != nil {
			t.Errorf("damage %v, writable %v", status.Damage, status.Writable)
		}
		n.Compact(6)
		if status := n.Status(); status.Damage != nil {
			t.Errorf("damage %v that nobody can read", status.Damage)
		}
		writeAll(t, c, 10, 12)
	})
}
