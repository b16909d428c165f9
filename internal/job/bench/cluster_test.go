package bench

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/transport/memnet"
)

// cluster is a whole cluster in this process, whose members all fill as fast
// as they are let.
type cluster struct {
	nodes   []*node.Node
	stop    context.CancelFunc
	fillers sync.WaitGroup

	mu        sync.Mutex // guards all below
	changed   *sync.Cond // tells of deliveries
	delivered []uint64   // entries at each member
}

// network gives member i of a list its way to the others.
type network func(list member.List, i int) (net.Listener, func(context.Context, string, string) (net.Conn, error), error)

// overMemory connects members without the kernel.
func overMemory() network {
	memory := memnet.New()
	return func(list member.List, i int) (net.Listener, func(context.Context, string, string) (net.Conn, error), error) {
		listener, err := memory.Listen(list[i].Address())
		return listener, memory.Dialer(list[i].Address()), err
	}
}

// overLoopback connects members over TCP; it finds them their ports.
func overLoopback(tb testing.TB, list member.List) network {
	tb.Helper()
	listeners := make([]net.Listener, len(list))
	for i := range list {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		listeners[i] = listener
		list[i].Port = listener.Addr().(*net.TCPAddr).Port
	}
	return func(_ member.List, i int) (net.Listener, func(context.Context, string, string) (net.Conn, error), error) {
		return listeners[i], nil, nil
	}
}

func listOf(members int) member.List {
	list := make(member.List, members)
	for i := range list {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "127.0.0.1", Port: 1 + i}
	}
	return list
}

func startCluster(tb testing.TB, list member.List, payload int, connect network) *cluster {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &cluster{delivered: make([]uint64, len(list)), stop: cancel}
	c.changed = sync.NewCond(&c.mu)
	tb.Cleanup(func() { c.close(tb) })
	for i := range list {
		listener, dial, err := connect(list, i)
		if err != nil {
			tb.Fatal(err)
		}
		cfg := node.Config{Members: list, Self: member.ID(i), Listener: listener, Dial: dial, Deliver: c.deliver(i), Fold: workload.FoldState}
		if payload == workload.EntryBytes {
			cfg.Prepare = workload.Prepare
		}
		started, err := node.Start(ctx, cfg)
		if err != nil {
			tb.Fatal(err)
		}
		c.nodes = append(c.nodes, started)
	}
	for i, node := range c.nodes {
		numbers := workload.NewNumbers(1, i)
		fill := func(dst []byte) int {
			dst = dst[:len(dst)/payload*payload]
			numbers.Fill(dst[:len(dst)/workload.EntryBytes*workload.EntryBytes])
			return len(dst)
		}
		c.fillers.Go(func() {
			for err := error(nil); err == nil; {
				_, err = node.Fill(ctx, payload, fill)
			}
		})
	}
	return c
}

func (c *cluster) deliver(i int) func([]protocol.Batch) {
	return func(batches []protocol.Batch) {
		entries := uint64(0)
		for k := range batches {
			entries += uint64(batches[k].Count)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.delivered[i] += entries
		c.changed.Broadcast()
	}
}

// carry waits until so many more entries are delivered at every member.
func (c *cluster) carry(entries uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for target := slices.Max(c.delivered) + entries; slices.Min(c.delivered) < target; {
		c.changed.Wait()
	}
}

func (c *cluster) close(tb testing.TB) {
	tb.Helper()
	c.stop()
	c.fillers.Wait()
	for _, node := range c.nodes {
		if err := node.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	}
}

// TestSaturatedClusterAllocatesNothingPerEntry counts what a saturated pair
// allocates once it runs. Something a batch is allowed, of which a million
// entries have some 500 or, on a busy machine, a few thousand smaller ones.
func TestSaturatedClusterAllocatesNothingPerEntry(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const (
		millions        = 20
		objectsAllowed  = 5_000   // a million entries
		bytesAllowed    = 4 << 20 // likewise; a single copy of each would be twice as much
		entriesToWarmUp = 20e6    // until all pools are filled
	)
	list := listOf(2)
	c := startCluster(t, list, workload.EntryBytes, overLoopback(t, list))
	c.carry(entriesToWarmUp)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.carry(millions * 1e6)
	runtime.ReadMemStats(&after)
	objects, bytes := (after.Mallocs-before.Mallocs)/millions, (after.TotalAlloc-before.TotalAlloc)/millions
	t.Logf("a million entries allocate %d objects of %d bytes together", objects, bytes)
	if objects > objectsAllowed || bytes > bytesAllowed {
		t.Errorf("allowed are %d objects and %d bytes", objectsAllowed, bytesAllowed)
	}
}

// BenchmarkCluster is a whole cluster in this process, over connections in
// memory and over TCP on loopback. An operation is an entry that every member
// has delivered in order.
func BenchmarkCluster(b *testing.B) {
	for _, members := range []int{2, 3, 5} {
		for _, payload := range []int{8, 1 << 10} {
			b.Run(fmt.Sprintf("net=memory/members=%d/payload=%d", members, payload), func(b *testing.B) {
				carry(b, startCluster(b, listOf(members), payload, overMemory()), payload)
			})
		}
	}
	for _, members := range []int{3, 5} {
		b.Run(fmt.Sprintf("net=loopback/members=%d/payload=8", members), func(b *testing.B) {
			list := listOf(members)
			carry(b, startCluster(b, list, 8, overLoopback(b, list)), 8)
		})
	}
}

// carry times b.N entries of a cluster that already runs.
func carry(b *testing.B, c *cluster, payload int) {
	b.Helper()
	c.carry(1)
	b.SetBytes(int64(payload))
	b.ReportAllocs()
	b.ResetTimer()
	c.carry(uint64(b.N))
	b.StopTimer()
}
