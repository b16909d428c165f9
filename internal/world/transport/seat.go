package transport

import (
	"errors"
	"sync"
	"time"
)

// seat is where a peer's accepted connections are kept: the one that is used,
// and one on trial. A dialer who finds a connection silent makes another, but
// keeps the first if it recovers before the second is ready. So a connection is
// on trial until the first frame comes on it; only then it takes the place of
// the one before. The zero value is empty.
type seat struct {
	mu    sync.Mutex // guards all below
	used  *incoming
	trial *incoming
	last  time.Duration // when the one that was used before was last heard
}

// heard returns when the peer was last heard on a connection of its direction.
func (s *seat) heard() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.used == nil:
		return s.last
	case s.used.busy.Load():
		return s.used.t.now()
	default:
		return time.Duration(s.used.heard.Load())
	}
}

// other returns the connection in use if it is of another process.
func (s *seat) other(process uint64) *incoming {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil || s.used.process == process {
		return nil
	}
	return s.used
}

// try puts a connection on trial, and ends one that is. One that was dialed
// earlier than those that are here, and only arrives late, is an error.
func (s *seat) try(in *incoming) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range []*incoming{s.used, s.trial} {
		if other != nil && other.identity == in.identity && other.session >= in.session {
			return errors.New("a later connection of the same member is here already")
		}
	}
	if s.trial != nil {
		s.trial.end()
	}
	s.trial = in
	return nil
}

// use ends the trial of a connection: it is the one that is used now. The one
// before is ended and given, if there is one; false means that the connection
// has lost its place to a later one.
func (s *seat) use(in *incoming) (before *incoming, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial != in {
		return nil, false
	}
	before, s.used, s.trial = s.used, in, nil
	if before != nil {
		before.end()
	}
	return before, true
}

// leave lets go of a connection that has ended.
func (s *seat) leave(in *incoming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch in {
	case s.used:
		s.used, s.last = nil, time.Duration(in.heard.Load())
	case s.trial:
		s.trial = nil
	}
}
