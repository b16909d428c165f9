// Package program builds the chatterbox binary for tests that run it, and
// reads what a member prints.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Build builds the binary, once for all tests of a process, and returns its path. It
// lies beside the test's own, in a folder that go test removes.
func Build(tb testing.TB) string {
	tb.Helper()
	own, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(own), fmt.Sprintf("chatterbox-%d", os.Getpid()))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	built := filepath.Join(tb.TempDir(), "chatterbox")
	build := exec.CommandContext(tb.Context(), "go", "build", "-o", built, "chatterbox/cmd/chatterbox")
	if talk, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build: %v\n%s", err, talk)
	}
	if os.Rename(built, path) == nil {
		return path
	}
	return built // on another disk
}

// Tuple is what a member prints.
type Tuple struct {
	Text  string // (COUNT,SCORE)
	Count int    // entries
}

// ReadTuple reads what a member printed, which is exactly one line.
func ReadTuple(stdout string) (Tuple, error) {
	match := regexp.MustCompile(`^(\((\d+),\d+(?:\.\d+)?\))\n$`).FindStringSubmatch(stdout)
	if match == nil {
		return Tuple{}, fmt.Errorf("want one line (COUNT,SCORE), not %q", stdout)
	}
	tuple := Tuple{Text: match[1]}
	if _, err := fmt.Sscan(match[2], &tuple.Count); err != nil {
		return Tuple{}, fmt.Errorf("count of %q: %w", stdout, err)
	}
	return tuple, nil
}

// All reports whether every test of real processes is wanted, as in CI; else
// those that take longest are left out, so that go test ./... stays quick.
func All() bool { return os.Getenv("CHATTERBOX_PROCESSES") == "all" }

// OnlyAmongAll skips a test that is for those who want all.
func OnlyAmongAll(tb testing.TB) {
	tb.Helper()
	if !All() {
		tb.Skip("takes long: CHATTERBOX_PROCESSES=all runs it, as CI does")
	}
}
