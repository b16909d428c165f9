package gate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

const (
	// floodRefusals is how many refusals within floodTime are a flood.
	floodRefusals = 64
	floodTime     = time.Second
	// shutFor is how long the kernel then keeps strangers out.
	shutFor = time.Second
	// filteredMax is how many hosts a filter names; beyond it there is none.
	filteredMax = 256
)

// Listener gives out the connections that its gate lets in, and resets the
// others. While so many come that refusing them is work, the kernel drops what
// they send to connect, so that nobody computes anything for them: what comes
// then are those who are known, and after a second all again. Whoever is dropped
// asks again by himself (RFC 9293, 3.8.1). Where the kernel cannot do that, each
// is refused by itself.
type Listener struct {
	net.Listener
	gate    *Gate
	free    func(net.Conn) bool
	refused func(conn net.Conn, tell uint64)

	// Of who accepts.
	bolt  bolt          // nil: there is none
	shut  bool          // strangers are dropped, until the deadline of accepting
	began time.Duration // when the first one was refused of those that are counted
	count int
}

// bolt drops what hosts send to connect to a listener, before a connection is made
// of it. What has begun goes on.
type bolt interface {
	// shut drops what comes of these hosts, or of all others.
	shut(hosts []netip.Addr, others bool) error
	open() error
	// SetDeadline ends the waiting for a connection.
	SetDeadline(time.Time) error
}

// ListenTCP listens at an address, for [Gate.Listen]: with plain TCP, since Linux
// filters nothing before a socket of Multipath TCP (RFC 8684), which is what Go makes
// otherwise.
func ListenTCP(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", address)
}

// Listen returns a listener before which the gate stands. A connection that is free
// is let in whatever the gate says; nil: none is. Refused is told of each one that
// is not, with tell as of [Gate.Enter]; the connection is reset after that. One
// goroutine at a time may call Accept.
func (g *Gate) Listen(listener net.Listener, free func(net.Conn) bool, refused func(conn net.Conn, tell uint64)) *Listener {
	return &Listener{Listener: listener, gate: g, free: free, refused: refused, bolt: newBolt(listener)}
}

// Accept returns the next connection that is let in.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err != nil && l.shut && errors.Is(err, os.ErrDeadlineExceeded):
			l.open()
			continue
		case err != nil:
			return nil, err
		case l.free != nil && l.free(conn):
			return conn, nil
		}
		ok, tell := l.gate.Enter(HostOf(conn.RemoteAddr()))
		if ok {
			return conn, nil
		}
		l.refused(conn, tell)
		Reset(conn)
		l.flooded()
	}
}

// Reset closes a connection so that nothing is kept for it, nor sent any more.
func Reset(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // fails only if the connection is gone
	}
	_ = conn.Close() // likewise
}

// flooded counts a refusal, and shuts strangers out if there are too many.
func (l *Listener) flooded() {
	if l.bolt == nil || l.shut {
		return
	}
	now := l.gate.config.Now()
	if l.count == 0 || now-l.began > floodTime {
		l.began, l.count = now, 0
	}
	if l.count++; l.count < floodRefusals {
		return
	}
	l.count = 0
	hosts, others := l.gate.barred()
	if len(hosts) > filteredMax {
		return
	}
	// The deadline comes first: without one nobody would let strangers in again.
	if l.bolt.SetDeadline(time.Now().Add(shutFor)) == nil {
		l.shut = true
		if l.bolt.shut(hosts, others) != nil {
			l.open()
			l.bolt = nil // this kernel does not do it
		}
	}
}

// open lets strangers come again. What fails has failed because the listener is
// closed.
func (l *Listener) open() {
	_ = l.bolt.open()
	_ = l.bolt.SetDeadline(time.Time{})
	l.shut = false
}

// barred returns the hosts of which no connection can be let in now, or, if that
// are all strange ones, others is true and the hosts are those that are known.
func (g *Gate) barred() (hosts []netip.Addr, others bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	_, room := g.all.after(g.config.Strangers, now)
	if !room {
		for host, a := range g.known {
			if now-a.since < knownFor && host.address.IsValid() {
				hosts = append(hosts, host.address)
			}
		}
		return hosts, true
	}
	for host, b := range g.strange {
		if _, ok := b.after(g.config.Stranger, now); !ok && host.address.IsValid() {
			hosts = append(hosts, host.address)
		}
	}
	return hosts, false
}
