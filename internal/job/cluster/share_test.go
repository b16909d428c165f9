package cluster

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestProcessesShareTheCores: as many threads as there are cores run Go at all
// processes together, at least one at each; what the user set stays.
func TestProcessesShareTheCores(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // restored at the end
	for _, processes := range []int{1, 2, 3, 5, 100} {
		environment := ChildEnvironment(processes)
		share := 0
		for _, setting := range environment {
			if text, ok := strings.CutPrefix(setting, "GOMAXPROCS="); ok && text != "" {
				share, _ = strconv.Atoi(text)
			}
		}
		if cores := runtime.NumCPU(); share < 1 || share*processes < cores || (share-1)*processes >= cores {
			t.Errorf("%d processes on %d cores: %d each", processes, cores, share)
		}
	}
	t.Setenv("GOMAXPROCS", "7")
	if environment := ChildEnvironment(2); !slices.Contains(environment, "GOMAXPROCS=7") || slices.Contains(environment, "GOMAXPROCS=1") {
		t.Error("what the user set is changed")
	}
}
