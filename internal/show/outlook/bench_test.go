package outlook

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/internal/show/film"
)

// window is how long the cluster is watched, or is not, at a time.
const window = 300 * time.Millisecond

// saturated is three members in this process, over loopback, that write as fast
// as they can until the benchmark ends.
func saturated(b *testing.B) []*chatterbox.Node {
	b.Helper()
	var members []chatterbox.Member
	for _, name := range []string{"a", "b", "c"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		members = append(members, chatterbox.Member{Name: name, Address: listener.Addr().String()})
		_ = listener.Close()
	}
	ctx, stop := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	var nodes []*chatterbox.Node
	for _, m := range members {
		n, err := chatterbox.Open(ctx, chatterbox.Config{Name: m.Name, Members: members, Volatile: true})
		if err != nil {
			b.Fatal(err)
		}
		nodes = append(nodes, n)
		writing.Go(func() {
			for ctx.Err() == nil {
				_, _ = n.Fill(ctx, 8, func(dst []byte) int {
					if ctx.Err() != nil {
						return 0
					}
					return len(dst) / 8
				})
			}
		})
	}
	b.Cleanup(func() {
		stop()
		writing.Wait()
		for _, n := range nodes {
			_ = n.Close(ctx)
		}
	})
	if err := nodes[0].Ready(ctx); err != nil {
		b.Fatal(err)
	}
	return nodes
}

// BenchmarkServedPage lets a saturated member be watched and not, in turns:
// left is the share of the throughput that is left while it is.
func BenchmarkServedPage(b *testing.B) {
	nodes := saturated(b)
	settles := func(watch bool) float64 {
		ctx, cancel := context.WithTimeout(b.Context(), window)
		defer cancel()
		before := nodes[0].Status().Settled
		began := time.Now()
		if watch {
			status := nodes[0].Status()
			view := New(&status, began, func(step *film.Step) {
				if _, err := json.Marshal(step); err != nil {
					b.Error(err)
				}
			})
			view.Watch(ctx, nodes[0], func() bool { return true })
		}
		<-ctx.Done()
		return float64(nodes[0].Status().Settled-before) / time.Since(began).Seconds()
	}
	settles(false) // warms up
	var watched, alone float64
	for b.Loop() {
		alone += settles(false)
		watched += settles(true)
	}
	b.ReportMetric(watched/alone, "left")
	b.ReportMetric(alone/float64(b.N)/1e6, "Mentries/s")
}
