package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// Counts is what a member took in and sent since it began.
type Counts struct {
	Entries uint64 // appended or delivered here
	Own     uint64 // of these, its own
	Sent    uint64 // bytes written to all peers
	Writes  uint64 // system calls for them; 0: not counted
}

// Gauge reads what is measured at a member.
type Gauge struct {
	Counts func() Counts
	// Besides reads what works for this member in other processes: seconds of
	// processor time and bytes of memory. Nil: there are none.
	Besides func() (cpu float64, rss uint64)
}

// Window lets the warm-up pass, reads the gauge during the measurement, and
// gives the differences. It returns when all members have measured: until then
// the load must go on, otherwise who measures last would see another one.
func Window(ctx context.Context, load Load, gauge Gauge, barrier Barrier) (result Result, err error) {
	pause(ctx, load.Warmup)
	stop, err := profile(load)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if gauge.Besides == nil {
		gauge.Besides = func() (float64, uint64) { return 0, 0 }
	}
	began, before := time.Now(), gauge.Counts()
	cpuOwn := cpuSeconds()
	cpuBesides, peakBesides := gauge.Besides()
	for quarter := range quarters {
		pause(ctx, load.Duration*time.Duration(quarter+1)/quarters-time.Since(began))
		_, rss := gauge.Besides()
		peakBesides = max(peakBesides, rss)
		result.RSS[quarter] = memory() + rss
	}
	after := gauge.Counts()
	result.Seconds = time.Since(began).Seconds()
	cpu, _ := gauge.Besides()
	result.CPU = cpuSeconds() - cpuOwn + cpu - cpuBesides
	result.Entries, result.Own = after.Entries-before.Entries, after.Own-before.Own
	result.WireBytes, result.Writes = after.Sent-before.Sent, after.Writes-before.Writes
	result.RSSPeak = peakMemory() + peakBesides
	return result, barrier()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// profile begins a CPU profile of this process, if one is wanted.
func profile(load Load) (stop func() error, err error) {
	if load.Profiles == "" {
		return func() error { return nil }, nil
	}
	return profileAs(filepath.Join(load.Profiles, fmt.Sprintf("%s-%d.pprof", load.Mode, load.Self)))
}

// profileAs begins a CPU profile of this process in a file.
func profileAs(name string) (stop func() error, err error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("bench: profile: %w", err)
	}
	kept := &keeper{to: file}
	if err := pprof.StartCPUProfile(kept); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: profile: %w", err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		if err := errors.Join(kept.err, file.Close()); err != nil {
			return fmt.Errorf("bench: profile: %w", err)
		}
		return nil
	}, nil
}

// keeper keeps the first error for those who write without looking.
type keeper struct {
	to  io.Writer
	err error
}

// Write writes, unless an earlier call failed.
func (k *keeper) Write(data []byte) (n int, err error) {
	if k.err == nil {
		n, k.err = k.to.Write(data)
	}
	return n, k.err
}
