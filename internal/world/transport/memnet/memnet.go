// Package memnet is a network in memory, for clusters inside one process and
// for tests in virtual time (testing/synctest).
//
// A [Network] has hosts, named by the address that they listen on. A [Conn]
// is one end of a connection between two hosts; it has buffers of a limited
// size, deadlines and half-closing like a TCP connection. The path from one
// host to another can be cut and healed, each direction by itself: then
// nothing arrives and nobody is told, as when packets are dropped on the way.
// It can be blocked for new connections only, as by a firewall.
// A host can be paused: it reads, writes and accepts nothing until it resumes,
// as a process that is stopped, while its kernel takes what comes.
//
// What was written into a cut path stays lost to its connection even after
// the heal, and so does all that follows it: TCP's own repeating backs off for
// so long that a careful user does not wait for it either.
package memnet

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
)

// BacklogMax is how many connections wait to be accepted by one listener;
// further ones are refused.
const BacklogMax = 128

// BufferBytesMax is how many bytes a direction of a connection holds before
// the writer has to wait.
const BufferBytesMax = 256 << 10

// Network connects hosts. It is safe for concurrent use.
type Network struct {
	mu        sync.Mutex // guards all below
	listeners map[string]*Listener
	cuts      map[path]bool
	blocks    map[path]bool
	paused    map[string]chan struct{} // closed when the host resumes
	streams   []*stream                // open at some end
}

type path struct{ from, to string }

// New makes a network without hosts, nothing cut.
func New() *Network {
	return &Network{
		listeners: make(map[string]*Listener), cuts: make(map[path]bool), blocks: make(map[path]bool),
		paused: make(map[string]chan struct{}),
	}
}

// Listen makes address a host that can be dialed.
func (n *Network) Listen(address string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "mem", Addr: addr(address), Err: syscall.EADDRINUSE}
	}
	l := &Listener{network: n, address: address, backlog: make(chan *Conn, BacklogMax), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// Dialer returns the function by which the host at address from dials others;
// it fits where net.Dialer.DialContext does. Dialing over a cut path takes
// until the context ends.
func (n *Network) Dialer(from string) func(ctx context.Context, network, to string) (net.Conn, error) {
	return func(ctx context.Context, _, to string) (net.Conn, error) {
		conn, err := n.dial(ctx, from, to)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "mem", Addr: addr(to), Err: err}
		}
		return conn, nil
	}
}

func (n *Network) dial(ctx context.Context, from, to string) (*Conn, error) {
	if n.isCut(from, to) || n.isCut(to, from) || n.isBlocked(from, to) {
		<-ctx.Done()
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	}
	n.mu.Lock()
	listener := n.listeners[to]
	n.mu.Unlock()
	if listener == nil {
		return nil, syscall.ECONNREFUSED
	}
	near, far := n.pair(from, to)
	select {
	case listener.backlog <- far:
		return near, nil
	default:
		return nil, syscall.ECONNREFUSED
	}
}

// Cut lets nothing pass from one host to another; the opposite direction is
// not touched, though no new connection can be made over either.
func (n *Network) Cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[path{from, to}] = true
}

// Heal ends a cut.
func (n *Network) Heal(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cuts, path{from, to})
}

// Block lets one host make no connections to another, as a firewall on the way
// does; those that are there, and the opposite direction, are not touched.
func (n *Network) Block(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks[path{from, to}] = true
}

// Unblock ends a block.
func (n *Network) Unblock(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.blocks, path{from, to})
}

func (n *Network) isBlocked(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.blocks[path{from, to}]
}

func (n *Network) isCut(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[path{from, to}]
}

// Pause stops a host.
func (n *Network) Pause(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.paused[host] == nil {
		n.paused[host] = make(chan struct{})
	}
}

// Resume lets a paused host go on.
func (n *Network) Resume(host string) {
	for _, s := range n.resume(host) {
		s.tell()
	}
}

// resume returns the streams that have to be told.
func (n *Network) resume(host string) []*stream {
	n.mu.Lock()
	defer n.mu.Unlock()
	if resumed := n.paused[host]; resumed != nil {
		delete(n.paused, host)
		close(resumed)
	}
	return slices.Clone(n.streams)
}

func (n *Network) isPaused(host string) bool { return n.resumed(host) != nil }

// resumed returns what is closed when a paused host resumes, nil for others.
func (n *Network) resumed(host string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.paused[host]
}

// pair makes both ends of a connection.
func (n *Network) pair(from, to string) (near, far *Conn) {
	out, in := newStream(n, from, to), newStream(n, to, from)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.streams = append(n.streams, out, in)
	near = &Conn{in: in, out: out, local: addr(from), remote: addr(to)}
	far = &Conn{in: out, out: in, local: addr(to), remote: addr(from)}
	return near, far
}

// addr is a host's address as a net.Addr.
type addr string

func (addr) Network() string  { return "mem" }
func (a addr) String() string { return string(a) }

// Listener is a host that can be dialed.
type Listener struct {
	network *Network
	address string
	backlog chan *Conn
	once    sync.Once
	closed  chan struct{}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "mem", Addr: addr(l.address), Err: net.ErrClosed}
	case conn := <-l.backlog:
		l.waitWhilePaused()
		return conn, nil
	}
}

func (l *Listener) waitWhilePaused() {
	resumed := l.network.resumed(l.address)
	if resumed == nil {
		return
	}
	select {
	case <-resumed:
	case <-l.closed:
	}
}

// Close refuses further connections, and resets those that still wait.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.address)
		l.network.mu.Unlock()
		close(l.closed)
		l.resetWaiting()
	})
	return nil
}

func (l *Listener) resetWaiting() {
	for {
		select {
		case conn := <-l.backlog:
			_ = conn.SetLinger(0)
			_ = conn.Close()
		default:
			return
		}
	}
}

// Addr returns the address that others dial.
func (l *Listener) Addr() net.Addr { return addr(l.address) }
