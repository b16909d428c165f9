package trace_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"chatterbox/clock"
	"chatterbox/protocol"
	"chatterbox/trace"
)

func header() trace.Header {
	return trace.Header{Trace: trace.Version, Members: []string{"a", "b", "c"}, Protocol: "delta", Seed: 1 << 60, TickNs: time.Millisecond}
}

// full is an event of a kind with every field that it has set.
func full(kind trace.Kind) trace.Event {
	all := trace.Event{
		Peer: 1, Stream: 2, Identity: 1<<64 - 1, Life: 3, Session: 1<<32 | 1, Number: 4, Seq: 5, Count: 6, Time: 7,
		Have: 8, Promise: clock.Infinity, Position: 9, Bytes: 10, Hash: 1 << 63, State: protocol.Summary{1, 1 << 63, 3, 4, 5, 6},
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

// TestMalformedTracesAreRefused with the line and what was expected.
func TestMalformedTracesAreRefused(t *testing.T) {
	const head = `{"trace":1,"members":["a","b"],"protocol":"delta","seed":1}` + "\n"
	for text, want := range map[string]string{
		"":                            "empty",
		"\n\n":                        "empty",
		"hello\n":                     "line 1",
		`{"trace":2,"members":["a"]}`: "version 2",
		`{"trace":1,"members":[]}`:    "names 0 members",
		head + `{"at":1,"what":"close","member":2}`:                                                                   "member 2 of 2",
		head + `{"at":1,"what":"dance","member":0}`:                                                                   `"dance" is no kind`,
		head + `{"at":1,"what":"up","member":0}`:                                                                      `"peer" is missing`,
		head + `{"what":"close","member":0}`:                                                                          `"at" or "member" is missing`,
		head + "\n" + `{"at":1,"what":"close","member":0,"colour":3}`:                                                 "line 3",
		head + `{"at":1,"what":"start","member":0,"identity":7,"life":1}`:                                             "hexadecimal",
		head + `{"at":1,"what":"publish","member":0,"stream":0,"have":1,"promise":"later"}`:                           "line 2",
		head + `{"at":1,"what":"reset","member":0,"time":1,"position":1,"state":["1","2","3","4","5","x"],"note":""}`: "line 2",
		head + strings.Repeat(" ", trace.LineBytesMax+1) + "\n":                                                       "line 2",
	} {
		if err := readAll(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: error %v, want one with %q", text, err, want)
		}
	}
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
	const head = `{"trace":1,"members":["a","b","c"],"protocol":"delta","seed":1}` + "\n"
	f.Fuzz(func(t *testing.T, line string) {
		reader, err := trace.NewReader(strings.NewReader(head + line))
		if err != nil {
			t.Fatal(err)
		}
		var e, again trace.Event
		if reader.Next(&e) != nil {
			return
		}
		reader, err = trace.NewReader(strings.NewReader(head + string(trace.AppendJSON(nil, &e))))
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Next(&again); err != nil || only(e, e.Kind) == (trace.Event{}) {
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
