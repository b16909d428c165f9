package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/world/wire"
)

// Who has no place yet asks a member to be taken in, on a connection that is for
// nothing else. It is a stranger until its hello is accepted, as everybody is, and it
// shows a certificate that is valid for the name that it is to have.

const (
	// JoiningWithin is how long it may take at most until a newcomer is answered.
	JoiningWithin = 10 * time.Second
	// joinFrameBytesMax is the longest frame of who asks.
	joinFrameBytesMax = 1 << 10
)

// ErrJoin says that a newcomer is refused, and that to ask again is of no use before
// somebody has changed something.
var ErrJoin = errors.New("this member is not taken in")

// Join asks the member at an address to have this one taken in, and returns its
// answer, which has no refusal. Of the configuration counts what a hello says, and
// how connections are made: List is this member alone. An error that has not
// [ErrJoin] in its chain may pass by itself.
func Join(ctx context.Context, config Config, contact member.Member, join wire.Join) (*wire.Seat, error) {
	config.List, config.Joined, config.Self = append(config.List[:1:1], contact), nil, 0
	t, err := Idle(config)
	if err != nil {
		return nil, err
	}
	defer func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		t.Close(over)
	}()
	stop := context.AfterFunc(ctx, t.stop)
	defer stop()
	seat, err := t.link(1).join(ctx, &join)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return seat, err
}

func (l *link) join(ctx context.Context, join *wire.Join) (*wire.Seat, error) {
	targets, err := l.t.names.targets(ctx, l.target())
	if err != nil {
		return nil, errors.New(explain(err))
	}
	result := l.t.connect(targets)
	if result.err != nil {
		return nil, errors.New(explain(result.err))
	}
	conn := result.conn
	stop := context.AfterFunc(l.t.running, func() { abort(conn) })
	defer stop()
	defer conn.Close() //nolint:errcheck // all is said
	return l.t.askToJoin(conn, join)
}

func (t *Transport) askToJoin(plain net.Conn, join *wire.Join) (*wire.Seat, error) {
	if err := plain.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return nil, err
	}
	conn, err := t.security.dialedUnnamed(plain)
	if err != nil {
		return nil, final(unanswered("TLS", err))
	}
	hello := wire.Hello{
		Cluster: t.config.Cluster, Identity: join.Identity, Process: t.process, Protocol: t.config.Protocol, Tick: t.config.Tick, Purpose: wire.ForJoining,
	}
	if _, err := conn.Write(wire.AppendHello(nil, &hello)); err != nil {
		return nil, unanswered("send hello", err)
	}
	body, err := readFrame(conn, wire.KindWelcome, wire.HandshakeBytesMax)
	if err != nil {
		return nil, final(unanswered("no welcome", err))
	}
	welcome, err := wire.DecodeWelcome(body)
	switch {
	case err != nil:
		return nil, final(err)
	case welcome.Refusal != "":
		return nil, fmt.Errorf("%w: %s", ErrJoin, welcome.Refusal)
	}
	if err := conn.SetDeadline(time.Now().Add(JoiningWithin + t.config.HandshakeTimeout)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(wire.AppendJoin(nil, join)); err != nil {
		return nil, unanswered("send what is asked for", err)
	}
	if body, err = readFrame(conn, wire.KindSeat, wire.SeatBytesMax); err != nil {
		return nil, unanswered("no answer", err)
	}
	seat, err := wire.DecodeSeat(body)
	if err != nil {
		return nil, final(err)
	}
	return t.judgeSeat(conn, &seat, &welcome, join)
}

// judgeSeat looks whether a seat is an answer to who asked for it, of the member
// that it says it is of.
func (t *Transport) judgeSeat(conn net.Conn, seat *wire.Seat, welcome *wire.Welcome, join *wire.Join) (*wire.Seat, error) {
	switch {
	case seat.Refusal != "" && seat.Final:
		return nil, fmt.Errorf("%w: %s", ErrJoin, seat.Refusal)
	case seat.Refusal != "":
		return nil, errors.New(seat.Refusal)
	}
	if _, ok := seat.View.TenantAt(join.Identity); !ok || int(welcome.From) >= len(seat.View.Places) {
		return nil, fmt.Errorf("%w: it was shown a view that has not its place: %w", ErrJoin, wire.ErrMalformed)
	}
	name := seat.View.Places[welcome.From].Name
	if int(welcome.From) < len(seat.Founders) {
		name = seat.Founders[welcome.From].Name
	}
	if err := t.security.isOf(conn, name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJoin, err)
	}
	return seat, nil
}

// final marks a refusal that does not pass by itself.
func final(err error) error {
	if errors.Is(err, errRefused) || errors.Is(err, wire.ErrMalformed) {
		return fmt.Errorf("%w: %s", ErrJoin, explain(err))
	}
	return err
}

// judgeNewcomer returns what is wrong with the hello of who has no place yet.
func (t *Transport) judgeNewcomer(h *wire.Hello) error {
	switch {
	case h.Cluster != t.config.Cluster:
		return fmt.Errorf("this is cluster %q, not %q: give it the same cluster name", t.config.Cluster, h.Cluster)
	case h.Protocol != t.config.Protocol:
		return fmt.Errorf("the protocols differ, who asked has %q, the cluster %q", h.Protocol, t.config.Protocol)
	case t.config.OnJoin == nil:
		return fmt.Errorf("nobody joins this cluster: the members that run %q are those of its list", t.config.Protocol)
	}
	return nil
}

// takeIn answers who asks to be taken in.
func (t *Transport) takeIn(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // all is said
	if t.welcome(conn, &wire.Welcome{}) != nil || conn.SetDeadline(time.Now().Add(JoiningWithin+t.config.HandshakeTimeout)) != nil {
		return // who asks tries again
	}
	body, err := readFrame(conn, wire.KindJoin, joinFrameBytesMax)
	if err != nil {
		return
	}
	seat := &wire.Seat{}
	join, err := wire.DecodeJoin(body)
	switch {
	case err != nil:
		return
	case !t.joining.CompareAndSwap(false, true):
		seat.Refusal = "somebody else is being taken in just now"
	default:
		seat = t.seatFor(conn, join)
		t.joining.Store(false)
	}
	if seat.Refusal != "" {
		t.notice("join", conn, "somebody asks to join, and is not taken in", "name", join.Name, "address", join.Address, "reason", seat.Refusal)
	}
	_, _ = conn.Write(wire.AppendSeat(nil, seat)) // who does not hear it asks again
}

// seatFor has somebody taken in whose certificate is good for the name.
func (t *Transport) seatFor(conn net.Conn, join wire.Join) *wire.Seat {
	if err := t.security.isOf(conn, join.Name); err != nil {
		return &wire.Seat{Refusal: err.Error(), Final: true}
	}
	ctx, cancel := context.WithTimeout(t.running, JoiningWithin)
	defer cancel()
	return t.config.OnJoin(ctx, join)
}

// dialedUnnamed secures a connection to a member whose name is not known before it
// has answered: until then its certificate only must be of the authority.
func (s security) dialedUnnamed(conn net.Conn) (net.Conn, error) {
	if s.client == nil {
		return conn, nil
	}
	config := s.client.Clone()
	if s.now != nil {
		fresh, err := s.now(&tls.ClientHelloInfo{})
		if err != nil {
			return nil, err
		}
		if fresh != nil {
			config = hardened(fresh)
		}
	}
	further := config.VerifyConnection
	config.InsecureSkipVerify = true //nolint:gosec // VerifyConnection does it, but for the name
	config.VerifyConnection = func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: config.RootCAs, Intermediates: x509.NewCertPool()}
		if config.Time != nil {
			options.CurrentTime = config.Time()
		}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		chains, err := state.PeerCertificates[0].Verify(options)
		if err != nil || further == nil {
			return err
		}
		state.VerifiedChains = chains
		return further(state)
	}
	secure := tls.Client(conn, config)
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	return secure, nil
}
