package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"chatterbox/internal/core/text"
)

// What is wrapped by errors about a trace.
var (
	// ErrMalformed is wrapped by every error about the text of a trace.
	ErrMalformed = errors.New("malformed trace")
	// ErrIncomplete says that a trace has no end: what was read is right as
	// far as it goes, but nobody knows what is missing.
	ErrIncomplete = errors.New("the trace is incomplete")
	// ErrGaps is wrapped together with ErrIncomplete when it is not the end
	// alone that is missing.
	ErrGaps = errors.New("lines were lost or added")
)

// LineBytesMax is how long a line of a trace may be.
const LineBytesMax = 1 << 20

// Reader reads a trace line by line. It takes every byte of it, or refuses it
// with line and column.
type Reader struct {
	lines  *bufio.Scanner
	header Header
	line   int
	fields eventLine

	events uint64
	last   time.Duration // time of the last event
	phase  string        // the last event, if it was about a phase of the run
	end    error         // what Next returns from now on; nil: not yet known
	cut    bool          // the last line has no line end
}

// NewReader reads the header line.
func NewReader(in io.Reader) (*Reader, error) {
	buffered := bufio.NewReader(in)
	head, _ := buffered.Peek(text.HeadBytes) // an error comes again
	skip, err := text.Begin(head)
	if err != nil {
		return nil, fmt.Errorf("trace: %w: %w", ErrMalformed, err)
	}
	_, _ = buffered.Discard(skip) // was peeked at
	r := &Reader{lines: bufio.NewScanner(buffered)}
	r.lines.Buffer(nil, LineBytesMax)
	r.lines.Split(r.split)
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("trace: %w: empty; the first line must be the header", ErrMalformed)
	}
	if err != nil {
		return nil, err
	}
	if err := r.header.parse(line); err != nil {
		return nil, r.wrong(line, err)
	}
	return r, nil
}

// Header returns the first line.
func (r *Reader) Header() Header { return r.header }

// Events returns how many events were read so far.
func (r *Reader) Events() uint64 { return r.events }

// Next reads the next event into e. io.EOF ends a trace that is whole; an error
// that wraps [ErrIncomplete] one that breaks off.
func (r *Reader) Next(e *Event) error {
	if r.end != nil {
		return r.end
	}
	r.end = r.read(e)
	return r.end
}

func (r *Reader) read(e *Event) error {
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return r.brokenOff()
	}
	if err != nil {
		return err
	}
	if err := r.fields.split(line); err != nil {
		return r.wrong(line, err)
	}
	if r.fields.values[slotEnd].kind != 0 {
		return r.finish(line)
	}
	if err := r.fields.event(e, len(r.header.Members)); err != nil {
		return r.wrong(line, err)
	}
	if e.At < r.last {
		return r.wrong(line, wrongAt(r.fields.values[slotAt].at, "the time goes back, from %v to %v", r.last, e.At))
	}
	r.last, r.phase = e.At, ""
	if e.Kind == Phase {
		r.phase = e.Note
	}
	r.events++
	return nil
}

// finish reads the line that ends a trace.
func (r *Reader) finish(line []byte) error {
	for s := slotAt; s < slotEnd; s++ {
		if r.fields.values[s].kind != 0 {
			return r.wrong(line, wrongAt(r.fields.keys[s], "the end of a trace has no %q", s))
		}
	}
	events, err := r.fields.values[slotEnd].whole()
	if err != nil {
		return r.wrong(line, err)
	}
	switch line, err := r.next(); {
	case err == nil:
		return r.wrong(line, wrongAt(0, "nothing may follow the end of a trace"))
	case !errors.Is(err, io.EOF):
		return err
	}
	if events != r.events {
		return fmt.Errorf("trace: %w: %w: it had %d events when it was written, here are %d", ErrIncomplete, ErrGaps, events, r.events)
	}
	return io.EOF
}

// endPhase is the phase whose beginning ended traces of version 1.
const endPhase = "end"

// brokenOff returns what the end of the file means that comes without an end of
// the trace.
func (r *Reader) brokenOff() error {
	if r.header.Trace == versionWithoutEnd && r.phase == endPhase {
		return io.EOF
	}
	return fmt.Errorf("trace: %w: it breaks off after line %d, %d events, without its end", ErrIncomplete, r.line, r.events)
}

// split cuts lines, and notes whether the last one has an end.
func (r *Reader) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	r.cut = atEOF && bytes.IndexByte(data, '\n') < 0
	return bufio.ScanLines(data, atEOF)
}

func (r *Reader) next() ([]byte, error) {
	for r.lines.Scan() {
		r.line++
		if line := r.lines.Bytes(); len(bytes.TrimSpace(line)) > 0 {
			return line, nil
		}
	}
	if err := r.lines.Err(); err != nil {
		return nil, fmt.Errorf("trace: read line %d: %w", r.line+1, err)
	}
	return nil, io.EOF
}

// wrong returns where a line has a mistake. A last line that was never written
// to its end is none.
func (r *Reader) wrong(line []byte, err error) error {
	if errors.Is(err, errCut) && r.cut {
		return fmt.Errorf("trace: %w: it breaks off in line %d, after %d events", ErrIncomplete, r.line, r.events)
	}
	at := 0
	var place *lineError
	if errors.As(err, &place) {
		at = place.at
	}
	column := utf8.RuneCount(line[:min(at, len(line))]) + 1
	return fmt.Errorf("trace: line %d, column %d: %w: %w", r.line, column, ErrMalformed, err)
}
