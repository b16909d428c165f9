//go:build unix

package loopback_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatterbox/internal/world/wire"
	"chatterbox/test/program"
)

const (
	visits         = 40      // of each kind of stranger at each member
	floodBytesMax  = 8 << 20 // that a stranger tries to make a member keep
	dialEvery      = 20 * time.Millisecond
	visitFor       = 2 * time.Second // at most
	peakBytesMax   = 150 << 20       // of a member's memory, strangers or not
	undisturbedMin = 3 * 1000        // entries that three members agree on
)

// strangers returns what somebody may do who is no member.
func strangers() map[string]func(conn net.Conn) {
	return map[string]func(conn net.Conn){
		"garbage": func(conn net.Conn) {
			noise := make([]byte, 64<<10)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
			_, _ = conn.Write(noise)
		},
		"half a frame": func(conn net.Conn) {
			hello := wire.AppendHello(nil, &wire.Hello{Cluster: "half"})
			_, _ = conn.Write(hello[:len(hello)/2])
			linger(conn)
		},
		"a frame of 2^63 bytes": func(conn net.Conn) {
			_, _ = conn.Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
			for sent := 0; sent < floodBytesMax; sent += 64 << 10 {
				if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"nothing": linger,
		"a wrong cluster": func(conn net.Conn) {
			_, _ = conn.Write(wire.AppendHello(nil, &wire.Hello{Cluster: "elsewhere", From: 1, Identity: 7, Session: 1}))
			linger(conn)
		},
	}
}

// linger waits until the other side has had enough.
func linger(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
	_, _ = conn.Read(make([]byte, 1<<10))
}

// visit lets all kinds of strangers come to an address, a few at a time, until
// all have been there or the member has ended.
func visit(ctx context.Context, address string) (seen int) {
	var group sync.WaitGroup
	var mu sync.Mutex // guards seen
	for _, behave := range strangers() {
		group.Go(func() {
			for range visits {
				conn, err := dial(ctx, address)
				if err != nil {
					return
				}
				_ = conn.SetDeadline(time.Now().Add(visitFor))
				behave(conn)
				_ = conn.Close()
				mu.Lock()
				seen++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return seen
}

// dial tries until the member listens, or ctx ends.
func dial(ctx context.Context, address string) (net.Conn, error) {
	for {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(dialEvery):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// node is a member that runs.
type node struct {
	address        string
	command        *exec.Cmd
	stdout, stderr bytes.Buffer
}

func TestStrangersDisturbNobody(t *testing.T) {
	program.OnlyAmongAll(t)
	nodes := startNodes(t, 3, "--send-for=4", "--wait-for=4", "--rate=5000")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan int, len(nodes))
	for _, n := range nodes {
		go func() { seen <- visit(ctx, n.address) }()
	}
	for _, n := range nodes {
		if err := n.command.Wait(); err != nil {
			t.Errorf("%s: %v; stderr:\n%s", n.address, err, n.stderr.String())
		}
	}
	cancel() // who still dials finds nobody any more
	for range nodes {
		if count := <-seen; count < visits {
			t.Errorf("only %d strangers came to a member", count)
		}
	}
	for _, n := range nodes {
		n.check(t, nodes[0])
	}
}

// check demands that a member ended as if nobody had come.
func (n *node) check(t *testing.T, first *node) {
	t.Helper()
	tuple, err := program.ReadTuple(n.stdout.String())
	if err != nil || n.stdout.String() != first.stdout.String() || tuple.Count < undisturbedMin {
		t.Errorf("%s prints %q, %s %q: %v", n.address, n.stdout.String(), first.address, first.stdout.String(), err)
	}
	usage, ok := n.command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no resource usage of the process")
	}
	t.Logf("%s: %s, %d MiB, and on stderr:\n%s", n.address, tuple.Text, usage.Maxrss>>10, n.stderr.String())
	if usage.Maxrss<<10 > peakBytesMax {
		t.Errorf("%s took %d MiB of memory", n.address, usage.Maxrss>>10)
	}
	if bytes.Contains(n.stderr.Bytes(), []byte("panic")) || bytes.Contains(n.stderr.Bytes(), []byte("goroutine ")) {
		t.Errorf("%s crashed:\n%s", n.address, n.stderr.String())
	}
	if n.stderr.Len() > 64<<10 {
		t.Errorf("%s wrote %d bytes to stderr about strangers", n.address, n.stderr.Len())
	}
}

// startNodes starts members on free ports.
func startNodes(t *testing.T, count int, arguments ...string) []*node {
	t.Helper()
	binary := program.Build(t)
	nodes := make([]*node, count)
	addresses := make([]string, count)
	for i, port := range program.Ports(t, count) {
		addresses[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		nodes[i] = &node{address: addresses[i]}
		nodes[i].command = exec.CommandContext(t.Context(), binary, append([]string{"node", fmt.Sprintf("--port=%d", port)}, arguments...)...)
	}
	text, err := json.Marshal(addresses)
	if err != nil {
		t.Fatal(err)
	}
	peers := filepath.Join(t.TempDir(), "peers.json")
	if err := os.WriteFile(peers, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.command.Args = append(n.command.Args, "--peer-config-file="+peers)
		n.command.Stdout, n.command.Stderr = &n.stdout, &n.stderr
		if err := n.command.Start(); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}
