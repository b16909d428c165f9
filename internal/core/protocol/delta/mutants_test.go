package delta_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/mutant"
)

// plot is a storm in which a rule matters, and what the judge says when the
// rule is broken.
type plot struct {
	play  func(seed uint64, broken mutant.Mutant) string
	finds []string // the checks that may find it, as the verdict begins
}

// plots has one for each broken variant of this reducer.
func plots() map[mutant.Mutant]plot {
	rough := storming(weather{members: 4, loss: 0.3, cuts: 0.005})
	restarts := storming(weather{members: 3, durable: true, loss: 0.1, crashes: 0.005})
	restartsAlone := storming(weather{members: 2, durable: true, cuts: 0.01, crashes: 0.005})
	losses := storming(weather{members: 4, durable: true, loss: 0.1, cuts: 0.002, crashes: 0.003, amnesia: 0.5})
	return map[mutant.Mutant]plot{
		"view-self-counts":               {changing, []string{"taken back"}},
		"view-wedged-rows-count":         {changing, []string{"taken back"}},
		"view-one-holder-less":           {changing, []string{"taken back"}},
		"view-lowest-base":               {changing, []string{"taken back"}},
		"view-vote-forgotten":            {changing, []string{"one view", "taken back"}},
		"view-not-told":                  {changing, []string{"progress"}},
		"view-orphans-count":             {returning, []string{"content", "order"}},
		"view-stream-dropped":            {returning, []string{"progress"}},
		"promise-without-prefix":         {rough, []string{"promise"}},
		"clock-reset-on-restart":         {restartsAlone, []string{"late", "promise", "stream"}},
		"merge-without-max":              {rough, []string{"forgets"}},
		"sent-used-as-known":             {rough, []string{"belief"}},
		"trim-by-partial-minimum":        {rough, []string{"trim"}},
		"ack-before-durable":             {restarts, []string{"durable"}},
		"deliver-on-stability":           {rough, []string{"order"}},
		"tie-without-origin":             {rough, []string{"order"}},
		"no-rewind":                      {rough, []string{"progress"}},
		"rewind-each-tick":               {calmly, []string{"copies"}},
		"relay-by-everyone":              {calmly, []string{"copies"}},
		"no-null-promises":               {oneIdle, []string{"prompt"}},
		"snapshot-at-delivered-frontier": {losses, []string{"snapshot"}},
		"old-identity-accepted":          {losses, []string{"belief", "content", "gather"}},
		"no-relayed-rows":                {inLine, []string{"progress"}},
		"no-push-for-one-way-links":      {unheard, []string{"progress"}},
		"clock-merge-omitted":            {oneIdle, []string{"prompt"}},
		"parked-not-sent":                {tight(true), []string{"progress"}},
		"parked-not-delivered":           {tight(true), []string{"order"}},
		"parked-without-journal":         {tight(false), []string{"parked"}},
	}
}

// changing has members let go in several storms, up to the first one in which
// something is wrong. A member that finds that it delivered what a view cuts off
// panics.
func changing(seed uint64, broken mutant.Mutant) (found string) {
	return several(evicting, seed, broken)
}

// returning has members go, come back and join in several storms in the same way.
func returning(seed uint64, broken mutant.Mutant) (found string) {
	return several(coming, seed, broken)
}

// several plays storms up to the first one in which something is wrong.
func several(weatherOf func(seed uint64) weather, seed uint64, broken mutant.Mutant) (found string) {
	defer func() {
		if cause := recover(); cause != nil {
			found = fmt.Sprintf("taken back: %v", cause)
		}
	}()
	for i := seed * evictingTries; i < (seed+1)*evictingTries && found == ""; i++ {
		w := weatherOf(i)
		w.mutant = broken
		found = play(i, w)
	}
	return found
}

// evictingTries is how many storms with changes one of a mutant's is.
const evictingTries = 20

// tight has little memory for all that cut members lack.
func tight(durable bool) func(seed uint64, broken mutant.Mutant) string {
	return storming(weather{members: 3, durable: durable, cuts: 0.01, sizeMax: 1000, memory: 20_000, sendEvery: 10})
}

func storming(w weather) func(seed uint64, broken mutant.Mutant) string {
	return func(seed uint64, broken mutant.Mutant) string {
		w.mutant = broken
		return play(seed, w)
	}
}

// calmly has nothing fail, and counts copies.
func calmly(seed uint64, broken mutant.Mutant) string {
	s := newStorm(seed, weather{members: 4, mutant: broken, calm: true, delayMin: 10, delayRange: 3})
	s.run(time.Second, true)
	for _, n := range s.nodes {
		if status := n.reducer.Status(); status.CopiesIn > status.AppendsIn+status.AppendsIn/20 {
			s.judge.fault("copies", "member %d got %d batches to append %d", n.id, status.CopiesIn, status.AppendsIn)
		}
	}
	return s.judge.verdict
}

// oneIdle has nothing fail and one member that says nothing: all but the
// newest must settle while the others go on.
func oneIdle(seed uint64, broken mutant.Mutant) string {
	s := newStorm(seed, weather{members: 3, mutant: broken, idle: 1})
	s.run(time.Second, true)
	for _, n := range s.nodes {
		if delivered := s.judge.position[n.id]; delivered < s.sent*9/10 {
			s.judge.fault("prompt", "member %d delivered %d of %d batches", n.id, delivered, s.sent)
		}
	}
	return s.judge.verdict
}

// inLine has four members that each hear their neighbours alone.
func inLine(seed uint64, broken mutant.Mutant) string {
	s := newStorm(seed, weather{members: 4, mutant: broken})
	for i := range s.members {
		for k := range s.members {
			s.setCut(i, k, k < i-1 || k > i+1)
		}
	}
	return s.finish()
}

// unheard has a member that hears nobody but those who do not hear it, and is
// heard by one whom it does not hear.
func unheard(seed uint64, broken mutant.Mutant) string {
	s := newStorm(seed, weather{members: 4, mutant: broken})
	s.setCut(0, 2, true)
	s.setCut(2, 1, true)
	s.setCut(2, 3, true)
	return s.finish()
}

// TestEveryMutantIsCaught: where the sound reducer passes, each mutant breaks
// in a way that the judge sees.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, broken := range mutant.Built(mutant.Delta) {
		t.Run(string(broken), func(t *testing.T) {
			p, ok := plots()[broken]
			if !ok && inScript(broken) {
				t.Skip("a script shows what it breaks")
			}
			if !ok && onlySimulated(broken) {
				t.Skip("a schedule of package sim shows what it breaks")
			}
			if !ok {
				t.Fatal("no storm in which the rule matters, and no script")
			}
			check, found := "", ""
			for seed := uint64(0); seed < 10 && !slices.Contains(p.finds, check); seed++ {
				if verdict := p.play(seed, mutant.None); verdict != "" {
					t.Errorf("seed %d: the sound reducer breaks: %s", seed, verdict)
				}
				found = p.play(seed, broken)
				check, _, _ = strings.Cut(found, ":")
			}
			if !slices.Contains(p.finds, check) {
				t.Errorf("found by %q, want it to be found by one of %v", found, p.finds)
			}
		})
	}
}

// onlySimulated reports whether a mutant breaks what storms do not have: that members let
// go of who is away, stop as planned, hear of nobody who knows where a newcomer is seated,
// go by another history, go on by force, or have an older folder; that who is back gets a
// state; and that most lose their data where one cannot be heard.
func onlySimulated(broken mutant.Mutant) bool {
	switch broken {
	case "view-newcomer-unheard", "view-other-history-heard", "view-other-entries-trusted", "silent-not-told",
		"view-parted-in-silence", "view-survivor-delivers", "view-orphans-dropped", "view-shown-forgotten":
		return true
	}
	return strings.Contains(string(broken), "suspected") || strings.HasPrefix(string(broken), "view-stop-")
}
