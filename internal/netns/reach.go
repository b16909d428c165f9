//go:build linux

package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Command returns a command that runs a program on the host, which is killed
// when ctx ends.
func (h *Host) Command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.namespace, program}, arguments...)...)
}

// Dial connects as a program on the host would, to an address that is not a
// name.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	var dial func()
	dial = func() {
		// A socket belongs to the namespace of the thread that makes it. The
		// thread is never unlocked, so it ends with this goroutine; but the first
		// one of a process would stay, and the process with it count as one of
		// the host's.
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			again := make(chan struct{})
			go func() {
				defer close(again)
				dial()
			}()
			<-again // until then nobody else has this thread
			return
		}
		conn, err := h.dialHere(ctx, network, address)
		done <- result{conn, err}
	}
	go dial()
	r := <-done
	return r.conn, r.err
}

func (h *Host) dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	space, err := os.Open("/run/netns/" + h.namespace)
	if err != nil {
		return nil, fmt.Errorf("netns: dial from a host: %w", err)
	}
	defer space.Close() //nolint:errcheck // only read
	if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("netns: dial from a host: %w", err)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
