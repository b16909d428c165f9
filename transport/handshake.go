package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"time"

	"chatterbox/member"
	"chatterbox/wire"
)

// lifeMax keeps a life's number in the upper half of a session's.
const lifeMax = 1<<32 - 1

// errRefused is in the chain of an error that says why a peer refused a link.
var errRefused = errors.New("the peer refuses the link")

// listHash is equal for equal lists: places and addresses of all members. FNV-1a.
func listHash(list member.List) uint64 {
	hash := fnv.New64a()
	for _, m := range list {
		for _, text := range []string{m.Address(), m.Key} {
			var length [8]byte
			binary.LittleEndian.PutUint64(length[:], uint64(len(text)))
			hash.Write(length[:])
			hash.Write([]byte(text))
		}
	}
	return hash.Sum64()
}

// readFrame reads one frame of at most wire.HandshakeBytesMax and no byte
// more: whoever sends more before he has the answer is not a peer.
func readFrame(conn net.Conn, want wire.Kind) ([]byte, error) {
	buffer := make([]byte, wire.HandshakeBytesMax)
	for filled := 0; ; {
		n, err := conn.Read(buffer[filled:])
		filled += n
		kind, body, rest, frameErr := wire.CutFrame(buffer[:filled], len(buffer))
		switch {
		case frameErr != nil:
			return nil, frameErr
		case kind == 0 && err != nil:
			return nil, fmt.Errorf("the other side was silent or left after %d bytes: %w", filled, err)
		case kind == 0:
			continue
		case kind != want || len(rest) > 0:
			return nil, fmt.Errorf("frame of kind %d and %d bytes more instead of a handshake: %w", kind, len(rest), wire.ErrMalformed)
		}
		return body, nil
	}
}

// greet is the dialer's side of the handshake.
func (l *link) greet(conn net.Conn) error {
	t := l.t
	if err := conn.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return fmt.Errorf("set the handshake's deadline: %w", err)
	}
	l.dialed++
	send, grace := t.phases()
	hello := wire.Hello{
		Cluster: t.config.Cluster, Members: t.members, From: t.config.Self, To: l.to, Identity: t.config.Identity,
		Session: t.config.Life<<32 | l.dialed, SendLeft: send, GraceLeft: grace,
	}
	if _, err := conn.Write(wire.AppendHello(nil, &hello)); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	body, err := readFrame(conn, wire.KindWelcome)
	if err != nil {
		return fmt.Errorf("no welcome: %w", err)
	}
	welcome, err := wire.DecodeWelcome(body)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errRefused, err)
	case welcome.Refusal != "":
		return fmt.Errorf("%w: %s", errRefused, welcome.Refusal)
	case welcome.From != l.to:
		return fmt.Errorf("%w: member %d answers in its place", errRefused, welcome.From)
	}
	t.onPhases(l.to, welcome.SendLeft, welcome.GraceLeft)
	return conn.SetDeadline(time.Time{})
}

// readHello is the first half of the other side: who is there, and is he one of
// us? The error says why not.
func (t *Transport) readHello(conn net.Conn) (*wire.Hello, error) {
	if err := conn.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return nil, fmt.Errorf("set the handshake's deadline: %w", err)
	}
	body, err := readFrame(conn, wire.KindHello)
	if err != nil {
		return nil, err
	}
	hello, err := wire.DecodeHello(body)
	if err != nil {
		return nil, err
	}
	return &hello, t.judge(&hello)
}

// judge says what is wrong with a hello, in words for the operators of both
// sides.
func (t *Transport) judge(h *wire.Hello) error {
	switch {
	case h.Cluster != t.config.Cluster:
		return fmt.Errorf("this is cluster %q, not %q: give all members the same cluster name", t.config.Cluster, h.Cluster)
	case h.Members != t.members:
		return errors.New("the member lists differ: use the same peers file, in the same order, for all members")
	case h.To != t.config.Self:
		return fmt.Errorf("this is member %d, not %d: is each member started with its own host and port?", t.config.Self, h.To)
	case h.From == t.config.Self || int(h.From) >= len(t.config.List):
		return fmt.Errorf("member %d cannot dial member %d: start only one process for each member", h.From, t.config.Self)
	case h.Identity == 0:
		return errors.New("the hello has no identity")
	}
	return nil
}

// welcome sends the answer to a hello; a refusal says why.
func (t *Transport) welcome(conn net.Conn, refusal string) error {
	send, grace := t.phases()
	answer := wire.Welcome{
		From: t.config.Self, Identity: t.config.Identity, Refusal: refusal, SendLeft: send, GraceLeft: grace,
	}
	_, err := conn.Write(wire.AppendWelcome(nil, &answer))
	return err
}

// phases says how long this member's phases still take.
func (t *Transport) phases() (send, grace time.Duration) {
	if t.config.Phases == nil {
		return 0, 0
	}
	return t.config.Phases()
}

// onPhases passes on what a peer said of its phases.
func (t *Transport) onPhases(from member.ID, send, grace time.Duration) {
	if t.config.OnPhases != nil {
		t.config.OnPhases(from, send, grace)
	}
}
