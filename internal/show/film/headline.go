package film

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/show/scene"
)

// headline returns what is the case. What is worst comes first.
func (s *story) headline(f *Film) Headline {
	sc := f.scene
	late := lateOnes(sc)
	waits := whoWaits(sc, late)
	if waits != "" {
		waits += ": {lag} by now."
	}
	open := sc.Entries() - min(sc.Stable(), sc.Entries())
	down, paused := inState(sc, scene.Down), inState(sc, scene.Paused)
	switch {
	case s.whole && open == 0:
		return Headline{KindGood, "Complete. All members hold one log.", plural(sc.Entries()) + ", in the same order everywhere."}
	case sc.Stable() == 0 && sc.Now < meetFor && len(down) == 0:
		return Headline{KindPlain, "Getting to know each other.", "Nothing settles before all members agree who is who."}
	case len(runningParts(sc)) > 1:
		return s.parted(sc, waits)
	case len(down) > 0:
		return s.withoutDown(f, down, waits)
	case len(paused) > 0:
		return Headline{
			KindWait, names(sc, paused) + plurals(paused, " stands still.", " stand still.") + othersWrite(sc),
			or(waits, "It may have something earlier to say."),
		}
	case s.healed > 0 && sc.Now-s.healed < againFor && len(late) > 0:
		return Headline{KindGood, "Together again: " + plural(open) + " find their place.", waits}
	case s.again > 0 && sc.Now-s.again < againFor && s.again >= s.healed && len(late) == 0:
		if s.view > 0 && s.viewed >= s.since {
			return Headline{KindGood, goOn(sc, members(sc)) + ": " + plural(s.placed) + " found their place.", waitsSub}
		}
		return Headline{KindGood, "Together again: " + plural(s.placed) + " found their place.", waitsSub}
	}
	return s.fair(sc, late, waits)
}

// meetFor is how long members may take to meet before more is said about it.
const meetFor = 3 * time.Second

// againFor is how long it is said that members are together again.
const againFor = 1500 * time.Millisecond

// waitsSub is what stands below when all is well. Where nothing is tentative it
// says so instead.
const waitsSub = "The oldest tentative entry has waited {lag}."

// parted returns the headline of a cluster whose members are in parts.
func (s *story) parted(sc *scene.Scene, waits string) Headline {
	parts := runningParts(sc)
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = strings.ReplaceAll(names(sc, part), ", ", " ")
	}
	return Headline{
		KindBad, capital(count(len(parts))) + " parts, each on its own: " + strings.Join(texts, " | "),
		or(waits, "All go on writing. What is written now cannot settle."),
	}
}

// othersWrite returns the words for those who run and go on, if there are any.
func othersWrite(sc *scene.Scene) string {
	switch running := inState(sc, scene.Running); {
	case sc.Phase == "grace" || len(running) == 0:
		return ""
	case len(running) == 1:
		return " " + names(sc, running) + " goes on writing."
	default:
		return " The others go on writing."
	}
}

func (s *story) withoutDown(f *Film, down []member.ID, waits string) Headline {
	who := names(f.scene, down)
	if f.step.End {
		return Headline{KindBad, "Partial: " + who + " never came back.", waits}
	}
	return Headline{
		KindBad, who + plurals(down, " is down.", " are down.") + othersWrite(f.scene),
		or(waits, "Nothing new settles without word of "+who+"."),
	}
}

// fair returns how a cluster is in which all members run and can hear each other,
// perhaps through others.
func (s *story) fair(sc *scene.Scene, late []member.ID, waits string) Headline {
	odd, pairs := 0, 0
	var broken Headline
	in := members(sc)
	for _, a := range in {
		for _, b := range in {
			if a == b {
				continue
			}
			if sc.Link(a, b).Failure.Cut && (a < b || !sc.Link(b, a).Failure.Cut) {
				pairs++
				broken = Headline{KindWait, deaf(sc, a, b), waits}
			}
			if condition := sc.Condition(a, b); condition == scene.LinkLossy || condition == scene.LinkSlow {
				odd++
			}
		}
	}
	switch {
	case pairs > 0:
		if pairs > 1 {
			broken.Say = capital(count(pairs)) + " pairs have lost each other"
		}
		if waits != "" {
			broken.Say += "."
		} else {
			broken.Say, broken.Sub = broken.Say+"; others pass it on.", "Everything settles all the same."
		}
		return broken
	case len(late) > 0:
		return Headline{KindWait, "Settling is behind.", waits}
	case odd > 0:
		return Headline{KindPlain, "Some links lose or delay. Everything settles.", waitsSub}
	case len(inState(sc, scene.Absent)) > 0:
		absent := inState(sc, scene.Absent)
		return Headline{KindPlain, "Waiting for " + names(sc, absent) + " to start.", "Nothing settles before all members agree who is who."}
	}
	return Headline{KindPlain, well(sc, in) + " Everything settles.", waitsSub}
}

// well returns that the members of the view hear each other, and who is none.
func well(sc *scene.Scene, in []member.ID) string {
	switch {
	case len(in) < len(sc.Members):
		return goOn(sc, in) + "."
	case len(in) == 1:
		return "One member, by itself."
	case len(in) == 2:
		return "Both hear each other."
	}
	return "All " + count(len(in)) + " hear each other."
}

// goOn returns that the members of the view go on, and who is none.
func goOn(sc *scene.Scene, in []member.ID) string {
	text := names(sc, in) + plurals(in, " goes on", " go on")
	var out []member.ID
	for i := range sc.Members {
		if sc.Out(member.ID(i)) {
			out = append(out, member.ID(i))
		}
	}
	if len(out) > 0 {
		text += " without " + names(sc, out)
	}
	return text
}

// deaf returns the words for a member that does not hear another one directly.
func deaf(sc *scene.Scene, from, to member.ID) string {
	a, b := sc.Members[from].Name, sc.Members[to].Name
	if sc.Link(to, from).Failure.Cut {
		return a + " and " + b + " have lost each other"
	}
	return b + " does not hear " + a
}

// runningParts returns the groups of members that run, among which nothing
// gets round. Who was let go and is by itself is none.
func runningParts(sc *scene.Scene) [][]member.ID {
	var parts [][]member.ID
	for _, part := range sc.Parts() {
		belongs := func(id member.ID) bool { return !sc.Out(id) && sc.Members[id].State == scene.Running }
		if slices.ContainsFunc(part, belongs) {
			parts = append(parts, part)
		}
	}
	return parts
}

// whoWaits returns who waits for whom, members that wait for the same ones
// together.
func whoWaits(sc *scene.Scene, late []member.ID) string {
	type group struct {
		waits []member.ID
		who   []member.ID
	}
	var groups []group
	for _, id := range late {
		waits := sc.Waits(id)
		if len(waits) == 0 {
			continue
		}
		i := slices.IndexFunc(groups, func(g group) bool { return slices.Equal(g.waits, waits) })
		if i < 0 {
			groups = append(groups, group{waits: waits})
			i = len(groups) - 1
		}
		groups[i].who = append(groups[i].who, id)
	}
	texts := make([]string, 0, groupsMax)
	for i, g := range groups {
		if i == groupsMax {
			texts = append(texts, "and so on")
			break
		}
		texts = append(texts, names(sc, g.who)+plurals(g.who, " waits for ", " wait for ")+names(sc, g.waits))
	}
	return strings.Join(texts, "; ")
}

const (
	groupsMax = 3 // groups of members of which it is said for whom they wait
	namesMax  = 8 // names in a row
)

// names writes the names of members.
func names(sc *scene.Scene, ids []member.ID) string {
	texts := make([]string, 0, namesMax)
	for i, id := range ids {
		if i == namesMax-1 && len(ids) > namesMax {
			return strings.Join(texts, ", ") + fmt.Sprintf(" and %d more", len(ids)-i)
		}
		texts = append(texts, sc.Members[id].Name)
	}
	return strings.Join(texts, ", ")
}

func plurals(ids []member.ID, one, many string) string {
	if len(ids) == 1 {
		return one
	}
	return many
}

func or(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}

// count writes small numbers as words.
func count(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
