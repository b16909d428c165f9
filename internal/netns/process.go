//go:build linux

package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs on a host.
type Process struct {
	command *exec.Cmd
	started time.Time
	stdout  capture
	stderr  capture
	end     time.Time     // set before ended is closed
	ended   chan struct{} // closed when the process is gone and its output read
}

// Result says how a process ended.
type Result struct {
	Status  int           // exit status; -1 if a signal ended it
	Stdout  string        // all that it wrote
	Stderr  string        //
	Printed time.Duration // from start to its first whole line on stdout; 0 if there was none
	Elapsed time.Duration // from start to the end
	// PeakBytes bounds its resident memory from above: the kernel counts the
	// moment before it became that program as well.
	PeakBytes int64
}

// Start runs a program on the host, and kills it when ctx ends.
func (h *Host) Start(ctx context.Context, program string, arguments ...string) (*Process, error) {
	p := &Process{command: h.Command(ctx, program, arguments...), ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	p.started = time.Now()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("netns: start %s: %w", program, err)
	}
	go func() {
		_ = p.command.Wait() // its outcome is in ProcessState
		p.end = time.Now()
		close(p.ended)
	}()
	return p, nil
}

// Started returns the moment when the process was started.
func (p *Process) Started() time.Time { return p.started }

// Signal sends a signal. It is an error if the process has ended; the error
// has what it wrote to stderr.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("netns: signal %s: %w; stderr:\n%s", signal, err, p.stderr.String())
	}
	return nil
}

// Wait waits for the end of the process, however it comes.
func (p *Process) Wait(ctx context.Context) (Result, error) {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return Result{}, fmt.Errorf("netns: wait: %w", ctx.Err())
	}
	state := p.command.ProcessState
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return Result{}, errors.New("netns: no resource usage of the process")
	}
	return Result{
		Status: state.ExitCode(), Stdout: p.stdout.String(), Stderr: p.stderr.String(),
		Printed: p.stdout.printed(p.started), Elapsed: p.end.Sub(p.started),
		PeakBytes: usage.Maxrss << 10,
	}, nil
}

// capture keeps what a process writes, and when its first line was whole.
type capture struct {
	mu    sync.Mutex // guards all below: the process writes while a test reads
	text  bytes.Buffer
	first time.Time
}

// Write implements io.Writer.
func (c *capture) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first.IsZero() && bytes.IndexByte(data, '\n') >= 0 {
		c.first = time.Now()
	}
	return c.text.Write(data)
}

// String returns all that was written so far.
func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// printed returns the time from start to the first whole line, or 0.
func (c *capture) printed(start time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first.IsZero() {
		return 0
	}
	return c.first.Sub(start)
}
