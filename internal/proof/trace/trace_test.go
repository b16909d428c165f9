package trace_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/proof/trace"
)

func header() trace.Header {
	return trace.Header{Trace: trace.Version, Members: []string{"a", "b", "c"}, Protocol: "delta", Seed: 1 << 60, TickNs: time.Millisecond}
}

// full is an event of a kind with every field that it has set.
func full(kind trace.Kind) trace.Event {
	all := trace.Event{
		Peer: 1, Stream: 2, Identity: 1<<64 - 1, Life: 3, Session: 1<<32 | 1, Number: 4, Seq: 5, Count: 6, Time: 7,
		Have: 8, Promise: clock.Infinity, Position: 9, Bytes: 10, Hash: 1 << 63, State: [6]uint64{1, 1 << 63, 3, 4, 5, 6},
		Complete: true, Note: "a <-> b \"cut\"\n",
	}
	return only(all, kind)
}

// only keeps the fields that a kind has.
func only(all trace.Event, kind trace.Kind) trace.Event {
	e := trace.Event{At: 12345, Kind: kind, Member: 1}
	fields := kind.Fields()
	keep(fields, trace.HasPeer, &e.Peer, all.Peer)
	keep(fields, trace.HasStream, &e.Stream, all.Stream)
	keep(fields, trace.HasIdentity, &e.Identity, all.Identity)
	keep(fields, trace.HasLife, &e.Life, all.Life)
	keep(fields, trace.HasSession, &e.Session, all.Session)
	keep(fields, trace.HasNumber, &e.Number, all.Number)
	keep(fields, trace.HasSeq, &e.Seq, all.Seq)
	keep(fields, trace.HasCount, &e.Count, all.Count)
	keep(fields, trace.HasTime, &e.Time, all.Time)
	keep(fields, trace.HasMark, &e.Have, all.Have)
	keep(fields, trace.HasMark, &e.Promise, all.Promise)
	keep(fields, trace.HasPosition, &e.Position, all.Position)
	keep(fields, trace.HasBytes, &e.Bytes, all.Bytes)
	keep(fields, trace.HasHash, &e.Hash, all.Hash)
	keep(fields, trace.HasState, &e.State, all.State)
	keep(fields, trace.HasComplete, &e.Complete, all.Complete)
	keep(fields, trace.HasNote, &e.Note, all.Note)
	return e
}

func keep[T any](fields, field trace.Fields, to *T, value T) {
	if fields&field != 0 {
		*to = value
	}
}

// TestEveryKindReadsBackAsItWasWritten, and has the same hash.
func TestEveryKindReadsBackAsItWasWritten(t *testing.T) {
	var text bytes.Buffer
	var before, after trace.Hash
	writer := trace.NewWriter(&text, header())
	sinks := trace.Tee(writer, &before)
	for _, kind := range trace.Kinds() {
		e := full(kind)
		sinks.Tell(&e)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := trace.NewReader(&text)
	if err != nil {
		t.Fatal(err)
	}
	if got := reader.Header(); got.Seed != header().Seed || len(got.Members) != 3 || got.TickNs != time.Millisecond {
		t.Errorf("header %+v", got)
	}
	for _, kind := range trace.Kinds() {
		var e trace.Event
		if err := reader.Next(&e); err != nil || e != full(kind) {
			t.Errorf("%v: read %+v, wrote %+v: %v", kind, e, full(kind), err)
		}
		after.Tell(&e)
	}
	if err := reader.Next(new(trace.Event)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if before.Sum() != after.Sum() || before.Events() != uint64(len(trace.Kinds())) {
		t.Errorf("hashes %x and %x", before.Sum(), after.Sum())
	}
}

// TestHashSeesEveryField of every kind.
func TestHashSeesEveryField(t *testing.T) {
	sum := func(e trace.Event) uint64 {
		var h trace.Hash
		h.Tell(&e)
		return h.Sum()
	}
	for _, kind := range trace.Kinds() {
		e := full(kind)
		changed := e
		changed.At++
		if sum(e) == sum(changed) {
			t.Errorf("%v: the time does not count", kind)
		}
		if none := (trace.Event{At: e.At, Kind: kind, Member: e.Member}); kind.Fields() != 0 && sum(none) == sum(e) {
			t.Errorf("%v: its fields do not count", kind)
		}
	}
	if trace.HashBytes([]byte("abcdefgh1")) == trace.HashBytes([]byte("abcdefgh2")) || trace.HashBytes(nil) == trace.HashBytes([]byte{0}) {
		t.Error("contents that differ have one hash")
	}
}

// TestKindsExplainThemselves.
func TestKindsExplainThemselves(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range trace.Kinds() {
		if name := kind.String(); name == "unknown" || seen[name] || !strings.HasSuffix(kind.Doc(), ".") {
			t.Errorf("kind %d: %q, %q", kind, name, kind.Doc())
		}
		seen[kind.String()] = true
	}
	if trace.Kind(200).String() != "unknown" {
		t.Error("kinds that do not exist have a name")
	}
}

const (
	head   = `{"trace":2,"members":["a","b"],"protocol":"delta","seed":"1"}` + "\n"
	older  = `{"trace":1,"members":["a","b"],"protocol":"delta","seed":1}` + "\n"
	closed = `{"at":1,"what":"close","member":0}` + "\n"
)

// TestMalformedTracesAreRefused with line, column and what was expected.
func TestMalformedTracesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "empty",
		"\n\n":                            "empty",
		"hello\n":                         `line 1, column 1: malformed trace: expected '{'`,
		"\xff\xfe{\x00":                   "UTF-16",
		`{"trace":3,"members":["a"]}`:     "version 3",
		`{"trace":2}`:                     `no "members"`,
		`{"trace":2,"members":[]}`:        "names 0 members",
		`{"trace":2,"members":["a","a"]}`: `two members are called "a"`,
		`{"trace":2,"members":["a b"]}`:   `"a b"`,
		`{"trace":2,"members":["a"],"protocol":"dleta"}`:                                                                                   `column 39: malformed trace: the protocol is "dleta"`,
		`{"trace":2,"members":["a"],"protocol":"delta"}`:                                                                                   `no "seed"`,
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1","sed":"2"}`:                                                              `no "sed"`,
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1","Healthy":true}`:                                                         `no "Healthy"`,
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1","seed":"2"}`:                                                             `"seed" twice`,
		`{"trace":2,"members":["a"],"protocol":"delta","seed":9007199254740992}`:                                                           "may have been rounded",
		`{"trace":2,"members":["a"],"protocol":"delta","seed":-1}`:                                                                         "no whole number",
		`{"trace":2,"members":["a"],"protocol":"delta","seed":1.5}`:                                                                        "no whole number",
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1","tick_ns":-5}`:                                                           "no whole number",
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1","healthy":"yes"}`:                                                        "neither true nor false",
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1"} and more`:                                                               `nothing may follow the object, found "and more"`,
		`{"trace":2,"members":["a"],"protocol":"delta","seed":"1"}{}`:                                                                      `nothing may follow`,
		head + `{"at":1,"what":"close","member":2}`:                                                                                        "member 2 of 2",
		head + `{"at":1,"what":"dance","member":0}`:                                                                                        `line 2, column 16: malformed trace: "dance" is no kind`,
		head + `{"at":1,"what":"up","member":0}`:                                                                                           `"peer" is missing`,
		head + `{"what":"close","member":0}`:                                                                                               `"at" is missing`,
		head + `{"at":1,"what":"close"}`:                                                                                                   `"member" is missing`,
		head + `{"at":1,"member":0}`:                                                                                                       `"what" is missing`,
		head + "\n" + `{"at":1,"what":"close","member":0,"colour":3}`:                                                                      `line 3, column 35: malformed trace: there is no field "colour"`,
		head + `{"at":1,"What":"close","member":0}`:                                                                                        `no field "What"`,
		head + `{"at":1,"what":"close","member":0,"member":1}`:                                                                             `"member" stands twice`,
		head + `{"at":1,"what":"close","member":0,"peer":1}`:                                                                               `an event of this kind has no "peer"`,
		head + `{"at":1,"what":"close","member":0} x`:                                                                                      `nothing may follow the object, found "x"`,
		head + `{"at":1,"what":"close","member":0,}`:                                                                                       `expected a text in quotes`,
		head + `{"at":1,"what":"close","member":0]`:                                                                                        `expected '}'`,
		head + `{"at":1,"what":"close","member":null}`:                                                                                     `expected a number`,
		head + `{"at":-1,"what":"close","member":0}`:                                                                                       "no whole number",
		head + `{"at":1e3,"what":"close","member":0}`:                                                                                      "no whole number",
		head + closed + `{"at":0,"what":"close","member":0}`:                                                                               "the time goes back",
		head + `{"at":1,"what":"start","member":0,"identity":7,"life":1}`:                                                                  "hexadecimal",
		head + `{"at":1,"what":"publish","member":0,"stream":0,"have":1,"promise":"later"}`:                                                "line 2",
		head + `{"at":1,"what":"append","member":0,"stream":0,"identity":"a1","seq":1,"count":1000000000,"time":1,"bytes":48,"hash":"c0"}`: `"count" is 1000000000, possible are at most 131072`,
		head + `{"at":1,"what":"reset","member":0,"time":1,"position":1,"state":["1","2","3","4","5","x"],"note":""}`:                      `"x"`,
		head + `{"at":1,"what":"reset","member":0,"time":1,"position":1,"state":["1"],"note":""}`:                                          `1 words, not 6`,
		head + `{"at":1,"what":"pause","member":0}` + "\n" + `{"at":1,"what":"fault","member":0,"note":"a` + "\xff" + `"}`:                 "UTF-8",
		head + strings.Repeat(" ", trace.LineBytesMax+1) + "\n":                                                                            "line 2",
		head + `{"end":0}` + "\n" + closed:                                                                                                 "nothing may follow the end",
		head + `{"end":0}` + "\n" + `{"end":0}`:                                                                                            "nothing may follow the end",
		head + `{"end":0,"at":1}`:                                                                                                          `the end of a trace has no "at"`,
		head + `{"end":-1}`:                                                                                                                "no whole number",
	} {
		if err := readAll(text); !errors.Is(err, trace.ErrMalformed) && !errors.Is(err, bufio.ErrTooLong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: error %v, want one with %q", text, err, want)
		}
	}
}

// TestTraceWithoutItsEndIsIncomplete, wherever it breaks off.
func TestTraceWithoutItsEndIsIncomplete(t *testing.T) {
	for _, text := range []string{
		head, head + closed, strings.TrimSpace(head), head + `{`, head + `{"at":1,"wha`, head + closed[:len(closed)-2],
		head + closed + `{"at":1,"what":"close","member":0,"note":"a`, head + closed + "\n" + `{"en`,
		head + closed + `{"end":2}`, head + closed + closed + `{"end":1}` + "\n",
		older, older + closed, older + `{"at":1,"what":"phase","member":0,"note":"end"}` + "\n" + closed,
	} {
		if err := readAll(text); !errors.Is(err, trace.ErrIncomplete) || errors.Is(err, trace.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestWholeTracesEndWell: with a mark before them, with blank lines, of the
// version before, and as other tools write JSON.
func TestWholeTracesEndWell(t *testing.T) {
	for _, text := range []string{
		head + `{"end":0}`, head + closed + `{"end":1}` + "\n\n", "\xef\xbb\xbf" + head + "\r\n" + `{"end":0}` + "\r\n",
		head + `{ "member" : 0 , "what" : "cl\u006fse" , "at" : "1" }` + "\n" + `{ "end" : "1" }`,
		older + `{"at":1,"what":"phase","member":0,"note":"end"}`,
	} {
		if err := readAll(text); !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestNumbersSurviveToolsThatRoundThem: whatever has 64 bits is text, whatever
// is a number is exact as a float64.
func TestNumbersSurviveToolsThatRoundThem(t *testing.T) {
	var written bytes.Buffer
	h := header()
	h.Seed = 1<<53 + 1
	writer := trace.NewWriter(&written, h)
	for _, kind := range trace.Kinds() {
		e := full(kind)
		e.Session, e.Count = 1<<64-1, min(e.Count, trace.BatchEntriesMax)
		if kind.Fields()&trace.HasSession == 0 {
			e.Session = 0
		}
		if kind == trace.Final {
			e.Position = 1<<53 + 1
		}
		writer.Tell(&e)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	var rounded bytes.Buffer
	lines := json.NewDecoder(bytes.NewReader(written.Bytes()))
	for {
		var line map[string]any
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&rounded).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	if before, after := hashOf(t, written.String()), hashOf(t, rounded.String()); before != after {
		t.Errorf("hashes %v and %v", before, after)
	}
}

// hashOf reads a whole trace.
func hashOf(t *testing.T, text string) (result [2]uint64) {
	t.Helper()
	reader, err := trace.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var hash trace.Hash
	var e trace.Event
	for err = reader.Next(&e); err == nil; err = reader.Next(&e) {
		hash.Tell(&e)
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return [2]uint64{reader.Header().Seed, hash.Sum()}
}

func readAll(text string) error {
	reader, err := trace.NewReader(strings.NewReader(text))
	if err != nil {
		return err
	}
	for {
		if err := reader.Next(new(trace.Event)); err != nil {
			return err
		}
	}
}

// FuzzReader: whatever is read, there is an error or an event that can be
// written and read again.
func FuzzReader(f *testing.F) {
	for _, kind := range trace.Kinds() {
		e := full(kind)
		f.Add(string(trace.AppendJSON(nil, &e)))
	}
	const head = `{"trace":2,"members":["a","b","c"],"protocol":"delta","seed":"1"}` + "\n"
	f.Fuzz(func(t *testing.T, line string) {
		reader, err := trace.NewReader(strings.NewReader(head + line))
		if err != nil {
			t.Fatal(err)
		}
		var e, again trace.Event
		if err := reader.Next(&e); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, trace.ErrIncomplete) && !errors.Is(err, trace.ErrMalformed) && !errors.Is(err, bufio.ErrTooLong) {
				t.Errorf("%v", err)
			}
			return
		}
		reader, err = trace.NewReader(strings.NewReader(head + string(trace.AppendJSON(nil, &e))))
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Next(&again); err != nil || again != e {
			t.Errorf("%+v reads back as %+v: %v", e, again, err)
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestWriterTellsTheFirstErrorAtTheEnd.
func TestWriterTellsTheFirstErrorAtTheEnd(t *testing.T) {
	writer := trace.NewWriter(brokenPipe{}, header())
	for range 10_000 {
		e := full(trace.Append)
		writer.Tell(&e)
	}
	if err := writer.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}
