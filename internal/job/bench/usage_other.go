//go:build !unix

package bench

// This system does not tell processor time and memory in the way of Unix: 0.
func cpuSeconds() float64 { return 0 }
func peakMemory() uint64  { return 0 }
func memory() uint64      { return 0 }
