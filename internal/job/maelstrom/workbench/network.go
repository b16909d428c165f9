package workbench

import (
	"encoding/json"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job/maelstrom"
	"chatterbox/internal/proof/failure"
)

// line is what the network looks at of a line that a node wrote.
type line struct {
	Src  string          `json:"src"`
	Dest string          `json:"dest"`
	Body json.RawMessage `json:"body"`
}

// answer is the body of a message to a client.
type answer struct {
	Type      string            `json:"type"`
	InReplyTo int64             `json:"in_reply_to"`
	Messages  []json.RawMessage `json:"messages"`
	Value     []json.RawMessage `json:"value"`
	ID        string            `json:"id"`
	Code      *int              `json:"code"`
	Text      string            `json:"text"`
}

// definite reports whether an error says that the operation did not happen and
// never will: Maelstrom's codes of its own but for time-outs and crashes. A code
// that is missing says nothing.
func (a *answer) definite() bool {
	const timeout, crash, ownCodes = 0, 13, 1000
	return a.Type == "error" && a.Code != nil && *a.Code > timeout && *a.Code != crash && *a.Code < ownCodes
}

// request makes the line of a client.
func request(from, to string, id int64, body map[string]any) []byte {
	body["msg_id"] = id
	text, err := json.Marshal(map[string]any{"src": from, "dest": to, "body": body})
	if err != nil {
		panic(err) // our own types
	}
	return text
}

// route takes a line that a node wrote: to a client at once, to another node
// with latency and failures.
func (b *bench) route(from int, text []byte) {
	b.note(text)
	if b.muted[from] {
		return
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.Src != b.names[from] {
		b.trouble("%s wrote what is no message of its own: %.200q: %v", b.names[from], text, err)
		return
	}
	to, isNode := b.ids[l.Dest]
	switch {
	case isNode && b.registered[to]:
		b.carry(from, to, text)
	case b.byName[l.Dest] != nil:
		b.hear(from, b.byName[l.Dest], l.Body)
	default:
		b.muted[from] = true
		b.trouble("%s sent a message to %s, who is not registered, and is not heard any more: %.200s", b.names[from], l.Dest, text)
	}
}

// hear takes what a node says to a client.
func (b *bench) hear(from int, c *client, body []byte) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		b.trouble("%s answered %s with %.200q: %v", b.names[from], c.name, body, err)
		return
	}
	b.answered(c, a)
}

// carry takes a line from one node to another.
func (b *bench) carry(from, to int, text []byte) {
	b.counts.sent++
	b.counts.longest = max(b.counts.longest, len(text))
	if len(text) > maelstrom.LineBytesMax {
		b.trouble("%s wrote a line of %d bytes to %s", b.names[from], len(text), b.names[to])
	}
	fate := b.link(from, to).Fate(b.rng)
	for _, delay := range fate.Delays[:fate.Copies] {
		b.at(b.now+b.latency()+delay, func() { b.arrive(to, text) })
	}
}

// latency draws how long a message takes.
func (b *bench) latency() time.Duration {
	if b.cfg.Exponential {
		return time.Duration(b.rng.ExpFloat64() * float64(b.cfg.Latency))
	}
	return b.cfg.Latency
}

// link returns how a link fails at present.
func (b *bench) link(from, to int) failure.Link {
	at := time.Duration(0)
	if b.begun {
		at = b.now - b.zero
	}
	return b.schedule.Link(member.ID(from), member.ID(to), at)
}

// arrive hands a line to a node, or keeps a few for one that is down.
func (b *bench) arrive(to int, text []byte) {
	switch {
	case !b.down[to]:
		b.world.deliver(to, text)
	case len(b.backlog[to]) < backlogMax:
		b.backlog[to] = append(b.backlog[to], text)
	}
}
