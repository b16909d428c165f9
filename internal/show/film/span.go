package film

import (
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/scene"
)

// openSpan is something that is wrong at present.
type openSpan struct {
	Span
	links  [][2]member.ID // that it is about; none: about a member
	action failure.Action
	member member.ID
	state  scene.State
}

// spansMax is how many things are wrong at a time, as far as they are shown.
const spansMax = 64

// openLinkSpan notes what a line of the failure map does to links.
func (f *Film) openLinkSpan(note string) {
	lines, err := failure.Parse(strings.NewReader(note), "fault")
	if err != nil || len(lines) != 1 || lines[0].Arrow == failure.NoLink || lines[0].Action == failure.Heal {
		return
	}
	open := openSpan{action: lines[0].Action}
	n := len(f.scene.Members)
	for i := range n * n {
		from, to := member.ID(i/n), member.ID(i%n)
		if link := f.scene.Link(from, to); link.Since == f.scene.Now && fails(link.Failure, open.action) {
			open.links = append(open.links, [2]member.ID{from, to})
		}
	}
	if len(open.links) > 0 {
		lines[0].At, lines[0].Every, lines[0].Until = 0, 0, 0
		_, text, _ := strings.Cut(strings.Join(strings.Fields(lines[0].String()), " "), " ")
		f.open(open, lines[0].Action == failure.Cut, text)
	}
}

func (f *Film) openMemberSpan(e *trace.Event) {
	name := f.scene.Members[e.Member].Name
	switch e.Kind {
	case trace.Crash:
		f.open(openSpan{member: e.Member, state: scene.Down}, true, name+" down")
	case trace.Pause:
		f.open(openSpan{member: e.Member, state: scene.Paused}, true, name+" paused")
	}
}

func (f *Film) open(open openSpan, hard bool, text string) {
	if len(f.spans) >= spansMax {
		return
	}
	f.spansAll++
	text = strings.NewReplacer("<->", "↔", "->", "→").Replace(text)
	open.Span = Span{Number: f.spansAll, At: micros(f.scene.Now), Hard: hard, Label: text}
	f.spans = append(f.spans, open)
	f.step.Opened = append(f.step.Opened, open.Span)
}

// closeSpans notes what is not wrong any more.
func (f *Film) closeSpans() {
	kept := f.spans[:0]
	for _, open := range f.spans {
		if f.lasts(&open) {
			kept = append(kept, open)
		} else {
			f.step.Closed = append(f.step.Closed, int64(open.Number), micros(f.scene.Now))
		}
	}
	f.spans = kept
}

func (f *Film) lasts(open *openSpan) bool {
	if open.links == nil {
		return f.scene.Members[open.member].State == open.state
	}
	for _, ends := range open.links {
		if fails(f.scene.Link(ends[0], ends[1]).Failure, open.action) {
			return true
		}
	}
	return false
}

// fails reports whether a link fails in the way of an action.
func fails(l failure.Link, action failure.Action) bool {
	switch action {
	case failure.Cut:
		return l.Cut
	case failure.Drop:
		return l.Drop > 0
	case failure.Repeat:
		return l.Repeat > 0
	case failure.Reorder:
		return l.Reorder > 0
	case failure.Delay:
		return l.DelayMax != time.Duration(0)
	default:
		return l.BytesPerSecond > 0
	}
}
