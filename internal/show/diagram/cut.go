package diagram

import (
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// span is a piece of time.
type span struct{ from, to time.Duration }

// cutting is a time in which the link between two neighbouring lines is cut:
// a wall that one can draw.
type cutting struct {
	span
	gap  int  // between the members gap and gap+1
	cut  bool // in one direction at least
	both bool // in both directions
}

// cutsOf returns when neighbours in the list cannot reach each other, as the lines
// of the failure map in the trace say. What is no such line changes nothing.
func cutsOf(r *Run) []cutting {
	list := make(member.List, len(r.names()))
	for i, name := range r.names() {
		list[i].Name = name
	}
	present := failure.NewPresent(list)
	open := make([]cutting, max(len(list)-1, 0)) // of each gap; without an end where nothing is cut
	var cuts []cutting
	for i := range r.Marks {
		line, ok := lineOf(&r.Marks[i])
		if !ok || line.Arrow == failure.NoLink {
			continue
		}
		if _, _, err := present.Happens(&line); err != nil {
			continue
		}
		for gap := range open {
			up, down := member.ID(gap), member.ID(gap+1)
			there, back := present.Link(up, down).Cut, present.Link(down, up).Cut
			now := cutting{gap: gap, cut: there || back, both: there && back}
			if now.cut == open[gap].cut && now.both == open[gap].both {
				continue
			}
			cuts = closed(cuts, open[gap], line.At)
			now.span = span{line.At, r.End}
			open[gap] = now
		}
	}
	for gap := range open {
		cuts = closed(cuts, open[gap], r.End)
	}
	return cuts
}

// closed adds a cut that ends.
func closed(cuts []cutting, c cutting, at time.Duration) []cutting {
	if !c.cut || at == c.from {
		return cuts
	}
	c.to = at
	return append(cuts, c)
}

// lineOf reads the line of a failure map that took effect.
func lineOf(mark *Mark) (failure.Event, bool) {
	if mark.Kind != trace.Fault {
		return failure.Event{}, false
	}
	lines, err := failure.Parse(strings.NewReader(mark.Text), "trace")
	if err != nil || len(lines) != 1 {
		return failure.Event{}, false
	}
	line := lines[0]
	line.At, line.Every, line.Until = mark.At, 0, 0
	return line, true
}

// said returns what a fault says, without its times.
func said(mark *Mark) string {
	event, ok := lineOf(mark)
	if !ok {
		return mark.Text
	}
	event.At = 0
	text := strings.TrimPrefix(event.String(), "0s ")
	return strings.ReplaceAll(strings.ReplaceAll(text, "<->", "↔"), "->", "→")
}
