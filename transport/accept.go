package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"chatterbox/wire"
)

// accept accepts connections until the listener is closed.
func (t *Transport) accept() {
	for t.running.Err() == nil {
		conn, err := t.config.Listener.Accept()
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
func (t *Transport) serve(conn net.Conn) {
	stop := context.AfterFunc(t.ctx, func() { abort(conn) })
	defer stop()
	in := t.admit(conn)
	if in == nil {
		_ = conn.Close() // not abort: the refusal shall arrive
		return
	}
	in.run()
	t.seats[in.from.to].leave(in)
}

// admit makes the handshake of an accepted connection, up to its welcome; nil
// if it was refused.
func (t *Transport) admit(conn net.Conn) *incoming {
	if oldest := t.strangers.add(conn); oldest != nil {
		abort(oldest)
		t.notice("crowd", oldest, "closed the oldest connection without a hello, there are too many: somebody connects who is no member")
	}
	hello, err := t.readHello(conn)
	t.strangers.remove(conn)
	if err != nil {
		t.refuse(conn, err)
		return nil
	}
	in := newIncoming(t, conn, hello)
	if err := t.seats[hello.From].try(in); err != nil {
		t.refuse(conn, err)
		return nil
	}
	t.onPhases(hello.From, hello.SendLeft, hello.GraceLeft)
	return in
}

// refuse tells both sides why a connection is not accepted.
func (t *Transport) refuse(conn net.Conn, reason error) {
	switch {
	case errors.Is(reason, net.ErrClosed), errors.Is(reason, syscall.ECONNRESET):
		return // by ourselves, or by a peer that has dialed anew meanwhile
	case errors.Is(reason, os.ErrDeadlineExceeded):
		t.notice("silent", conn, "closed a connection: no hello in time", "error", reason)
		return
	case errors.Is(reason, io.EOF):
		t.notice("left", conn, "a connection ended before its hello", "error", reason)
		return
	case errors.Is(reason, wire.ErrMalformed):
		t.notice("garbage", conn, "refused a connection: what came is not a hello", "error", reason)
	default:
		t.notice("refused", conn, "refused a connection", "error", reason)
	}
	_ = t.welcome(conn, reason.Error()) // whoever does not listen has his reasons
}

// notice logs a warning about the other end of a connection, each kind not too
// often for a host.
func (t *Transport) notice(kind string, conn net.Conn, text string, args ...any) {
	if t.running.Err() == nil && t.notices.due(kind, conn.RemoteAddr(), t.now()) {
		t.config.Log.Warn(text, append(args, "from", conn.RemoteAddr().String())...)
	}
}
