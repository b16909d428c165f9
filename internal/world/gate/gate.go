// Package gate decides who may come in, before anything is computed for him.
//
// Anybody can connect to an address as often as he likes, and some of what he
// may say is dear to answer: a first message of TLS costs a signature. A [Gate]
// lets so many connections a second in of each host, and so many of all hosts
// together from which nobody has come who belongs here; the others are closed at
// once, so that what strangers cost is bounded whatever they do. A host from
// which somebody came who belongs here is known ([Gate.Vouch]): it does not share
// with strangers, so that they cannot starve it. Members behind one address of a
// proxy or a translation of addresses share what that host has.
//
// A [Listener] has a gate before it, and where so many are refused that this is work
// by itself, it has the kernel drop what strangers send to connect.
//
// A gate starts no goroutine, and takes a fixed amount of memory.
package gate

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// strangersMax is how many strange hosts are told apart; those beyond share
	// what all of them have.
	strangersMax = 1024
	// knownMax is how many hosts are known at a time; those beyond are strange.
	knownMax = 4096
	// knownFor is for how long a host is known after the last time that somebody
	// vouched for it.
	knownFor = 24 * time.Hour
	// tellEvery is how often a tally is told.
	tellEvery = time.Minute
	// siteBits are the bits of an address of IPv6 that tell sites apart: whoever
	// has one address has all that begin with them (RFC 6177, 2011).
	siteBits = 64
)

// Rate is how many may come in.
type Rate struct {
	PerSecond int // in the long run; 0 is no limit
	Burst     int // at once, after a time of quiet
}

// Config says how many may come in.
type Config struct {
	Strangers Rate // of all hosts together that are not known
	Stranger  Rate // of one host that is not known
	Known     Rate // of one host that is
	// Apart is the time from one stranger who is heard to the next, at least.
	Apart time.Duration
	// BarredFor is how long nobody is let in of a host that is barred.
	BarredFor time.Duration
	// Now is the time since some moment in the past.
	Now func() time.Duration
}

// Gate counts who comes. All methods may be called by any goroutine.
type Gate struct {
	config Config

	mu      sync.Mutex    // guards all below
	all     bucket        // of strangers
	next    time.Duration // when the next stranger is heard at the earliest
	strange map[Host]bucket
	known   map[Host]acquaintance
	swept   time.Duration // when strange hosts were last forgotten
	refused Tally
}

// acquaintance is a host that is known.
type acquaintance struct {
	bucket bucket
	since  time.Duration // when somebody vouched for it last
}

// New returns a gate.
func New(config Config) *Gate {
	return &Gate{config: config, strange: map[Host]bucket{}, known: map[Host]acquaintance{}}
}

// Host is who connections come from: an address, or of IPv6 a site.
type Host struct {
	address netip.Addr
	name    string // where there is no address, in memory
}

// HostOf returns the host of an address.
func HostOf(address net.Addr) Host {
	if tcp, ok := address.(*net.TCPAddr); ok {
		return hostAt(tcp.AddrPort().Addr())
	}
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		host = address.String()
	}
	return HostNamed(host)
}

// HostNamed returns the host that is written so: an IP address, or a name.
func HostNamed(text string) Host {
	if address, err := netip.ParseAddr(text); err == nil {
		return hostAt(address)
	}
	return Host{name: text}
}

func hostAt(address netip.Addr) Host {
	if address = address.Unmap(); address.Is6() {
		site, _ := address.WithZone("").Prefix(siteBits) // never too many bits
		address = site.Addr()
	}
	return Host{address: address}
}

// bucket is a token bucket, as the time at which it is full again: the generic
// cell rate algorithm (ITU-T I.371, 1993) needs no more. The zero value is full.
type bucket struct{ full time.Duration }

// after returns the bucket once a token was taken at a time, and whether there
// was one.
func (b bucket) after(r Rate, now time.Duration) (bucket, bool) {
	if r.PerSecond == 0 {
		return b, true
	}
	each := time.Second / time.Duration(r.PerSecond)
	taken := bucket{max(b.full, now) + each}
	return taken, taken.full-now <= each*time.Duration(r.Burst)
}

// emptied returns the bucket of a host of which the next one comes in when a time
// has passed, and those after it one by one.
func (b bucket) emptied(r Rate, until time.Duration) bucket {
	each := time.Second / time.Duration(r.PerSecond)
	return bucket{max(b.full, until+each*time.Duration(r.Burst-1))}
}

// Tally counts what happens too often to be told each time. The zero value is
// empty. It has no lock.
type Tally struct {
	count uint64        // since it was told last
	told  time.Duration // when that was; 0 is never
}

// Add counts once more. Once a minute it returns how often it was since it was
// told last, and that is to be told now; else 0.
func (t *Tally) Add(now time.Duration) (tell uint64) {
	t.count++
	if t.told > 0 && now-t.told < tellEvery {
		return 0
	}
	tell, t.count, t.told = t.count, 0, max(now, 1)
	return tell
}

// Enter reports whether a connection of a host may come in now. If not, tell is
// sometimes how many were refused since this was told last, as of a [Tally].
func (g *Gate) Enter(host Host) (ok bool, tell uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	if g.take(host, now) {
		return true, 0
	}
	return false, g.refused.Add(now)
}

func (g *Gate) take(host Host, now time.Duration) bool {
	if a, ok := g.known[host]; ok && now-a.since < knownFor {
		a.bucket, ok = a.bucket.after(g.config.Known, now)
		if ok {
			g.known[host] = a
		}
		return ok
	}
	own, ok := g.strange[host].after(g.config.Stranger, now)
	all, room := g.all.after(g.config.Strangers, now)
	if !ok || !room {
		return false
	}
	g.all = all
	if g.remembers(host, now) {
		g.strange[host] = own
	}
	return true
}

// remembers makes room for a strange host, and reports whether there is any.
// Those whose buckets are full again are like those who never came.
func (g *Gate) remembers(host Host, now time.Duration) bool {
	if _, ok := g.strange[host]; ok || len(g.strange) < strangersMax {
		return true
	}
	if now-g.swept < time.Second {
		return false
	}
	g.swept = now
	for other, b := range g.strange {
		if b.full <= now {
			delete(g.strange, other)
		}
	}
	return len(g.strange) < strangersMax
}

// Turn returns how long somebody waits who came in, until he is heard: who is known
// does not, and strangers are heard one after the other, however many come at once.
func (g *Gate) Turn(host Host) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	if g.knows(host, now) {
		return 0
	}
	turn := max(g.next, now)
	g.next = turn + g.config.Apart
	return turn - now
}

func (g *Gate) knows(host Host, now time.Duration) bool {
	a, ok := g.known[host]
	return ok && now-a.since < knownFor
}

// Vouch says that at a host somebody is who belongs here.
func (g *Gate) Vouch(host Host) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	a, ok := g.known[host]
	if !ok && len(g.known) >= knownMax {
		g.forget(now)
		if len(g.known) >= knownMax {
			return
		}
	}
	a.since = now
	g.known[host] = a
}

// Bar says that who was let in of a host was dear to answer and does not belong
// here: unless the host is known, nobody is let in of it for a while, so that those
// who come for the first time share with fewer.
func (g *Gate) Bar(host Host) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	if !g.knows(host, now) && g.remembers(host, now) {
		g.strange[host] = g.strange[host].emptied(g.config.Stranger, now+g.config.BarredFor)
	}
}

// forget lets go of those for whom nobody has vouched for long.
func (g *Gate) forget(now time.Duration) {
	for host, a := range g.known {
		if now-a.since >= knownFor {
			delete(g.known, host)
		}
	}
}
