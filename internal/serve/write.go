package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chatterbox"
)

const (
	// acceptWithin is how long a request may wait for room before it is told to
	// come back.
	acceptWithin = 2 * time.Second
	// lineBytesMax is the longest JSON line: a payload each byte of which is
	// escaped.
	lineBytesMax = 6*chatterbox.MaxPayload + 2
	// chunkLines and chunkBytes are how much of a stream of lines is accepted
	// together at most.
	chunkLines = 4096
	chunkBytes = 1 << 20
	linesBytes = 64 << 10 // of the buffer that lines are read through
)

// entryID names an entry in JSON: life is left out for the first one.
type entryID struct {
	Origin string `json:"origin"`
	Life   uint64 `json:"life,omitempty"`
	Seq    uint64 `json:"seq"`
}

func idOf(id chatterbox.ID) *entryID {
	if id == (chatterbox.ID{}) {
		return nil
	}
	named := &entryID{Origin: id.Origin, Seq: id.Seq}
	if id.Life > 1 {
		named.Life = id.Life
	}
	return named
}

// receipt is the answer to a payload.
type receipt struct {
	*entryID
	Position chatterbox.Position `json:"position,omitempty"`
}

// write takes one payload, or one a line.
func (s *Server) write(w http.ResponseWriter, r *http.Request) {
	until := r.URL.Query().Get("until")
	key := r.Header.Get("Idempotency-Key")
	switch {
	case until != "" && until != "accepted" && until != "settled":
		refuse(w, http.StatusBadRequest, fmt.Sprintf("until=%s: it is accepted or settled", until))
		return
	case len(key) > keyBytesMax:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("an Idempotency-Key has at most %d bytes, not %d", keyBytesMax, len(key)))
		return
	}
	call := writeCall{s: s, w: w, r: r, key: key, settled: until == "settled"}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-ndjson" {
		call.lines()
	} else {
		call.one()
	}
}

// keyBytesMax leaves room for the number of a line.
const keyBytesMax = chatterbox.MaxKey - 21

// writeCall is one request that writes.
type writeCall struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	key     string
	settled bool // it waits until the entries have settled
}

// one takes the body as one payload.
func (c *writeCall) one() {
	payload, err := io.ReadAll(io.LimitReader(c.r.Body, chatterbox.MaxPayload+1))
	switch {
	case err != nil && gone(c.r):
		return
	case err != nil:
		refuse(c.w, http.StatusBadRequest, "the body cannot be read: "+err.Error())
		return
	case len(payload) > chatterbox.MaxPayload:
		refuse(c.w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a payload has at most %d bytes", chatterbox.MaxPayload))
		return
	}
	id, err := c.put(c.key, payload)
	if err != nil {
		c.fail(id, err)
		return
	}
	answered := receipt{entryID: idOf(id)}
	if c.settled {
		if answered.Position, err = c.s.node.Position(c.r.Context(), id); err != nil {
			c.fail(id, err)
			return
		}
	}
	answer(c.w, http.StatusCreated, answered)
}

// put broadcasts one payload, under a key unless that is empty.
func (c *writeCall) put(key string, payload []byte) (chatterbox.ID, error) {
	ctx, cancel := context.WithTimeoutCause(c.r.Context(), acceptWithin, errTooLong)
	defer cancel()
	if key == "" {
		return c.s.node.Broadcast(ctx, payload)
	}
	return c.s.node.BroadcastKeyed(ctx, key, payload)
}

var errTooLong = fmt.Errorf("there was none for %v: try again later", acceptWithin)

// fail answers that an entry was not accepted, or that it is not known.
func (c *writeCall) fail(id chatterbox.ID, err error) {
	if gone(c.r) {
		return
	}
	status, reason := c.s.whyNot(err)
	answer(c.w, status, failure{Error: reason, entryID: idOf(id), InDoubt: id != (chatterbox.ID{})})
}

// lines takes one JSON string a line, and answers one line each as soon as
// they are accepted: what has come so far together.
func (c *writeCall) lines() {
	_ = http.NewResponseController(c.w).EnableFullDuplex() // HTTP/2 is so anyway
	in := lineReader{Reader: bufio.NewReaderSize(c.r.Body, linesBytes)}
	out := lineAnswers{c: c}
	var payloads [][]byte
	for number, more := 0, true; more; {
		var wrong error
		payloads, more, wrong = in.readChunk(payloads[:0])
		if !out.put(payloads, number) {
			return
		}
		if wrong != nil {
			out.fail(http.StatusBadRequest, failure{Error: wrong.Error()})
			return
		}
		number += len(payloads)
	}
	out.end()
}

// lineReader reads lines and counts them.
type lineReader struct {
	*bufio.Reader
	number int // of the last line that was read, from 1
}

// readChunk reads the lines that have come, at least one unless the body ends.
// Blank ones are no payloads.
func (in *lineReader) readChunk(payloads [][]byte) (_ [][]byte, more bool, wrong error) {
	size := 0
	for len(payloads) == 0 || len(payloads) < chunkLines && size < chunkBytes && in.Buffered() > 0 {
		in.number++
		line, last, err := readLine(in.Reader)
		if err != nil {
			return payloads, false, fmt.Errorf("line %d: %w", in.number, err)
		}
		if len(line) > 0 {
			payload, wrong := payloadOf(line)
			if wrong != nil {
				return payloads, false, fmt.Errorf("line %d: %w", in.number, wrong)
			}
			payloads = append(payloads, payload)
			size += len(payload)
		}
		if last {
			return payloads, false, nil
		}
	}
	return payloads, true, nil
}

// readLine returns the next line without its end, and whether it is the last
// one. What it returns is valid until the next call.
func readLine(in *bufio.Reader) (line []byte, last bool, err error) {
	line, err = in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := slices.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) <= lineBytesMax {
			line, err = in.ReadSlice('\n')
			long = append(long, line...)
		}
		if line = long; len(line) > lineBytesMax {
			return nil, false, fmt.Errorf("it is longer than %d bytes", lineBytesMax)
		}
	}
	if last = errors.Is(err, io.EOF); last {
		err = nil
	}
	return bytes.TrimRight(line, "\r\n"), last, err
}

// payloadOf returns the text of a JSON string. What JSON can not say exactly is
// refused, for the decoder would put something else in its place.
func payloadOf(line []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(line, &text); err != nil {
		return nil, fmt.Errorf("it is no JSON string: %w", err)
	}
	meant := bytes.Contains(line, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(line), []byte(`\ufffd`))
	if !utf8.Valid(line) || !meant && strings.ContainsRune(text, utf8.RuneError) {
		return nil, errors.New("it is not UTF-8: send bytes as a body of their own")
	}
	if len(text) < 1 || len(text) > chatterbox.MaxPayload {
		return nil, fmt.Errorf("a payload has 1 to %d bytes, not %d", chatterbox.MaxPayload, len(text))
	}
	return []byte(text), nil
}

// lineAnswers answers lines.
type lineAnswers struct {
	c     *writeCall
	begun bool
	text  []byte
}

// put broadcasts payloads and answers each; false if that was the end.
func (a *lineAnswers) put(payloads [][]byte, before int) bool {
	if len(payloads) == 0 {
		return true
	}
	ids, err := a.broadcast(payloads, before)
	a.text = a.text[:0]
	for _, id := range ids {
		var position chatterbox.Position
		if a.c.settled && err == nil {
			if position, err = a.c.s.node.Position(a.c.r.Context(), id); err != nil {
				break
			}
		}
		a.text = appendReceipt(a.text, id, position)
	}
	if err != nil && gone(a.c.r) {
		return false
	}
	if err != nil && len(ids) == 0 {
		status, reason := a.c.s.whyNot(err)
		a.fail(status, failure{Error: reason})
		return false
	}
	a.begin(http.StatusCreated)
	_, _ = a.c.w.Write(a.text)
	if err != nil {
		_, reason := a.c.s.whyNot(err)
		a.fail(0, failure{Error: reason, InDoubt: true})
		return false
	}
	return http.NewResponseController(a.c.w).Flush() == nil
}

// broadcast puts in all payloads; under a key, one by one.
func (a *lineAnswers) broadcast(payloads [][]byte, before int) ([]chatterbox.ID, error) {
	if a.c.key == "" {
		ctx, cancel := context.WithTimeoutCause(a.c.r.Context(), acceptWithin, errTooLong)
		defer cancel()
		return a.c.s.node.BroadcastAll(ctx, payloads)
	}
	var ids []chatterbox.ID
	for i, payload := range payloads {
		id, err := a.c.put(a.c.key+"#"+strconv.Itoa(before+i+1), payload)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func appendReceipt(text []byte, id chatterbox.ID, position chatterbox.Position) []byte {
	text = append(text, `{"origin":"`...)
	text = append(text, id.Origin...) // letters, digits, '.', '_', '-'
	if text = append(text, '"'); id.Life > 1 {
		text = strconv.AppendUint(append(text, `,"life":`...), id.Life, 10)
	}
	text = strconv.AppendUint(append(text, `,"seq":`...), id.Seq, 10)
	if position > 0 {
		text = strconv.AppendUint(append(text, `,"position":`...), uint64(position), 10)
	}
	return append(text, "}\n"...)
}

func (a *lineAnswers) begin(status int) {
	if !a.begun {
		a.begun = true
		a.c.w.Header().Set("Content-Type", "application/x-ndjson")
		a.c.w.WriteHeader(status)
	}
}

// fail answers with an error: the status if nothing was answered yet, else as a
// line of its own.
func (a *lineAnswers) fail(status int, f failure) {
	if !a.begun {
		answer(a.c.w, status, f)
		return
	}
	line, err := json.Marshal(f)
	if err != nil {
		panic(err) // our own type
	}
	_, _ = a.c.w.Write(append(line, '\n'))
}

// end answers a body without lines.
func (a *lineAnswers) end() { a.begin(http.StatusCreated) }
