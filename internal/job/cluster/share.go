package cluster

import (
	"os"
	"runtime"
	"strconv"
)

// ChildEnvironment returns the environment of one of so many processes that
// share this machine: each has its share of the cores, rounded up, as
// GOMAXPROCS, unless the user has set that. A process that believes it has all
// cores keeps threads awake that look for work on the cores of its neighbours.
func ChildEnvironment(processes int) []string {
	environment := os.Environ()
	if os.Getenv("GOMAXPROCS") != "" {
		return environment
	}
	cores := runtime.NumCPU()
	share := max(1, (cores+processes-1)/processes)
	return append(environment, "GOMAXPROCS="+strconv.Itoa(share))
}
