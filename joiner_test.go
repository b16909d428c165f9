package chatterbox_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"chatterbox"
)

var joinerGB = flag.Float64("joiner", 0, "GB of history that a cluster has, and GB of a snapshot that who joins gets; 0 skips it")

const (
	// joinerEvery is how often each member of the load writes: 1,000 entries a second
	// together.
	joinerEvery = 3 * time.Millisecond
	// joinerAlone is for how long the load goes by itself.
	joinerAlone = 10 * time.Second
)

// TestJoinerBesideLineRate has a member join a cluster with a large history, and get a
// large snapshot while the others take 1,000 entries a second; beside that the same bytes
// go through a plain TCP connection, to a file that is synced too, in the same run.
func TestJoinerBesideLineRate(t *testing.T) {
	if *joinerGB == 0 {
		t.Skip("needs -joiner GB, four times as much disk, and as much of it again in memory")
	}
	bytes := int64(*joinerGB * 1e9)
	nodes := three(t, t.TempDir(), chatterbox.Config{})
	for left := int(bytes / largePayload); left > 0; {
		last, err := nodes[0].Fill(t.Context(), largePayload, func(dst []byte) int {
			count := min(left, len(dst)/largePayload)
			left -= count
			return count
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if _, err := n.Position(t.Context(), last); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := nodes[0].Snapshot(t.Context(), nodes[0].Status().Settled, func(w io.Writer) error { return writeMany(w, bytes) }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d := opened(t, chatterbox.Config{Name: "d", Join: nodes[0].Status().Members[0].Address, Address: loopback(t, "d")[0].Address, Dir: filepath.Join(t.TempDir(), "d")})
	becomesMember(t, d, "d")
	t.Logf("%.1f GB of history: d is a member after %v, and reads from position %d on", *joinerGB, time.Since(began).Round(time.Millisecond), d.Status().Oldest)
	alone := func() (took time.Duration) { <-time.After(joinerAlone); return joinerAlone }
	gets := func() (took time.Duration) { return restored(t, d, bytes) }
	plain := func() (took time.Duration) { return copied(t, bytes) }
	var p99 [3][]time.Duration
	for _, phase := range []struct {
		kind int
		name string
		run  func() time.Duration
	}{{0, "nothing else", alone}, {1, "the snapshot goes to d", gets}, {2, "a plain copy goes", plain}, {0, "nothing else", alone}} {
		took, latencies := beside(t, nodes, phase.run)
		slices.Sort(latencies)
		at := func(part float64) time.Duration { return latencies[int(part*float64(len(latencies)-1))] }
		t.Logf("%s: %.2f s, %.0f MB/s; %d entries settled, p50 %v, p99 %v", phase.name, took.Seconds(), float64(bytes)/1e6/took.Seconds(), len(latencies), at(0.5), at(0.99))
		p99[phase.kind] = append(p99[phase.kind], at(0.99))
	}
	without := (p99[0][0] + p99[0][1]) / 2
	t.Logf("p99 with / without: %.2f; with the plain copy / without: %.2f", float64(p99[1][0])/float64(without), float64(p99[2][0])/float64(without))
}

// writeMany writes so many bytes.
func writeMany(w io.Writer, bytes int64) error {
	part := make([]byte, 1<<20)
	for left := bytes; left > 0; left -= int64(len(part)) {
		part = part[:min(int64(len(part)), left)]
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// restored has a member get the snapshot of another one, and returns how long it took.
func restored(t *testing.T, n *chatterbox.Node, bytes int64) time.Duration {
	t.Helper()
	began, got := time.Now(), int64(0)
	err := n.Restore(t.Context(), func(_ chatterbox.Position, r io.Reader) (err error) {
		got, err = io.Copy(io.Discard, r)
		return err
	})
	if err != nil || got != bytes {
		t.Errorf("%d of %d bytes: %v", got, bytes, err)
	}
	return time.Since(began)
}

// copied has as many bytes go through a connection into a file, and returns how long that
// took.
func copied(t *testing.T, bytes int64) time.Duration {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // all is there
	began := time.Now()
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			err = writeMany(conn, bytes)
			_ = conn.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "copy"))
	if err != nil {
		t.Fatal(err)
	}
	// Not by the kernel alone, as sendfile would: who gets a snapshot has it in memory.
	got, err := io.CopyBuffer(struct{ io.Writer }{file}, struct{ io.Reader }{conn}, make([]byte, 64<<10))
	if err == nil {
		err = file.Sync()
	}
	if err != nil || got != bytes {
		t.Errorf("%d of %d bytes: %v", got, bytes, err)
	}
	took := time.Since(began)
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	return took
}

// beside has members take entries while something is done, and returns how long that took,
// and each entry from its Broadcast to its place here.
func beside(t *testing.T, nodes []*chatterbox.Node, does func() time.Duration) (took time.Duration, latencies []time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var writers sync.WaitGroup
	for _, n := range nodes {
		writers.Go(func() {
			var each sync.WaitGroup
			defer each.Wait()
			again := time.NewTicker(joinerEvery)
			defer again.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				<-again.C
				began := time.Now()
				each.Go(func() {
					id, err := n.Broadcast(t.Context(), fmt.Appendf(nil, "%d", i))
					if err == nil {
						_, err = n.Position(t.Context(), id)
					}
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					latencies = append(latencies, time.Since(began))
				})
			}
		})
	}
	took = does()
	stop()
	writers.Wait()
	return took, latencies
}
