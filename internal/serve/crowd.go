package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/world/gate"
)

const (
	// connectionsMax is how many connections there are at a time.
	connectionsMax = 4096
	// connectionsOfOneMax is how many of these one address has, this machine
	// aside: a proxy may stand there for many.
	connectionsOfOneMax = 1024
)

// Whoever connects costs a goroutine and the reading of a request, so strangers
// come in so often only; those who have shown a token, and this machine, come as
// often as they like. All strangers together keep at most a third of the
// connections, however long they are silent.
const (
	strangerPerSecond  = 32
	strangerBurst      = 128
	strangersPerSecond = 128
	strangersBurst     = 512
	strangersApart     = 2 * time.Millisecond
)

// Door lets connections in. It closes what is too much, before it is looked at:
// connections beyond 4,096 in all, beyond 1,024 of one address other than this
// machine's own, and those of strangers that come too often. A stranger is who
// comes from another machine, and from where nobody has shown a token within a
// day.
type Door struct {
	log           *slog.Logger
	gate          *gate.Gate
	refused       atomic.Uint64
	max, ofOneMax int

	now func() time.Duration

	mu   sync.Mutex // guards all below
	all  int
	of   map[netip.Addr]int
	full gate.Tally // of those refused because there were too many
}

// NewDoor returns a door, for [Config] and for listeners, which share it. The log is
// told of what is refused, once a minute.
func NewDoor(log *slog.Logger) *Door {
	began := time.Now()
	return newDoor(log, func() time.Duration { return time.Since(began) })
}

func newDoor(log *slog.Logger, now func() time.Duration) *Door {
	return &Door{log: log, max: connectionsMax, ofOneMax: connectionsOfOneMax, of: map[netip.Addr]int{}, now: now, gate: gate.New(gate.Config{
		Strangers: gate.Rate{PerSecond: strangersPerSecond, Burst: strangersBurst},
		Stranger:  gate.Rate{PerSecond: strangerPerSecond, Burst: strangerBurst},
		Apart:     strangersApart,
		Now:       now,
	})}
}

// Listen listens at an address, for [Door.Listen].
func Listen(ctx context.Context, address string) (net.Listener, error) {
	return gate.ListenTCP(ctx, address)
}

// Listen returns a listener that lets through what the door lets in.
func (d *Door) Listen(listener net.Listener) net.Listener {
	return &bounded{d.gate.Listen(listener, ofThisMachine, func(conn net.Conn, tell uint64) {
		d.refuse(conn, tell, "strangers come too often: somebody connects who shows no token")
	}), d}
}

type bounded struct {
	net.Listener
	door *Door
}

// Accept returns the next connection that is let in.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if in := b.door.enter(conn); in != nil {
			return in, nil
		}
	}
}

// enter returns the connection, which counts until it is closed; or closes it and
// returns nil.
func (d *Door) enter(conn net.Conn) net.Conn {
	c := &counted{Conn: conn, door: d, address: addressOf(conn.RemoteAddr())}
	if !ofThisMachine(conn) {
		c.host = gate.HostOf(conn.RemoteAddr())
	}
	if ok, tell := d.add(c.address); !ok {
		d.refuse(conn, tell, "there are too many")
		gate.Reset(conn)
		return nil
	}
	return c
}

// refuse counts a connection on which nothing was said, and tells it sometimes.
func (d *Door) refuse(conn net.Conn, tell uint64, reason string) {
	d.refused.Add(1)
	if tell > 0 {
		d.log.Warn("closed HTTP connections before they were heard: "+reason, "closed", tell, "last_from", conn.RemoteAddr().String())
	}
}

func addressOf(address net.Addr) netip.Addr {
	if tcp, ok := address.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// ofThisMachine reports whether a connection comes from the machine that it came
// to: from the same address, or from where this machine talks to itself.
func ofThisMachine(conn net.Conn) bool {
	from := addressOf(conn.RemoteAddr())
	return from == addressOf(conn.LocalAddr()) || from == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || from == netip.IPv6Loopback()
}

// Refused returns how many connections were refused since the start. Of no door
// there are none.
func (d *Door) Refused() uint64 {
	if d == nil {
		return 0
	}
	return d.refused.Load()
}

// add counts a connection of an address, if there is room for it; if not, tell is
// as that of [gate.Gate.Enter].
func (d *Door) add(address netip.Addr) (ok bool, tell uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all < d.max && (d.of[address] < d.ofOneMax || address.IsLoopback()) {
		d.all++
		d.of[address]++
		return true, 0
	}
	return false, d.full.Add(d.now())
}

func (d *Door) remove(address netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.of[address]--; d.of[address] == 0 {
		delete(d.of, address)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	door    *Door
	address netip.Addr
	host    gate.Host // zero: of this machine
	heard   bool      // something was read; of who reads
	known   atomic.Bool
	closed  atomic.Bool
}

// Read reads, of a stranger the first time once it is his turn.
func (c *counted) Read(b []byte) (int, error) {
	if !c.heard && c.host != (gate.Host{}) {
		time.Sleep(c.door.gate.Turn(c.host))
	}
	c.heard = true
	return c.Conn.Read(b)
}

// vouch says that a token came on the connection.
func (c *counted) vouch() {
	if c.host != (gate.Host{}) && c.known.CompareAndSwap(false, true) {
		c.door.gate.Vouch(c.host)
	}
}

// Close closes it, and makes room for another.
func (c *counted) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.door.remove(c.address)
		if c.known.Load() {
			c.door.gate.Vouch(c.host) // it may have lasted for days
		}
	}
	return c.Conn.Close()
}

// CloseWrite ends the own direction, so that the last answer is read before the
// connection ends.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connection is the key of a request's connection in its context.
type connection struct{}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connection{}, conn)
}

// vouch says that whoever sent a request has shown a token.
func vouch(r *http.Request) {
	if c, ok := r.Context().Value(connection{}).(*counted); ok {
		c.vouch()
	}
}
