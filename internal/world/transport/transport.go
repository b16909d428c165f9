// Package transport carries frames between members.
//
// Each direction between two members has a connection of its own. Every member
// dials every peer for its messages; where that fails though the peer can dial
// back, the peer makes the connection and offers it. A [Transport] writes the
// messages it is given to those of its direction and hands what comes on the
// others to its [Handler]. Against the messages come only beats, by which their
// sender knows that he is heard; so a link that fails in one direction takes
// nothing from the other. docs/transport.md has the handshake, the times and
// the limits.
//
// Sending never blocks: it encodes a message's head into the peer's queue and
// takes a reference to its batches. Receiving does not copy: batches alias the
// buffers that were read into.
//
// Goroutines, all ended by Close: one accepts; one for each peer keeps the link
// to it, with one that makes attempts at a connection (and a few more where a
// name is looked up or has several addresses), one that writes and one that
// hears beats while there is a connection; one for each accepted connection
// makes the handshake and reads, with one that beats.
package transport

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/gate"
	"chatterbox/internal/world/wire"
)

// Handler is told what happens. Its methods are called by goroutines of the
// transport, those about one peer's link one at a time; they may wait a moment,
// which is the back-pressure for the peer, but once Close was called they must
// return soon.
type Handler interface {
	// Up says that there is a new link to the peer; what was sent before may be
	// lost. Unless it is reliable it may also lose and reorder.
	Up(peer member.ID, reliable bool)
	// Down says that the link is gone; messages are dropped until the next Up.
	Down(peer member.ID)
	// Receive gives a message of a peer, with a reference to each of its
	// batches. The receiver gives the message back by Recycle.
	Receive(*protocol.Message)
}

// Transport is one member's end of all its links.
type Transport struct {
	config   Config
	members  uint64 // hash of the list
	process  uint64 // drawn at the start: tells this process from a copy
	began    time.Time
	growing  sync.Mutex              // held by who adds a link, or begins to close
	links    atomic.Pointer[[]*link] // by place; nil at this member's own; what it points to does not change
	messages chan *protocol.Message

	running context.Context // until Close begins
	stop    context.CancelFunc
	ctx     context.Context // until Close stops waiting
	cancel  context.CancelFunc
	keepers sync.WaitGroup
	group   sync.WaitGroup // all other goroutines

	names     *names
	security  security
	gate      *gate.Gate
	strangers strangers
	refused   atomic.Uint64 // accepted connections that came to nothing
	notices   notices
	joining   atomic.Bool // somebody is being taken in
}

// Start checks the configuration, gives all its mistakes at once, and begins
// to accept and to dial. The caller must Close what it gets.
func Start(config Config) (*Transport, error) {
	t, err := newTransport(config)
	if err != nil {
		return nil, err
	}
	for _, l := range *t.links.Load() {
		if l != nil {
			t.keepers.Go(l.keep)
		}
	}
	t.group.Go(t.accept)
	return t, nil
}

func newTransport(config Config) (*Transport, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	t := &Transport{
		config: config, members: config.List.Hash(), process: processOf(config.Seed), began: time.Now(),
		messages:  make(chan *protocol.Message, config.MessagesMax),
		strangers: strangers{max: config.UnknownMax},
	}
	t.names, t.security, t.gate = newNames(t), newSecurity(config.TLS), newGate(max(len(config.List)+len(config.Joined), gateMembersMin), t.now)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.running, t.stop = context.WithCancel(t.ctx)
	var links []*link
	for i, m := range slices.Concat(config.List, config.Joined) {
		var l *link
		if id := member.ID(i); id != config.Self {
			l = newLink(t, id, m)
		}
		links = append(links, l)
	}
	t.links.Store(&links)
	return t, nil
}

// link returns the link to the member at a place, nil if that is this one itself or
// there is no such place, as far as is known.
func (t *Transport) link(place member.ID) *link {
	if links := *t.links.Load(); int(place) < len(links) {
		return links[place]
	}
	return nil
}

// processOf draws the number of this process, which is never 0.
func processOf(seed uint64) uint64 {
	return max(rand.New(rand.NewPCG(seed, processStream)).Uint64(), 1)
}

// processStream keeps the draw apart from those of links, whose streams are
// numbered by places.
const processStream = 1 << 32

// closing reports whether Close has begun.
func (t *Transport) closing() bool { return t.running.Err() != nil }

// now is the time since the start.
func (t *Transport) now() time.Duration { return time.Since(t.began) }

// Send queues a message for a peer. It never blocks and does not keep the
// message; it takes a reference to each batch's buffer. The message is dropped
// if the link is down; if too much waits already the link goes down. To send
// to oneself is a mistake and panics.
func (t *Transport) Send(e protocol.Envelope) { t.link(e.To).send(e.Message) }

// Ask asks a peer for a part of a snapshot. Like a message it may be lost.
func (t *Transport) Ask(to member.ID, ask wire.Ask) {
	t.link(to).tell(wire.AppendAsk(nil, &ask))
}

// Move has a peer dialed at another address from the next attempt on. A connection
// that there is goes on.
func (t *Transport) Move(peer member.ID, host string, port int) {
	l := t.link(peer)
	m := l.target()
	if m.Host == host && m.Port == port {
		return
	}
	m.Host, m.Port = host, port
	l.at.Store(&m)
	l.log.Info("the peer has another address", "address", net.JoinHostPort(host, strconv.Itoa(port)))
}

// Add has a member dialed, and its connections taken, that has joined: its place is
// the one behind all that are known. It may be called from the handler's methods.
func (t *Transport) Add(m member.Member) {
	t.growing.Lock()
	defer t.growing.Unlock()
	if t.closing() {
		return
	}
	links := slices.Clone(*t.links.Load())
	l := newLink(t, member.ID(len(links)), m)
	links = append(links, l)
	t.links.Store(&links)
	t.keepers.Go(l.keep)
}

// Known returns how many places are known.
func (t *Transport) Known() int { return len(*t.links.Load()) }

// Recycle takes a message back for further use.
func (t *Transport) Recycle(m *protocol.Message) {
	if cap(m.Batches) > batchesKept {
		return // one large message shall not take memory for ever
	}
	select {
	case t.messages <- m:
	default:
	}
}

// batchesKept is how many batches a recycled message has room for at most.
const batchesKept = 1024

func (t *Transport) takeMessage() *protocol.Message {
	select {
	case m := <-t.messages:
		return m
	default:
		return &protocol.Message{}
	}
}

// Close ends all links, and returns when all goroutines have ended. Until ctx
// ends, peers that answer are given the time to take what is queued for them;
// the handler's Receive is still called meanwhile.
func (t *Transport) Close(ctx context.Context) {
	t.growing.Lock()
	t.stop()
	t.growing.Unlock()
	_ = t.config.Listener.Close() // an error means that it was closed already
	hurry := context.AfterFunc(ctx, t.cancel)
	defer hurry()
	t.keepers.Wait()
	t.cancel()
	t.endReading()
	t.group.Wait()
}
