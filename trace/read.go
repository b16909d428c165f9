package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
)

// ErrMalformed is wrapped by every error about the text of a trace.
var ErrMalformed = errors.New("malformed trace")

// LineBytesMax is how long a line of a trace may be.
const LineBytesMax = 1 << 20

// Reader reads a trace line by line.
type Reader struct {
	lines  *bufio.Scanner
	header Header
	line   int
}

// NewReader reads the header line.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{lines: bufio.NewScanner(in)}
	r.lines.Buffer(nil, LineBytesMax)
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("trace: %w: empty; the first line must be the header", ErrMalformed)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &r.header); err != nil {
		return nil, r.malformed(fmt.Errorf("header: %w", err))
	}
	return r, r.checkHeader()
}

// Header gives the first line.
func (r *Reader) Header() Header { return r.header }

// Next reads the next event into e; io.EOF ends the trace.
func (r *Reader) Next(e *Event) error {
	line, err := r.next()
	if err != nil {
		return err
	}
	if err := parseEvent(line, e, len(r.header.Members)); err != nil {
		return r.malformed(err)
	}
	return nil
}

func (r *Reader) next() ([]byte, error) {
	for r.lines.Scan() {
		r.line++
		if line := bytes.TrimSpace(r.lines.Bytes()); len(line) > 0 {
			return line, nil
		}
	}
	if err := r.lines.Err(); err != nil {
		return nil, fmt.Errorf("trace: read line %d: %w", r.line+1, err)
	}
	return nil, io.EOF
}

func (r *Reader) checkHeader() error {
	if r.header.Trace != Version {
		return r.malformed(fmt.Errorf("version %d of the header is not %d: is this a trace?", r.header.Trace, Version))
	}
	if n := len(r.header.Members); n == 0 || n > member.CountMax {
		return r.malformed(fmt.Errorf("the header names %d members; allowed are 1 to %d", n, member.CountMax))
	}
	return nil
}

func (r *Reader) malformed(err error) error {
	return fmt.Errorf("trace: line %d: %w: %w", r.line, ErrMalformed, err)
}

// record has all fields as they stand in a line; nil is absent.
type record struct {
	At       *int64     `json:"at"`
	What     string     `json:"what"`
	Member   *member.ID `json:"member"`
	Peer     *member.ID `json:"peer"`
	Stream   *member.ID `json:"stream"`
	Identity *hex       `json:"identity"`
	Life     *uint64    `json:"life"`
	Session  *uint64    `json:"session"`
	Number   *uint64    `json:"number"`
	Seq      *uint64    `json:"seq"`
	Count    *uint64    `json:"count"`
	Time     *lamport   `json:"time"`
	Have     *uint64    `json:"have"`
	Promise  *lamport   `json:"promise"`
	Position *uint64    `json:"position"`
	Bytes    *uint64    `json:"bytes"`
	Hash     *hex       `json:"hash"`
	State    *[6]hex    `json:"state"`
	Complete *bool      `json:"complete"`
	Note     *string    `json:"note"`
}

func parseEvent(line []byte, e *Event, members int) error {
	var r record
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return err
	}
	kind := kindNamed(r.What)
	if kind == 0 {
		return fmt.Errorf("%q is no kind of event", r.What)
	}
	if r.At == nil || r.Member == nil {
		return errors.New(`"at" or "member" is missing`)
	}
	*e = Event{At: time.Duration(*r.At), Kind: kind, Member: *r.Member}
	if err := r.fill(e); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if int(max(e.Member, e.Peer, e.Stream)) >= members {
		return fmt.Errorf("%s: member %d of %d: places count from 0", kind, max(e.Member, e.Peer, e.Stream), members)
	}
	return nil
}

// fill copies the fields of the kind and says which one is missing.
func (r *record) fill(e *Event) error {
	f := filler{fields: e.Kind.Fields()}
	take(&f, HasPeer, "peer", &e.Peer, r.Peer)
	take(&f, HasStream, "stream", &e.Stream, r.Stream)
	take(&f, HasIdentity, "identity", (*hex)(&e.Identity), r.Identity)
	take(&f, HasLife, "life", &e.Life, r.Life)
	take(&f, HasSession, "session", &e.Session, r.Session)
	take(&f, HasNumber, "number", &e.Number, r.Number)
	take(&f, HasSeq, "seq", &e.Seq, r.Seq)
	take(&f, HasCount, "count", &e.Count, r.Count)
	take(&f, HasTime, "time", (*lamport)(&e.Time), r.Time)
	take(&f, HasMark, "have", &e.Have, r.Have)
	take(&f, HasMark, "promise", (*lamport)(&e.Promise), r.Promise)
	take(&f, HasPosition, "position", &e.Position, r.Position)
	take(&f, HasBytes, "bytes", &e.Bytes, r.Bytes)
	take(&f, HasHash, "hash", (*hex)(&e.Hash), r.Hash)
	take(&f, HasComplete, "complete", &e.Complete, r.Complete)
	take(&f, HasNote, "note", &e.Note, r.Note)
	var state [6]hex
	take(&f, HasState, "state", &state, r.State)
	for i, word := range state {
		e.State[i] = uint64(word)
	}
	return f.err
}

type filler struct {
	fields Fields
	err    error
}

func take[T any](f *filler, field Fields, name string, to *T, from *T) {
	switch {
	case f.fields&field == 0 || f.err != nil:
	case from == nil:
		f.err = fmt.Errorf("%q is missing", name)
	default:
		*to = *from
	}
}

// hex is a 64-bit number written as hexadecimal text.
type hex uint64

// UnmarshalJSON reads the text.
func (h *hex) UnmarshalJSON(data []byte) error {
	text, err := strconv.Unquote(string(data))
	if err != nil {
		return fmt.Errorf("%s is not a hexadecimal number in quotes", data)
	}
	number, err := strconv.ParseUint(text, 16, 64)
	*h = hex(number)
	return err
}

// lamport is a Lamport time, written as a number or as "inf".
type lamport clock.Time

// UnmarshalJSON reads the number or the word.
func (l *lamport) UnmarshalJSON(data []byte) error {
	if string(data) == `"inf"` {
		*l = lamport(clock.Infinity)
		return nil
	}
	number, err := strconv.ParseUint(string(data), 10, 64)
	*l = lamport(number)
	return err
}
