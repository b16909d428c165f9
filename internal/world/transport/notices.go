package transport

import (
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// noticeEvery is how often the same thing is told of the same host.
	noticeEvery = time.Minute
	// noticesMax is how many different things are remembered as told.
	noticesMax = 256
)

// notices keep the log short while somebody tries the same mistake again and
// again. The zero value is ready for use.
type notices struct {
	mu     sync.Mutex // guards all below
	told   map[string]time.Duration
	shared map[string]int // how many peers were told of with a trouble
	since  time.Duration  // when shared was empty
}

// sharedMax is how many peers with the same trouble the log is told of in
// noticeEvery; the status has all of them.
const sharedMax = 8

// dueToo reports whether a trouble of one more peer should be told now.
func (n *notices) dueToo(text string, now time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.shared == nil || now-n.since >= noticeEvery || len(n.shared) >= noticesMax {
		n.shared, n.since = make(map[string]int), now
	}
	n.shared[text]++
	return n.shared[text] <= sharedMax
}

// due reports whether a kind of notice about a host should be told now.
func (n *notices) due(kind string, from net.Addr, now time.Duration) bool {
	key := kind + " " + hostOf(from)
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.told[key]; ok && now-at < noticeEvery {
		return false
	}
	if n.told == nil || len(n.told) >= noticesMax {
		n.told = make(map[string]time.Duration)
	}
	n.told[key] = now
	return true
}

// hostOf returns the host of an address.
func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	return host
}

// strangers are the accepted connections that have not said who they are, the
// oldest first.
type strangers struct {
	max int

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

// add takes in a connection. If there are too many now it gives the oldest of
// the host that has most of them: one that comes with a crowd crowds out its own.
func (s *strangers) add(conn net.Conn) (tooMany net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, conn)
	if len(s.conns) <= s.max {
		return nil
	}
	counts := make(map[string]int)
	for _, other := range s.conns {
		counts[hostOf(other.RemoteAddr())]++
	}
	oldest := 0
	for i, other := range s.conns {
		if counts[hostOf(other.RemoteAddr())] > counts[hostOf(s.conns[oldest].RemoteAddr())] {
			oldest = i
		}
	}
	tooMany = s.conns[oldest]
	s.conns = slices.Delete(s.conns, oldest, oldest+1)
	return tooMany
}

// remove lets go of a connection, which may be gone already.
func (s *strangers) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.conns, conn); i >= 0 {
		s.conns = slices.Delete(s.conns, i, i+1)
	}
}
