package outlook

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/film"
)

// story tells in words what the member sees: events as they happen, and a
// headline that says what is the case.
type story struct {
	met      bool
	view     uint64
	writable bool
	silent   []bool // who is not heard, though it was
	ever     []bool // who was ever heard
	waits    []member.ID
	waited   time.Time
	spans    []span
	opened   int
}

// span is how long a member is not heard.
type span struct {
	film.Span
	who member.ID
}

func newStory(members int) story {
	return story{writable: true, silent: make([]bool, members), ever: make([]bool, members)}
}

func (o *Outlook) say(kind, sign, format string, args ...any) {
	o.step.Words = append(o.step.Words, film.Word{At: o.at, Kind: kind, Sign: sign, Text: fmt.Sprintf(format, args...)})
}

// tell says what has changed since the last look.
func (y *story) tell(o *Outlook, s *chatterbox.Status) {
	for i := range s.Members {
		y.hears(o, member.ID(i), &s.Members[i])
	}
	if met := met(s); met && !y.met {
		y.met = true
		o.say(film.KindGood, "○", "all have met: settling begins")
	}
	y.changes(o, s)
	if writable := s.Writable == nil || !y.met || s.Members[o.self].Observing; writable != y.writable {
		y.writable = writable
		if writable {
			o.say(film.KindGood, "○", "%s writes again", s.Name)
		} else {
			o.say(film.KindBad, "✕", "%s takes nothing: %s", s.Name, because(s.Writable))
		}
	}
	y.settles(o, s)
}

// changes says who belongs to the cluster when that has changed.
func (y *story) changes(o *Outlook, s *chatterbox.Status) {
	if s.View.Number == y.view {
		return
	}
	if y.view = s.View.Number; y.view < 2 {
		return
	}
	view := trace.View{Number: y.view}
	for _, id := range inState(s, true) {
		view.Out.Add(id)
	}
	names := slices.Clone(o.names)
	for i := range s.Members {
		if s.Members[i].Observing {
			names[i] += " (only reads)"
		}
	}
	o.say(film.KindGood, "◇", "%s", view.Words(names))
}

// inState returns the members of the view, or who was evicted.
func inState(s *chatterbox.Status, out bool) (ids []member.ID) {
	for i := range s.Members {
		if s.Members[i].Evicted == out {
			ids = append(ids, member.ID(i))
		}
	}
	return ids
}

// met reports whether the members have agreed who they are.
func met(s *chatterbox.Status) bool {
	return s.Settled > 0 || s.Writable == nil || s.Ready == nil
}

// hears says who is not heard any more, and who is again.
func (y *story) hears(o *Outlook, id member.ID, m *chatterbox.MemberStatus) {
	if id == o.self || m.Heard.IsZero() {
		return
	}
	switch silent := !o.heard(m) && !m.Evicted && !m.Observing; {
	case !y.ever[id] && !silent:
		y.ever[id] = true
		o.say(film.KindPlain, "▸", "%s is heard", m.Name)
	case silent && !y.silent[id]:
		y.silent[id] = true
		o.say(film.KindBad, "✕", "%s is not heard%s", m.Name, colon(m.Trouble))
		y.opened++
		open := film.Span{Number: y.opened, At: o.micros(m.Heard), Hard: true, Label: m.Name + " not heard"}
		y.spans = append(y.spans, span{open, id})
		o.step.Opened = append(o.step.Opened, open)
	case !silent && y.silent[id]:
		y.silent[id] = false
		at := slices.IndexFunc(y.spans, func(s span) bool { return s.who == id })
		away := time.Duration(o.at-y.spans[at].At) * time.Microsecond
		if !m.Evicted {
			o.say(film.KindGood, "○", "%s is heard again, after %s", m.Name, seconds(away))
		}
		o.step.Closed = append(o.step.Closed, int64(y.spans[at].Number), o.at)
		y.spans = slices.Delete(y.spans, at, at+1)
	}
}

// settles says whom settling waits for, and when it goes on.
func (y *story) settles(o *Outlook, s *chatterbox.Status) {
	waits := culprits(s)
	if slices.Equal(waits, y.waits) {
		return
	}
	switch {
	case len(waits) > 0:
		if len(y.waits) == 0 {
			y.waited = o.wall
		}
		o.say(film.KindWait, "◔", "settling waits for %s", o.list(waits))
	default:
		o.say(film.KindGood, "○", "settling goes on, after %s", seconds(o.wall.Sub(y.waited)))
	}
	y.waits = waits
}

func culprits(s *chatterbox.Status) []member.ID {
	var waits []member.ID
	for i := range s.Members {
		if !s.Members[i].HoldsUpSince.IsZero() {
			waits = append(waits, member.ID(i))
		}
	}
	return waits
}

// waitsSub is what stands below when all is well.
const waitsSub = "The oldest tentative entry has waited {lag}."

// headline returns what is the case. What is worst comes first.
func (y *story) headline(o *Outlook, s *chatterbox.Status) film.Headline {
	waits := culprits(s)
	waitsFor := ""
	if len(waits) > 0 {
		waitsFor = s.Name + " waits for " + o.list(waits) + ": {lag} by now."
	}
	members := slices.DeleteFunc(inState(s, false), func(id member.ID) bool { return s.Members[id].Observing && id != o.self })
	var quiet, never []member.ID
	for i := range s.Members {
		switch {
		case member.ID(i) == o.self || s.Members[i].Evicted || s.Members[i].Observing:
		case s.Members[i].Heard.IsZero():
			never = append(never, member.ID(i))
		case y.silent[i]:
			quiet = append(quiet, member.ID(i))
		}
	}
	switch {
	case !y.met:
		return y.meeting(o, s, never)
	case !y.writable:
		return film.Headline{Kind: film.KindBad, Say: s.Name + " takes nothing.", Sub: capital(because(s.Writable)) + "."}
	case len(quiet) > 0 && len(quiet) == len(members)-1:
		return film.Headline{Kind: film.KindBad, Say: s.Name + " hears nobody.", Sub: or(waitsFor, "What is written now settles once the others are heard.")}
	case len(quiet) > 0 && len(waits) > 0:
		return film.Headline{Kind: film.KindBad, Say: o.list(quiet) + plural(len(quiet), " is", " are") + " not heard.", Sub: waitsFor}
	case len(quiet) > 0 && s.Ready == nil:
		return film.Headline{
			Kind: film.KindWait, Say: s.Name + " does not hear " + o.list(quiet) + "; others pass it on.", Sub: "Everything settles all the same.",
		}
	case len(quiet) > 0:
		return film.Headline{
			Kind: film.KindBad, Say: o.list(quiet) + plural(len(quiet), " is", " are") + " not heard.",
			Sub: "What is written now settles once " + plural(len(quiet), "it is", "they are") + " heard again.",
		}
	case len(waits) > 0:
		return film.Headline{Kind: film.KindWait, Say: "Settling is behind.", Sub: waitsFor}
	case s.Members[o.self].Observing && s.Ready == nil:
		return film.Headline{Say: s.Name + " only reads. Everything settles.", Sub: waitsSub}
	case len(members) == 1:
		return film.Headline{Say: "One member, by itself. Everything settles.", Sub: waitsSub}
	case len(members) == 2:
		other := slices.DeleteFunc(members, func(id member.ID) bool { return id == o.self })
		return film.Headline{Say: s.Name + " hears " + o.list(other) + ". Everything settles.", Sub: waitsSub}
	}
	all := "both"
	if others := len(members) - 1; others > 2 {
		all = fmt.Sprintf("all %d", others)
	}
	return film.Headline{Say: s.Name + " hears " + all + " others. Everything settles.", Sub: waitsSub}
}

// meeting returns who is missing before anything can settle.
func (y *story) meeting(o *Outlook, s *chatterbox.Status, never []member.ID) film.Headline {
	h := film.Headline{Say: "Getting to know each other.", Sub: "Nothing settles before all members have met."}
	if len(never) > 0 {
		h.Say = "Waiting for " + o.list(never) + " to start."
		if trouble := s.Members[never[0]].Trouble; trouble != "" && len(never) == 1 {
			h.Sub = capital(trouble) + ". Nothing settles before all members have met."
		}
	}
	return h
}

func (y *story) openSpans() []film.Span {
	var spans []film.Span
	for _, open := range y.spans {
		spans = append(spans, open.Span)
	}
	return spans
}

// namedMax is how many members a sentence names.
const namedMax = 6

// list names members.
func (o *Outlook) list(ids []member.ID) string {
	var names []string
	for i, id := range ids {
		if i == namedMax-1 && len(ids) > namedMax {
			return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", len(ids)-i)
		}
		names = append(names, o.names[id])
	}
	return strings.Join(names, ", ")
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "chatterbox: ")
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func plural(count int, one, many string) string {
	if count == 1 {
		return one
	}
	return many
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// seconds writes a time with tenths of a second.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
