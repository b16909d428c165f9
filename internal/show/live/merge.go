package live

import (
	"container/heap"
	"context"
	"io"
	"sync"
	"time"

	"chatterbox/internal/proof/trace"
)

const (
	// Behind is how far behind the run a merger tells: by then the events of
	// all members have come.
	Behind = 200 * time.Millisecond
	// mergeEvery is how often it tells.
	mergeEvery = 40 * time.Millisecond
	// mergeMax is how many events may wait to be told.
	mergeMax = 1 << 17
)

// Watcher is told what happens, in order of time.
type Watcher interface {
	trace.Sink
	Pass(time.Duration) // nothing else happens until then
}

// Merger brings the events of several members into order. Use [NewMerger].
type Merger struct {
	now     func() time.Duration
	to      Watcher
	readers sync.WaitGroup
	last    time.Duration   // of the last event that was told
	portion []*waitingEvent // being told

	mu      sync.Mutex // guards all below
	waiting waiting
	spare   []*waitingEvent // were told
	count   uint64          // events that came, for the order of those of the same time
	lost    uint64
}

// NewMerger returns a merger of a run whose time now gives.
func NewMerger(now func() time.Duration, to Watcher) *Merger { return &Merger{now: now, to: to} }

// Read reads the trace of a member to its end, in a goroutine of its own, and
// closes it. What is no trace ends it.
func (m *Merger) Read(pipe io.ReadCloser) {
	m.readers.Go(func() {
		defer pipe.Close() //nolint:errcheck // only read
		reader, err := trace.NewReader(pipe)
		var event trace.Event
		for err == nil {
			if err = reader.Next(&event); err == nil {
				m.Tell(&event)
			}
		}
		_, _ = io.Copy(io.Discard, pipe) // whoever writes must not stand still
	})
}

// Tell takes in an event with its time, from any goroutine.
func (m *Merger) Tell(e *trace.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) >= mergeMax {
		m.lost++
		return
	}
	m.count++
	next := new(waitingEvent)
	if n := len(m.spare); n > 0 {
		next, m.spare = m.spare[n-1], m.spare[:n-1]
	}
	next.event, next.count = *e, m.count
	heap.Push(&m.waiting, next)
}

// Lost counts the events for which there was no room.
func (m *Merger) Lost() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

// Run tells the watcher what came, until ctx ends; then it waits for the ends
// of all that is read, and tells the rest.
func (m *Merger) Run(ctx context.Context) {
	ticker := time.NewTicker(mergeEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			m.pour(m.now() - Behind)
		case <-ctx.Done():
		}
	}
	m.readers.Wait()
	m.pour(1<<63 - 1)
}

// pour tells what happened until a time.
func (m *Merger) pour(until time.Duration) {
	for m.take(until) {
		for _, next := range m.portion {
			next.event.At = max(next.event.At, m.last) // what came too late counts as of now
			m.last = next.event.At
			m.to.Tell(&next.event)
		}
	}
	if until < 1<<62 && until > m.last {
		m.last = until
		m.to.Pass(until)
	}
}

// portionMax is how many events are taken out at a time, so that those who
// tell wait for microseconds only.
const portionMax = 256

// take takes the next portion, if there is any, and keeps the memory of the one before.
func (m *Merger) take(until time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.spare) < portionMax {
		m.spare = append(m.spare, m.portion...)
	}
	m.portion = m.portion[:0]
	for len(m.waiting) > 0 && m.waiting[0].event.At <= until && len(m.portion) < portionMax {
		m.portion = append(m.portion, heap.Pop(&m.waiting).(*waitingEvent))
	}
	return len(m.portion) > 0
}

// waitingEvent is an event that was not told yet.
type waitingEvent struct {
	event trace.Event
	count uint64
}

// waiting is a heap, the earliest first.
type waiting []*waitingEvent

func (w waiting) Len() int { return len(w) }

func (w waiting) Less(i, j int) bool {
	if w[i].event.At != w[j].event.At {
		return w[i].event.At < w[j].event.At
	}
	return w[i].count < w[j].count
}

func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push adds an event.
func (w *waiting) Push(x any) { *w = append(*w, x.(*waitingEvent)) }

// Pop removes the last one.
func (w *waiting) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
