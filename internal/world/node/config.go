package node

import (
	"cmp"
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
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/fault"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/transport"
	"chatterbox/internal/world/wire"
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

// Watcher sees a node from within; package trace has one.
type Watcher interface {
	// Begin is told of the life that begins, by the node's time, and may put
	// itself between the driver that is about to be made and its world.
	Begin(now func() time.Duration, life journal.Life, parts *driver.Config)
	// Sample is shown the state a few times a second.
	Sample(*protocol.Status)
}

// Config is all that a node is started with. What has a default may be zero.
type Config struct {
	// Members are the founders, the same list in the same order everywhere.
	Members member.List
	// Self is this member's place: in the list, or behind it in View.
	Self member.ID
	// Identity is that of a life which begins; default: it is drawn. Who joins was
	// taken in under it.
	Identity member.Identity
	// View is what who has joined begins with; an empty folder begins with it too.
	// Default nil: this member is one of the list.
	View *member.View
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

	// Changes says that members may be let go while the cluster runs: then they
	// choose views, and an entry is delivered once as many members of the view hold
	// it as must, see member.Holders; for Delta. Default: members stay, and with a
	// journal this one is enough, without one two are.
	Changes bool
	// EvictAfter is how long a member may be away from a quorum, with Changes, until
	// the others go on without it by themselves. Default 0: for ever.
	EvictAfter time.Duration
	// Observe says that this member, which has joined, only reads.
	Observe bool
	// MeetFirst takes no payload before all members have met, for until then it
	// is not certain that this member may write. Default: it is hoped for.
	MeetFirst bool

	// DataDir is the folder of the durable log; a restart with it continues.
	// Default "": nothing is durable, and each start is another life.
	DataDir string
	// Files takes the place of DataDir on another file system; for tests.
	Files journal.FS
	// DiskBytesMax is the size of the folder beyond which this member accepts
	// nothing, at least 16 MiB. Default 0: the disk is the limit.
	DiskBytesMax int64
	// Retain says what of the log can be read again from the folder. Default
	// nil: nothing is kept for that.
	Retain *journal.Retain
	// Opened is given the journal before anything else is called, if there is
	// one. Default: nobody looks.
	Opened func(*journal.Journal)

	// Deliver is given the log, in order, in the node's turn, so by one
	// goroutine at a time: it must return soon and not call the node. The batches
	// are lent for the call; wire.Payloads
	// shows what is in them. Default: nobody looks.
	Deliver func([]protocol.Batch)
	// Held is given batches when this member holds them durably, like Deliver. Some
	// of them may have been delivered with the same turn. Default: nobody looks.
	Held func([]protocol.Batch)
	// Installed is told who belongs to the cluster, after each change of that: in
	// the node's turn, and at a start before anything but Opened. Default: nobody is
	// told.
	Installed func(*member.View)
	// Failed is called when the node stops by itself, with the reason. Default:
	// nobody is told.
	Failed func(error)
	// Full returns a channel that is closed when Deliver can take more, and nil
	// if it can now: until then nothing is received. Default: it always can.
	Full func() <-chan struct{}
	// Reset is told to replace all that was delivered by a state that stands
	// for it: at a start with recovered data, and when this member came back
	// without its data and others keep only the summary of what it missed. It
	// is called like Deliver. Default: nobody looks.
	Reset func(*protocol.Snapshot)
	// Prepare is called for each batch while its bytes are warm, and what it
	// returns is Batch.Prepared at the delivery. It must not keep the batch's
	// memory. It is called by several goroutines at a time. Default nil: nothing
	// is prepared.
	Prepare func(*protocol.Batch) any
	// Fold joins what was prepared of the log into the state that Reset is given
	// with a snapshot. Default nil: none is kept.
	Fold driver.Fold

	// Listen is where this member accepts connections, if that is not the
	// address in Members at which peers reach it: "host:port", or only the host,
	// or ":port" for every address of the machine. Default: that address.
	Listen string
	// Insecure allows to listen on an address that is not loopback although
	// members have no keys: whoever reaches it can take part.
	Insecure bool
	// TLS secures the links between members; see transport.Config. With it every
	// address may be listened on.
	TLS *tls.Config
	// Listener takes the place of Listen; the node closes it, also when it
	// cannot start.
	Listener net.Listener
	// Dial connects to peers, and Lookup gives the addresses of a host name; with
	// Dial alone, names are dialed as they are. Defaults: TCP, and the resolver
	// of the system.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Impose returns how the link to a peer fails just now, for failure maps on
	// real links. It is called by several goroutines. Default nil: it does not.
	Impose func(to member.ID) fault.Link
	// OnAsk is asked by a peer for a part of a snapshot of the application's
	// state, and returns it; OnPart is given one, valid during the call. Both are
	// called by several goroutines and must return soon. Default nil: nobody
	// answers.
	OnAsk  func(from member.ID, ask wire.Ask) (answer wire.Part, ok bool)
	OnPart func(from member.ID, part wire.Part)

	// OnRead is asked by a peer for a part of a batch, see transport.Config. Default
	// nil: nobody answers.
	OnRead func(from member.ID, ask wire.Ask) wire.Part
	// MendWithin is how long a start with a damaged folder asks peers for what is
	// missing. Default 0: it is refused at once.
	MendWithin time.Duration

	// Meta returns what peers are told of this member with every handshake and
	// beat, at most wire.MetaBytesMax bytes; OnMeta is told what they say, again
	// and again. Both are called by several goroutines and must return soon.
	// Default nil: nothing is told.
	Meta   func() string
	OnMeta func(from member.ID, meta string)

	// Random draws what must differ between any two starts: identity and
	// delays. Default: crypto/rand.
	Random func() uint64
	// Sampled is shown the state a few times a second, in the node's turn.
	// Default nil: nobody looks.
	Sampled func(*protocol.Status)
	// Snapshots and Spoil are the public face's: where snapshots of the
	// application's state lie in place of the data folder, and whether memory that
	// was lent is overwritten afterwards; for tests.
	Snapshots journal.FS
	Spoil     bool

	// Watcher sees the node from within, in its turn. Default nil: nobody does.
	Watcher Watcher
	// Log is told of links and of what goes wrong. Default: nobody is.
	Log *slog.Logger
}

const (
	batchBytesByDefault  = 16 << 10
	memoryBytesByDefault = 192 << 20
	// memoryBytesMin leaves room for a few batches of each stream.
	memoryBytesMin = 1 << 20
	// DiskBytesMin is the smallest DiskBytesMax: room for some segments.
	DiskBytesMin = 16 << 20
	// EvictAfterMin is the smallest EvictAfter: a member whose link is long, or that is
	// started again, is not heard for a second or more.
	EvictAfterMin = 2 * time.Second
	shortestTick  = time.Millisecond
	longestTick   = time.Second
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
		c.Dial = transport.Dialer().DialContext
		if c.Lookup == nil {
			c.Lookup = transport.LookUp
		}
	}
	if c.Random == nil {
		c.Random = randomUint64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// diskPart returns what goes to disk, or from it, as one piece: if the folder has a
// limit no more than a part of that, so that there is room again soon.
func (c *Config) diskPart(bytes int) int {
	if c.DiskBytesMax > 0 {
		return int(min(int64(bytes), c.DiskBytesMax/diskParts))
	}
	return bytes
}

// segmentBytes returns the size of the journal's segments: a start has the newest
// one in memory.
func (c *Config) segmentBytes() int {
	return min(c.diskPart(journal.SegmentBytesByDefault), c.MemoryBytesMax/2)
}

// diskParts is of how many pieces a folder with a limit has room.
const diskParts = 8

// validate returns all mistakes at once.
func (c *Config) validate() error {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("node: "+format, args...))
		}
	}
	members := len(c.Members)
	check(members >= 1 && members <= member.CountMax, "%d members, allowed are 1 to %d", members, member.CountMax)
	err := c.Members.Check()
	check(err == nil, "Members: %v", err)
	check(int(c.Self) < c.places(), "Self is %d, but there are %d members", c.Self, c.places())
	check(c.View == nil || c.Changes, "View is for who has joined, with Changes")
	check(!c.Observe || c.Changes, "Observe is for who has joined, with Changes")
	check(len(c.Cluster) <= wire.ClusterBytesMax, "Cluster has %d bytes, allowed are %d", len(c.Cluster), wire.ClusterBytesMax)
	check(c.Protocol == Delta || c.Protocol == Lockstep, "Protocol is %q, allowed are %q and %q", c.Protocol, Delta, Lockstep)
	check(c.BatchEntriesMax >= 0 && c.BatchEntriesMax <= wire.BatchEntriesMax,
		"BatchEntriesMax is %d, allowed are 0 to %d", c.BatchEntriesMax, wire.BatchEntriesMax)
	check(c.BatchBytesMax > wire.BatchHeaderBytes && c.BatchBytesMax <= outBufferBytes,
		"BatchBytesMax is %d, allowed are %d to %d", c.BatchBytesMax, wire.BatchHeaderBytes+1, outBufferBytes)
	check(c.Tick >= shortestTick && c.Tick <= longestTick, "Tick is %v, allowed are %v to %v", c.Tick, shortestTick, longestTick)
	check(c.MemoryBytesMax >= memoryBytesMin, "MemoryBytesMax is %d, it must be at least %d", c.MemoryBytesMax, memoryBytesMin)
	check(c.DiskBytesMax == 0 || c.DiskBytesMax >= DiskBytesMin, "DiskBytesMax is %d, it must be at least %d", c.DiskBytesMax, DiskBytesMin)
	check(!c.Changes || c.Protocol == Delta, "Changes is for %q, and Protocol is %q", Delta, c.Protocol)
	check(c.EvictAfter == 0 || c.Changes && c.EvictAfter >= EvictAfterMin, "EvictAfter is %v, it must be at least %v, with Changes", c.EvictAfter, EvictAfterMin)
	check(c.DrainFor >= 0, "DrainFor is %v, it must not be negative", c.DrainFor)
	if c.Listener == nil && int(c.Self) < c.places() {
		_, _, err := member.ListenAddress(c.Listen, c.member(c.View, c.Self))
		check(err == nil, "Listen: %v", err)
	}
	check(c.DataDir == "" || c.Files == nil, "DataDir and Files exclude each other")
	return errors.Join(wrong...)
}

// places returns how many places there are at first.
func (c *Config) places() int {
	if c.View != nil {
		return max(len(c.Members), len(c.View.Places))
	}
	return len(c.Members)
}

// member returns who has a place by the list, or else by a view.
func (c *Config) member(v *member.View, place member.ID) member.Member {
	if int(place) < len(c.Members) {
		return c.Members[place]
	}
	if v == nil || int(place) >= len(v.Places) {
		return member.Member{Name: fmt.Sprint("number ", int(place)+1)}
	}
	return v.Places[place].Member()
}

// joined returns who has a place behind the list by a view, which may be nil.
func (c *Config) joined(v *member.View) (joined member.List) {
	if v == nil {
		return nil
	}
	for place := len(c.Members); place < len(v.Places); place++ {
		joined = append(joined, c.member(v, member.ID(place)))
	}
	return joined
}

// identity returns that of a life that begins now.
func (c *Config) identity() member.Identity {
	return cmp.Or(c.Identity, member.NewIdentity(time.Now().UnixMilli(), c.Random()))
}
