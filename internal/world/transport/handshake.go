package transport

import (
	"errors"
	"fmt"
	"net"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/world/wire"
)

// lifeMax keeps a life's number in the upper half of a session's.
const lifeMax = 1<<32 - 1

// Why there is no link, in the chain of errors.
var (
	errRefused    = errors.New("the link is refused")
	errUnanswered = errors.New("the connection is accepted, but nobody answers")
)

// ticksApart is how many times longer one member's tick may be than another's
// before it is told: clocks of machines differ by far less.
const ticksApart = 2

// readFrame reads one frame of at most so many bytes, and not a byte of what may
// follow it: the other side of an offer goes on at once.
func readFrame(conn net.Conn, want wire.Kind, bytesMax int) ([]byte, error) {
	buffer := make([]byte, bytesMax)
	for filled := 0; ; {
		need, _ := wire.FrameBytes(buffer[:filled], len(buffer)) // an error would have come out below
		n, err := conn.Read(buffer[filled:max(need, wire.FrameHeaderBytes)])
		filled += n
		kind, body, _, frameErr := wire.CutFrame(buffer[:filled], len(buffer))
		switch {
		case frameErr != nil && isTLS(buffer[:filled]):
			return nil, errPlain
		case frameErr != nil:
			return nil, frameErr
		case kind == 0 && err != nil:
			return nil, fmt.Errorf("the other side was silent or left after %d bytes: %w", filled, err)
		case kind == 0:
			continue
		case kind != want:
			return nil, fmt.Errorf("frame of kind %d instead of a handshake, or of what was asked for: %w", kind, wire.ErrMalformed)
		}
		return body, nil
	}
}

// hello makes the hello for a connection to the link's peer. An offered one is
// numbered by who takes it.
func (t *Transport) hello(l *link, purpose wire.Purpose) wire.Hello {
	hello := wire.Hello{
		Cluster: t.config.Cluster, Members: t.members, Count: len(t.config.List), From: t.config.Self, To: l.to,
		Identity: t.config.Identity, Process: t.process, Protocol: t.config.Protocol, Tick: t.config.Tick,
		Purpose: purpose, Meta: t.meta(),
	}
	if purpose == wire.ForMessages {
		hello.Session = l.nextSession()
	}
	return hello
}

// readHello is the first half of the other side: who is there, and is he one of
// us? The error says why not.
func (t *Transport) readHello(conn net.Conn) (*wire.Hello, error) {
	body, err := readFrame(conn, wire.KindHello, wire.HandshakeBytesMax)
	if err != nil {
		return nil, err
	}
	hello, err := wire.DecodeHello(body)
	if err != nil {
		return nil, err
	}
	return &hello, t.judge(&hello)
}

// judge returns what is wrong with a hello, in words for the operators of both
// sides.
func (t *Transport) judge(h *wire.Hello) error {
	switch {
	case h.Purpose == wire.ForJoining:
		return t.judgeNewcomer(h)
	case h.Cluster != t.config.Cluster:
		return fmt.Errorf("this is cluster %q, not %q: give all members the same cluster name", t.config.Cluster, h.Cluster)
	case h.Members != t.members && h.Count != len(t.config.List):
		return fmt.Errorf("the member lists differ, one has %d members, the other %d: use the same peers file for all members", len(t.config.List), h.Count)
	case h.Members != t.members:
		return errors.New("the member lists differ: use the same peers file, in the same order, for all members")
	case h.To != t.config.Self:
		return fmt.Errorf("this is member %s, not %s: is each member started with its own host and port?", t.name(t.config.Self), t.name(h.To))
	case int(h.From) >= t.Known():
		return fmt.Errorf("member %s cannot dial member %s: it is not known there, or joined a moment ago; if that lasts, start %s with --join HOST:PORT besides", t.name(h.From), t.name(t.config.Self), t.name(t.config.Self))
	case h.From == t.config.Self:
		return fmt.Errorf("member %s cannot dial member %s: start only one process for each member", t.name(h.From), t.name(t.config.Self))
	case h.Identity == 0:
		return errors.New("the hello has no identity")
	case h.Protocol != t.config.Protocol:
		return fmt.Errorf("the protocols differ, who dialed has %q, the other %q: start all members with the same --protocol", h.Protocol, t.config.Protocol)
	}
	t.compareTicks(t.link(h.From), h.Tick)
	return nil
}

// name returns what people call a member; the place may be of another list.
func (t *Transport) name(id member.ID) string {
	l := t.link(id)
	switch {
	case l != nil:
		return l.target().Name
	case id == t.config.Self:
		return t.config.own().Name
	}
	return fmt.Sprint("number ", int(id)+1)
}

// compareTicks tells the log, once for each peer, if its tick is far from this
// member's: they do understand each other, but the slower one sets the pace.
func (t *Transport) compareTicks(l *link, tick time.Duration) {
	apart := max(tick, t.config.Tick) > ticksApart*min(tick, t.config.Tick)
	if apart && min(tick, t.config.Tick) > 0 && l.odd.CompareAndSwap(false, true) {
		l.log.Warn("the ticks differ, and the slower member sets the pace: start all members with the same --tick-duration",
			"here", t.config.Tick, "there", tick)
	}
}

// welcome answers a hello; what is the same in all answers is filled in here.
func (t *Transport) welcome(conn net.Conn, w *wire.Welcome) error {
	w.From, w.Identity, w.Process, w.Tick = t.config.Self, t.config.Identity, t.process, t.config.Tick
	w.Meta = t.meta()
	_, err := conn.Write(wire.AppendWelcome(nil, w))
	return err
}

// rival says, as an error for the operators of both sides, that another process
// than this one is alive in the peer's name. One that is only not known to be
// dead yet, for the peer was started anew, is no rival: it has the time of a
// few beats to be heard of. The one that lives is told too, with the next beats:
// what the newcomer does, and at which address.
func (l *link) rival(process uint64, does string, newcomer net.Conn) error {
	began := l.t.now()
	for until := began + min(2*l.t.config.BeatEvery, l.t.config.HandshakeTimeout/2); ; {
		in, out := l.seat.other(process), l.current.Load()
		if out != nil && (out.process == process || out.hasEnded()) {
			out = nil
		}
		alive := in != nil && time.Duration(in.heard.Load()) > began || out != nil && time.Duration(out.heard.Load()) > began
		switch {
		case alive && in != nil:
			l.meet(does, newcomer)
			return l.rivalFrom("dials from", in.conn)
		case alive:
			l.meet(does, newcomer)
			return l.rivalFrom("answers at", out.conn)
		case in == nil && out == nil, l.t.now() >= until, l.t.closing():
			return nil
		}
		l.t.pause(l.t.config.BeatEvery / 10)
	}
}

func (l *link) rivalFrom(does string, conn net.Conn) error {
	return fmt.Errorf("member %s runs already, as a process that %s %s: stop one of them", l.t.name(l.to), does, conn.RemoteAddr())
}

// meta returns what this member's application tells.
func (t *Transport) meta() string {
	if t.config.Meta == nil {
		return ""
	}
	return t.config.Meta()
}

// onMeta passes on what a peer's application tells.
func (t *Transport) onMeta(from member.ID, meta string) {
	if t.config.OnMeta != nil {
		t.config.OnMeta(from, meta)
	}
}
