package script

import (
	"math"
	"strconv"
	"strings"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// forge puts a message on a link that its sender never sent: for what only
// strangers and broken members say.
func (w *world) forge(a *arguments) {
	from, to := a.nodes(0)[0], a.nodes(1)[0]
	m := &protocol.Message{
		From: from.id, Identity: from.identity, Session: from.life<<32 | uint64(a.number("session", int(from.identity))),
		Number: uint64(a.number("number", 0)),
	}
	m.Identity = member.Identity(a.number("identity", int(m.Identity)))
	for i, arg := range a.line.CmdArgs[2:] {
		switch {
		case arg.Vals == nil:
			b := a.batch(arg.Key)
			b.Identity = member.Identity(a.number("of", int(b.Identity)))
			m.Batches = append(m.Batches, b)
		case arg.Key == "row":
			m.Rows = append(m.Rows, a.row(a.line.CmdArgs[2+i].Vals))
		}
	}
	l := w.links[from.id][to.id]
	l.waiting = append(l.waiting, m)
}

// batch reads a batch as it is printed: origin/seq@time or origin/first-last@time.
func (a *arguments) batch(text string) protocol.Batch {
	name, rest, _ := strings.Cut(text, "/")
	seqs, time, _ := strings.Cut(rest, "@")
	first, last, several := strings.Cut(seqs, "-")
	if !several {
		last = first
	}
	b := protocol.Batch{Seq: a.natural(first), Time: clock.Time(a.natural(time)), Bytes: []byte("forged")}
	b.Count = uint32(a.natural(last) - b.Seq + 1)
	b.Origin, b.Identity = a.member(name)
	return b
}

// row reads who and then marks: (who, stream:have@promise, ...).
func (a *arguments) row(words []string) protocol.Row {
	var r protocol.Row
	r.Member, r.Identity = a.member(words[0])
	for _, word := range words[1:] {
		name, rest, _ := strings.Cut(word, ":")
		have, promise, _ := strings.Cut(rest, "@")
		mark := protocol.StreamMark{Mark: clock.Mark{Have: a.natural(have), Promise: clock.Infinity}}
		if promise != "inf" {
			mark.Promise = clock.Time(a.natural(promise))
		}
		mark.Stream, _ = a.member(name)
		r.Marks = append(r.Marks, mark)
	}
	return r
}

// member returns the place of a name and the identity that lives there. A name
// that is none stands for a place behind the last.
func (a *arguments) member(name string) (member.ID, member.Identity) {
	for i, n := range a.w.nodes {
		if a.w.names[i] == name {
			return n.id, n.identity
		}
	}
	return member.ID(len(a.w.nodes)), math.MaxUint64
}

func (a *arguments) natural(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		a.line.Fatalf(a.t, "%q is no natural number", text)
	}
	return n
}
