package node

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// onLoopback starts a cluster in this process over TCP on loopback. Each
// member's deliveries are counted by a function of its own.
func onLoopback(b *testing.B, members int, delivered func(i int) func(entries int)) []*Node {
	b.Helper()
	list, listeners := make(member.List, members), make([]net.Listener, members)
	for i := range list {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		listeners[i] = listener
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}
	}
	nodes := make([]*Node, members)
	for i := range nodes {
		count := delivered(i)
		node, err := Start(context.Background(), Config{
			Members: list, Self: member.ID(i), Listener: listeners[i],
			Deliver: func(batches []protocol.Batch) {
				for k := range batches {
					count(int(batches[k].Count))
				}
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		nodes[i] = node
		b.Cleanup(func() {
			if err := node.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
	return nodes
}

// BenchmarkCluster is a whole cluster of three in one process, each member
// filling as fast as it is let. An operation is an entry of 8 bytes delivered
// in order at every member.
func BenchmarkCluster(b *testing.B) {
	finished := make(chan struct{}, 3)
	nodes := onLoopback(b, 3, func(int) func(int) {
		left := b.N
		return func(entries int) {
			if left -= entries; left <= 0 && left+entries > 0 {
				finished <- struct{}{}
			}
		}
	})
	b.SetBytes(8)
	b.ReportAllocs()
	b.ResetTimer()
	ctx, cancel := context.WithCancel(context.Background())
	var fillers sync.WaitGroup
	for _, n := range nodes {
		fillers.Go(func() {
			next := uint64(1)
			for err := error(nil); err == nil; {
				_, err = n.Fill(ctx, 8, numbers(&next))
			}
		})
	}
	for range nodes {
		<-finished
	}
	b.StopTimer()
	cancel()
	fillers.Wait()
}

// BenchmarkLatency is the time from Broadcast to the delivery at both of two
// idle members, one entry at a time.
func BenchmarkLatency(b *testing.B) {
	delivered := make(chan struct{}, 2)
	nodes := onLoopback(b, 2, func(int) func(int) {
		return func(int) { delivered <- struct{}{} }
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	payload := make([]byte, 8)
	for b.Loop() {
		if _, err := nodes[0].Broadcast(ctx, payload); err != nil {
			b.Fatal(err)
		}
		<-delivered
		<-delivered
	}
}
