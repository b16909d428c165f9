package transport

import (
	"sync"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// copyBytesMax is the size up to which a batch is copied into the queue: less
// work than counting a reference and naming one more piece to the system call.
const copyBytesMax = 512

// promptBytesMax is up to how much the sender writes itself: a few small
// frames. More is left to the writer, which has all day.
const promptBytesMax = 4 << 10

// promptPause is for how long after a larger write only the writer writes:
// under load it pays to let small frames gather.
const promptPause = 10 * time.Millisecond

// load is frames one after the other: bytes that were copied together, and
// between them the memory of batches, which is shared.
type load struct {
	copied  []byte
	shared  []piece
	frames  []frame
	batches int // bytes of batches in it, copied ones included
}

// piece is a batch that belongs at an offset of the copied bytes.
type piece struct {
	at     int
	bytes  []byte
	buffer *protocol.Buffer // the load holds a reference
}

// frame is where a frame ends.
type frame struct{ copied, shared int }

// add encodes the head of a message and takes a reference to its batches. It
// gives the bytes of the whole frame.
func (l *load) add(m *protocol.Message) int {
	before, total := len(l.copied), 0
	l.copied = wire.AppendMessage(l.copied, m)
	for i := range m.Batches {
		total += l.addBatch(&m.Batches[i])
	}
	l.frames = append(l.frames, frame{len(l.copied), len(l.shared)})
	return total + len(l.copied) - before
}

// addBatch returns the bytes that it did not copy.
func (l *load) addBatch(b *protocol.Batch) int {
	l.batches += len(b.Bytes)
	if len(b.Bytes) <= copyBytesMax {
		l.copied = append(l.copied, b.Bytes...)
		return 0
	}
	b.Buffer.Retain()
	l.shared = append(l.shared, piece{len(l.copied), b.Bytes, b.Buffer})
	return len(b.Bytes)
}

// isLarge reports whether it is more than the sender writes itself.
func (l *load) isLarge() bool { return len(l.shared) > 0 || len(l.copied) > promptBytesMax }

// release gives back the references of pieces and empties the load.
func (l *load) release() {
	for i := range l.shared {
		l.shared[i].buffer.Release()
	}
	clear(l.shared)
	*l = load{copied: l.copied[:0], shared: l.shared[:0], frames: l.frames[:0]}
}

// cutFront forgets the first bytes, which were written; all of them are copied
// ones.
func (l *load) cutFront(bytes int) {
	l.copied = l.copied[:copy(l.copied, l.copied[bytes:])]
	for i := range l.frames {
		l.frames[i].copied = max(0, l.frames[i].copied-bytes)
	}
}

// each calls visit with the pieces of memory that the load consists of, in order,
// and stops at the first error.
func (l *load) each(visit func([]byte) error) error {
	from := 0
	for i := range l.shared {
		p := &l.shared[i]
		if err := visit(l.copied[from:p.at]); err != nil {
			return err
		}
		if err := visit(p.bytes); err != nil {
			return err
		}
		from = p.at
	}
	return visit(l.copied[from:])
}

// appendFrame appends all bytes of frame i.
func (l *load) appendFrame(dst []byte, i int) []byte {
	var from frame
	if i > 0 {
		from = l.frames[i-1]
	}
	for s := from.shared; s < l.frames[i].shared; s++ {
		p := &l.shared[s]
		dst = append(append(dst, l.copied[from.copied:p.at]...), p.bytes...)
		from.copied = p.at
	}
	return append(dst, l.copied[from.copied:l.frames[i].copied]...)
}

// outcome says what became of a message that was to be queued.
type outcome uint8

const (
	queued outcome = iota
	queueClosed
	queueFull
)

// queue is the frames that wait for one connection. Whoever sends puts, the
// connection's writer takes all at once. While the writer is idle, a few small
// frames are written by whoever sends: in an idle cluster that saves a change
// of goroutines for each.
type queue struct {
	limit  int           // bytes that may wait
	wake   chan struct{} // has something in it when there is something to take
	prompt *prompt       // nil: only the writer writes
	now    func() time.Duration
	wrote  func(load *load, bytes int)

	mu      sync.Mutex // guards all below
	waiting load
	bytes   int           // put and not yet written
	claimed bool          // the writer writes
	resumes time.Duration // when prompt writes may go on
	closed  bool
}

// newQueue makes a queue whose prompt writes are told to wrote.
func newQueue(limit int, prompt *prompt, now func() time.Duration, wrote func(*load, int)) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1), prompt: prompt, now: now, wrote: wrote}
}

// put adds a message's frame, if not too much is waiting already.
func (q *queue) put(m *protocol.Message) outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	refusal := q.refusal()
	if refusal == queued {
		q.bytes += q.waiting.add(m)
		q.send()
	}
	return refusal
}

// putFrame adds a whole frame, if not too much is waiting already.
func (q *queue) putFrame(whole []byte) outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	refusal := q.refusal()
	if refusal == queued {
		q.waiting.copied = append(q.waiting.copied, whole...)
		q.waiting.frames = append(q.waiting.frames, frame{len(q.waiting.copied), len(q.waiting.shared)})
		q.bytes += len(whole)
		q.send()
	}
	return refusal
}

// refusal returns queued if there is room.
func (q *queue) refusal() outcome {
	switch {
	case q.closed:
		return queueClosed
	case q.bytes > q.limit:
		return queueFull
	}
	return queued
}

// send has what waits written, if not at once.
func (q *queue) send() {
	if q.writePromptly() {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// writePromptly writes what waits if that is little and the writer is idle, and
// says whether all of it was written.
func (q *queue) writePromptly() bool {
	if q.prompt == nil || q.claimed || q.waiting.isLarge() || q.now() < q.resumes {
		return false
	}
	n := q.prompt.write(q.waiting.copied)
	q.bytes -= n
	if n < len(q.waiting.copied) {
		q.waiting.cutFront(n)
		return false
	}
	q.wrote(&q.waiting, n)
	q.waiting.release()
	return true
}

// claim keeps prompt writes away until take finds nothing.
func (q *queue) claim() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claimed = true
}

// take exchanges what waits for an empty load; false means that nothing does.
func (q *queue) take(empty *load) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting.isLarge() {
		q.resumes = q.now() + promptPause
	}
	q.waiting, *empty = *empty, q.waiting
	q.claimed = len(empty.frames) > 0
	return q.claimed
}

// written says that bytes which were put do not wait any more.
func (q *queue) written(bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
}

// size returns the bytes that wait.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// close drops what waits and refuses all that follows.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.waiting.release()
}
