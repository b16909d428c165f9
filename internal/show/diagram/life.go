package diagram

import (
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/trace"
)

// life is a piece of a member's line.
type life struct {
	span
	class string
}

// livesOf returns when a member ran, was paused and did not run.
func livesOf(r *Run, who member.ID) []life {
	class, since := "dead", time.Duration(0)
	var lives []life
	for i := range r.Marks {
		mark := &r.Marks[i]
		if mark.Member != who {
			continue
		}
		var next string
		switch mark.Kind {
		case trace.Start, trace.Resume:
			next = "lane"
		case trace.Crash:
			next = "dead"
		case trace.Pause:
			next = "lane still"
		default:
			continue
		}
		if next != class {
			lives = append(lives, life{span{since, mark.At}, class})
			class, since = next, mark.At
		}
	}
	return append(lives, life{span{since, r.End}, class})
}

// lifeEvent is something that happened to a member, in words.
type lifeEvent struct {
	at    time.Duration
	who   member.ID
	text  string
	crash bool
}

// lifeEvents returns what happened to members besides their first start, if
// that was the run's.
func (r *Run) lifeEvents() []lifeEvent {
	var events []lifeEvent
	born := make([]bool, len(r.names()))
	for i := range r.Marks {
		mark := &r.Marks[i]
		e := lifeEvent{at: mark.At, who: mark.Member, crash: mark.Kind == trace.Crash}
		switch mark.Kind {
		case trace.Start:
			switch {
			case born[mark.Member]:
				e.text = "starts again"
			case mark.At > lateAfter:
				e.text = "starts"
			}
			born[mark.Member] = true
		case trace.Crash:
			e.text = "crashes"
			if mark.Text == check.DataLost {
				e.text = "crashes, loses its data"
			}
		case trace.Pause:
			e.text = "is paused"
		case trace.Resume:
			e.text = "goes on"
		}
		if e.text != "" {
			events = append(events, e)
		}
	}
	return events
}

// lateAfter is how long after the start of the run a member starts late:
// processes take a while.
const lateAfter = 500 * time.Millisecond

// faultsAt returns the lines of the failure map that took effect at the time
// of a mark, and the last mark of them.
func (r *Run) faultsAt(i int) (text string, last int) {
	texts := []string{said(&r.Marks[i])}
	for i+1 < len(r.Marks) && r.Marks[i+1].Kind == trace.Fault && r.Marks[i+1].At == r.Marks[i].At {
		i++
		texts = append(texts, said(&r.Marks[i]))
	}
	return strings.Join(texts, "; "), i
}
