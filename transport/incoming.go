package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// incoming is a connection that a peer has dialed: it brings messages, and is
// answered by beats.
type incoming struct {
	t        *Transport
	from     *link // the peer's
	conn     net.Conn
	identity member.Identity
	session  uint64
	cutter   *cutter
	used     bool // a frame has come: it is not on trial any more

	heard atomic.Int64 // when the peer was heard last
	busy  atomic.Bool  // what was heard is being handled

	once  sync.Once
	ended chan struct{} // closed with the connection
	done  chan struct{} // closed when nothing more comes of it
}

func newIncoming(t *Transport, conn net.Conn, h *wire.Hello) *incoming {
	in := &incoming{
		t: t, from: t.links[h.From], conn: conn, identity: h.Identity, session: h.Session,
		ended: make(chan struct{}), done: make(chan struct{}),
	}
	in.heard.Store(int64(t.now()))
	return in
}

// end closes the connection.
func (in *incoming) end() {
	in.once.Do(func() {
		close(in.ended)
		abort(in.conn)
	})
}

// run answers the hello, and reads until the connection ends.
func (in *incoming) run() {
	defer close(in.done)
	defer in.end()
	if err := in.t.welcome(in.conn, ""); err != nil {
		return // the dialer tries again, and has the reason
	}
	if err := in.conn.SetDeadline(time.Time{}); err != nil {
		return
	}
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
			"peer", in.t.config.List[in.from.to].String(), "error", err)
	}
}

// isNetwork says that an error came from the connection, not from what it
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

// stoodStill says that the deadline was told of late: then this process stood
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
	before, ok := in.t.seats[in.from.to].use(in)
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
		if in.t.config.Summarize == nil {
			continue
		}
		if err := in.t.config.Summarize(b); err != nil {
			return 0, fmt.Errorf("batch %d/%d of %s: %w", b.Origin, b.Seq, b.Identity, err)
		}
	}
	return batchBytes, nil
}

func (in *incoming) beaten(body []byte) error {
	beat, err := wire.DecodeBeat(body)
	if err == nil {
		in.t.onPhases(in.from.to, beat.SendLeft, beat.GraceLeft)
	}
	return err
}

// beat tells the dialer that he is heard, as long as he is.
func (in *incoming) beat() {
	timer := time.NewTimer(in.t.untilBeat())
	defer timer.Stop()
	var frame []byte
	for {
		select {
		case <-timer.C:
			timer.Reset(in.t.untilBeat())
		case <-in.ended:
			return
		}
		silence := in.t.now() - time.Duration(in.heard.Load())
		if !in.busy.Load() && silence >= in.t.config.SuspectAfter {
			continue
		}
		frame = in.t.appendBeat(frame[:0])
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
