package maelstrom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/member"
)

// Codes of errors, as Maelstrom's protocol defines them. All but the first are
// definite: the operation did not happen and never will.
const (
	codeTimeout      = 0
	codeNotSupported = 10
	codeUnavailable  = 11
	codeMalformed    = 12
)

// message is a line from outside.
type message struct {
	Src  string          `json:"src"`
	Dest string          `json:"dest"`
	Body json.RawMessage `json:"body"`

	header `json:"-"`    // read from the body
	asked  time.Duration // when it was, at the earliest
}

// header is what every body may have.
type header struct {
	Type      messageType `json:"type"`
	MsgID     *int64      `json:"msg_id"`
	InReplyTo *int64      `json:"in_reply_to"`
}

// messageType is a string; what else a body may have in its place is noted, for
// its sender can be told.
type messageType struct {
	name  string
	wrong bool
}

// UnmarshalJSON takes any value.
func (t *messageType) UnmarshalJSON(text []byte) error {
	var name *string
	err := json.Unmarshal(text, &name)
	if t.wrong = err != nil || name == nil; !t.wrong {
		t.name = *name
	}
	return nil
}

// parse reads a line. The error is about what cannot even be answered.
func parse(line []byte) (*message, error) {
	m := new(message)
	if err := json.Unmarshal(line, m); err != nil {
		return nil, fmt.Errorf("not a message of Maelstrom: %w", err)
	}
	if m.Src == "" || len(m.Body) == 0 {
		return nil, errors.New("not a message of Maelstrom: it has no src or no body")
	}
	if err := json.Unmarshal(m.Body, &m.header); err != nil {
		return nil, fmt.Errorf("the body from %s: %w", m.Src, err)
	}
	return m, nil
}

// fields reads the body of a message, or says that it is malformed.
func fields[T any](m *message) (T, error) {
	var body T
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return body, fmt.Errorf("%s: %w", m.Type.name, err)
	}
	return body, nil
}

// reply is the body of an answer. Clients check that it has no other fields
// than its type allows, so that what is not set must not appear.
type reply struct {
	Type      string             `json:"type"`
	InReplyTo int64              `json:"in_reply_to"`
	Echo      json.RawMessage    `json:"echo,omitempty"`
	ID        string             `json:"id,omitempty"`
	Messages  *[]json.RawMessage `json:"messages,omitempty"`
	Value     *[]json.RawMessage `json:"value,omitempty"`
	Code      *int               `json:"code,omitempty"` // 0 is one, too
	Text      string             `json:"text,omitempty"`
}

// reply answers a message, if it asked for an answer and still waits for it.
func (n *Node) reply(to *message, body reply) {
	if to.MsgID == nil || n.now-to.asked >= silentMax {
		return
	}
	body.InReplyTo = *to.MsgID
	n.send(to.Dest, to.Src, body)
}

// refuse answers with an error.
func (n *Node) refuse(to *message, code int, format string, args ...any) {
	n.reply(to, reply{Type: "error", Code: &code, Text: fmt.Sprintf(format, args...)})
}

// send writes a line.
func (n *Node) send(from, to string, body any) { n.cfg.Send(encode(from, to, body)) }

// tell sends a message to another node, unless the line would be too long: to
// the protocol that is a loss, and what it sends next is smaller.
func (n *Node) tell(to member.ID, body any) {
	line := encode(n.cluster.name(), n.cluster.names[to], body)
	if len(line) > LineBytesMax {
		n.cfg.Log.Error("a message was not sent, its line is too long", "to", n.cluster.names[to], "bytes", len(line), "allowed", LineBytesMax)
		return
	}
	n.cfg.Send(line)
}

// encode makes a line. Characters that only a web page would mind stay as they
// are, so that values come back as they came.
func encode(from, to string, body any) []byte {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(struct {
		Src  string `json:"src"`
		Dest string `json:"dest"`
		Body any    `json:"body"`
	}{from, to, body}); err != nil {
		panic(fmt.Sprintf("maelstrom: encode %+v: %v", body, err)) // our own types
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}
