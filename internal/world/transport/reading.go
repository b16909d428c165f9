package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// A member whose disk has damaged something reads it from a peer, on a
// connection that is for nothing else and ends with it. Links, and what the
// reducers know of one another, have no part in that, so a member can do it
// before it takes part.

const (
	// readingMax is how long a connection for reading lasts at most.
	readingMax = 10 * time.Second
	// partFrameBytesMax is the longest frame of a part.
	partFrameBytesMax = wire.PartBytesMax + wire.HandshakeBytesMax
)

// ErrNotKept says that the peer does not keep what was asked for, so that it is
// of no use to ask again.
var ErrNotKept = errors.New("it does not keep that")

// Idle returns a transport that neither accepts nor dials by itself: all that it
// can do is Read. Listener, Handler and Identity of the configuration do not
// matter. The caller must Close it.
func Idle(config Config) (*Transport, error) {
	config.Listener, config.Handler = nowhere{}, nobody{}
	config.Identity, config.Life = max(config.Identity, 1), max(config.Life, 1)
	return newTransport(config)
}

// nowhere is a listener to which nobody comes.
type nowhere struct{}

func (nowhere) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (nowhere) Close() error              { return nil }
func (nowhere) Addr() net.Addr            { return &net.TCPAddr{} }

// nobody is a handler that is told of nothing.
type nobody struct{}

func (nobody) Up(member.ID, bool)        {}
func (nobody) Down(member.ID)            {}
func (nobody) Receive(*protocol.Message) {}

// reading is the connection to a peer for reading, which several reads share.
type reading struct {
	turn chan struct{} // has something in it while somebody reads, who owns conn
	conn net.Conn      // nil: there is none
}

func (r *reading) end() {
	if r.conn != nil {
		abort(r.conn)
		r.conn = nil
	}
}

// Read reads from a peer a batch, by the position of an entry or by its number in
// a stream; first is that of its first entry. ErrNotKept is in the chain if the
// peer does not have it. Any goroutine may call it.
func (t *Transport) Read(ctx context.Context, from member.ID, ask wire.Ask) (first uint64, batch []byte, err error) {
	l := t.link(from)
	select {
	case l.reading.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, nil, context.Cause(ctx)
	}
	defer func() { <-l.reading.turn }()
	for {
		fresh := l.reading.conn == nil
		if fresh {
			if l.reading.conn, err = l.dialToRead(ctx); err != nil {
				return 0, nil, err
			}
		}
		first, batch, err = l.read(ctx, ask)
		if err == nil || errors.Is(err, ErrNotKept) {
			return first, batch, err
		}
		l.reading.end()
		if fresh {
			return 0, nil, err
		}
	}
}

func (l *link) dialToRead(ctx context.Context) (net.Conn, error) {
	targets, err := l.t.names.targets(ctx, l.target())
	if err != nil {
		return nil, err
	}
	result := l.t.connect(targets)
	if result.err != nil {
		return nil, result.err
	}
	conn, _, err := l.greet(result.conn, wire.ForReading)
	return conn, err
}

// read reads on the connection that there is.
func (l *link) read(ctx context.Context, ask wire.Ask) (first uint64, batch []byte, err error) {
	conn := l.reading.conn
	for _, over := range []context.Context{ctx, l.t.running} {
		stop := context.AfterFunc(over, func() { abort(conn) })
		defer stop()
	}
	if err := conn.SetDeadline(time.Now().Add(readingMax)); err != nil {
		return 0, nil, err
	}
	return readBatch(conn, ask)
}

// endReading closes what is open for reading.
func (t *Transport) endReading() {
	for _, l := range *t.links.Load() {
		if l != nil {
			l.reading.turn <- struct{}{}
			l.reading.end()
			<-l.reading.turn
		}
	}
}

// readBatch asks for a batch, part by part.
func readBatch(conn net.Conn, ask wire.Ask) (first uint64, batch []byte, err error) {
	for {
		ask.Offset = uint64(len(batch))
		if _, err := conn.Write(wire.AppendAsk(nil, &ask)); err != nil {
			return 0, nil, err
		}
		body, err := readFrame(conn, wire.KindPart, partFrameBytesMax)
		if err != nil {
			return 0, nil, err
		}
		part, err := wire.DecodePart(body)
		switch {
		case err != nil:
			return 0, nil, err
		case part.At == 0:
			return 0, nil, ErrNotKept
		case part.Offset != ask.Offset, part.Offset == part.Size, len(part.Bytes) == 0, part.Size > wire.FrameBytesMax:
			return 0, nil, fmt.Errorf("part of %d bytes from %d on, of %d: %w", len(part.Bytes), part.Offset, part.Size, wire.ErrMalformed)
		}
		if batch = append(batch, part.Bytes...); uint64(len(batch)) == part.Size {
			return part.At, batch, nil
		}
	}
}

// answer answers what a peer asks on a connection for reading, until it ends.
func (t *Transport) answer(conn net.Conn, h *wire.Hello) {
	defer conn.Close() //nolint:errcheck // all is said
	t.vouch(conn.RemoteAddr())
	l := t.link(h.From)
	if t.config.OnRead == nil || !l.reads.CompareAndSwap(false, true) {
		t.refuse(conn, errors.New("nothing can be read here, or somebody reads in the same name"))
		return
	}
	defer l.reads.Store(false)
	if t.welcome(conn, &wire.Welcome{}) != nil || conn.SetDeadline(time.Now().Add(readingMax)) != nil {
		return // who asks tries again
	}
	for {
		body, err := readFrame(conn, wire.KindAsk, wire.HandshakeBytesMax)
		if err != nil {
			return
		}
		ask, err := wire.DecodeAsk(body)
		if err != nil {
			return
		}
		part := t.config.OnRead(h.From, ask)
		if _, err := conn.Write(wire.AppendPart(nil, &part)); err != nil {
			return
		}
	}
}
