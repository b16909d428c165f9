package transport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/world/wire"
)

// Why a connection ends, where no error of the network says it.
var (
	errQueueFull = errors.New("too much waits for the peer")
	errSilent    = errors.New("the peer is silent")
	errImposed   = errors.New("another failure is imposed on the link")
	errReplaced  = errors.New("another connection takes its place")
	errClosing   = errors.New("the transport closes")
)

// outgoing is a connection for this member's messages, which it has dialed or
// was offered: it writes messages, and hears the peer's beats.
type outgoing struct {
	link     *link
	conn     net.Conn
	process  uint64 // at the other end
	dialed   bool   // by this member
	queue    *queue
	reliable bool
	line     *line         // where failures are imposed; else nil
	made     time.Duration // when it was made
	heard    atomic.Int64  // when the peer was heard last
	wrote    atomic.Int64  // when something was written last
	checked  time.Duration // when its certificate was last looked at; the keeper's

	once   sync.Once
	ended  chan struct{} // closed with the connection
	reason error         // why; valid once ended
	done   sync.WaitGroup
}

func newOutgoing(l *link, conn net.Conn, process uint64, dialed bool) *outgoing {
	o := &outgoing{
		link: l, conn: conn, process: process, dialed: dialed,
		reliable: keepsAll(l.imposed()), made: l.t.now(), ended: make(chan struct{}),
	}
	o.heard.Store(int64(o.made))
	o.wrote.Store(int64(o.made - l.t.config.BeatEvery))
	if l.t.config.Impose != nil {
		o.line = &line{rng: rand.New(rand.NewPCG(l.chance.Uint64(), l.chance.Uint64()))}
	}
	o.queue = newQueue(l.t.config.QueueBytesMax, o.prompt(), l.t.now, func(load *load, bytes int) {
		o.wroteBytes(bytes)
		l.counters.sent(len(load.frames), load.batches)
	})
	return o
}

// prompt returns what writes without the writer; nothing may pass by the place
// where failures are imposed.
func (o *outgoing) prompt() *prompt {
	if o.line != nil {
		return nil
	}
	return newPrompt(o.conn)
}

// wroteBytes notes a write to the connection.
func (o *outgoing) wroteBytes(bytes int) {
	o.wrote.Store(int64(o.link.t.now()))
	o.link.counters.sentBytes.Add(uint64(bytes))
	o.link.counters.writes.Add(1)
}

// start starts the connection's writer and the listener to its beats.
func (o *outgoing) start() {
	w := newWriter(o)
	o.done.Go(w.run)
	o.done.Go(func() { o.end(o.listen()) })
}

// end closes the connection at once; what waits is lost. The first reason
// counts.
func (o *outgoing) end(reason error) {
	o.once.Do(func() {
		o.reason = reason
		abort(o.conn)
		o.queue.close()
		close(o.ended)
	})
}

// hasEnded reports whether the connection is closed.
func (o *outgoing) hasEnded() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// silence returns for how long the peer was not heard.
func (o *outgoing) silence() time.Duration {
	return o.link.t.now() - time.Duration(o.heard.Load())
}

// forgive takes a time off the silence.
func (o *outgoing) forgive(late time.Duration) {
	heard := o.heard.Load()
	o.heard.CompareAndSwap(heard, min(heard+int64(late), int64(o.link.t.now()))) // else it was just heard
}

// listen reads beats until the connection ends, and says why it did.
func (o *outgoing) listen() error {
	t := o.link.t
	buffer := make([]byte, wire.HandshakeBytesMax)
	for filled := 0; ; {
		n, err := o.conn.Read(buffer[filled:])
		if err != nil {
			return err
		}
		now := t.now()
		o.heard.Store(int64(now))
		o.link.counters.heard.Store(int64(now))
		rest, err := o.hear(buffer[:filled+n])
		if err != nil {
			return err
		}
		filled = copy(buffer, rest)
	}
}

// hear takes the beats off the front of what was read.
func (o *outgoing) hear(read []byte) (rest []byte, err error) {
	for {
		kind, body, rest, err := wire.CutFrame(read, wire.HandshakeBytesMax)
		if err != nil || kind == 0 {
			return rest, err
		}
		if kind != wire.KindBeat {
			return nil, fmt.Errorf("frame of kind %d where only beats come: %w", kind, wire.ErrMalformed)
		}
		beat, err := wire.DecodeBeat(body)
		if err != nil {
			return nil, err
		}
		o.link.onBeat(&beat)
		read = rest
	}
}
