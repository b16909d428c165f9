//go:build linux

package netns_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/netns"
	"chatterbox/internal/proof/failure"
	"chatterbox/test/prospect"
)

// port is every member's port: each has an address of its own.
const port = 3000

// trees are the members' names. They are words, so that a name in a message
// is not just a letter in it; maps call them a to e, by place.
func trees() []string { return []string{"alder", "birch", "cedar", "dogwood", "elm"} }

// crew is a cluster whose members run as processes on hosts of their own,
// while a schedule breaks links and members.
type crew struct {
	binary    string
	arguments []string
	net       *netns.Net
	list      member.List
	peers     string // path of the peers file
	schedule  *failure.Schedule
	prospect  prospect.Prospect
	epoch     time.Time        // all that run from the start on were started
	last      []*netns.Process // the latest process of each member, nil if there was none
	limited   []int64          // bytes a second of each host, 0 for no limit
}

// newCrew makes the net and the peers file of a cluster.
func newCrew(t *testing.T, binary string, breaks failure.Map, arguments ...string) *crew {
	t.Helper()
	names := trees()
	c := &crew{
		binary: binary, arguments: arguments, peers: filepath.Join(t.TempDir(), "peers.json"),
		last: make([]*netns.Process, len(names)), limited: make([]int64, len(names)),
	}
	var err error
	if c.net, err = netns.New(t.Context(), len(names)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.net.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, name := range names {
		c.list = append(c.list, member.Member{Name: name, Host: c.net.Host(i).Address, Port: port})
	}
	if c.schedule, err = breaks.Bind(c.list); err != nil {
		t.Fatal(err)
	}
	c.prospect = prospect.Of(c.schedule, len(c.list))
	text, err := json.Marshal(c.list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.peers, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// run starts the members, does what the schedule says when it says so, and
// gives how each member's last process ended; nil where there never was one.
func (c *crew) run(ctx context.Context) ([]*netns.Result, error) {
	if err := c.impose(ctx, 0); err != nil {
		return nil, err
	}
	for i := range c.list {
		if !c.schedule.Absent(member.ID(i)) {
			if err := c.start(ctx, member.ID(i)); err != nil {
				return nil, err
			}
		}
	}
	c.epoch = time.Now()
	for at, more := c.schedule.Next(0); more; at, more = c.schedule.Next(at) {
		if err := c.change(ctx, at); err != nil {
			return nil, fmt.Errorf("at %s: %w", at, err)
		}
	}
	return c.results(ctx)
}

// change waits until it is time, and does what happens then: first to members, for that
// takes no time.
func (c *crew) change(ctx context.Context, at time.Duration) error {
	timer := time.NewTimer(time.Until(c.epoch.Add(at)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, event := range c.schedule.Members() {
		if event.At == at {
			if err := c.do(ctx, event); err != nil {
				return err
			}
		}
	}
	return c.impose(ctx, at)
}

// impose breaks the links as they are to be from a time on.
func (c *crew) impose(ctx context.Context, at time.Duration) error {
	for i := range c.list {
		rate := c.schedule.Link(member.ID(i), member.ID((i+1)%len(c.list)), at).BytesPerSecond
		for j := range c.list { // a slow link of a fast host does not count: hosts are slow
			if i != j {
				rate = min(rate, c.schedule.Link(member.ID(i), member.ID(j), at).BytesPerSecond)
			}
		}
		if rate != c.limited[i] {
			c.limited[i] = rate
			if err := c.net.Limit(ctx, i, rate); err != nil {
				return err
			}
		}
	}
	return c.net.Impose(ctx, func(from, to int) int {
		link := c.schedule.Link(member.ID(from), member.ID(to), at)
		if link.Cut {
			return 100
		}
		return int(link.Drop * 100)
	})
}

// do does what happens to a member.
func (c *crew) do(ctx context.Context, event failure.MemberEvent) error {
	switch event.Action {
	case failure.Start, failure.Restart:
		return c.start(ctx, event.Member)
	case failure.Pause:
		return c.last[event.Member].Signal(syscall.SIGSTOP)
	case failure.Resume:
		return c.last[event.Member].Signal(syscall.SIGCONT)
	case failure.Crash, failure.Kill, failure.CrashLosingData, failure.CrashRestoring: // members have no data folder here
		if err := c.last[event.Member].Signal(syscall.SIGKILL); err != nil {
			return err
		}
		_, err := c.last[event.Member].Wait(ctx) // its port must be free for a restart
		return err
	default:
		return fmt.Errorf("%v cannot be done to a process", event.Action)
	}
}

func (c *crew) start(ctx context.Context, id member.ID) error {
	arguments := append([]string{
		"node", "--insecure", "--host", c.list[id].Host, "--port", strconv.Itoa(port), "--peer-config-file", c.peers,
	}, c.arguments...)
	process, err := c.net.Host(int(id)).Start(ctx, c.binary, arguments...)
	c.last[id] = process
	return err
}

func (c *crew) results(ctx context.Context) ([]*netns.Result, error) {
	results := make([]*netns.Result, len(c.last))
	for i, process := range c.last {
		if process == nil {
			continue
		}
		result, err := process.Wait(ctx)
		if err != nil {
			return nil, err
		}
		results[i] = &result
	}
	return results, nil
}

// imposable reports whether a net of namespaces can do all that a map wants.
func imposable(m failure.Map) bool {
	for _, event := range m {
		switch event.Action {
		case failure.Delay, failure.Repeat, failure.Reorder, failure.Clock:
			return false
		default:
		}
	}
	return true
}

// breaksLinks reports whether the schedule ever loses packets.
func (c *crew) breaksLinks() bool {
	for at, more := time.Duration(0), true; more; at, more = c.schedule.Next(at) {
		for i := range c.list {
			for j := range c.list {
				if link := c.schedule.Link(member.ID(i), member.ID(j), at); link.Cut || link.Drop > 0 {
					return true
				}
			}
		}
	}
	return false
}

// printed returns when a member's tuple was read, since the epoch.
func (c *crew) printed(id member.ID, result netns.Result) time.Duration {
	return c.last[id].Started().Add(result.Printed).Sub(c.epoch)
}
