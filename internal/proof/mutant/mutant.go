// Package mutant breaks the protocols on purpose, one rule at a time, to prove
// the checks: whoever breaks a rule must be caught.
//
// A [Mutant] is a patch of the source of a protocol, a file in the folder of
// its name: a sentence that says what it breaks, and a few changes (patch.go
// tells their form). The source itself knows nothing of them. [WriteOverlay]
// applies them to copies of it, and gives what go build and go test take as
// -overlay: in a program that was built so, [NewDelta], [NewLockstep] and
// [NewSynod] make broken ones beside the sound ones. In any other program they
// make the sound ones alone.
//
//	go test ./internal/proof/mutant                           every mutant, all checks
//	go run ./cmd/chatterbox sim --mutant no-rewind            one of them
package mutant

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/core/protocol/lockstep"
	"chatterbox/internal/core/protocol/synod"
)

// Mutant is the name of a broken variant, as the command line spells it. The
// zero value is None.
type Mutant string

// None is the sound protocol.
const None Mutant = ""

// The protocols, as the command line spells them. Each has a folder of patches.
const (
	Delta    = "delta"
	Lockstep = "lockstep"
	Synod    = "synod" // the choice of views
)

const suffix = ".patch"

//go:embed delta/*.patch delta/rules/*.patch lockstep/*.patch synod/*.patch
var patches embed.FS // go:embed demands a package variable; nothing writes to it

// Of returns the mutants of a protocol, by name.
func Of(protocol string) []Mutant { return in(protocol, "") }

// Rules returns further rules of a protocol that can be left out, as mutants
// that no check need catch: what that does is what one wants to know.
func Rules(protocol string) []Mutant { return in(protocol, "rules/") }

// in returns the mutants in a folder of a protocol.
func in(protocol, folder string) []Mutant {
	files, err := patches.ReadDir(path.Join(protocol, folder))
	if err != nil {
		return nil // there is no such protocol, or it has none
	}
	var all []Mutant
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), suffix); ok {
			all = append(all, Mutant(folder+name))
		}
	}
	return all
}

// All returns the names of the mutants of both reducers, each once, sorted.
func All() []Mutant {
	all := append(Of(Delta), Of(Lockstep)...)
	slices.Sort(all)
	return slices.Compact(all)
}

// text returns the patch of a mutant; "" if the protocol has no such one.
func (m Mutant) text(protocol string) string {
	text, err := patches.ReadFile(path.Join(protocol, string(m)+suffix))
	if err != nil {
		return ""
	}
	return string(text)
}

// Doc returns in one sentence what the mutant of a protocol does wrong; "" for a
// name that it does not have.
func (m Mutant) Doc(protocol string) string {
	sentence, _, _ := strings.Cut(m.text(protocol), "\n")
	return sentence
}

// OfViews reports whether the mutant breaks a rule of what members do when others
// come and go: its name says so.
func (m Mutant) OfViews() bool { return strings.HasPrefix(string(m), "view-") }

// Built returns the mutants of a protocol that this program can make reducers
// of. The sound protocol is in every program.
func Built(protocol string) []Mutant {
	var all []Mutant
	for _, v := range built() {
		if v.Protocol == protocol {
			all = append(all, v.Mutant)
		}
	}
	return all
}

// NewDelta makes a reducer of a mutant, which must be built in.
func NewDelta(m Mutant, c delta.Config) protocol.Reducer {
	if m == None {
		return delta.New(c)
	}
	return must(newDelta(m, c), Delta, m)
}

// NewLockstep makes a reducer of a mutant, which must be built in.
func NewLockstep(m Mutant, c lockstep.Config) protocol.Reducer {
	if m == None {
		return lockstep.New(c)
	}
	return must(newLockstep(m, c), Lockstep, m)
}

// Choosing is what a synod does; see there.
type Choosing interface {
	View() *member.View
	Wedged() bool
	Halted() bool
	Choice() *protocol.Choice
	Ask(member.Change) error
	Asks() *member.Change
	Join(*protocol.Choice, time.Duration)
	Step(time.Duration, synod.Log) (*protocol.VoteRecord, *member.View)
	Due() (time.Duration, bool)
	Adopt(*member.View) (bool, error)
}

// NewSynod makes a synod of a mutant, which must be built in.
func NewSynod(m Mutant, c synod.Config) Choosing {
	if m == None {
		return synod.New(c)
	}
	return must(newSynod(m, c), Synod, m)
}

func must[T comparable](made T, protocol string, m Mutant) T {
	if none := *new(T); made == none {
		panic(fmt.Sprintf("mutant: this program was built without %s of %s", m, protocol))
	}
	return made
}
