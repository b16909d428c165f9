package diagram

import (
	"fmt"
	"slices"
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

// livesOf returns when a member ran, was paused and did not run, and when it ran
// while the others went on without it.
func livesOf(r *Run, who member.ID) []life {
	class, since := "dead", time.Duration(0)
	var lives []life
	does := class
	var newest trace.View
	for i := range r.Marks {
		mark := &r.Marks[i]
		switch {
		case mark.Kind == trace.Install && mark.View.Number > newest.Number:
			newest = mark.View
		case mark.Member != who:
		case mark.Kind == trace.Start || mark.Kind == trace.Resume:
			does = "lane"
		case mark.Kind == trace.Crash:
			does = "dead"
		case mark.Kind == trace.Pause:
			does = "lane still"
		}
		next := does
		if does == "lane" && newest.Out.Has(who) {
			next = "lane out"
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
	view  bool // it goes by another view
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
		case trace.Install:
			e.text, e.view = r.viewText(mark), true
		}
		if e.text != "" {
			events = append(events, e)
		}
	}
	return events
}

// changes reports whether any member goes by another view than the first.
func (r *Run) changes() bool {
	return slices.ContainsFunc(r.Marks, func(m Mark) bool { return m.Kind == trace.Install })
}

// viewText says in few words by which view a member goes, and who is out of it.
func (r *Run) viewText(mark *Mark) string {
	text := fmt.Sprintf("view %d", mark.View.Number)
	if mark.View.Out.Has(mark.Member) {
		return text + ": is out"
	}
	var out []string
	for id, name := range r.names() {
		if mark.View.Out.Has(member.ID(id)) {
			out = append(out, name)
		}
	}
	switch {
	case len(out) == 0:
		return text + ": all"
	case len(out) > outShown:
		return text + fmt.Sprintf(": without %d", len(out))
	}
	return text + ": without " + strings.Join(out, ", ")
}

// outShown is how many members a mark names that are out.
const outShown = 3

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
