package cluster

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/term"
)

// explainedMax is how many sentences a report is explained in.
const explainedMax = 8

// gap is what members lack of others, for one cause.
type gap struct {
	to, from []int
	lacks    uint64 // entries, the most of them; 0: only the word that there are no more
	cause    cause
}

// isOwn reports whether a member lacks the end of its own stream.
func (g *gap) isOwn() bool { return slices.Equal(g.to, g.from) }

// cause is why not everything came from one member to another.
type cause struct {
	kind  causeKind
	since time.Duration
	fate  string // of the other member
}

type causeKind uint8

const (
	tooShort      causeKind = iota // nothing was in the way in the end
	tooLate                        // what was in the way ended, or changed, late
	cutOff                         // no way led there
	originGone                     // the other member had no tuple either
	originAmnesic                  // the other member came back without its data
	backlog                        // it is the member itself
	unsettled                      // nothing is missing but the word that nothing is
)

// Explain says, a sentence each, who lacks what and why, for people who did not
// read the failure map.
func (r *Report) Explain() []string {
	var gaps []gap
	for to := range r.Members {
		if o := r.Members[to].Outcome; o != nil && !o.Complete {
			gaps = joinAcross(gaps, r.gapsOf(to))
		}
	}
	sentences := make([]string, 0, explainedMax+1)
	for _, g := range gaps {
		sentences = append(sentences, r.sentence(&g))
	}
	if more := len(sentences) - explainedMax; more > 0 {
		sentences = append(sentences[:explainedMax], fmt.Sprintf("and so on, %d more", more))
	}
	return sentences
}

// gapsOf finds what one member lacks; what has the same cause is one gap.
func (r *Report) gapsOf(to int) []gap {
	var gaps []gap
	for from := range r.Members {
		if !slices.Contains(r.Members[to].Outcome.Missing, r.Members[from].Name) {
			continue
		}
		lacks := r.longest(from) - r.heldBy(to, from)
		c := r.cause(to, from)
		same := func(g gap) bool { return g.cause == c && (g.lacks > 0) == (lacks > 0) }
		if i := slices.IndexFunc(gaps, same); i >= 0 {
			gaps[i].from, gaps[i].lacks = append(gaps[i].from, from), gaps[i].lacks+lacks
		} else {
			gaps = append(gaps, gap{[]int{to}, []int{from}, lacks, c})
		}
	}
	if len(gaps) == 0 {
		gaps = append(gaps, gap{to: []int{to}, cause: cause{kind: unsettled}})
	}
	return gaps
}

// joinAcross adds the gaps of one more member to those of others.
func joinAcross(gaps, more []gap) []gap {
	for _, g := range more {
		same := func(h gap) bool {
			return h.cause == g.cause && slices.Equal(h.from, g.from) && (h.lacks > 0) == (g.lacks > 0) && !h.isOwn() && !g.isOwn()
		}
		if i := slices.IndexFunc(gaps, same); i >= 0 {
			gaps[i].to, gaps[i].lacks = append(gaps[i].to, g.to...), max(gaps[i].lacks, g.lacks)
		} else {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// sentence returns what a gap is.
func (r *Report) sentence(g *gap) string {
	who, whom := r.list(g.to), r.list(g.from)
	subject, have, lack := "member "+who, "has", "lacks "+entries(g.lacks)
	if len(g.to) > 1 {
		subject, have, lack = "members "+who, "have", "lack up to "+entries(g.lacks)
	}
	var because string
	switch g.cause.kind {
	case tooShort:
		because = "the time was too short; give a longer --wait-for"
	case tooLate:
		because = fmt.Sprintf("the last failure began or ended at %.1fs, and from then on the time was too short; give a longer --wait-for", g.cause.since.Seconds())
	case originAmnesic:
		if g.isOwn() {
			return fmt.Sprintf("member %s came back without its data, and so it reads only", who)
		}
		because = whom + " came back without its data, and nobody else knows where its stream ended"
	case originGone:
		because = whom + " " + g.cause.fate
	case unsettled:
		return fmt.Sprintf("%s %s all entries, but could not learn in time that their order is final; give a longer --wait-for", subject, have)
	case backlog:
		return fmt.Sprintf("%s could not end its own stream in time: there was more to send than the others took; give a longer --wait-for, or a --rate", subject)
	case cutOff:
		link := "the link from %s to %s was"
		if len(g.from) > 1 || len(g.to) > 1 {
			link = "the links from %s to %s were"
		}
		because = fmt.Sprintf(link+" cut from %.1fs until the end", whom, who, g.cause.since.Seconds())
		if len(r.Members) > 2 {
			because += ", and no other way led there"
		}
	}
	if g.lacks == 0 {
		return fmt.Sprintf("%s %s not heard that there are no more entries of %s: %s", subject, have, whom, because)
	}
	return fmt.Sprintf("%s %s of %s: %s", subject, lack, whom, because)
}

// list names members.
func (r *Report) list(places []int) string {
	return term.Names(places, func(place int) string { return r.Members[place].Name })
}

// longest returns how many entries of a member anybody holds.
func (r *Report) longest(from int) (most uint64) {
	for i := range r.Members {
		most = max(most, r.heldBy(i, from))
	}
	return most
}

// heldBy returns how many entries of a member another one printed.
func (r *Report) heldBy(to, from int) uint64 {
	if o := r.Members[to].Outcome; o != nil && from < len(o.Held) {
		return o.Held[from]
	}
	return 0
}

// cause finds out why not everything came from one member to another.
func (r *Report) cause(to, from int) cause {
	origin := &r.Members[from]
	switch {
	case origin.Amnesic && origin.Outcome != nil:
		return cause{kind: originAmnesic}
	case to == from:
		return cause{kind: backlog}
	case origin.Outcome == nil:
		return cause{kind: originGone, fate: origin.fateInWords()}
	case r.schedule == nil:
		return cause{kind: tooShort}
	}
	if since, cut := r.cutSince(from, to, r.Elapsed); cut && !r.leads(from, to) {
		return cause{kind: cutOff, since: since}
	}
	if last := r.lastChange(); last > 0 {
		return cause{kind: tooLate, since: last}
	}
	return cause{kind: tooShort}
}

// fateInWords returns what became of a member without a tuple.
func (m *Member) fateInWords() string {
	switch m.Broken {
	case brokenByCrash:
		return "had crashed"
	case brokenByPause:
		return "stood still"
	case brokenFromStart:
		return "was never started"
	}
	return "printed no tuple (" + m.Fate() + ")"
}

// lastChange returns when the map last did something before the end.
func (r *Report) lastChange() (last time.Duration) {
	for at, more := r.schedule.Next(0); more && at <= r.Elapsed; at, more = r.schedule.Next(at) {
		last = at
	}
	return last
}

// passes reports whether anything passes a link.
func passes(link failure.Link) bool { return !link.Cut && link.Drop < 1 }

// cutSince reports whether nothing passes a link at a time, and since when.
func (r *Report) cutSince(from, to int, end time.Duration) (since time.Duration, cut bool) {
	a, b := member.ID(from), member.ID(to)
	cut = !passes(r.schedule.Link(a, b, 0))
	for at, more := r.schedule.Next(0); more && at <= end; at, more = r.schedule.Next(at) {
		if now := !passes(r.schedule.Link(a, b, at)); now != cut {
			since, cut = at, now
		}
	}
	return since, cut
}

// leads reports whether there is a way from one member to another in the end,
// over members that were there.
func (r *Report) leads(from, to int) bool {
	seen := make([]bool, len(r.Members))
	seen[from] = true
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		for next := range r.Members {
			there := r.Members[next].Outcome != nil || next == to
			if !seen[next] && there && passes(r.schedule.Link(member.ID(queue[0]), member.ID(next), r.Elapsed)) {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return seen[to]
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
