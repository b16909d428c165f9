package script

import (
	"fmt"
	"strings"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// payloadTextMax is how many bytes of a payload are printed, not counted.
const payloadTextMax = 40

// parts are what show and hide know, and whether it is shown from the start.
func parts() map[string]bool {
	return map[string]bool{
		"append": true, "send": true, "deliver": true, "base": true, "reset": true,
		"batches": true, "rows": true, "acks": true, "pulls": true, "agreed": true, "empty": true,
		"trim": false, "release": false, "bound": false, "binding": false, "settled": false,
		"stable": false, "hears": false, "version": false, "session": false, "number": false,
	}
}

// entries returns origin/seq, with both ends for several entries.
func (w *world) entries(b *protocol.Batch) string {
	if b.Count > 1 {
		return fmt.Sprintf("%s/%d-%d", w.name(b.Origin), b.Seq, b.Last())
	}
	return fmt.Sprintf("%s/%d", w.name(b.Origin), b.Seq)
}

// name returns a member's name, also of a place that only a forged batch names.
func (w *world) name(id member.ID) string {
	if int(id) < len(w.names) {
		return w.names[id]
	}
	return "nobody"
}

// batch returns origin/seq@time.
func (w *world) batch(b *protocol.Batch) string { return w.entries(b) + "@" + b.Time.String() }

func (w *world) batchInFull(b *protocol.Batch) string {
	if len(b.Bytes) > payloadTextMax {
		return fmt.Sprintf("%s (%d bytes)", w.batch(b), len(b.Bytes))
	}
	return fmt.Sprintf("%s %q", w.batch(b), b.Bytes)
}

// message returns a message's content without what is the same in all of them.
func (w *world) message(m *protocol.Message) string {
	var words []string
	say := func(part, format string, args ...any) {
		if !w.hidden[part] {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	for i := range m.Batches {
		say("batches", "%s", w.entries(&m.Batches[i]))
	}
	for i := range m.Rows {
		say("rows", "%s", w.row(&m.Rows[i]))
	}
	w.sayControl(m, say)
	return strings.Join(words, " ")
}

func (w *world) sayControl(m *protocol.Message, say func(part, format string, args ...any)) {
	if len(m.Ack.Ranges) > 0 {
		say("acks", "ack %s", ranges(m.Ack.Ranges))
	}
	for _, p := range m.Pulls {
		verb := map[bool]string{false: "pull", true: "cancel"}[p.Cancel]
		say("pulls", "%s %s", verb, w.names[p.Stream])
	}
	if m.Snapshot != nil {
		say("batches", "snapshot %s", snapshot(m.Snapshot))
	}
	if m.Binding != nil {
		say("binding", "bind %s", w.binding(m.Binding))
	}
	if m.View.Number != 0 {
		say("agreed", "agreed")
	}
	if m.Stable != 0 {
		say("stable", "stable %s", m.Stable)
	}
	if m.Number != 0 {
		say("number", "#%d", m.Number)
	}
	say("session", "session %d.%d", m.Session>>32, m.Session&(1<<32-1))
}

// row returns who{stream:have@promise ...}.
func (w *world) row(r *protocol.Row) string {
	var words []string
	for _, mark := range r.Marks {
		words = append(words, fmt.Sprintf("%s:%d@%s", w.names[mark.Stream], mark.Have, mark.Promise))
	}
	text := w.names[r.Member] + "{" + strings.Join(words, " ") + "}"
	if r.Old {
		text += " is old"
	}
	if !w.hidden["version"] {
		text += fmt.Sprintf(" v%d", r.Version)
	}
	if !w.hidden["hears"] {
		text += " hears " + w.set(r.Hears)
	}
	return text
}

func (w *world) set(s member.Set) string {
	var words []string
	for i, name := range w.names {
		if s.Has(member.ID(i)) {
			words = append(words, name)
		}
	}
	return "(" + strings.Join(words, ",") + ")"
}

// binding returns the identities by number of birth, in the members' order.
func (w *world) binding(b member.Binding) string {
	var words []string
	for i, identity := range b {
		if identity != 0 {
			words = append(words, fmt.Sprintf("%s:%d", w.names[i], uint64(identity)))
		}
	}
	return "(" + strings.Join(words, ",") + ")"
}

func ranges(all []protocol.Range) string {
	var words []string
	for _, r := range all {
		if r.First == r.Last {
			words = append(words, fmt.Sprint(r.First))
		} else {
			words = append(words, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	return strings.Join(words, ",")
}

func snapshot(s *protocol.Snapshot) string {
	return fmt.Sprintf("@%s have %d", s.Time, s.Have)
}

// status gives a member's state in a few lines.
func (w *world) status(n *node, known bool) {
	s := n.reducer.Status()
	text := fmt.Sprintf("horizon %s settled %s stable %s log %d bytes", s.Horizon, s.Settled, s.Stable, s.LogBytes)
	for _, flag := range []struct {
		on   bool
		name string
	}{
		{s.Agreed, "agreed"},
		{s.Reader, "reader"},
		{s.Complete, "complete"},
		{s.Done, "done"},
		{s.Refused > 0, fmt.Sprintf("refused %d", s.Refused)},
		{s.Dropped > 0, fmt.Sprintf("dropped %d", s.Dropped)},
	} {
		if flag.on {
			text += ", " + flag.name
		}
	}
	w.printf("%s: %s", w.names[n.id], text)
	for _, f := range s.Findings {
		w.printf("   %s", f.Text(func(id member.ID) string { return w.names[id] }))
	}
	w.printf("   holds %s", w.vector(s.Held))
	for k := range s.Known {
		if known && member.ID(k) != n.id && s.Known[k] != nil {
			w.printf("   knows %s: %s", w.names[k], w.vector(s.Known[k]))
		}
	}
}
