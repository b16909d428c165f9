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
	mu   sync.Mutex // guards told
	told map[string]time.Duration
}

// due says whether a kind of notice about a host should be told now.
func (n *notices) due(kind string, from net.Addr, now time.Duration) bool {
	host, _, err := net.SplitHostPort(from.String())
	if err != nil {
		host = from.String()
	}
	key := kind + " " + host
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

// strangers are the accepted connections that have not said who they are, the
// oldest first.
type strangers struct {
	max int

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

// add takes in a connection, and gives the oldest if there are too many now.
func (s *strangers) add(conn net.Conn) (tooMany net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, conn)
	if len(s.conns) <= s.max {
		return nil
	}
	tooMany = s.conns[0]
	s.conns = slices.Delete(s.conns, 0, 1)
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
