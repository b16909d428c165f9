package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"chatterbox/internal/world/gate"
	"chatterbox/internal/world/wire"
)

// attempt is what came of trying to make a connection.
type attempt struct {
	conn    net.Conn // welcomed; nil if there is none for this direction
	process uint64   // who answered
	err     error
	offer   bool // it was for the peer's direction, and is in use there, or refused
}

// errClosed says that an attempt ended because the transport closes, or
// because it is not needed any more.
var errClosed = errors.New("not needed any more")

// call makes one attempt at a connection for this direction.
func (l *link) call() attempt {
	l.counters.dials.Add(1)
	ctx, cancel := context.WithTimeout(l.t.running, l.t.config.LookupTimeout)
	targets, err := l.t.names.targets(ctx, l.target())
	cancel()
	if err != nil {
		return attempt{err: err}
	}
	l.expect(targets)
	rotate(targets, int(l.skipped.Load()))
	result := l.t.connect(targets)
	if result.err != nil {
		return attempt{err: result.err}
	}
	if !l.claimed.CompareAndSwap(false, true) || l.recovered() {
		abort(result.conn) // the peer offers one just now, or the silent one has recovered
		return attempt{err: errClosed}
	}
	conn, welcome, err := l.greet(result.conn, wire.ForMessages)
	if err != nil {
		l.skipped.Add(uint32(result.place) + 1) // somebody else may be at that address
		return attempt{err: err}
	}
	return attempt{conn: conn, process: welcome.Process}
}

// expect lets the peer in that is at one of the targets, whoever else comes.
func (l *link) expect(targets []string) {
	for _, target := range targets {
		if host, _, err := net.SplitHostPort(target); err == nil {
			l.t.gate.Vouch(gate.HostNamed(host))
		}
	}
}

// recovered reports whether there is a connection, as far as others than the keeper
// can know, and that it is not silent.
func (l *link) recovered() bool {
	out := l.current.Load()
	return out != nil && !out.hasEnded() && out.silence() < l.t.config.SuspectAfter
}

// rotate brings the element at a place, counted round and round, to the front.
func rotate(targets []string, place int) {
	place %= len(targets)
	rotated := append(append([]string{}, targets[place:]...), targets[:place]...)
	copy(targets, rotated)
}

// offerIsDue reports whether the peer, which this member has reached, does not
// reach this member: then it is offered a connection for its direction.
func (l *link) offerIsDue() bool {
	now := l.t.now()
	heard := max(l.seat.heard(), l.out.made)
	return !l.trying && l.out.dialed && now-heard >= l.t.config.SuspectAfter && now >= l.offerAt
}

// offer dials the peer where it was dialed before, for its messages to this
// member.
func (l *link) offer() attempt {
	return attempt{offer: true, err: l.makeOffer()}
}

func (l *link) makeOffer() error {
	out := l.current.Load()
	if out == nil {
		return errClosed
	}
	result := l.t.dialOne(l.t.running, out.conn.RemoteAddr().String(), 0)
	if result.err != nil {
		return result.err
	}
	conn, welcome, err := l.greet(result.conn, wire.ForOffer)
	if err != nil {
		return err
	}
	in := newIncoming(l, conn, peer{welcome.Identity, welcome.Process, welcome.Session})
	if err := l.seat.try(in); err != nil {
		abort(conn)
		return err
	}
	l.t.group.Go(in.serve)
	return nil
}

// greet is the dialer's side of the handshake, that of TLS first if there are
// keys. It closes the connection if that fails.
func (l *link) greet(conn net.Conn, purpose wire.Purpose) (net.Conn, *wire.Welcome, error) {
	stop := context.AfterFunc(l.t.running, func() { abort(conn) })
	secure, welcome, err := l.exchange(conn, purpose)
	if !stop() && err == nil {
		err = errClosed
	}
	if err != nil {
		abort(conn)
		return nil, nil, err
	}
	l.t.onMeta(l.to, welcome.Meta)
	return secure, welcome, nil
}

// exchange sends the hello and reads the welcome.
func (l *link) exchange(plain net.Conn, purpose wire.Purpose) (net.Conn, *wire.Welcome, error) {
	t := l.t
	if err := plain.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return nil, nil, fmt.Errorf("set the handshake's deadline: %w", err)
	}
	conn, err := t.security.dialed(plain, t.name(l.to))
	if err != nil {
		return nil, nil, unanswered("TLS", err)
	}
	hello := t.hello(l, purpose)
	if _, err := conn.Write(wire.AppendHello(nil, &hello)); err != nil {
		return nil, nil, unanswered("send hello", err)
	}
	body, err := readFrame(conn, wire.KindWelcome, wire.HandshakeBytesMax)
	if err != nil {
		return nil, nil, unanswered("no welcome", err)
	}
	welcome, err := wire.DecodeWelcome(body)
	if err == nil {
		err = l.check(&welcome, conn, purpose)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return conn, &welcome, conn.SetDeadline(time.Time{})
}

// check returns what is wrong with a welcome, in words for the operator.
func (l *link) check(w *wire.Welcome, conn net.Conn, purpose wire.Purpose) error {
	switch {
	case w.Refusal != "":
		return errors.New(w.Refusal)
	case w.From != l.to:
		return fmt.Errorf("member %s answers in its place", l.t.name(w.From))
	case purpose == wire.ForReading:
		return nil
	}
	l.t.compareTicks(l, w.Tick)
	return l.rival(w.Process, "answers at", conn)
}

// offered is an accepted connection that is for this member's messages.
type offered struct {
	conn    net.Conn
	process uint64 // who offers it
	taken   chan<- bool
}

// accept takes an offer, or refuses it, which is no mistake of anybody: this
// member has a connection meanwhile, or makes one, or a failure is imposed.
func (l *link) accept(offer offered) {
	if !l.claimed.CompareAndSwap(false, true) {
		offer.taken <- false
		return
	}
	defer l.claimed.Store(false)
	if l.imposed().Cut || l.sound() || l.recovers() || !l.welcome(offer.conn) {
		offer.taken <- false
		return
	}
	offer.taken <- true
	l.up(newOutgoing(l, offer.conn, offer.process, false))
}

// welcome answers an offer with the session that begins.
func (l *link) welcome(conn net.Conn) bool {
	return l.t.welcome(conn, &wire.Welcome{Session: l.nextSession()}) == nil && conn.SetDeadline(time.Time{}) == nil
}
