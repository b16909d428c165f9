// Package draw checks properties of values that are drawn, the same ones in each
// run: a test that fails today for what it did not draw yesterday tells nobody
// what broke it. Others are drawn by
//
//	go test PACKAGE -rapid.seed 0 -rapid.checks 10000
//	RAPID_SEED=0 RAPID_CHECKS=10000 go test PACKAGE
//
// (0 is another seed each time), and what fails then is kept as a file beside the
// test, for -rapid.failfile.
package draw

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// Whole reports whether all that proves anything is wanted, as in CI's step proofs; else
// what takes longest is looked at in part, so that go test ./... stays quick.
func Whole() bool { return os.Getenv("CHATTERBOX_PROOFS") == "all" }

// Of returns how much there is to look at: all of it, or what is quick.
func Of(all, quick int) int {
	if Whole() {
		return all
	}
	return quick
}

// seed is what is drawn from unless somebody asks for another one.
const seed = "1"

// settle lets rapid draw from the seed, once.
func settle() {
	_, asked := os.LookupEnv("RAPID_SEED")
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.seed" })
	if asked {
		return
	}
	// They exist, for rapid is imported, and take these values.
	_ = flag.Set("rapid.seed", seed)
	_ = flag.Set("rapid.nofailfile", "true")
}

// Check demands that a property holds of all values that it draws.
func Check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	settle()
	rapid.Check(t, property)
}
