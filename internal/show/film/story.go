package film

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/scene"
)

// story tells a run in words: events as they happen, and a headline that says
// what is the case.
type story struct {
	met    bool          // something has settled everywhere
	behind bool          // somebody was late when it was looked last
	since  time.Duration // when that began
	said   bool          // and for whom it is waited
	most   uint64        // tentative entries meanwhile
	over   bool          // nobody writes any more
	whole  bool          // it was said that all is settled
	healed time.Duration // when a link healed last; 0: never
	again  time.Duration // when settling went on last; 0: never
	placed uint64        // entries that found their place then
	view   uint64        // that was told of
	viewed time.Duration // when
}

// waitsAfter is how long somebody is late before it is said for whom: at first
// most of what it knows is only a little old.
const waitsAfter = 150 * time.Millisecond

func (s *story) say(f *Film, kind, sign, text string) {
	f.step.Words = append(f.step.Words, Word{At: micros(f.scene.Now), Kind: kind, Sign: sign, Text: text})
}

// fault tells a line of the failure map.
func (s *story) fault(f *Film, note string) {
	lines, err := failure.Parse(strings.NewReader(note), "fault")
	if err != nil || len(lines) != 1 {
		s.say(f, KindPlain, "▸", note)
		return
	}
	e := &lines[0]
	if e.Arrow == failure.NoLink {
		if e.Action == failure.Clock {
			s.say(f, KindWait, "◔", fmt.Sprintf("the clock of %s runs at %g %% of the true speed", groupText(e.From), e.Percent))
		}
		return // the member's own events tell the rest
	}
	from, to, both := groupText(e.From), groupText(e.To), e.Arrow == failure.BothWays
	switch others := len(e.From.Names)+len(e.To.Names) > 0; {
	case others && e.From.All && len(e.From.Names) == 0:
		from = "all others"
	case others && e.To.All && len(e.To.Names) == 0:
		to = "all others"
	}
	all := both && e.From.All && e.To.All && len(e.From.Names)+len(e.To.Names) == 0
	switch e.Action {
	case failure.Cut:
		s.say(f, KindBad, "✕", choose(all, "all links are cut", both, from+verb(e.From, " loses ", " lose ")+to, to+verb(e.To, " no longer hears ", " no longer hear ")+from))
	case failure.Heal:
		if s.spares(f, e) {
			return
		}
		s.healed = f.scene.Now
		text := choose(all, "all links are well again", both, from+verb(e.From, " finds ", " find ")+to+" again", to+verb(e.To, " hears ", " hear ")+from+" again")
		if e.Only != 0 {
			text = fmt.Sprintf("no more %s between %s and %s", e.Only, from, to)
		}
		s.say(f, KindGood, "○", text)
	case failure.Drop, failure.Repeat, failure.Reorder:
		s.say(f, KindWait, "◌", between(from, to, both, all)+fmt.Sprintf(": %g %% of the messages %s", e.Percent, share(e.Action)))
	case failure.Delay:
		s.say(f, KindWait, "◔", between(from, to, both, all)+": messages take "+span(e.DelayMin, e.DelayMax)+" longer")
	case failure.Rate:
		s.say(f, KindWait, "◔", between(from, to, both, all)+": only "+rate(e.BytesPerSecond)+" pass")
	}
}

// spares adds to the word before that a link is not among those that it is
// about: it is well again in the same moment.
func (s *story) spares(f *Film, e *failure.Event) bool {
	n := len(f.step.Words)
	if n == 0 || e.Arrow != failure.OneWay || e.From.All || e.To.All || e.Only != 0 {
		return false
	}
	before := &f.step.Words[n-1]
	if before.At != micros(f.scene.Now) || before.Kind != KindBad && before.Kind != KindWait {
		return false
	}
	if strings.Contains(before.Text, spared) {
		before.Text += ", "
	} else {
		before.Text += spared
	}
	before.Text += groupText(e.From) + " → " + groupText(e.To)
	return true
}

// spared begins the list of links that something is not about.
const spared = "; but not "

func choose(all bool, everybody string, both bool, mutual, oneWay string) string {
	switch {
	case all:
		return everybody
	case both:
		return mutual
	default:
		return oneWay
	}
}

func share(action failure.Action) string {
	switch action {
	case failure.Drop:
		return "are lost"
	case failure.Repeat:
		return "come twice"
	default:
		return "are overtaken"
	}
}

func between(from, to string, both, all bool) string {
	return choose(all, "on all links", both, "between "+from+" and "+to, "from "+from+" to "+to)
}

func groupText(g failure.Group) string {
	switch {
	case !g.All:
		return strings.Join(g.Names, ", ")
	case len(g.Names) == 0:
		return "all"
	default:
		return "all but " + strings.Join(g.Names, ", ")
	}
}

func verb(g failure.Group, one, many string) string {
	if !g.All && len(g.Names) == 1 {
		return one
	}
	return many
}

// event tells what happens to a member or the run.
func (s *story) event(f *Film, e *trace.Event) {
	m := &f.scene.Members[e.Member]
	switch e.Kind {
	case trace.Start:
		switch {
		case m.Starts > 1 && e.Life > 1:
			s.say(f, KindGood, "○", m.Name+" is back, with its data")
		case m.Starts > 1:
			s.say(f, KindWait, "○", m.Name+" is back, without its data")
		case s.met || f.scene.Now > meetFor:
			s.say(f, KindGood, "○", m.Name+" starts")
		}
	case trace.Crash:
		text := m.Name + " crashes"
		if e.Note == trace.DataLost {
			text += " and loses its data"
		}
		s.say(f, KindBad, "✕", text)
	case trace.Pause:
		s.say(f, KindWait, "‖", m.Name+" stands still")
	case trace.Resume:
		s.say(f, KindGood, "○", m.Name+" goes on, and notices nothing")
	case trace.Reset:
		if e.Note == trace.ResetPeer {
			s.say(f, KindPlain, "▸", fmt.Sprintf("%s takes over a snapshot of %d entries", m.Name, e.Position))
		}
	case trace.Phase:
		if e.Note == "grace" {
			s.over = true
			s.say(f, KindPlain, "□", "nobody writes any more")
		}
	}
}

// look notices what no single event tells.
func (s *story) look(f *Film) {
	sc := f.scene
	open := sc.Entries() - min(sc.Stable(), sc.Entries())
	if sc.View.Number > s.view {
		s.view, s.viewed = sc.View.Number, sc.Now
		s.say(f, KindGood, "◇", sc.View.Words(sc.Header.Members))
	}
	if !s.met && sc.Stable() > 0 {
		s.met = true
		s.say(f, KindGood, "●", "all have met; settling begins")
	}
	late := lateOnes(sc)
	switch {
	case len(late) > 0 && s.met && !s.behind:
		s.behind, s.since, s.said, s.most = true, sc.Now, false, open
	case len(late) == 0 && s.behind:
		s.behind = false
		if s.said {
			s.again, s.placed = sc.Now, s.most-min(open, s.most)
			s.say(f, KindGood, "●", fmt.Sprintf("settling goes on; %s found their place", plural(s.placed)))
		}
	}
	if s.behind {
		s.most = max(s.most, open)
		if why := whoWaits(sc, late); !s.said && why != "" && sc.Now-s.since >= waitsAfter {
			s.said = true
			s.say(f, KindWait, "▸", why)
		}
	}
	if s.done(sc) && !s.whole {
		s.whole = true
		s.say(f, KindGood, "✓", fmt.Sprintf("complete: all hold the same %s", plural(sc.Entries())))
	}
}

// done reports whether nobody writes and all of it is settled everywhere.
func (s *story) done(sc *scene.Scene) bool {
	over := true
	for _, id := range members(sc) {
		if sc.Members[id].State != scene.Running {
			return false
		}
		over = over && sc.Members[id].Closed
	}
	return (over || s.over) && sc.Entries() > 0 && sc.Stable() == sc.Entries()
}

// end tells how the run ended.
func (s *story) end(f *Film) {
	sc := f.scene
	if open := sc.Entries() - min(sc.Stable(), sc.Entries()); open > 0 && !s.whole {
		s.say(f, KindBad, "□", fmt.Sprintf("partial: %d of %s are not settled everywhere", open, plural(sc.Entries())))
	} else if !s.whole && len(inState(sc, scene.Down)) > 0 {
		s.say(f, KindBad, "□", "the run ends without "+names(sc, inState(sc, scene.Down)))
	}
}

func plural(entries uint64) string {
	if entries == 1 {
		return "1 entry"
	}
	return grouped(entries) + " entries"
}

// grouped writes a number with narrow spaces between thousands.
func grouped(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

func lateOnes(sc *scene.Scene) []member.ID {
	var late []member.ID
	for _, id := range members(sc) {
		if sc.Late(id) {
			late = append(late, id)
		}
	}
	return late
}

// members returns who belongs to the cluster by the newest view.
func members(sc *scene.Scene) []member.ID {
	var in []member.ID
	for i := range sc.Members {
		if !sc.Out(member.ID(i)) {
			in = append(in, member.ID(i))
		}
	}
	return in
}

func inState(sc *scene.Scene, state scene.State) []member.ID {
	var found []member.ID
	for _, id := range members(sc) {
		if sc.Members[id].State == state {
			found = append(found, id)
		}
	}
	return found
}
