package explore

import (
	"fmt"
	"strings"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// tell goes a path once more and gives it for people, a transition a line with what
// came of it below.
func (w *world) tell(path []transition) []string {
	s, _ := w.begin()
	var lines []string
	for i, d := range path {
		lines = append(lines, fmt.Sprintf("%3d. %s", i+1, w.describe(d)))
		next, _, _ := w.do(&s, d)
		for k := range w.config.Members {
			lines = append(lines, w.changes(w.nodes.get(s.nodes[k]), w.nodes.get(next.nodes[k]))...)
		}
		for _, letter := range next.mail[:next.count()] {
			if !has(s.mail[:], letter) {
				m := w.mails.get(letter)
				lines = append(lines, fmt.Sprintf("       %s sends %s: %s", member.Letter(m.from), member.Letter(m.to), m))
			}
		}
		s = next
	}
	return lines
}

func has(mail []uint32, letter uint32) bool {
	for _, other := range mail {
		if other == letter {
			return true
		}
	}
	return false
}

func (w *world) describe(d transition) string {
	who := member.Letter(d.member)
	switch d.kind {
	case submits:
		return who + " broadcasts an entry"
	case closes:
		return who + " ends its stream"
	case ticks:
		return who + " ticks"
	case leaps:
		return fmt.Sprintf("%s pauses for %v and ticks", who, LeapFor)
	case evicts:
		return who + " is told to let " + member.Letter(d.peer) + " go"
	case returns:
		return who + " asks to be taken back"
	case breaks:
		return fmt.Sprintf("the link from %s to %s breaks and comes up again", who, member.Letter(d.peer))
	case restarts:
		return who + " crashes and comes back with its data"
	case forgets:
		return who + " crashes and comes back without its data"
	}
	m := w.mails.get(d.letter)
	from, to := member.Letter(m.from), member.Letter(m.to)
	switch d.kind {
	case getsMore:
		return fmt.Sprintf("%s gets from %s, and will get again: %s", to, from, m)
	case loses:
		return fmt.Sprintf("lost on the way from %s to %s: %s", from, to, m)
	default:
		return fmt.Sprintf("%s gets from %s: %s", to, from, m)
	}
}

// changes returns what happened to a member.
func (w *world) changes(before, after *node) []string {
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, "       "+member.Letter(after.self)+" "+fmt.Sprintf(format, args...))
	}
	if len(after.written) > len(before.written) {
		add("writes %s", after.written[len(after.written)-1])
	}
	if !before.view.agreed && after.view.agreed {
		add("knows that all agree on who is who")
	}
	if after.life == before.life && after.identity == before.identity && after.app.end() > before.app.end() {
		add("was told %v", after.app.delivered)
	}
	return lines
}

// String returns what a message says, as scripts do: batches as origin/seq@time,
// rows as who{stream:have@promise}.
func (m *mail) String() string {
	message := m.open()
	parts := []string{}
	for i := range message.Batches {
		b := &message.Batches[i]
		parts = append(parts, fmt.Sprintf("%s/%d@%s", member.Letter(b.Origin), b.Seq, b.Time))
	}
	for i := range message.Rows {
		parts = append(parts, rowText(&message.Rows[i]))
	}
	for _, r := range message.Ack.Ranges {
		parts = append(parts, fmt.Sprintf("ack %d-%d", r.First, r.Last))
	}
	for _, p := range message.Pulls {
		parts = append(parts, "pull "+member.Letter(p.Stream))
	}
	if message.Snapshot != nil {
		parts = append(parts, fmt.Sprintf("snapshot %v@%s", message.Snapshot.Have, message.Snapshot.Time))
	}
	if message.Stable > 0 {
		parts = append(parts, fmt.Sprintf("stable %s", message.Stable))
	}
	if message.View.Number != 0 {
		parts = append(parts, "agreed")
	}
	return strings.Join(parts, " ")
}

func rowText(r *protocol.Row) string {
	text := member.Letter(r.Member) + "{"
	for i, mark := range r.Marks {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("%s:%d@%s", member.Letter(mark.Stream), mark.Have, mark.Promise)
	}
	return text + "}"
}
