package sim

import (
	"embed"
	"fmt"

	"chatterbox/check"
	"chatterbox/protocol/mutant"
)

//go:embed directed/*.txt
var directedFiles embed.FS // go:embed demands a package variable; nothing writes to it

// Directed gives the schedule made to catch a mutant of a protocol where random
// search is weak, and whether there is one.
func Directed(protocol string, m mutant.Mutant) (Config, bool) {
	name := fmt.Sprintf("directed/%s-%s.txt", protocol, m)
	text, err := directedFiles.ReadFile(name)
	if err != nil {
		return Config{}, false
	}
	c, err := ParseCase(string(text), name)
	if err != nil {
		panic(fmt.Sprintf("sim: a shipped schedule is wrong: %v", err))
	}
	c.Mutant = m
	return c, true
}

// Mutants gives the mutants that a protocol has.
func Mutants(protocol string) []mutant.Mutant {
	if protocol == Lockstep {
		return mutant.Of(mutant.Lockstep)
	}
	return mutant.Of(mutant.Delta)
}

// Catch says how a mutant was caught.
type Catch struct {
	Directed  bool   // by its directed schedule
	Seeds     uint64 // random runs that it took, the catching one included
	Config    Config // of the run that caught it
	Violation check.Violation
}

// Hunt runs a mutant until a check catches it: its directed schedule first, if
// there is one, then random runs from seed 0 up to a number of seeds. What the
// sound protocol breaks in the same run as well does not count.
func (r *Runner) Hunt(protocol string, m mutant.Mutant, seeds uint64) (Catch, bool, error) {
	if c, ok := Directed(protocol, m); ok {
		if v, caught, err := r.catches(c); caught || err != nil {
			return Catch{Directed: true, Config: c, Violation: v}, caught, err
		}
	}
	for seed := range seeds {
		c := Config{Protocol: protocol, Seed: seed, Mutant: m}
		if v, caught, err := r.catches(c); caught || err != nil {
			return Catch{Seeds: seed + 1, Config: c, Violation: v}, caught, err
		}
	}
	return Catch{}, false, nil
}

// catches gives the first violation of a run that the sound protocol does not
// have in the same run.
func (r *Runner) catches(c Config) (check.Violation, bool, error) {
	broken, err := r.Run(c)
	if err != nil || !broken.Failed() {
		return check.Violation{}, false, err
	}
	c.Mutant = mutant.None
	sound, err := r.Run(c)
	for _, v := range broken.Violations {
		if err == nil && !sound.violates(v.Check) {
			return v, true, nil
		}
	}
	return check.Violation{}, false, err
}
