//go:build linux

package netns

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// role says in the environment of a copy of this test binary what it shall be
// on a host.
const role = "CHATTERBOX_NETNS_ROLE"

func TestMain(m *testing.M) {
	switch address := os.Args[len(os.Args)-1]; os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "serve":
		serve(address)
	case "dial":
		dial(address)
	case "send":
		send(address)
	}
}

// serve reads whatever anybody sends, until it is killed.
func serve(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			n, _ := io.Copy(io.Discard, conn)
			fmt.Fprintf(conn, "%d\n", n)
			_ = conn.Close()
		}()
	}
}

// dialFor is how long dialling goes on: long enough for a server to start.
const dialFor = 3 * time.Second

// connect dials until somebody listens.
func connect(address string) (net.Conn, error) {
	deadline := time.Now().Add(dialFor)
	for {
		conn, err := net.DialTimeout("tcp", address, time.Until(deadline))
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
	}
}

func dial(address string) {
	if _, err := connect(address); err != nil {
		fmt.Println("silence")
		return
	}
	fmt.Println("open")
}

// sendBytes is what send sends.
const sendBytes = 400 << 10

// send sends, waits until all was read, and tells how long that took.
func send(address string) {
	conn, err := connect(address)
	if err != nil {
		panic(err)
	}
	began := time.Now()
	if _, err := conn.Write(make([]byte, sendBytes)); err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	count, _ := io.ReadAll(conn)
	fmt.Printf("%s in %d ms\n", strings.TrimSpace(string(count)), time.Since(began).Milliseconds())
}

// build makes a net for a test, and skips it where that cannot be done.
func build(t *testing.T, hosts int) *Net {
	t.Helper()
	if err := Available(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	n, err := New(t.Context(), hosts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// start runs a copy of this binary in a role on a host.
func start(t *testing.T, host *Host, as, address string) *Process {
	t.Helper()
	p, err := host.Start(t.Context(), "env", role+"="+as, os.Args[0], address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// says runs a role to its end and gives what it printed.
func says(t *testing.T, host *Host, as, address string) string {
	t.Helper()
	result, err := start(t, host, as, address).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(result.Stdout) + result.Stderr
}

func TestCutLinksAreSilentUntilTheyHeal(t *testing.T) {
	t.Parallel()
	n := build(t, 3)
	address := n.Host(0).Address + ":4000"
	start(t, n.Host(0), "serve", address)
	impose := func(lost func(from, to int) int) {
		if err := n.Impose(t.Context(), lost); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(host int, want string) {
		t.Helper()
		if got := says(t, n.Host(host), "dial", address); got != want {
			t.Errorf("host %d: %q, want %q", host, got, want)
		}
	}
	expect(1, "open")
	impose(func(from, to int) int { // one direction is enough to silence TCP
		if from == 0 && to == 1 {
			return 100
		}
		return 0
	})
	expect(1, "silence")
	expect(2, "open")
	dropped, err := n.Dropped(t.Context())
	if err != nil || dropped == 0 {
		t.Errorf("dropped %d packets, %v; want some", dropped, err)
	}
	impose(func(_, _ int) int { return 0 })
	expect(1, "open")
}

func TestLossySharesOfPacketsArrive(t *testing.T) {
	t.Parallel()
	n := build(t, 2)
	address := n.Host(0).Address + ":4000"
	start(t, n.Host(0), "serve", address)
	if err := n.Impose(t.Context(), func(_, _ int) int { return 10 }); err != nil {
		t.Fatal(err)
	}
	// The kernel puts many packets into one, so by chance none of a few may be lost.
	const tries = 50
	for range tries {
		got := says(t, n.Host(1), "send", address)
		if !strings.HasPrefix(got, fmt.Sprint(sendBytes)+" in ") {
			t.Fatalf("%q, want %d bytes", got, sendBytes)
		}
		dropped, err := n.Dropped(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if dropped > 0 {
			return
		}
	}
	t.Errorf("not a packet was dropped in %d attempts", tries)
}

func TestLimitedHostIsSlow(t *testing.T) {
	t.Parallel()
	n := build(t, 2)
	address := n.Host(0).Address + ":4000"
	start(t, n.Host(0), "serve", address)
	const bytesPerSecond = sendBytes / 2
	if err := n.Limit(t.Context(), 1, bytesPerSecond); err != nil {
		t.Fatal(err)
	}
	var count, took int
	got := says(t, n.Host(1), "send", address)
	if _, err := fmt.Sscanf(got, "%d in %d ms", &count, &took); err != nil || count != sendBytes {
		t.Fatalf("%q, want %d bytes: %v", got, sendBytes, err)
	}
	if took < 1000 { // 2 s, but for what the buckets let pass at once
		t.Errorf("%d bytes took %d ms at %d bytes a second", count, took, bytesPerSecond)
	}
	if err := n.Limit(t.Context(), 1, 0); err != nil {
		t.Error(err)
	}
}

func TestCloseKillsWhatRuns(t *testing.T) {
	t.Parallel()
	n := build(t, 1)
	p := start(t, n.Host(0), "serve", n.Host(0).Address+":4000")
	if got := says(t, n.Host(0), "dial", n.Host(0).Address+":4000"); got != "open" {
		t.Fatalf("the server does not serve: %q", got)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	result, err := p.Wait(t.Context())
	if err != nil || result.Status != -1 {
		t.Errorf("status %d, %v; want one that was killed", result.Status, err)
	}
	if _, err := os.Stat("/run/netns/" + n.Host(0).namespace); err == nil {
		t.Error("the namespace is still there")
	}
}

func TestSignalsReachTheProgram(t *testing.T) {
	t.Parallel()
	n := build(t, 1)
	p, err := n.Host(0).Start(t.Context(), "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if result, err := p.Wait(t.Context()); err != nil || result.Status != -1 {
		t.Errorf("status %d, %v; want one that was killed", result.Status, err)
	}
	if err := p.Signal(syscall.SIGKILL); err == nil {
		t.Error("a process that has ended took a signal")
	}
}

func TestSweepRemovesWhatTheDeadLeftBehind(t *testing.T) {
	t.Parallel()
	living := build(t, 1)
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	orphan := fmt.Sprintf("%s%d-left-0", prefix, gone.Process.Pid)
	if err := run(t.Context(), "", "ip", "netns", "add", orphan); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/run/netns/" + orphan); err == nil {
		t.Error("the orphan is still there")
	}
	if _, err := os.Stat("/run/netns/" + living.hub); err != nil {
		t.Error("a living test's net is gone")
	}
}

func TestWrongSizesAreRefused(t *testing.T) {
	for _, hosts := range []int{0, hostsMax + 1} {
		if _, err := New(context.Background(), hosts); err == nil {
			t.Errorf("%d hosts were taken", hosts)
		}
	}
}
