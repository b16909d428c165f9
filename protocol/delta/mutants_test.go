package delta_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/protocol/mutant"
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
	losses := storming(weather{members: 4, durable: true, loss: 0.1, cuts: 0.002, crashes: 0.003, amnesia: 0.5})
	return map[mutant.Mutant]plot{
		mutant.PromiseWithoutPrefix:        {rough, []string{"promise"}},
		mutant.ClockResetOnRestart:         {restarts, []string{"late", "promise", "stream"}},
		mutant.MergeWithoutMax:             {rough, []string{"forgets"}},
		mutant.SentUsedAsKnown:             {rough, []string{"belief"}},
		mutant.TrimByPartialMinimum:        {rough, []string{"trim"}},
		mutant.AckBeforeDurable:            {restarts, []string{"durable"}},
		mutant.DeliverOnStability:          {rough, []string{"order"}},
		mutant.TieWithoutOrigin:            {rough, []string{"order"}},
		mutant.NoRewind:                    {rough, []string{"progress"}},
		mutant.RewindEachTick:              {calmly, []string{"copies"}},
		mutant.RelayByEveryone:             {calmly, []string{"copies"}},
		mutant.NoNullPromises:              {oneIdle, []string{"prompt"}},
		mutant.SnapshotAtDeliveredFrontier: {losses, []string{"snapshot"}},
		mutant.OldIdentityAccepted:         {losses, []string{"belief", "content", "gather"}},
		mutant.NoRelayedRows:               {inLine, []string{"progress"}},
		mutant.NoPushForOneWayLinks:        {unheard, []string{"progress"}},
		mutant.ClockMergeOmitted:           {oneIdle, []string{"prompt"}},
	}
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
	for _, broken := range mutant.Of(mutant.Delta) {
		t.Run(string(broken), func(t *testing.T) {
			p, ok := plots()[broken]
			if !ok {
				t.Fatal("no storm in which the rule matters")
			}
			found := ""
			for seed := uint64(0); seed < 10 && found == ""; seed++ {
				if verdict := p.play(seed, mutant.None); verdict != "" {
					t.Errorf("seed %d: the sound reducer breaks: %s", seed, verdict)
				}
				found = p.play(seed, broken)
			}
			check, _, _ := strings.Cut(found, ":")
			if !slices.Contains(p.finds, check) {
				t.Errorf("found by %q, want it to be found by one of %v", found, p.finds)
			}
		})
	}
}
