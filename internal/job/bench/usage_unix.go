//go:build unix

package bench

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuSeconds returns the processor time that this process has used.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// peakMemory returns the most resident memory that this process had, in bytes.
func peakMemory() uint64 { return procStatus("VmHWM:") }

// memory returns the resident memory of this process in bytes.
func memory() uint64 { return procStatus("VmRSS:") }

// procStatus reads a line in KiB of what Linux tells about this process; 0
// where the system does not tell.
func procStatus(name string) uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseUint(strings.Fields(kib)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
