package sim_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// goings are when the others learned that a member does not count, and when it ended.
type goings struct {
	out, ended map[member.ID][]time.Duration
}

// Tell implements trace.Sink.
func (g *goings) Tell(e *trace.Event) {
	switch {
	case e.Kind == trace.Ends && e.Member != e.Stream:
		g.out[e.Stream] = append(g.out[e.Stream], e.At)
	case e.Kind == trace.Crash:
		g.ended[e.Member] = append(g.ended[e.Member], e.At)
	}
}

// left reports whether the others went on without a member after it was told to leave,
// and before it ended.
func (g *goings) left(id member.ID, told time.Duration) bool {
	for _, end := range g.ended[id] {
		for _, out := range g.out[id] {
			if told < out && out <= end {
				return true
			}
		}
	}
	return false
}

// TestDrawnMembersLeave: in random runs members leave, with their data and without, and
// mostly the others go on without them before they end.
func TestDrawnMembersLeave(t *testing.T) {
	seeds := uint64(draw.Of(200, 60))
	drawn, took := map[string]int{}, map[string]int{}
	runner := sim.NewRunner()
	for seed := range seeds {
		seen := &goings{out: map[member.ID][]time.Duration{}, ended: map[member.ID][]time.Duration{}}
		result := mustHold(t, runner, sim.Config{Seed: seed, Members: 3, Changes: true, Sink: seen})
		for _, e := range result.Map {
			how := e.Action.String()
			switch {
			case e.Action == failure.Leave && result.Shape.Journal:
				how += " with data"
			case e.Action == failure.Leave, e.Action == failure.Stop && !result.Shape.Journal:
			default:
				continue
			}
			for id := range member.ID(3) {
				if e.From.Names[0] != member.Letter(id) {
					continue
				}
				if drawn[how]++; seen.left(id, e.At) {
					took[how]++
				}
			}
		}
	}
	t.Logf("of %d runs, told to: %v, and went: %v", seeds, drawn, took)
	for _, how := range []string{"leave", "leave with data", "stop"} {
		if took[how] == 0 || took[how] < drawn[how]/4 {
			t.Errorf("%d members were told to %s, and %d went: too few to mean anything", drawn[how], how, took[how])
		}
	}
}
