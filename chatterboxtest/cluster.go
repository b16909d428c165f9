// Package chatterboxtest runs a whole cluster in one process, for tests: its
// members are real nodes, its network and its disks are in memory, and links
// and members fail when the test says so.
//
// Inside testing/synctest time is virtual, so minutes of a broken network pass
// in milliseconds:
//
//	synctest.Test(t, func(t *testing.T) {
//		c := chatterboxtest.NewCluster(t, 3, nil)
//		c.Cut("a", "b")
//		...
//		c.Heal("a", "b")
//		c.Agree()
//	})
//
// The members are called a, b, c and so on. The memory of a batch is
// overwritten as soon as it is not valid any more, so that whoever keeps it is
// caught.
package chatterboxtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/fault"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/transport/memnet"
)

// Cluster is a cluster in one process. Its methods fail the test when they are
// given names that no member has.
type Cluster struct {
	t         testing.TB
	network   *memnet.Network
	members   []chatterbox.Member
	configure func(*chatterbox.Config)
	nodes     []*chatterbox.Node // nil: crashed
	disks     []*disk
	snapshots []*disk
	draws     uint64

	mu    sync.Mutex // guards links
	links []fault.Link
}

// NewCluster starts a cluster of so many members. Each has a folder in memory;
// configure may change the configuration of each of them, for example to make
// it volatile. Nil changes nothing. The nodes are closed when the test ends.
func NewCluster(t testing.TB, members int, configure func(*chatterbox.Config)) *Cluster {
	t.Helper()
	c := &Cluster{
		t: t, network: memnet.New(), configure: configure,
		nodes: make([]*chatterbox.Node, members), links: make([]fault.Link, members*members),
	}
	for i := range members {
		name := member.Letter(member.ID(i))
		c.members = append(c.members, chatterbox.Member{Name: name, Address: fmt.Sprintf("%s:%d", name, i+1)})
		c.disks, c.snapshots = append(c.disks, newDisk()), append(c.snapshots, newDisk())
	}
	for i := range members {
		c.start(i)
	}
	t.Cleanup(c.close)
	return c
}

// Names returns the names of all members, in their order.
func (c *Cluster) Names() []string {
	names := make([]string, len(c.members))
	for i, m := range c.members {
		names[i] = m.Name
	}
	return names
}

// Node returns a member's node; the one of its last start.
func (c *Cluster) Node(name string) *chatterbox.Node {
	c.t.Helper()
	n := c.nodes[c.place(name)]
	if n == nil {
		c.t.Fatalf("chatterboxtest: member %s does not run", name)
	}
	return n
}

func (c *Cluster) place(name string) int {
	c.t.Helper()
	for i, m := range c.members {
		if m.Name == name {
			return i
		}
	}
	c.t.Fatalf("chatterboxtest: no member is called %q", name)
	return 0
}

// start starts a member, which must succeed.
func (c *Cluster) start(i int) {
	c.t.Helper()
	if err := c.open(i); err != nil {
		c.t.Fatalf("chatterboxtest: %v", err)
	}
}

func (c *Cluster) open(i int) error {
	c.t.Helper()
	address := c.members[i].Address
	cfg := chatterbox.Config{Name: c.members[i].Name, Members: c.members, Dir: "in memory"}
	if c.configure != nil {
		c.configure(&cfg)
	}
	if cfg.Volatile {
		cfg.Dir = ""
	}
	listener, err := c.network.Listen(address)
	if err != nil {
		return err
	}
	ctx := node.Alter(context.Background(), func(n *node.Config) {
		n.Listener, n.Dial = listener, c.network.Dialer(address)
		n.Random, n.Spoil = c.random(), true
		n.Impose = func(to member.ID) fault.Link { return c.link(i, int(to)) }
		if !cfg.Volatile {
			n.DataDir, n.Files, n.Snapshots = "", c.disks[i], c.snapshots[i]
		}
	})
	c.nodes[i], err = chatterbox.Open(ctx, cfg)
	return err
}

// random returns a source that differs from all others, and is the same in each
// run of a test.
func (c *Cluster) random() func() uint64 {
	c.draws++
	state := c.draws << 32
	var mu sync.Mutex
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		state += 0x9e3779b97f4a7c15
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
}

func (c *Cluster) close() {
	for i := range c.members {
		c.network.Resume(c.members[i].Address)
	}
	for _, n := range c.nodes {
		if n != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = n.Close(ctx) // what only one member has does not matter any more
			cancel()
		}
	}
}
