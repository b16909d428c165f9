// Package live carries the events of members to whoever watches them, while
// they run.
//
// In the process of a member a [Sender] thins its events and writes them as
// lines of a trace to a pipe. Where all of them are watched, a [Merger] reads
// the pipes and tells the events of all in order of time, a little late. A
// member never waits: what the pipe does not take in time is left out and
// counted.
//
// Goroutines: a Sender has one that writes; a Merger has one that reads each
// pipe, and whoever calls [Merger.Run].
package live

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/thin"
)

const (
	// sendEvery is how often a member's events are sent.
	sendEvery = 100 * time.Millisecond
	// keepFor is how long events are kept for the goroutine that writes: only if it
	// is later than that does the member's turn encode them.
	keepFor = time.Second
	// eventsPerSecond is how many events of all members together are sent, so
	// that a large or busy cluster costs no more to watch than a small one.
	eventsPerSecond = 3000
	// waitingBytesMax is what may wait for the pipe.
	waitingBytesMax = 1 << 20
)

// Sender is a [trace.Thinned] that sends the events of one member. Use
// [NewSender].
type Sender struct {
	now  func() time.Duration
	out  io.Writer
	stop chan struct{}
	done chan struct{}

	full atomic.Bool   // until the window ends
	each atomic.Uint64 // of so many messages one is told

	mu      sync.Mutex // guards all below
	thinner *thin.Thinner
	told    bool          // something, so that the next is known
	ahead   time.Duration // how far the time of the run is ahead of the member's own
	least   time.Duration // the next event happens no earlier: windows until then have ended
	waiting []byte
	last    time.Duration // of the last event in waiting
	lost    uint64        // events that the pipe did not take
	events  uint64        // sent, for the end of the trace
}

// NewSender begins a trace on out. Now gives the time of the run, the same at
// all members. Close it.
func NewSender(out io.Writer, header trace.Header, now func() time.Duration) *Sender {
	s := &Sender{now: now, out: out, stop: make(chan struct{}), done: make(chan struct{})}
	n := len(header.Members)
	most := max(4, int(eventsPerSecond*sendEvery/time.Second)/max(1, n))
	s.thinner = thin.New(n, keepFor, most, (*queue)(s))
	s.each.Store(s.thinner.Each())
	go s.run(header)
	return s
}

// Tell takes in an event that happens now.
func (s *Sender) Tell(e *trace.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told {
		s.told, s.ahead = true, s.now()-e.At
	}
	at := e.At
	e.At = max(at+s.ahead, s.least)
	s.thinner.Tell(e) // which copies what it keeps
	e.At = at
	s.look()
}

// look remembers what the thinner has room for.
func (s *Sender) look() {
	if full := s.thinner.IsFull(); full != s.full.Load() {
		s.full.Store(full)
	}
	if each := s.thinner.Each(); each != s.each.Load() {
		s.each.Store(each)
	}
}

// IsFull reports whether an event that later ones make up for is of no use now.
func (s *Sender) IsFull() bool { return s.full.Load() }

// Wants reports whether a message with a number is one of those that are sent.
func (s *Sender) Wants(number uint64) bool { return thin.Wants(number, s.each.Load()) }

// Omit counts what the member did not tell.
func (s *Sender) Omit(omitted trace.Omitted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thinner.Omit(omitted)
}

// queue is the sender as the sink of its thinner, which has its turn.
type queue Sender

// Tell lets a line wait for the pipe.
func (q *queue) Tell(e *trace.Event) {
	if len(q.waiting) > waitingBytesMax {
		q.lost++
		return
	}
	q.last = max(q.last, e.At)
	line := *e
	line.At = q.last
	q.waiting = append(trace.AppendJSON(q.waiting, &line), '\n')
	q.events++
}

// Unseen counts the batches and messages that were not sent.
func (s *Sender) Unseen() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost + s.thinner.Unseen()
}

// run writes what waits, again and again, until Close.
func (s *Sender) run(header trace.Header) {
	defer close(s.done)
	ticker := time.NewTicker(sendEvery)
	defer ticker.Stop()
	err := trace.NewWriter(s.out, header).Flush()
	var spare []byte
	for open := true; open; {
		select {
		case <-ticker.C:
		case <-s.stop:
			open = false
		}
		lines := s.take(spare)
		if err == nil && len(lines) > 0 { // of a pipe that nobody reads nothing more is wanted
			_, err = s.out.Write(lines)
		}
		spare = lines[:0]
	}
}

// take ends the window and takes what waits; spare is memory to go on with.
func (s *Sender) take(spare []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.least = max(s.now(), s.least)
	s.thinner.Flush(s.least)
	s.look()
	lines := s.waiting
	s.waiting = spare
	return lines
}

// Close sends what waits, and the end of the trace.
func (s *Sender) Close() {
	close(s.stop)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.out.Write(trace.AppendEnd(nil, s.events))
}
