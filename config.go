package chatterbox

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/wire"
)

// A Member is a place in the cluster.
type Member struct {
	// Name is 1 to 64 letters, digits, '.', '_' or '-', unlike all others.
	Name string
	// Address is where peers dial it: "host:port".
	Address string
}

// Retain limits which settled entries can be read again. What [Node.Compact]
// has released may be dropped at any time; the rest is kept within Bytes and
// Age, or without limit if Hold is set. What some member still lacks is always
// kept. A loop that falls behind what is kept ends with [ErrCompacted]: readers
// hold nothing back.
type Retain struct {
	// Bytes is about how many bytes are kept at most: of files, which are up to
	// 64 MiB each, with a folder. Default: no limit with a folder; without one a
	// quarter of MaxMemory, which is also the most.
	Bytes int64
	// Age is how long entries are kept at most after all members held them, to
	// within a file with a folder. Default: no limit.
	Age time.Duration
	// Hold keeps what Compact has not released whatever Bytes and Age say. When
	// that fills MaxDisk, or without a folder Bytes, this member takes nothing
	// more, and so holds up the cluster: for readers that must see everything.
	Hold bool
}

// Config configures a node. Name, one of Members and Join, and one of Dir and Volatile
// are required; the zero value of every other field is its default.
type Config struct {
	// Name is this member's name.
	Name string
	// Members are the founders, the same list in the same order at all of them, for
	// as long as there is the cluster: who has left or moved stays in it as it was,
	// for the folder knows, see [Node.Change].
	Members []Member
	// Join is the address of any member of a running cluster, in place of Members:
	// this member is none of its founders, and joins it. [Open] asks that member
	// until this one has a place, or cannot get one; then this one gets what the
	// others hold, and once it has asked with [Change].Return, which is granted when
	// it holds about as much as they do, it is a member and writes. Name and Address
	// must be new. A folder knows its place: started with it again a member needs
	// neither Join nor Members. One that was away while all that it knew have left or
	// moved, also a founder, with its Members, is told by Join who belongs by now, and
	// goes on with what its folder has.
	Join string
	// Observe has a member that joins, or has joined, only read: it gets all that
	// settles, in order and with its positions, counts nowhere, and nothing waits for it.
	// Broadcast returns [ErrReadOnly]. Started without Observe it becomes a member that
	// writes. One that is thrown away leaves its name, which another one may take.
	Observe bool
	// Address is where peers dial a member that joins: "host:port". Those of the list
	// have it there.
	Address string
	// Listen is where this member accepts connections. Default: its address in
	// Members.
	Listen string
	// TLS secures the links between members, for both directions, with TLS 1.3:
	// this member's certificate, valid for its Name, and the RootCAs and ClientCAs
	// that the peers' certificates must be of, each valid for its member's Name.
	// VerifyConnection, if it is there, is asked again every second; connections
	// end when it refuses what they showed, or when that expires. GetConfigForClient,
	// if it is there, is asked before each connection, in both directions, so that
	// authorities can change without a restart; the hello of a connection that is
	// dialed has the ServerName only. Default: links
	// are open, and only loopback addresses can be listened on, unless Insecure.
	TLS *tls.Config
	// Insecure allows Listen to be any address without TLS: whoever reaches it
	// can take part in the cluster.
	Insecure bool
	// Cluster is a name that must be the same at all members, at most 64 bytes:
	// it keeps apart clusters that reach each other by mistake. Default: "".
	Cluster string

	// Dir is the folder of the durable log. Only one node may use it.
	Dir string
	// Volatile keeps nothing on disk: what only this process holds is lost with
	// it, and each start is another life, see ID.Life.
	Volatile bool
	// Retain limits what can be read again.
	Retain Retain
	// MaxMemory is how many bytes of entries are in memory. Default: 192 MiB. With
	// a folder what a member lacks that is away costs disk and no memory; without
	// one, when that fills the memory, nothing more is accepted until it is back.
	MaxMemory int64
	// MaxDisk is the size of Dir, in bytes, beyond which this member accepts
	// nothing, at least 16 MiB. What others accepted it still takes, so that Dir may
	// come to be larger by what they write until they are full themselves. Default:
	// 0, the disk is the limit.
	MaxDisk int64

	// EvictAfter is how long a member may be away until the others go on without it by
	// themselves, as after [Change].Evict: away is who is not together with a quorum, so
	// that they learn from it and it from them, on whatever way. Once it is reached
	// again it asks them to take it back, as [Change].Return does. At least 2 s, and the
	// same at all members. Default: 10 s. Negative: never, members go and come back
	// only by Change.
	EvictAfter time.Duration

	// Prepare is called for each batch when it is made or received, while its
	// bytes are in the cache, by several goroutines at a time, before the batch
	// has a position; what it returns is Batch.Prepared, for as long as the
	// batch is in memory; for what is read from disk it is called again. It must
	// depend on nothing but the batch's payloads,
	// keep none of its memory, and not call the node.
	Prepare func(Batch) any
	// Log receives a record when a link comes or goes, when something goes
	// wrong, and when a call has waited for 5 s, with the reason. Default:
	// nothing is logged.
	Log *slog.Logger
}

const (
	memoryByDefault = 192 << 20
	// evictAfterByDefault is longer than a restart and most pauses.
	evictAfterByDefault = 10 * time.Second
	memoryMin           = 2 << 20
	nameBytesMax        = 64
)

func (c Config) withDefaults() Config {
	if c.MaxMemory == 0 {
		c.MaxMemory = memoryByDefault
	}
	if most := c.MaxMemory / 4; c.Volatile && (c.Retain.Bytes == 0 || c.Retain.Bytes > most) {
		c.Retain.Bytes = most
	}
	switch {
	case c.EvictAfter == 0:
		c.EvictAfter = evictAfterByDefault
	case c.EvictAfter < 0:
		c.EvictAfter = 0 // of the node within: for ever
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// bytesInMemory returns how much of what has settled is kept in memory: without
// a folder that is all.
func (c *Config) bytesInMemory() int64 {
	if c.Volatile {
		return c.Retain.Bytes
	}
	return c.MaxMemory / 4
}

// validate returns the list of members and this one's place, and all mistakes
// at once.
func (c *Config) validate() (member.List, member.ID, error) {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("chatterbox: "+format, args...))
		}
	}
	list, err := listOf(c.Members)
	if err != nil {
		wrong = append(wrong, err)
	}
	self, known := list.Named(c.Name)
	c.validateJoin(check)
	check(len(c.Members) == 0 || known && list[self].Name == c.Name, "Name is %q, which is not in Members", c.Name)
	check(c.Dir != "" || c.Volatile, "Dir is missing: name a folder, or set Volatile to keep nothing")
	check(c.Dir == "" || !c.Volatile, "Dir and Volatile exclude each other")
	check(c.MaxMemory >= memoryMin, "MaxMemory is %d, it must be at least %d", c.MaxMemory, memoryMin)
	check(c.MaxDisk == 0 || c.MaxDisk >= node.DiskBytesMin, "MaxDisk is %d, it must be at least %d", c.MaxDisk, node.DiskBytesMin)
	check(c.MaxDisk == 0 || !c.Volatile, "MaxDisk is for a folder, and Volatile has none")
	check(c.EvictAfter == 0 || c.EvictAfter >= node.EvictAfterMin, "EvictAfter is %v, it must be at least %v, or negative for never", c.EvictAfter, node.EvictAfterMin)
	check(c.Retain.Bytes >= 0, "Retain.Bytes is %d, it must not be negative", c.Retain.Bytes)
	check(c.Retain.Age >= 0, "Retain.Age is %v, it must not be negative", c.Retain.Age)
	return list, self, errors.Join(wrong...)
}

// validateJoin checks what says who this is, besides the list.
func (c *Config) validateJoin(check func(ok bool, format string, args ...any)) {
	check(len(c.Members) > 0 || c.Join != "" || c.Dir != "", "Members are missing: name the founders, or a member to Join by")
	check(len(c.Members) == 0 || c.Join == "" || c.Dir != "", "Members and Join exclude each other: who joins is none of the founders")
	check(len(c.Members) > 0 || validName(c.Name), "Name is %q: a name has 1 to %d letters, digits, '.', '_' or '-'", c.Name, nameBytesMax)
	check(len(c.Members) == 0 || !c.Observe, "Observe is for who joins: the founders are members")
	if c.Join == "" {
		check(c.Address == "" || len(c.Members) == 0, "Address is for who joins: that of a founder is in Members")
		return
	}
	_, _, err := splitAddress(c.Join)
	check(err == nil, "Join: %v", err)
	_, _, err = splitAddress(c.Address)
	check(err == nil || len(c.Members) > 0, "Address, where peers dial this member: %v", err)
}

func listOf(members []Member) (member.List, error) {
	var wrong []error
	names := map[string]bool{}
	list := make(member.List, len(members))
	for i, m := range members {
		host, port, err := splitAddress(m.Address)
		switch {
		case !validName(m.Name):
			wrong = append(wrong, fmt.Errorf("chatterbox: member %d is called %q: a name has 1 to %d letters, digits, '.', '_' or '-'",
				i+1, m.Name, nameBytesMax))
		case names[m.Name]:
			wrong = append(wrong, fmt.Errorf("chatterbox: two members are called %q", m.Name))
		case err != nil:
			wrong = append(wrong, fmt.Errorf("chatterbox: address of member %s: %w", m.Name, err))
		}
		names[m.Name] = true
		list[i] = member.Member{Name: m.Name, Host: host, Port: port}
	}
	if len(wrong) == 0 {
		if err := list.Check(); err != nil {
			wrong = append(wrong, fmt.Errorf("chatterbox: %w", err))
		}
	}
	return list, errors.Join(wrong...)
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%w: write it as host:port", err)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("port %q is not from 1 to 65535", text)
	}
	return host, port, nil
}

func validName(name string) bool {
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-' {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= nameBytesMax
}

// inner returns what the node within is started with.
func (c *Config) inner(n *Node, self member.ID, seat *node.Seat) node.Config {
	inner := node.Config{
		Members: n.list(), Self: self, Cluster: c.Cluster, Listen: c.Listen, TLS: c.TLS, Insecure: c.Insecure,
		DataDir: c.Dir, MeetFirst: true, Changes: true, EvictAfter: c.EvictAfter, Observe: c.Observe, MemoryBytesMax: int(c.MaxMemory - c.MaxMemory/4), DiskBytesMax: c.MaxDisk, Log: c.Log,
	}
	if seat != nil {
		inner.Members, inner.View, inner.Identity = seat.Members, seat.View, seat.Identity
	}
	if !c.Volatile {
		inner.Retain = &journal.Retain{Bytes: c.Retain.Bytes, Age: c.Retain.Age, Hold: c.Retain.Hold}
	}
	if prepare := c.Prepare; prepare != nil {
		inner.Prepare = func(b *protocol.Batch) any {
			return prepare(Batch{
				ID: n.idOf(b, 0), Lamport: uint64(b.Time),
				view: &view{payloads: wire.Payloads(b)},
			})
		}
	}
	return inner
}
