package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/fault"
	"chatterbox/internal/world/wire"
)

// Config is all that a Transport is made from. What has a default may be zero.
type Config struct {
	Self     member.ID       // this member's place
	List     member.List     // the founders, in the order of their places
	Joined   member.List     // who has a place behind theirs, as far as is known
	Cluster  string          // name of the cluster; members of another are refused
	Identity member.Identity // of this life with its data; not 0
	Life     uint64          // counts the starts with this data, from 1
	Protocol string          // name of the protocol; members with another are refused
	Tick     time.Duration   // pace of this member, of which peers are told; 0 tells nothing

	// Listener accepts the peers' connections; the transport closes it.
	Listener net.Listener
	// Dial makes a connection to a peer, as net.Dialer.DialContext does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup returns the addresses of a host name, as net.Resolver.LookupNetIP
	// does. Nil: hosts are dialed by name.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// TLS encrypts all connections, with TLS 1.3, and has both sides show a
	// certificate that is valid for the name of its member: one configuration
	// for both directions, with RootCAs and ClientCAs. VerifyConnection, if it
	// is there, is asked again every second, so that connections end when what
	// they showed is revoked; they end when it expires as well. GetConfigForClient,
	// if it is there, is asked before each connection, in both directions, so that
	// authorities can change; for one that is dialed its hello has the name of
	// the peer only. Nil: connections are as they come.
	TLS *tls.Config
	// Handler is told of links and messages.
	Handler Handler
	// Pool gives the buffers that received batches lie in. 256 KiB each is best.
	Pool *protocol.Pool
	// Log gets a line for each link that comes and goes, and for each stranger.
	Log *slog.Logger

	// Prepare is called for each received batch while its bytes are warm; what it
	// returns is the batch's Prepared. It is called by several goroutines at a
	// time. Nil prepares nothing.
	Prepare func(*protocol.Batch) any
	// Impose returns how the link to a peer fails just now; nil means that it does
	// not. It is called by several goroutines at a time.
	Impose func(to member.ID) fault.Link
	// Seed is the source of all chance: delays between dials, imposed failures,
	// and what tells this process from a copy of its data.
	Seed uint64

	// OnAsk is asked for a part of a snapshot of the application's state, and
	// returns it; OnPart is given one, which is valid during the call. Both are
	// called by several goroutines at a time and must return soon. Nil ignores it.
	OnAsk  func(from member.ID, ask wire.Ask) (answer wire.Part, ok bool)
	OnPart func(from member.ID, part wire.Part)

	// OnRead returns a part of a batch, for a peer that asks for it by the position of
	// an entry or by its number in a stream. A part with At 0 says that it is not
	// kept. It is called by several goroutines at a time. Nil: nothing can be read.
	OnRead func(from member.ID, ask wire.Ask) wire.Part

	// OnJoin has somebody taken in who asks for it, and returns the answer: when ctx
	// ends at the latest. One is called at a time. Nil: nobody joins.
	OnJoin func(ctx context.Context, join wire.Join) *wire.Seat

	// Meta returns what the application tells its peers of this member, at most
	// wire.MetaBytesMax bytes; they are told in every handshake and beat. Nil
	// tells nothing.
	Meta func() string
	// OnMeta is told what a peer tells, again and again; it must return soon and
	// is called by several goroutines at a time. Nil ignores it.
	OnMeta func(from member.ID, meta string)

	// BeatEvery is how often an idle connection carries a beat. Default 150 ms:
	// three are lost before a connection is suspected, and an idle member stays
	// under 1 % of a core; signs of life of the protocols mostly come first.
	BeatEvery time.Duration
	// SuspectAfter is the silence after which another connection is dialed,
	// while the silent one may still recover. Default 500 ms.
	SuspectAfter time.Duration
	// SilenceMax is the silence after which a connection is closed. Default
	// 1.5 s: with every fifth packet lost, TCP is often silent for 600 ms.
	SilenceMax time.Duration
	// LookupTimeout is how long the resolver may take for a name. Default 10 s.
	LookupTimeout time.Duration
	// DialTimeout ends an attempt to connect to one address, long before TCP
	// would repeat its own. Default 250 ms, more than a round trip round the
	// world.
	DialTimeout time.Duration
	// RedialMin and RedialMax bound the time from one attempt to the next; it
	// doubles, with jitter. Defaults 10 ms and 250 ms: a heal is to be noticed
	// within 500 ms.
	RedialMin, RedialMax time.Duration
	// HandshakeTimeout is how long hello and welcome may take. Default 500 ms.
	HandshakeTimeout time.Duration

	// QueueBytesMax is what may wait for one peer; a link that falls behind
	// further is closed. Default 16 MiB, several windows of the protocols.
	QueueBytesMax int
	// FrameBytesMax is the longest frame accepted of a peer. Default and most:
	// wire.FrameBytesMax.
	FrameBytesMax int
	// UnknownMax is how many connections may be without an accepted hello at a
	// time; beyond that the oldest is closed. Default 64 and two for each member.
	UnknownMax int
	// MessagesMax is how many messages are kept for further use. Default 256.
	MessagesMax int
}

// own returns this member.
func (c *Config) own() member.Member {
	if int(c.Self) < len(c.List) {
		return c.List[c.Self]
	}
	return c.Joined[int(c.Self)-len(c.List)]
}

// bufferBytesMin is the smallest size of a pool's buffers: a stranger's frame
// and a few ordinary ones.
const bufferBytesMin = 4 << 10

func (c Config) withDefaults() Config {
	set(&c.BeatEvery, 150*time.Millisecond)
	set(&c.SuspectAfter, 500*time.Millisecond)
	set(&c.SilenceMax, 1500*time.Millisecond)
	set(&c.LookupTimeout, 10*time.Second)
	set(&c.DialTimeout, 250*time.Millisecond)
	set(&c.RedialMin, 10*time.Millisecond)
	set(&c.RedialMax, 250*time.Millisecond)
	set(&c.HandshakeTimeout, 500*time.Millisecond)
	set(&c.QueueBytesMax, 16<<20)
	set(&c.FrameBytesMax, wire.FrameBytesMax)
	set(&c.UnknownMax, 64+2*len(c.List))
	set(&c.MessagesMax, 256)
	return c
}

func set[T int | time.Duration](field *T, byDefault T) {
	if *field == 0 {
		*field = byDefault
	}
}

// mistakes collects what is wrong with a configuration.
type mistakes struct{ found []error }

func (m *mistakes) check(ok bool, format string, args ...any) {
	if !ok {
		m.found = append(m.found, fmt.Errorf("transport: "+format, args...))
	}
}

// validate returns all mistakes at once.
func (c *Config) validate() error {
	var m mistakes
	m.check(len(c.List) >= 1 && len(c.List) <= member.CountMax, "%d members in List, allowed are 1 to %d", len(c.List), member.CountMax)
	m.check(int(c.Self) < len(c.List)+len(c.Joined), "Self is %d, but there are %d members", c.Self, len(c.List)+len(c.Joined))
	m.check(len(c.Cluster) <= wire.ClusterBytesMax, "Cluster has %d bytes, allowed are %d", len(c.Cluster), wire.ClusterBytesMax)
	m.check(len(c.Protocol) <= wire.ProtocolBytesMax, "Protocol has %d bytes, allowed are %d", len(c.Protocol), wire.ProtocolBytesMax)
	m.check(c.Identity != 0, "Identity is 0; draw one at random")
	m.check(c.Life >= 1 && c.Life <= lifeMax, "Life is %d, allowed are 1 to %d", c.Life, uint64(lifeMax))
	m.check(c.Listener != nil, "Listener is missing")
	m.check(c.Dial != nil, "Dial is missing")
	m.check(c.Handler != nil, "Handler is missing")
	m.check(c.Log != nil, "Log is missing; use slog.DiscardHandler for silence")
	m.check(c.Pool != nil, "Pool is missing")
	if c.Pool != nil {
		buffer := c.Pool.Get()
		m.check(len(buffer.Bytes) >= bufferBytesMin, "buffers of Pool have %d bytes, needed are %d", len(buffer.Bytes), bufferBytesMin)
		buffer.Release()
	}
	c.validateTimes(&m)
	c.validateLimits(&m)
	return errors.Join(m.found...)
}

func (c *Config) validateTimes(m *mistakes) {
	m.check(c.BeatEvery > 0, "BeatEvery is %v, it must be more than 0", c.BeatEvery)
	m.check(c.SuspectAfter >= 2*c.BeatEvery, "SuspectAfter is %v, it must be at least twice BeatEvery, %v", c.SuspectAfter, 2*c.BeatEvery)
	m.check(c.SilenceMax >= c.SuspectAfter, "SilenceMax is %v, it must be at least SuspectAfter, %v", c.SilenceMax, c.SuspectAfter)
	m.check(c.LookupTimeout > 0, "LookupTimeout is %v, it must be more than 0", c.LookupTimeout)
	m.check(c.DialTimeout > 0, "DialTimeout is %v, it must be more than 0", c.DialTimeout)
	m.check(c.RedialMin > 0, "RedialMin is %v, it must be more than 0", c.RedialMin)
	m.check(c.RedialMax >= c.RedialMin, "RedialMax is %v, it must be at least RedialMin, %v", c.RedialMax, c.RedialMin)
	m.check(c.HandshakeTimeout > 0, "HandshakeTimeout is %v, it must be more than 0", c.HandshakeTimeout)
}

func (c *Config) validateLimits(m *mistakes) {
	m.check(c.FrameBytesMax >= wire.HandshakeBytesMax && c.FrameBytesMax <= wire.FrameBytesMax,
		"FrameBytesMax is %d, allowed are %d to %d", c.FrameBytesMax, wire.HandshakeBytesMax, wire.FrameBytesMax)
	m.check(c.QueueBytesMax > 0, "QueueBytesMax is %d, it must be more than 0", c.QueueBytesMax)
	m.check(c.UnknownMax > 0, "UnknownMax is %d, it must be more than 0", c.UnknownMax)
	m.check(c.MessagesMax > 0, "MessagesMax is %d, it must be more than 0", c.MessagesMax)
}
