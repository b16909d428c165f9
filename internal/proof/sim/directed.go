package sim

import (
	"embed"
	"fmt"
	"slices"

	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/cost"
	"chatterbox/internal/proof/mutant"
)

//go:embed directed/*.txt
var directedFiles embed.FS // go:embed demands a package variable; nothing writes to it

// Directed returns the schedule made to catch a mutant of a protocol where random
// search is weak, and whether there is one.
func Directed(protocol string, m mutant.Mutant) (Config, bool) {
	name := fmt.Sprintf("directed/%s-%s.txt", protocol, m)
	text, err := directedFiles.ReadFile(name)
	if err != nil {
		return Config{}, false
	}
	c, err := ParseCase(text, name)
	if err != nil {
		panic(fmt.Sprintf("sim: a shipped schedule is wrong: %v", err))
	}
	c.Mutant = m
	return c, true
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
// sound protocol breaks in the same run as well does not count. One that breaks
// no promise is caught if its first [SeedsOfCost] runs cost more than the sound
// protocol's.
func (r *Runner) Hunt(protocol string, m mutant.Mutant, seeds uint64) (Catch, bool, error) {
	if c, ok := Directed(protocol, m); ok {
		if v, caught, err := r.catches(c); caught || err != nil {
			return Catch{Directed: true, Config: c, Violation: v}, caught, err
		}
	}
	for seed := range seeds {
		c := Config{Protocol: protocol, Seed: seed, Mutant: m, Changes: m.OfViews()}
		v, caught, err := r.catches(c)
		if !caught && err == nil && seed+1 == SeedsOfCost && !c.Changes {
			v, caught, err = r.costsMore(protocol, m)
		}
		if caught || err != nil {
			return Catch{Seeds: seed + 1, Config: c, Violation: v}, caught, err
		}
	}
	return Catch{}, false, nil
}

// SeedsOfCost is how many runs tell the cost of a mutant from that of the
// sound protocol: of those that break no promise, it is many times as much.
const SeedsOfCost = 20

// costsMore reports whether runs of a mutant cost more than those of the sound
// protocol, as the check that notes it in a single run.
func (r *Runner) costsMore(protocol string, m mutant.Mutant) (check.Violation, bool, error) {
	var sheets [2]cost.Sheet // sound and broken
	for i, which := range []mutant.Mutant{mutant.None, m} {
		for seed := range uint64(SeedsOfCost) {
			result, err := r.Run(Config{Protocol: protocol, Seed: seed, Mutant: which})
			if err != nil {
				return check.Violation{}, false, err
			}
			sheets[i].Add(result.Costs)
		}
	}
	sound, broken := sheets[0].Rows(), sheets[1].Rows()
	for _, measure := range cost.Measures() {
		at := func(row cost.Row) bool { return row.Name == measure.Name }
		i, k := slices.IndexFunc(sound, at), slices.IndexFunc(broken, at)
		if measure.Check == "" || i < 0 || k < 0 {
			continue
		}
		if how := cost.Worse(sound[i], broken[k]); how != "" {
			return check.Violation{Check: measure.Check, Text: fmt.Sprintf("%s: %s is worse: %+v, sound %+v", measure.Doc, how, broken[k], sound[i])}, true, nil
		}
	}
	return check.Violation{}, false, nil
}

// catches returns the first violation of a run that the sound protocol does not
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
