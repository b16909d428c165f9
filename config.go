package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"chatterbox/failure"
	"chatterbox/journal"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/trace"
	"chatterbox/wire"
)

// Protocol names the way in which members agree on the order.
type Protocol string

// The protocols.
const (
	// Delta sends each peer what it lacks, as fast as the links take it.
	Delta Protocol = "delta"
	// Lockstep has one batch of each origin in flight.
	Lockstep Protocol = "lockstep"
)

// Config is all that a node is started with. What has a default may be zero.
type Config struct {
	// Members are all members, the same list in the same order everywhere.
	Members member.List
	// Self is this member's place in the list.
	Self member.ID
	// Cluster keeps clusters apart that reach each other by mistake: members
	// of another name are refused. At most 64 bytes. Default "".
	Cluster string

	// Protocol is Delta or Lockstep, the same everywhere. Default Delta.
	Protocol Protocol
	// BatchEntriesMax is how many entries a batch has at most. Default for
	// Lockstep 1, its classic form; for Delta 0, as many as fit.
	BatchEntriesMax int
	// BatchBytesMax is the size of a batch in bytes, beyond which only a
	// single large payload goes. Default 16 KiB: larger ones leave the cache
	// before they are written, smaller ones cost more each.
	BatchBytesMax int
	// Tick is the pace of everything that is repeated or waits. Default 10 ms.
	Tick time.Duration
	// MemoryBytesMax bounds the batches in memory; when the share of this
	// member is used up because a peer does not take its part, Broadcast waits.
	// Default 192 MiB.
	MemoryBytesMax int
	// DrainFor bounds what waits for a peer to what it takes in this time, so
	// that a late heal can still be caught up with. Default 0: no such bound.
	DrainFor time.Duration

	// DataDir is the folder of the durable log; a restart with it continues.
	// Default "": nothing is durable, and each start is another life.
	DataDir string
	// Files takes the place of DataDir on another file system; for tests.
	Files journal.FS

	// Deliver is given the log, in order, in the node's turn, so by one
	// goroutine at a time: it must return soon and not call the node. The batches
	// are lent for the call; wire.Payloads
	// shows what is in them. Default: nobody looks.
	Deliver func([]protocol.Batch)
	// Reset is told to replace all that was delivered by a state that stands
	// for it: at a start with recovered data, and when this member came back
	// without its data and others keep only the summary of what it missed. It
	// is called like Deliver. Default: nobody looks.
	Reset func(*protocol.Snapshot)
	// Summarize fills in the Summary of a batch while its bytes are warm, and
	// refuses payloads that make no sense. It is called by several goroutines
	// at a time. Default nil: summaries are empty.
	Summarize func(*protocol.Batch) error
	// Fold joins the summaries of the log into the state that Reset is given.
	// Default nil: none is kept.
	Fold protocol.Fold

	// Listener accepts the peers' connections; the node closes it, also when it
	// cannot start. Default: TCP on this member's address.
	Listener net.Listener
	// Dial connects to peers. Default: net.Dialer.DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Impose says how the link to a peer fails just now, for failure maps on
	// real links. It is called by several goroutines. Default nil: it does not.
	Impose func(to member.ID) failure.Link
	// Phases says how long this member's send and grace phases still take,
	// which peers are told; OnPhases is told what they say. Both are called by
	// several goroutines and must return soon. Default nil: there are none.
	Phases   func() (send, grace time.Duration)
	OnPhases func(from member.ID, send, grace time.Duration)

	// Random draws what must differ between any two starts: identity and
	// delays. Default: crypto/rand.
	Random func() uint64
	// Trace is told what happens, in the node's turn. Default nil: nothing is.
	Trace trace.Sink
	// Log is told of links and of what goes wrong. Default: nobody is.
	Log *slog.Logger
}

const (
	batchBytesByDefault  = 16 << 10
	memoryBytesByDefault = 192 << 20
	// memoryBytesMin leaves room for a few batches of each stream.
	memoryBytesMin = 1 << 20
	shortestTick   = time.Millisecond
	longestTick    = time.Second
)

func (c Config) withDefaults() Config {
	if c.Protocol == "" {
		c.Protocol = Delta
	}
	if c.Protocol == Lockstep && c.BatchEntriesMax == 0 {
		c.BatchEntriesMax = 1
	}
	if c.BatchBytesMax == 0 {
		c.BatchBytesMax = batchBytesByDefault
	}
	if c.Tick == 0 {
		c.Tick = 10 * time.Millisecond
	}
	if c.MemoryBytesMax == 0 {
		c.MemoryBytesMax = memoryBytesByDefault
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Random == nil {
		c.Random = randomUint64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate gives all mistakes at once.
func (c *Config) validate() error {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("chatterbox: "+format, args...))
		}
	}
	members := len(c.Members)
	check(members >= 1 && members <= member.CountMax, "%d members, allowed are 1 to %d", members, member.CountMax)
	check(int(c.Self) < members, "Self is %d, but the list has %d members", c.Self, members)
	check(len(c.Cluster) <= wire.ClusterBytesMax, "Cluster has %d bytes, allowed are %d", len(c.Cluster), wire.ClusterBytesMax)
	check(c.Protocol == Delta || c.Protocol == Lockstep, "Protocol is %q, allowed are %q and %q", c.Protocol, Delta, Lockstep)
	check(c.BatchEntriesMax >= 0 && c.BatchEntriesMax <= wire.BatchEntriesMax,
		"BatchEntriesMax is %d, allowed are 0 to %d", c.BatchEntriesMax, wire.BatchEntriesMax)
	check(c.BatchBytesMax > wire.BatchHeaderBytes && c.BatchBytesMax <= outBufferBytes,
		"BatchBytesMax is %d, allowed are %d to %d", c.BatchBytesMax, wire.BatchHeaderBytes+1, outBufferBytes)
	check(c.Tick >= shortestTick && c.Tick <= longestTick, "Tick is %v, allowed are %v to %v", c.Tick, shortestTick, longestTick)
	check(c.MemoryBytesMax >= memoryBytesMin, "MemoryBytesMax is %d, it must be at least %d", c.MemoryBytesMax, memoryBytesMin)
	check(c.DrainFor >= 0, "DrainFor is %v, it must not be negative", c.DrainFor)
	check(c.DataDir == "" || c.Files == nil, "DataDir and Files exclude each other")
	return errors.Join(wrong...)
}
