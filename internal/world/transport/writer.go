package transport

import (
	"time"

	"chatterbox/internal/world/fault"
)

// writer carries the queue of one connection to the socket. It belongs to one
// goroutine.
type writer struct {
	out   *outgoing
	sink  *sink
	taken load
	beats []byte

	line  *line       // where failures are imposed; else nil
	well  bool        // what is written now does not enter the line, since nothing is imposed
	timer *time.Timer // for the next frame in line
	due   <-chan time.Time
}

func newWriter(out *outgoing) *writer {
	w := &writer{out: out, line: out.line}
	w.sink = newSink(out.conn, func(bytes int) {
		out.wroteBytes(bytes)
		if w.line == nil || w.well {
			out.queue.written(bytes)
		}
	})
	if w.line != nil {
		w.timer = time.NewTimer(0) // finds nothing to do at first
		w.due = w.timer.C
	}
	return w
}

// run writes what is queued, and a beat when there is nothing, until the
// connection ends. When the transport closes it writes what still waits and
// then ends its direction of the connection.
func (w *writer) run() {
	defer w.taken.release()
	beat := newPulse(w.out.link.t.untilBeat())
	defer beat.stop()
	closing := w.out.link.t.running.Done()
	finishing := false
	err := w.beat() // the peer uses the connection from the first frame
	for {
		if err != nil {
			w.out.end(err)
			return
		}
		select {
		case <-w.out.queue.wake:
		case <-w.due:
		case <-beat.due:
			beat.again(w.out.link.t.untilBeat())
			err = w.beat()
		case <-closing:
			closing, finishing = nil, true
		case <-w.out.ended:
			return
		}
		if err == nil {
			err = w.drain()
		}
		if err == nil && finishing && w.idle() {
			closeWrite(w.out.conn)
			return
		}
	}
}

// drain writes until the queue is empty.
func (w *writer) drain() error {
	for w.out.queue.take(&w.taken) {
		if err := w.writeTaken(); err != nil {
			return err
		}
	}
	if w.line == nil {
		return nil
	}
	return w.writeDue()
}

// writeTaken writes the load that was taken and gives its references back.
func (w *writer) writeTaken() error {
	defer w.taken.release()
	if w.line != nil {
		if len(w.line.waiting) > 0 || w.out.link.imposed() != (fault.Link{}) {
			return w.enterTaken()
		}
		w.well = true
	}
	if err := w.taken.each(w.sink.add); err != nil {
		return err
	}
	if err := w.sink.flush(); err != nil {
		return err
	}
	w.well = false
	w.out.link.counters.sent(len(w.taken.frames), w.taken.batches)
	return nil
}

// beat writes a beat if nothing else was written for a while.
func (w *writer) beat() error {
	t := w.out.link.t
	if t.now()-time.Duration(w.out.wrote.Load()) < t.config.BeatEvery*3/4 {
		return nil
	}
	w.out.queue.claim()
	w.beats = w.out.link.appendBeat(w.beats[:0])
	_, err := w.out.conn.Write(w.beats)
	w.out.wroteBytes(len(w.beats))
	return err
}

// untilBeat is when all connections beat next. They do it together: an idle
// process wakes once for all of them.
func (t *Transport) untilBeat() time.Duration { return t.config.BeatEvery - t.now()%t.config.BeatEvery }

// idle reports whether nothing waits to be written.
func (w *writer) idle() bool {
	return w.out.queue.size() == 0 && (w.line == nil || len(w.line.waiting) == 0)
}

// enterTaken lets each frame enter the imposed link.
func (w *writer) enterTaken() error {
	for i := range w.taken.frames {
		link := w.out.link.imposed()
		if w.out.reliable && !keepsAll(link) {
			return errImposed // a loss must be told by a new link
		}
		frame := w.taken.appendFrame(nil, i)
		copies := w.line.enter(w.out.link.t.now(), link, frame)
		w.out.queue.written(len(frame) * (1 - copies)) // a repeated one counts twice
	}
	w.out.link.counters.sent(len(w.taken.frames), w.taken.batches)
	return nil
}

// writeDue writes the frames whose time has come.
func (w *writer) writeDue() error {
	for {
		frame := w.line.leave(w.out.link.t.now())
		if frame == nil {
			break
		}
		if err := w.sink.add(frame); err != nil {
			return err
		}
		w.out.queue.written(len(frame))
	}
	if next, ok := w.line.next(); ok {
		w.timer.Reset(next - w.out.link.t.now())
	}
	return w.sink.flush()
}
