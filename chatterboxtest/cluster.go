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
//
// What a node otherwise takes from the world is given in by a [Config]: chance by
// its Seed, listeners and connections by Listen and Dial, the protocol. Time is
// that of package time, so that testing/synctest has it; the disk is in memory.
// With Trace what happens is noted and judged, and [Cluster.Diagram] draws it.
package chatterboxtest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/world/fault"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/transport/memnet"
)

// Config configures a cluster. The zero value is one of three members in memory.
type Config struct {
	// Members are the members of the cluster. Default: Size of them, called a, b, c
	// and so on.
	Members []chatterbox.Member
	// Size is how many members there are, if Members is empty. Default: 3.
	Size int
	// Configure may change the configuration of each member, at each of its starts,
	// for example to make it volatile; the folder is in memory whatever it is called.
	// Default: nothing is changed.
	Configure func(*chatterbox.Config)
	// Protocol is "delta" or "lockstep", which has one entry of each member under
	// way: the slow and obvious one to compare with, and its members stay. Default:
	// "delta".
	Protocol string
	// Seed is what chance begins with: which messages a link loses, how long they
	// take, how long members wait before they try again. Runs in virtual time with
	// equal seeds draw the same. Default: 0.
	Seed uint64
	// Trace notes what happens, for [Cluster.Trace] and [Cluster.Diagram], and judges
	// it: a test fails in which a promise of the protocol is broken. It takes memory
	// for each message. When the test fails both are written to its
	// [testing.TB.ArtifactDir].
	Trace bool
	// Listen and Dial connect the members in place of the network in memory: sockets
	// of this machine, or whatever a test puts between. Dial is told who dials. Both or
	// none are given. A member cannot be paused then. Default: a network in memory.
	Listen func(address string) (net.Listener, error)
	Dial   func(ctx context.Context, name, address string) (net.Conn, error)
}

// sizeByDefault is how many members there are if nobody says.
const sizeByDefault = 3

// Cluster is a cluster in one process. Its methods fail the test when they are
// given names that no member has.
type Cluster struct {
	t         testing.TB
	config    Config
	network   *memnet.Network // nil: the test has its own
	members   []chatterbox.Member
	list      member.List // the same, as links know them
	disks     []*disk
	snapshots []*disk
	draws     uint64
	record    *record // nil: nobody wants a trace
	began     time.Time

	mu    sync.Mutex         // guards all below
	nodes []*chatterbox.Node // nil: crashed
	links *failure.Present
	down  []bool // members whose machine just ends: nothing leaves it
}

// NewCluster starts a cluster of so many members. Each has a folder in memory;
// configure may change the configuration of each of them, for example to make
// it volatile. Nil changes nothing. The nodes are closed when the test ends.
func NewCluster(t testing.TB, members int, configure func(*chatterbox.Config)) *Cluster {
	t.Helper()
	return New(t, Config{Size: members, Configure: configure})
}

// New is NewCluster with all that can be said about a cluster.
func New(t testing.TB, config Config) *Cluster {
	t.Helper()
	c := &Cluster{t: t, config: config, members: config.Members, began: time.Now()}
	if config.Size == 0 {
		config.Size = sizeByDefault
	}
	if len(c.members) == 0 {
		for i := range config.Size {
			name := member.Letter(member.ID(i))
			c.members = append(c.members, chatterbox.Member{Name: name, Address: fmt.Sprintf("%s:%d", name, i+1)})
		}
	}
	if (config.Listen == nil) != (config.Dial == nil) {
		t.Fatal("chatterboxtest: Config.Listen and Config.Dial are given both or not at all")
	}
	if config.Listen == nil {
		c.network = memnet.New()
	}
	for _, m := range c.members {
		c.list = append(c.list, member.Member{Name: m.Name})
		c.disks, c.snapshots = append(c.disks, newDisk()), append(c.snapshots, newDisk())
	}
	c.links = failure.NewPresent(c.list)
	c.nodes, c.down = make([]*chatterbox.Node, len(c.members)), make([]bool, len(c.members))
	if config.Trace {
		c.record = newRecord(c)
	}
	t.Cleanup(c.close)
	for i := range c.members {
		c.start(i)
	}
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
	n := c.running(c.place(name))
	if n == nil {
		c.t.Fatalf("chatterboxtest: member %s does not run", name)
	}
	return n
}

// running returns a member's node, and nil if it does not run.
func (c *Cluster) running(i int) *chatterbox.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[i]
}

func (c *Cluster) place(name string) int {
	c.t.Helper()
	for i, m := range c.members {
		if m.Name == name {
			return i
		}
	}
	c.t.Fatalf("chatterboxtest: no member is called %q: there are %q", name, c.Names())
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
	cfg := chatterbox.Config{Name: c.members[i].Name, Members: c.members, Dir: "in memory"}
	if c.config.Configure != nil {
		c.config.Configure(&cfg)
	}
	if cfg.Volatile {
		cfg.Dir = ""
	}
	listener, err := c.listen(c.members[i].Address)
	if err != nil {
		return err
	}
	ctx := node.Alter(context.Background(), func(n *node.Config) {
		n.Listener, n.Dial = listener, c.dialer(i)
		n.Random, n.Spoil = c.random(), true
		n.Impose = func(to member.ID) fault.Link { return c.link(member.ID(i), to) }
		if !cfg.Volatile {
			n.DataDir, n.Files, n.Snapshots = "", c.disks[i], c.snapshots[i]
		}
		if c.config.Protocol != "" {
			n.Protocol = node.Protocol(c.config.Protocol)
			if n.Changes = n.Protocol == node.Delta; !n.Changes {
				n.EvictAfter = 0
			}
		}
		if c.record != nil {
			n.Watcher = c.record.begin(member.ID(i), cfg.Volatile)
		}
	})
	n, err := chatterbox.Open(ctx, cfg)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = n
	return err
}

func (c *Cluster) listen(address string) (net.Listener, error) {
	if c.network == nil {
		return c.config.Listen(address)
	}
	return c.network.Listen(address)
}

// dialer returns what a member dials others with.
func (c *Cluster) dialer(i int) func(ctx context.Context, network, address string) (net.Conn, error) {
	if c.network != nil {
		return c.network.Dialer(c.members[i].Address)
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		return c.config.Dial(ctx, c.members[i].Name, address)
	}
}

// random returns a source that differs from all others, and is the same in each
// run of a test.
func (c *Cluster) random() func() uint64 {
	c.draws++
	state := c.config.Seed + c.draws<<32
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
		c.resume(i)
	}
	for i := range c.members {
		if n := c.running(i); n != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = n.Close(ctx) // what only one member has does not matter any more
			cancel()
		}
	}
	if c.record != nil {
		c.record.judge(c.t)
	}
}
