package memnet

import (
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// stream is one direction of a connection: a buffer with a writer's and a
// reader's end.
type stream struct {
	network *Network
	from    string // the writer's host
	to      string // the reader's

	mu      sync.Mutex // guards all below
	changed *sync.Cond // tells of every change below
	data    []byte     // written and not yet read, from start
	start   int
	stalled bool // something was lost on the way: nothing arrives any more
	lost    int  // bytes written since then, for ever waiting to be sent again
	ended   bool // the reader gets io.EOF after the data
	broken  bool // the reader gets a reset
	writer  end
	reader  end
}

// end is what one end of a stream has set.
type end struct {
	left     bool // it was closed
	deadline time.Time
	timer    *time.Timer
}

func newStream(n *Network, from, to string) *stream {
	s := &stream{network: n, from: from, to: to}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.reader.left:
			return 0, net.ErrClosed
		case s.broken:
			return 0, syscall.ECONNRESET
		case s.reader.late():
			return 0, os.ErrDeadlineExceeded
		case s.network.isPaused(s.to):
			// It waits, whatever has arrived.
		case s.start < len(s.data):
			return s.take(p), nil
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

// take moves data to the reader.
func (s *stream) take(p []byte) int {
	n := copy(p, s.data[s.start:])
	if s.start += n; s.start == len(s.data) {
		s.data, s.start = s.data[:0], 0
	}
	s.changed.Broadcast()
	return n
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written := 0
	for {
		switch {
		case s.writer.left:
			return written, net.ErrClosed
		case s.reader.left && !s.stall():
			return written, syscall.EPIPE
		case s.writer.late():
			return written, os.ErrDeadlineExceeded
		case s.network.isPaused(s.from):
			// It waits, whatever room there is.
		default:
			written += s.put(p[written:])
			if written == len(p) {
				return written, nil
			}
		}
		s.changed.Wait()
	}
}

// put moves as much into the buffer as fits.
func (s *stream) put(p []byte) int {
	n := min(len(p), BufferBytesMax-(len(s.data)-s.start)-s.lost)
	if s.stall() {
		s.lost += n
		return n
	}
	s.data = append(s.data, p[:n]...)
	s.changed.Broadcast()
	return n
}

// stall reports whether what the writer does now fails to arrive.
func (s *stream) stall() bool {
	s.stalled = s.stalled || s.network.isCut(s.from, s.to)
	return s.stalled
}

// finish ends the stream at the writer's end; the reader hears of it after the
// data, or at once where it is abrupt.
func (s *stream) finish(abrupt bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer.leave()
	if !s.stall() {
		s.ended, s.broken = true, s.broken || abrupt
	}
	s.forget()
	s.changed.Broadcast()
}

// abandon ends the stream at the reader's end.
func (s *stream) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader.leave()
	s.forget()
	s.changed.Broadcast()
}

// forget lets the network forget a stream that both ends have left.
func (s *stream) forget() {
	if !s.writer.left || !s.reader.left {
		return
	}
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	if i := slices.Index(s.network.streams, s); i >= 0 {
		s.network.streams = slices.Delete(s.network.streams, i, i+1)
	}
}

func (s *stream) setDeadline(e *end, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.deadline = at
	e.stopTimer()
	if !at.IsZero() && !e.left {
		e.timer = time.AfterFunc(time.Until(at), s.tell)
	}
	s.changed.Broadcast()
}

// tell wakes both ends.
func (s *stream) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (e *end) leave() {
	e.left = true
	e.stopTimer()
}

func (e *end) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// late reports whether the deadline has passed.
func (e *end) late() bool { return !e.deadline.IsZero() && !time.Now().Before(e.deadline) }
