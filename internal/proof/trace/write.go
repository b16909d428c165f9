package trace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"chatterbox/internal/core/clock"
)

// Writer is a sink that writes events as JSON lines.
type Writer struct {
	out    *bufio.Writer
	line   []byte
	events uint64
	err    error
}

// NewWriter writes the header line to out and gives the sink for the events.
func NewWriter(out io.Writer, header Header) *Writer {
	w := &Writer{out: bufio.NewWriter(out)}
	header.Trace = Version
	line, err := json.Marshal(header)
	w.err = err
	w.write(append(line, '\n'))
	return w
}

// Tell writes one event. Errors wait for Close.
func (w *Writer) Tell(e *Event) {
	w.events++
	w.line = append(AppendJSON(w.line[:0], e), '\n')
	w.write(w.line)
}

// Close writes the end of the trace, which says that it is whole, and returns
// the first error of all. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.write(AppendEnd(w.line[:0], w.events))
	return w.Flush()
}

// Flush writes what waits and returns the first error of all. A trace that ends
// so is incomplete.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err != nil {
		return fmt.Errorf("trace: write: %w", w.err)
	}
	return nil
}

func (w *Writer) write(line []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(line)
	}
}

// AppendEnd appends the line that ends a trace of so many events.
func AppendEnd(line []byte, events uint64) []byte {
	line = append(line, `{"end":`...)
	return append(strconv.AppendUint(line, events, 10), '}', '\n')
}

// AppendJSON appends the event as one JSON object, without a line end. Fields
// that the kind does not have are left out.
func AppendJSON(line []byte, e *Event) []byte {
	line = append(line, `{"at":`...)
	line = strconv.AppendInt(line, int64(e.At), 10)
	line = append(line, `,"what":"`...)
	line = append(line, e.Kind.String()...)
	line = append(line, '"')
	line = appendNumber(line, "member", uint64(e.Member))
	fields := e.Kind.Fields()
	for field := HasPeer; field <= HasNote; field <<= 1 {
		if fields&field != 0 {
			line = appendField(line, field, e)
		}
	}
	return append(line, '}')
}

func appendField(line []byte, field Fields, e *Event) []byte {
	switch field {
	case HasPeer:
		return appendNumber(line, "peer", uint64(e.Peer))
	case HasStream:
		return appendNumber(line, "stream", uint64(e.Stream))
	case HasIdentity:
		return appendHex(line, "identity", uint64(e.Identity))
	case HasLife:
		return appendNumber(line, "life", e.Life)
	case HasSession:
		return appendText(line, "session", e.Session)
	case HasNumber:
		return appendNumber(line, "number", e.Number)
	case HasSeq:
		return appendNumber(line, "seq", e.Seq)
	case HasCount:
		return appendNumber(line, "count", e.Count)
	case HasTime:
		return appendTime(line, "time", e.Time)
	case HasMark:
		return appendTime(appendNumber(line, "have", e.Have), "promise", e.Promise)
	case HasPosition:
		return appendNumber(line, "position", e.Position)
	case HasBytes:
		return appendNumber(line, "bytes", e.Bytes)
	case HasHash:
		return appendHex(line, "hash", e.Hash)
	}
	return appendOddField(line, field, e)
}

func appendOddField(line []byte, field Fields, e *Event) []byte {
	switch field {
	case HasState:
		line = append(line, `,"state":[`...)
		for i, word := range e.State {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(line, '"')
			line = append(strconv.AppendUint(line, word, 16), '"')
		}
		return append(line, ']')
	case HasComplete:
		line = append(line, `,"complete":`...)
		return strconv.AppendBool(line, e.Complete)
	case HasNote:
		line = append(line, `,"note":`...)
		note, _ := json.Marshal(e.Note) // a string never fails
		return append(line, note...)
	}
	return line
}

func appendName(line []byte, name string) []byte {
	line = append(line, ',', '"')
	line = append(line, name...)
	return append(line, '"', ':')
}

// appendNumber appends a number that counts something, and so stays small.
func appendNumber(line []byte, name string, number uint64) []byte {
	if number > ExactMax {
		return appendText(line, name, number)
	}
	return strconv.AppendUint(appendName(line, name), number, 10)
}

// appendText appends a number of any size as text.
func appendText(line []byte, name string, number uint64) []byte {
	line = append(appendName(line, name), '"')
	return append(strconv.AppendUint(line, number, 10), '"')
}

// appendHex writes full 64-bit numbers as text, for many readers of JSON keep
// only 53 bits of a number.
func appendHex(line []byte, name string, number uint64) []byte {
	line = append(appendName(line, name), '"')
	return append(strconv.AppendUint(line, number, 16), '"')
}

func appendTime(line []byte, name string, t clock.Time) []byte {
	if t >= clock.Infinity {
		return append(appendName(line, name), `"inf"`...)
	}
	return appendNumber(line, name, uint64(t))
}
