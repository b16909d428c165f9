package workbench

import (
	"encoding/json"
	"time"

	"chatterbox/failure"
	"chatterbox/maelstrom"
	"chatterbox/member"
)

// line is what the network looks at of a line that a node wrote.
type line struct {
	Src  string `json:"src"`
	Dest string `json:"dest"`
	Body answer `json:"body"`
}

// answer is the body of a message to a client.
type answer struct {
	Type      string            `json:"type"`
	InReplyTo int64             `json:"in_reply_to"`
	Messages  []json.RawMessage `json:"messages"`
	Value     []json.RawMessage `json:"value"`
	Code      int               `json:"code"`
	Text      string            `json:"text"`
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
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.Src != b.names[from] {
		b.trouble("%s wrote what is no message of its own: %.200q: %v", b.names[from], text, err)
		return
	}
	if to, ok := b.ids[l.Dest]; ok {
		b.carry(from, to, text)
		return
	}
	b.answered(l.Dest, l.Body)
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
		b.at(b.now+b.cfg.Latency+delay, func() { b.arrive(to, text) })
	}
}

// link gives how a link fails at present.
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
