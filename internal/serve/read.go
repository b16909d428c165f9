package serve

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"chatterbox"
)

const (
	// flushAfter is how long an entry waits for others before it is sent.
	flushAfter = 2 * time.Millisecond
	// aliveEvery is how often a stream of events says that it is alive, so that
	// what stands between does not close it.
	aliveEvery = 15 * time.Second
	// readersMax is how many requests may read the log at a time.
	readersMax = 1000
)

// query is what a reader asks for.
type query struct {
	after     chatterbox.Position
	limit     uint64
	follow    bool
	tentative bool
	events    bool // server-sent events instead of lines
}

// parseQuery reads the parameters, and says all that is wrong with them.
func parseQuery(values url.Values, header http.Header) (query, error) {
	q := query{limit: math.MaxUint64, events: wantsEvents(header)}
	var wrong []error
	number := func(name, text string) uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s=%s: it is a whole number from 0", name, text))
		}
		return n
	}
	flag := func(name string) bool {
		on, err := strconv.ParseBool(values.Get(name))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s=%s: it is true or false", name, values.Get(name)))
		}
		return on
	}
	for name := range values {
		switch name {
		case "from":
			q.after = chatterbox.Position(max(number(name, values.Get(name)), 1) - 1)
		case "limit":
			q.limit = number(name, values.Get(name))
		case "follow":
			q.follow = flag(name)
		case "tentative":
			q.tentative = flag(name)
		default:
			wrong = append(wrong, fmt.Errorf("%s: there are from, limit, follow and tentative", name))
		}
	}
	if last := header.Get("Last-Event-ID"); last != "" {
		q.after = chatterbox.Position(min(number("Last-Event-ID", last), math.MaxUint64-1)) // the next one has to be a number
	}
	return q, errors.Join(wrong...)
}

// wantsEvents reports whether a request asks for server-sent events.
func wantsEvents(header http.Header) bool {
	return strings.Contains(header.Get("Accept"), "text/event-stream")
}

// read gives out the log.
func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), r.Header)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	status := s.node.Status()
	if q.after+1 < status.Oldest {
		answer(w, http.StatusGone, failure{
			Error:  fmt.Sprintf("position %d is not here, the first one is %d: what is before it is not retained any more, or settled while this member was away or before it came; others, or a backup, may have it", q.after+1, status.Oldest),
			Oldest: uint64(status.Oldest),
		})
		return
	}
	if !s.admitReader(w) {
		return
	}
	defer s.readers.Add(-1)
	out := newStream(w, q.events)
	defer out.end()
	if q.follow {
		s.follow(r, &q, out)
	} else {
		s.upToNow(r, &q, out, status.Settled)
	}
}

// admitReader counts a request that may last, unless there are too many; then it
// is refused.
func (s *Server) admitReader(w http.ResponseWriter) bool {
	if s.readers.Add(1) > readersMax {
		s.readers.Add(-1)
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d readers are served already", readersMax))
		return false
	}
	return true
}

// follow gives out entries until the caller goes.
func (s *Server) follow(r *http.Request, q *query, out *stream) {
	entries := s.node.Entries(r.Context(), q.after)
	if q.tentative {
		entries = s.node.Watch(r.Context(), q.after)
	}
	s.tell(r, entries, q.limit, out)
}

// upToNow gives out what has settled, and perhaps what is held besides.
func (s *Server) upToNow(r *http.Request, q *query, out *stream, settled chatterbox.Position) {
	left := q.limit
	if q.after < settled && left > 0 {
		count := min(left, uint64(settled-q.after))
		if !s.tell(r, s.node.Entries(r.Context(), q.after), count, out) {
			return
		}
		left -= count
	}
	if q.tentative && left > 0 {
		s.tentative(r, left, out)
	}
}

// tell writes so many entries, or up to the error that ends the log; then it
// returns false.
func (s *Server) tell(r *http.Request, entries iter.Seq2[chatterbox.Entry, error], count uint64, out *stream) bool {
	if count == 0 {
		return true
	}
	for e, err := range entries {
		if err != nil {
			s.tellEnd(r, err, out)
			return false
		}
		if !out.entry(&e) {
			return false
		}
		if count--; count == 0 {
			return true
		}
	}
	return true
}

// stopping is what readers are told when the member stops.
const stopping = "this member stops: go on at another one, or here when it is back"

// tellEnd writes why there is no more, unless the caller went away.
func (s *Server) tellEnd(r *http.Request, err error, out *stream) {
	if gone(r) {
		return
	}
	f := failure{Error: text(err)}
	switch {
	case errors.Is(err, chatterbox.ErrClosed):
		f.Error = stopping
	case errors.Is(err, chatterbox.ErrRemoved):
		f.Error += ": go on at another one"
	case errors.Is(err, chatterbox.ErrCompacted):
		f.Oldest = uint64(s.node.Status().Oldest)
	case !errors.Is(err, errToken):
		s.log.Error("the log cannot be read", "error", err)
	}
	out.failure(f)
}

func (s *Server) tentative(r *http.Request, count uint64, out *stream) {
	for b, err := range s.node.Tentative(r.Context()) {
		if err != nil {
			s.tellEnd(r, err, out)
			return
		}
		e := chatterbox.Entry{ID: b.ID, Lamport: b.Lamport}
		for i := range b.Len() {
			e.Key, e.Payload = b.Key(i), b.Payload(i)
			if !out.entry(&e) {
				return
			}
			if count--; count == 0 {
				return
			}
			e.ID.Seq++
		}
	}
}

// stream writes entries as they come, and flushes them a little later.
type stream struct {
	events bool
	line   []byte

	mu      sync.Mutex // guards all below: the timers write too
	w       http.ResponseWriter
	control *http.ResponseController
	flush   *time.Timer // nil: nothing waits
	alive   *time.Timer // nil: nobody needs it
	failed  bool
}

func newStream(w http.ResponseWriter, events bool) *stream {
	out := &stream{events: events, w: w, control: http.NewResponseController(w)}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if events {
		header.Set("Content-Type", "text/event-stream")
	} else {
		header.Set("Content-Type", "application/x-ndjson")
	}
	w.WriteHeader(http.StatusOK)
	_ = out.control.Flush()
	if events {
		out.alive = time.AfterFunc(aliveEvery, out.sayAlive)
	}
	return out
}

// entry writes an entry, and reports whether anybody takes it.
func (o *stream) entry(e *chatterbox.Entry) bool {
	o.line = o.line[:0]
	if o.events {
		if e.Position > 0 {
			o.line = strconv.AppendUint(append(o.line, "id: "...), uint64(e.Position), 10)
			o.line = append(o.line, '\n')
		}
		o.line = append(o.line, "data: "...)
	}
	o.line = append(appendEntry(o.line, e), '\n')
	return o.write()
}

// failure writes why there is no more.
func (o *stream) failure(f failure) {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // our own type
	}
	if o.line = o.line[:0]; o.events {
		o.line = append(o.line, "event: end\ndata: "...)
	}
	o.line = append(append(o.line, text...), '\n')
	o.write()
}

func (o *stream) write() bool {
	if o.events {
		o.line = append(o.line, '\n')
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.w.Write(o.line); err != nil { //nolint:gosec // JSON, which says so, and that it is nothing else
		o.failed = true
	}
	if o.flush == nil {
		o.flush = time.AfterFunc(flushAfter, o.flushNow)
	}
	return !o.failed
}

func (o *stream) flushNow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w != nil && o.control.Flush() != nil {
		o.failed = true
	}
	o.flush = nil
}

func (o *stream) sayAlive() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		return
	}
	if _, err := o.w.Write([]byte(": alive\n\n")); err != nil || o.control.Flush() != nil {
		o.failed = true
		return
	}
	o.alive.Reset(aliveEvery)
}

// end lets no timer write any more: the handler returns.
func (o *stream) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = nil
	if o.flush != nil {
		o.flush.Stop()
	}
	if o.alive != nil {
		o.alive.Stop()
	}
}

// appendEntry writes an entry as JSON.
func appendEntry(line []byte, e *chatterbox.Entry) []byte {
	line = strconv.AppendUint(append(line, `{"position":`...), uint64(e.Position), 10)
	line = append(append(line, `,"origin":"`...), e.ID.Origin...) // letters, digits, '.', '_', '-'
	if line = append(line, '"'); e.ID.Life > 1 {
		line = strconv.AppendUint(append(line, `,"life":`...), e.ID.Life, 10)
	}
	line = strconv.AppendUint(append(line, `,"seq":`...), e.ID.Seq, 10)
	line = strconv.AppendUint(append(line, `,"time":`...), e.Lamport, 10)
	if e.Key != "" {
		line = appendText(append(line, `,"key":`...), []byte(e.Key))
	}
	if utf8.Valid(e.Payload) {
		line = appendText(append(line, `,"payload":`...), e.Payload)
	} else {
		line = base64.StdEncoding.AppendEncode(append(line, `,"payload_base64":"`...), e.Payload)
		line = append(line, '"')
	}
	return append(strconv.AppendBool(append(line, `,"settled":`...), e.Position > 0), '}')
}

// appendText writes a JSON string. Most payloads need no escapes.
func appendText(line, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(string(text))
			if err != nil {
				panic(err) // a string
			}
			return append(line, quoted...)
		}
	}
	return append(append(append(line, '"'), text...), '"')
}
