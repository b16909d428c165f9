package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// peer is who speaks on a connection, as its handshake says.
type peer struct {
	identity member.Identity
	process  uint64
	session  uint64
}

// incoming is a connection for a peer's messages, which it has dialed or was
// offered: it brings messages, and is answered by beats.
type incoming struct {
	peer
	t      *Transport
	from   *link // the peer's
	conn   net.Conn
	cutter *cutter
	used   bool // a frame has come: it is not on trial any more

	heard atomic.Int64 // when the peer was heard last
	busy  atomic.Bool  // what was heard is being handled

	once  sync.Once
	ended chan struct{} // closed with the connection
	done  chan struct{} // closed when nothing more comes of it
}

func newIncoming(from *link, conn net.Conn, who peer) *incoming {
	in := &incoming{
		peer: who, t: from.t, from: from, conn: conn,
		ended: make(chan struct{}), done: make(chan struct{}),
	}
	in.heard.Store(int64(in.t.now()))
	return in
}

// end closes the connection.
func (in *incoming) end() {
	in.once.Do(func() {
		close(in.ended)
		abort(in.conn)
	})
}

// serve reads until the connection ends, and then leaves its seat.
func (in *incoming) serve() {
	stop := context.AfterFunc(in.t.ctx, func() { abort(in.conn) })
	defer stop()
	in.run()
	in.from.seat.leave(in)
}

func (in *incoming) run() {
	defer close(in.done)
	defer in.end()
	in.t.group.Go(in.beat)
	if err := in.read(); err != nil {
		in.tell(err)
	}
}

// tell tells the log why the connection ended, where that is not ordinary.
func (in *incoming) tell(err error) {
	select {
	case <-in.ended: // by ourselves
		return
	default:
	}
	switch {
	case errors.Is(err, io.EOF):
	case isNetwork(err):
		in.from.log.Debug("connection of the peer ended", "error", err)
	default:
		in.t.notice("frames", in.conn, "closed a peer's connection, for what came is not acceptable: do both run the same release?",
			"peer", in.from.target().String(), "error", err)
	}
}

// isNetwork reports whether an error came from the connection, not from what it
// brought.
func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, os.ErrDeadlineExceeded)
}

// read reads and handles frames until the connection ends.
func (in *incoming) read() error {
	in.cutter = newCutter(in.t.config.Pool, in.t.config.FrameBytesMax)
	defer in.cutter.close()
	forgiven := false
	for deadline := time.Duration(0); ; {
		if err := in.extend(&deadline); err != nil {
			return err
		}
		n, err := in.conn.Read(in.cutter.space())
		in.cutter.filled(n)
		if n > 0 {
			forgiven = false
			now := in.t.now()
			in.heard.Store(int64(now))
			in.from.counters.read(n, now)
			if err := in.handle(); err != nil {
				return err
			}
		}
		if err != nil && (forgiven || !in.stoodStill(err, deadline)) {
			return err
		} else if err != nil {
			deadline, forgiven = 0, true
		}
	}
}

// extend moves the deadline of reading, not for each read but often enough.
func (in *incoming) extend(deadline *time.Duration) error {
	next := in.t.now() + in.t.config.SilenceMax
	if next-*deadline < in.t.config.BeatEvery {
		return nil
	}
	*deadline = next
	return in.conn.SetReadDeadline(in.t.began.Add(next))
}

// stoodStill reports whether the deadline was told of late: then this process stood
// still, and what the peer sent meanwhile may be about to be read.
func (in *incoming) stoodStill(err error, deadline time.Duration) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && in.t.now()-deadline > in.t.config.BeatEvery
}

// handle handles all frames that are complete.
func (in *incoming) handle() error {
	in.busy.Store(true)
	defer in.busy.Store(false)
	for {
		kind, body, err := in.cutter.next()
		if err != nil || kind == 0 {
			return err
		}
		if err := in.settle(); err != nil {
			return err
		}
		switch kind {
		case wire.KindMessage:
			err = in.message(body)
		case wire.KindBeat:
			err = in.beaten(body)
		case wire.KindAsk, wire.KindPart:
			err = in.state(kind, body)
		default:
			err = fmt.Errorf("frame of kind %d after the handshake: %w", kind, wire.ErrMalformed)
		}
		if err != nil {
			return err
		}
	}
}

// settle makes the connection the one of its peer, when its first frame comes.
// What the one before has brought is handled first.
func (in *incoming) settle() error {
	if in.used {
		return nil
	}
	before, ok := in.from.seat.use(in)
	if !ok {
		return net.ErrClosed
	}
	if before != nil {
		<-before.done
	}
	in.used = true
	in.from.counters.accepted.Add(1)
	return nil
}

// message decodes a message and hands it over.
func (in *incoming) message(body []byte) error {
	m := in.t.takeMessage()
	bytes, err := in.decode(body, m)
	if err != nil {
		in.t.Recycle(m)
		return err
	}
	select {
	case <-in.ended:
		in.t.Recycle(m)
		return net.ErrClosed
	default:
	}
	in.cutter.hold(m.Batches)
	in.from.counters.received(bytes)
	in.t.config.Handler.Receive(m)
	return nil
}

// decode fills m and gives the bytes of its batches.
func (in *incoming) decode(body []byte, m *protocol.Message) (batchBytes int, err error) {
	if err := wire.DecodeMessage(body, m); err != nil {
		return 0, err
	}
	if m.From != in.from.to || m.Identity != in.identity {
		return 0, fmt.Errorf("message of member %d, identity %s, on a connection of member %d, identity %s: %w",
			m.From, m.Identity, in.from.to, in.identity, wire.ErrMalformed)
	}
	for i := range m.Batches {
		b := &m.Batches[i]
		batchBytes += len(b.Bytes)
		if in.t.config.Prepare != nil {
			b.Prepared = in.t.config.Prepare(b)
		}
	}
	return batchBytes, nil
}

// state passes on what is said about snapshots.
func (in *incoming) state(kind wire.Kind, body []byte) error {
	if kind == wire.KindAsk {
		ask, err := wire.DecodeAsk(body)
		if err == nil && in.t.config.OnAsk != nil {
			if part, ok := in.t.config.OnAsk(in.from.to, ask); ok {
				in.from.tell(wire.AppendPart(nil, &part))
			}
		}
		return err
	}
	part, err := wire.DecodePart(body)
	if err == nil && in.t.config.OnPart != nil {
		in.t.config.OnPart(in.from.to, part)
	}
	return err
}

func (in *incoming) beaten(body []byte) error {
	beat, err := wire.DecodeBeat(body)
	if err == nil {
		in.from.onBeat(&beat)
	}
	return err
}

// beat tells the writer that he is heard, as long as he is, and looks whether
// his certificate is still good.
func (in *incoming) beat() {
	checked := in.t.now()
	beat := newPulse(in.t.untilBeat())
	defer beat.stop()
	var frame []byte
	for {
		select {
		case <-beat.due:
			beat.again(in.t.untilBeat())
		case <-in.ended:
			return
		}
		if in.t.now()-checked >= credentialEvery {
			checked = in.t.now()
			if err := in.t.security.isGood(in.conn); err != nil {
				in.t.notice("credential", in.conn, "closed a peer's connection", "peer", in.from.target().String(), "error", err)
				in.end()
				return
			}
		}
		silence := in.t.now() - time.Duration(in.heard.Load())
		if !in.busy.Load() && silence >= in.t.config.SuspectAfter {
			continue
		}
		frame = in.from.appendBeat(frame[:0])
		if err := in.answer(frame); err != nil {
			in.end()
			return
		}
	}
}

// answer writes a beat. A dialer that does not take its beats is gone.
func (in *incoming) answer(frame []byte) error {
	if err := in.conn.SetWriteDeadline(time.Now().Add(in.t.config.SilenceMax)); err != nil {
		return err
	}
	_, err := in.conn.Write(frame)
	return err
}
