package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"chatterbox/internal/world/gate"
	"chatterbox/internal/world/wire"
)

// accept accepts connections until the listener is closed.
func (t *Transport) accept() {
	listener := t.gate.Listen(t.config.Listener, nil, t.turnedAway)
	for t.running.Err() == nil {
		conn, err := listener.Accept()
		if err == nil {
			t.group.Go(func() { t.serve(conn) })
			continue
		}
		if t.running.Err() == nil && t.notices.due("accept", t.config.Listener.Addr(), t.now()) {
			t.config.Log.Warn("cannot accept connections, trying on; are there enough file descriptors?", "error", err)
		}
		t.pause(t.config.RedialMax)
	}
}

// Handshakes that each cost a signature are bounded by how often somebody may
// come in. A member tries twice in redialMax at most, for both directions, and a
// little more often at first; all of them may come from one host, or from behind
// one address.
const (
	knownPerSecond     = 16 // for each member
	knownBurst         = 64 // likewise
	strangerPerSecond  = 8
	strangerBurst      = 32
	strangersPerSecond = 32 // of all hosts that are not known
	strangersBurst     = 64
	// strangersApart is the time from one stranger's handshake to the next: all of a
	// burst have their turn within half of the time that a handshake may take.
	strangersApart = 4 * time.Millisecond
	// strangerBarredFor is how long a host that is not known is not heard after its
	// handshake of TLS came to nothing: most of them were computed for.
	strangerBarredFor = 4 * time.Second
	gateMembersMin    = 8 // so many may come from one host at least, for others may join
)

func newGate(members int, now func() time.Duration) *gate.Gate {
	return gate.New(gate.Config{
		Strangers: gate.Rate{PerSecond: strangersPerSecond, Burst: strangersBurst},
		Stranger:  gate.Rate{PerSecond: strangerPerSecond, Burst: strangerBurst},
		Known:     gate.Rate{PerSecond: members * knownPerSecond, Burst: members * knownBurst},
		Apart:     strangersApart,
		BarredFor: strangerBarredFor,
		Now:       now,
	})
}

// turnedAway is told of a connection that may not make its handshake: nothing was
// computed for it.
func (t *Transport) turnedAway(conn net.Conn, tell uint64) {
	t.refused.Add(1)
	if tell > 0 && !t.closing() {
		t.config.Log.Warn("closed connections before their handshake, for more come than from members: somebody connects who is no member",
			"closed", tell, "last_from", conn.RemoteAddr().String())
	}
}

// vouch says that a member is, or is to be, at an address: strangers do not keep
// it out.
func (t *Transport) vouch(at net.Addr) { t.gate.Vouch(gate.HostOf(at)) }

// pause waits for a time, or until Close.
func (t *Transport) pause(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.running.Done():
	}
}

// serve does all that is done with an accepted connection.
func (t *Transport) serve(plain net.Conn) {
	stop := context.AfterFunc(t.ctx, func() { abort(plain) })
	conn, hello, err := t.admit(plain)
	switch {
	case err != nil:
		t.refuse(conn, err)
		_ = conn.Close() // not abort: the refusal shall arrive
		stop()
	case hello.Purpose == wire.ForOffer:
		stop()
		t.hand(conn, hello)
	case hello.Purpose == wire.ForReading:
		t.answer(conn, hello)
		stop()
	case hello.Purpose == wire.ForJoining:
		t.takeIn(conn)
		stop()
	default:
		stop()
		t.receive(conn, hello)
	}
}

// admit makes the handshake up to the hello, and says why who dialed cannot be
// accepted. Until then he counts as a stranger.
func (t *Transport) admit(plain net.Conn) (conn net.Conn, hello *wire.Hello, err error) {
	if oldest := t.strangers.add(plain); oldest != nil {
		abort(oldest)
		t.refused.Add(1)
		t.notice("crowd", oldest, "closed the oldest connection without a hello, there are too many: somebody connects who is no member")
	}
	defer t.strangers.remove(plain)
	t.pause(t.gate.Turn(gate.HostOf(plain.RemoteAddr())))
	if err := plain.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return plain, nil, fmt.Errorf("set the handshake's deadline: %w", err)
	}
	if conn, err = t.security.accepted(plain); err != nil {
		t.gate.Bar(gate.HostOf(plain.RemoteAddr()))
		return plain, nil, err
	}
	if hello, err = t.readHello(conn); err == nil && hello.Purpose == wire.ForJoining {
		return conn, hello, nil // the certificate is looked at once the name is known
	}
	if err == nil {
		err = t.security.isOf(conn, t.name(hello.From))
	}
	if err == nil && hello.Purpose != wire.ForReading {
		err = t.link(hello.From).rival(hello.Process, "dials from", conn)
	}
	return conn, hello, err
}

// receive reads a peer's messages from a connection that it dialed for them.
func (t *Transport) receive(conn net.Conn, h *wire.Hello) {
	t.vouch(conn.RemoteAddr())
	defer t.vouch(conn.RemoteAddr()) // it may have lasted for days
	in := newIncoming(t.link(h.From), conn, peer{h.Identity, h.Process, h.Session})
	if err := in.from.seat.try(in); err != nil {
		t.refuse(conn, err)
		_ = conn.Close()
		return
	}
	t.onMeta(h.From, h.Meta)
	if t.welcome(conn, &wire.Welcome{}) != nil || conn.SetDeadline(time.Time{}) != nil {
		in.end() // the dialer tries again, and has the reason
	}
	in.serve()
}

// hand gives a connection that a peer offers to the keeper of the link to it.
// Whoever does not need it says so, and is asked again later.
func (t *Transport) hand(conn net.Conn, h *wire.Hello) {
	t.vouch(conn.RemoteAddr())
	t.onMeta(h.From, h.Meta)
	taken := make(chan bool, 1)
	timer := time.NewTimer(t.config.HandshakeTimeout)
	defer timer.Stop()
	select {
	case t.link(h.From).offers <- offered{conn, h.Process, taken}:
		if <-taken {
			return
		}
	case <-timer.C:
	case <-t.running.Done():
	}
	_ = t.welcome(conn, &wire.Welcome{Refusal: "this direction has a connection, or must not have one"})
	_ = conn.Close()
}

// refuse tells both sides why a connection is not accepted.
func (t *Transport) refuse(conn net.Conn, reason error) {
	if errors.Is(reason, net.ErrClosed) || errors.Is(reason, syscall.ECONNRESET) {
		return // by ourselves, or by a peer that has dialed anew meanwhile
	}
	t.refused.Add(1)
	switch {
	case errors.Is(reason, os.ErrDeadlineExceeded):
		t.notice("silent", conn, "closed a connection: no hello in time", "error", reason)
		return
	case errors.Is(reason, io.EOF):
		t.notice("left", conn, "a connection ended before its hello", "error", reason)
		return
	case errors.Is(reason, wire.ErrMalformed):
		t.notice("garbage", conn, "refused a connection: what came is not a hello", "error", reason)
	default:
		t.noticeToo(conn, reason)
	}
	if _, secure := conn.(*tls.Conn); t.security.server != nil && !secure && !errors.Is(reason, errPlain) {
		return // TLS has told the other side
	}
	_ = t.welcome(conn, &wire.Welcome{Refusal: reason.Error()}) // whoever does not listen has his reasons
}

// notice logs a warning about the other end of a connection, each kind not too
// often for a host.
func (t *Transport) notice(kind string, conn net.Conn, text string, args ...any) {
	if t.running.Err() == nil && t.notices.due(kind, conn.RemoteAddr(), t.now()) {
		t.config.Log.Warn(text, append(args, "from", conn.RemoteAddr().String())...)
	}
}

// noticeToo logs that a connection is refused: of each host not too often, and of so many
// hosts with the same reason. What is not told of a host does not count among these.
func (t *Transport) noticeToo(conn net.Conn, reason error) {
	if t.running.Err() == nil && t.notices.due("refused", conn.RemoteAddr(), t.now()) && t.notices.dueToo("refused: "+reason.Error(), t.now()) {
		t.config.Log.Warn("refused a connection", "error", reason, "from", conn.RemoteAddr().String())
	}
}
