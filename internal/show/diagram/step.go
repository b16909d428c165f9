package diagram

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// step is something that a member did at a moment: it wrote or settled
// batches, sent or received a frame, went by another view from then on. Programs that draw space-time diagrams
// call it an event.
type step struct {
	at      time.Duration
	who     member.ID
	order   uint32 // in the trace
	kind    stepKind
	frame   int32   // of those that sent or received
	batches []int32 // of all kinds but installing
	mark    *Mark   // of those that installed a view
}

type stepKind uint8

const (
	stepWrites stepKind = iota
	stepSettles
	stepSends
	stepReceives
	stepInstalls
)

// stepsOf returns what members did with some batches in a view, and with some
// frames, in the order of the trace. What settles in one moment is one step.
func (r *Run) stepsOf(v *View, batches, frames []int32) []step {
	var steps []step
	for _, i := range batches {
		b := &r.Batches[i]
		if at := b.Held[b.Stream]; at >= v.From && at <= v.To {
			steps = append(steps, step{at: at, who: b.Stream, order: b.wrote, kind: stepWrites, frame: nothing, batches: []int32{i}})
		}
	}
	steps = append(steps, r.settlings(v, batches)...)
	for _, i := range frames {
		f := &r.Frames[i]
		steps = append(steps, step{at: f.Sent, who: f.From, order: f.sent, kind: stepSends, frame: i, batches: r.carries(f)})
		if f.Got >= 0 {
			steps = append(steps, step{at: f.Got, who: f.To, order: f.got, kind: stepReceives, frame: i, batches: r.carries(f)})
		}
	}
	for i := range r.Marks {
		if mark := &r.Marks[i]; mark.Kind == trace.Install && mark.At >= v.From && mark.At <= v.To {
			steps = append(steps, step{at: mark.At, who: mark.Member, order: mark.seen, kind: stepInstalls, frame: nothing, mark: mark})
		}
	}
	slices.SortFunc(steps, func(x, y step) int { return cmp.Compare(x.order, y.order) })
	return steps
}

// settlings returns the steps of a view in which batches settled.
func (r *Run) settlings(v *View, batches []int32) []step {
	type moment struct {
		at  time.Duration
		who member.ID
	}
	place := map[moment]int{}
	var steps []step
	for _, i := range batches {
		b := &r.Batches[i]
		for m, at := range b.Settled {
			if at < v.From || at > v.To {
				continue
			}
			key := moment{at, member.ID(m)}
			if k, ok := place[key]; ok {
				steps[k].batches = append(steps[k].batches, i)
				steps[k].order = min(steps[k].order, b.settledAs[m])
				continue
			}
			place[key] = len(steps)
			steps = append(steps, step{at: at, who: member.ID(m), order: b.settledAs[m], kind: stepSettles, frame: nothing, batches: []int32{i}})
		}
	}
	for k := range steps {
		slices.SortFunc(steps[k].batches, r.byPosition)
	}
	return steps
}

// labelsShown is how many batches the words of a step name.
const labelsShown = 6

// words returns what happened in a step, without who did it.
func (r *Run) words(s *step) string {
	if s.kind == stepInstalls {
		return "goes by " + s.mark.View.Words(r.names())
	}
	what := "marks"
	if len(s.batches) > 0 {
		var labels []string
		for _, i := range s.batches[:min(len(s.batches), labelsShown)] {
			labels = append(labels, r.label(&r.Batches[i]))
		}
		if more := len(s.batches) - len(labels); more > 0 {
			labels = append(labels, "and "+count(more, "batch")+" more")
		}
		what = strings.Join(labels, ", ")
	}
	switch s.kind {
	case stepWrites:
		return "writes " + what
	case stepSettles:
		return "settles " + what
	case stepSends:
		to := " to " + r.names()[r.Frames[s.frame].To]
		if r.lost(&r.Frames[s.frame]) {
			to += ", lost"
		}
		return "sends " + what + to
	default:
		return "gets " + what + " from " + r.names()[r.Frames[s.frame].From]
	}
}
