package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Member is the process of one member in one measurement: it tells its address
// on out, reads its load and then "go" from in, measures and tells the result.
func Member(ctx context.Context, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench: listen: %w", err)
	}
	defer func() { _ = listener.Close() }()
	lines := bufio.NewReader(in)
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	var load Load
	line, err := lines.ReadString('\n')
	if err != nil {
		return fmt.Errorf("bench: read the load: %w", err)
	}
	if err := json.Unmarshal([]byte(line), &load); err != nil {
		return fmt.Errorf("bench: read the load: %w", err)
	}
	ready := func() error {
		if _, err := fmt.Fprintln(out, "ready"); err != nil {
			return err
		}
		_, err := lines.ReadString('\n')
		return err
	}
	result, err := measure(ctx, listener, load, ready)
	if err != nil {
		result.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(result)
}

func measure(ctx context.Context, listener net.Listener, load Load, ready func() error) (Result, error) {
	switch load.Mode {
	case Limit, Raw:
		return measureFlood(ctx, listener, load, ready)
	case Ping:
		return measurePing(ctx, listener, load, ready)
	case Ordered:
		return measureOrdered(ctx, listener, load, ready)
	}
	return Result{}, fmt.Errorf("bench: unknown mode %q", load.Mode)
}

func measureFlood(ctx context.Context, listener net.Listener, load Load, ready func() error) (Result, error) {
	out, in, err := connect(listener, load)
	if err != nil {
		return Result{}, err
	}
	if err := ready(); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := newFlood(load)
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, out, in) }()
	result := window(ctx, load, f.counts)
	cancel()
	return result, <-done
}

// window lets the warm-up pass, counts during the measurement, and gives the
// differences.
func window(ctx context.Context, load Load, counts func() (entries, own, sent uint64)) Result {
	pause(ctx, load.Warmup)
	began, cpu := time.Now(), cpuSeconds()
	entries, own, sent := counts()
	pause(ctx, load.Duration)
	entriesAfter, ownAfter, sentAfter := counts()
	return Result{
		Entries: entriesAfter - entries, Own: ownAfter - own, WireBytes: sentAfter - sent,
		Seconds: time.Since(began).Seconds(), CPU: cpuSeconds() - cpu, RSS: peakMemory(),
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// cpuSeconds gives the processor time that this process has used.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// peakMemory gives the most resident memory that this process had, in bytes;
// 0 where the system does not tell.
func peakMemory() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseUint(strings.Fields(kib)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
