package script

import (
	"fmt"
	"slices"
	"strings"

	"chatterbox/internal/core/protocol"
)

// carryOut does what the effects say, in their order, as a driver would.
func (w *world) carryOut(n *node, effects protocol.Effects) {
	n.prefix.Take(&effects)
	w.record(n, &effects)
	w.send(n, effects.Send)
	if effects.Reset != nil {
		n.log, n.past = nil, nil
		w.tell(n, "reset", "reset to "+snapshot(effects.Reset))
	}
	for i := range effects.Deliver {
		w.mustOwn(n, &effects.Deliver[i], "delivered")
		w.mustFollow(n, &effects.Deliver[i])
		n.log = append(n.log, keep(&effects.Deliver[i]))
	}
	w.tellBatches(n, "deliver", effects.Deliver)
	w.giveBack(n, "trim", effects.Trim)
	w.giveBack(n, "release", effects.Release)
	if effects.Stop {
		w.printf("%s: stops", w.names[n.id])
		w.crash(n)
	}
}

// record plays the journal.
func (w *world) record(n *node, effects *protocol.Effects) {
	if effects.Binding != nil {
		n.journal.Binding = slices.Clone(effects.Binding)
		w.tell(n, "binding", "bind "+w.binding(effects.Binding))
	}
	n.journal.Agreed = n.journal.Agreed || effects.Agreed
	if effects.Vote != nil {
		n.journal.Voted = effects.Vote
	}
	if effects.View != nil {
		n.journal.View = effects.View
		w.tell(n, "view", fmt.Sprintf("view %d", effects.View.Number))
	}
	if effects.Bound != 0 {
		n.journal.Bound = max(n.journal.Bound, effects.Bound)
		w.tell(n, "bound", "bound "+effects.Bound.String())
	}
	for i := range effects.Append {
		w.mustOwn(n, &effects.Append[i], "appended")
		n.journal.Batches = append(n.journal.Batches, keep(&effects.Append[i]))
	}
	w.tellBatches(n, "append", effects.Append)
	if effects.Settled != 0 {
		n.journal.Settled = effects.Settled
		w.tell(n, "settled", "settled "+effects.Settled.String())
	}
	if effects.Reset != nil {
		n.journalFrom(effects.Reset)
	}
	if effects.Base != nil {
		n.journalFrom(effects.Base)
		w.tell(n, "base", "base "+snapshot(effects.Base))
	}
}

// journalFrom forgets what a snapshot stands for.
func (n *node) journalFrom(base *protocol.Snapshot) {
	n.journal.Base = *base
	n.journal.Base.Have = slices.Clone(base.Have)
	n.journal.Batches = slices.DeleteFunc(n.journal.Batches, func(b protocol.Batch) bool {
		return b.Last() <= base.Have[b.Origin]
	})
}

// send puts messages on their links, or loses them where a link is down.
func (w *world) send(n *node, envelopes []protocol.Envelope) {
	var told []string
	for _, envelope := range envelopes {
		for i := range envelope.Message.Batches {
			w.mustOwn(n, &envelope.Message.Batches[i], "sent")
		}
		l := w.links[n.id][envelope.To]
		content := w.message(envelope.Message)
		text := w.names[envelope.To] + " {" + content + "}"
		switch {
		case !l.up:
			text += " (link down)"
		case l.cut:
			text += " (lost)"
		default:
			l.waiting = append(l.waiting, clone(envelope.Message))
		}
		if content != "" || !w.hidden["empty"] {
			told = append(told, "send "+text)
		}
	}
	if len(told) > 0 {
		w.tell(n, "send", strings.Join(told, " ; "))
	}
}

func (w *world) giveBack(n *node, part string, batches []protocol.Batch) {
	for i := range batches {
		b := &batches[i]
		if w.mustOwn(n, b, "gave back ("+part+")") {
			delete(n.owned, b.Buffer)
			b.Buffer.Release()
		}
	}
	w.tellBatches(n, part, batches)
}

// mustOwn is the ownership rule: what a reducer hands out it was given before
// and has not given back.
func (w *world) mustOwn(n *node, b *protocol.Batch, verb string) bool {
	_, ok := n.owned[b.Buffer]
	if !ok {
		w.fault("%s %s %s, which it does not own", w.names[n.id], verb, w.batch(b))
	}
	return ok
}

// mustFollow is the order: each delivery after the one before, and after a
// restart the same ones again.
func (w *world) mustFollow(n *node, b *protocol.Batch) {
	place := len(n.log)
	if place > 0 && n.log[place-1].Compare(b) >= 0 {
		w.fault("%s delivered %s after %s", w.names[n.id], w.batch(b), w.batch(&n.log[place-1]))
	}
	if place < len(n.past) && n.past[place].Compare(b) != 0 {
		w.fault("%s delivered %s where it delivered %s before its restart", w.names[n.id], w.batch(b), w.batch(&n.past[place]))
	}
}

func (w *world) tell(n *node, part, text string) {
	if !w.hidden[part] {
		w.printf("%s: %s", w.names[n.id], text)
	}
}

func (w *world) tellBatches(n *node, part string, batches []protocol.Batch) {
	if len(batches) == 0 {
		return
	}
	var texts []string
	for i := range batches {
		texts = append(texts, w.batch(&batches[i]))
		if part == "append" {
			texts[i] = w.batchInFull(&batches[i])
		}
	}
	w.tell(n, part, part+" "+strings.Join(texts, " "))
}

// keep copies a batch away from the memory that the reducer owns.
func keep(b *protocol.Batch) protocol.Batch {
	kept := *b
	kept.Bytes, kept.Buffer = slices.Clone(b.Bytes), nil
	return kept
}

// clone copies a message with all that it points to.
func clone(m *protocol.Message) *protocol.Message {
	c := *m
	c.Ack.Ranges = slices.Clone(m.Ack.Ranges)
	c.Binding = slices.Clone(m.Binding)
	c.Pulls = slices.Clone(m.Pulls)
	c.Rows = slices.Clone(m.Rows)
	for i := range c.Rows {
		c.Rows[i].Hears = slices.Clone(c.Rows[i].Hears)
		c.Rows[i].Marks = slices.Clone(c.Rows[i].Marks)
	}
	if m.Snapshot != nil {
		s := *m.Snapshot
		s.Have = slices.Clone(s.Have)
		c.Snapshot = &s
	}
	c.Batches = nil
	for i := range m.Batches {
		c.Batches = append(c.Batches, keep(&m.Batches[i]))
	}
	return &c
}
