package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
	"chatterbox/chatterboxtest"
)

// stage is a cluster whose first member is served.
type stage struct {
	t       *testing.T
	cluster *chatterboxtest.Cluster
	server  *Server
}

// inStage runs a test in virtual time, once the members have met.
func inStage(t *testing.T, test func(*stage)) {
	t.Helper()
	inStageOf(t, nil, test)
}

// inStageOf is the same with members that are configured otherwise.
func inStageOf(t *testing.T, configure func(*chatterbox.Config), test func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.NewCluster(t, 3, configure)
		if err := c.Node("a").Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(&stage{t: t, cluster: c, server: New(Config{Node: c.Node("a")})})
	})
}

// ask makes a request: method, target and headers as "Name: value" lines.
func (s *stage) ask(method, target, headers, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(s.t.Context(), method, "http://localhost"+target, strings.NewReader(body))
	for line := range strings.Lines(headers) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		request.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, request)
	return w
}

// expect demands a status and a body.
func (s *stage) expect(w *httptest.ResponseRecorder, status int, body string) {
	s.t.Helper()
	if w.Code != status || strings.TrimSpace(w.Body.String()) != body {
		s.t.Errorf("%d %s; want %d %s", w.Code, w.Body, status, body)
	}
}

// contains demands a status and a part of the body.
func (s *stage) contains(w *httptest.ResponseRecorder, status int, part string) {
	s.t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), part) {
		s.t.Errorf("%d %s; want %d and %q in it", w.Code, w.Body, status, part)
	}
}

const ndjson = "Content-Type: application/x-ndjson"

func TestWhatIsWrittenIsReadByPosition(t *testing.T) {
	inStage(t, func(s *stage) {
		s.expect(s.ask("POST", "/v1/entries?until=settled", "", "one"), 201, `{"origin":"a","seq":1,"position":1}`)
		s.expect(s.ask("POST", "/v1/entries?until=settled", ndjson, "\"two\"\n\n\"thr\\u00e9\\ne\"\r\n"), 201,
			"{\"origin\":\"a\",\"seq\":2,\"position\":2}\n{\"origin\":\"a\",\"seq\":3,\"position\":3}")
		s.expect(s.ask("POST", "/v1/entries", "", "\xff\x00"), 201, `{"origin":"a","seq":4}`)
		s.cluster.Agree()
		all := s.ask("GET", "/v1/entries?from=2", "", "")
		lines := strings.Split(strings.TrimSpace(all.Body.String()), "\n")
		want := []string{
			`{"position":2,"origin":"a","seq":2,"time":`, `"payload":"two","settled":true}`,
			`{"position":3,"origin":"a","seq":3,"time":`, `"payload":"thré\ne","settled":true}`,
			`{"position":4,"origin":"a","seq":4,"time":`, `"payload_base64":"/wA=","settled":true}`,
		}
		if len(lines) != 3 {
			s.t.Fatalf("%d lines: %s", len(lines), all.Body)
		}
		for i, line := range lines {
			if !json.Valid([]byte(line)) || !strings.HasPrefix(line, want[2*i]) || !strings.HasSuffix(line, want[2*i+1]) {
				s.t.Errorf("line %s", line)
			}
		}
		events := s.ask("GET", "/v1/entries?limit=1", "Accept: text/event-stream\nLast-Event-ID: 1", "")
		s.contains(events, 200, "id: 2\ndata: {\"position\":2,")
		if strings.Count(events.Body.String(), "id: ") != 1 {
			s.t.Errorf("more than was asked for: %s", events.Body)
		}
	})
}

func TestKeysMakeRetriesHarmless(t *testing.T) {
	inStage(t, func(s *stage) {
		for range 2 {
			s.expect(s.ask("POST", "/v1/entries", "Idempotency-Key: k", "once"), 201, `{"origin":"a","seq":1}`)
			s.expect(s.ask("POST", "/v1/entries", ndjson+"\nIdempotency-Key: l", "\"x\"\n\"y\"\n"), 201,
				"{\"origin\":\"a\",\"seq\":2}\n{\"origin\":\"a\",\"seq\":3}")
		}
		s.cluster.Crash("a")
		s.cluster.Restart("a")
		s.server = New(Config{Node: s.cluster.Node("a")})
		if err := s.cluster.Node("a").Ready(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.cluster.Agree()
		s.expect(s.ask("POST", "/v1/entries", "Idempotency-Key: k", "once"), 201, `{"origin":"a","seq":1}`)
	})
}

// A disk without room refuses and says so, and is nobody's end.
func TestFullDiskRefusesUntilThereIsRoom(t *testing.T) {
	inStage(t, func(s *stage) {
		s.expect(s.ask("POST", "/v1/entries?until=settled", "", "one"), 201, `{"origin":"a","seq":1,"position":1}`)
		s.cluster.FillDisk("a")
		doubt := s.ask("POST", "/v1/entries", "Idempotency-Key: k", "two") // nobody knew yet
		s.contains(doubt, 503, `"in_doubt":true`)
		for range 3 {
			refused := s.ask("POST", "/v1/entries", "", "three")
			s.contains(refused, 503, "no room: journal: write segment 1: the disk is full: ")
			if refused.Header().Get("Retry-After") == "" || strings.Contains(refused.Body.String(), "in_doubt") {
				s.t.Errorf("refused: %v %s", refused.Header(), refused.Body)
			}
		}
		s.contains(s.ask("GET", "/readyz", "", ""), 503, "not ready: no room: journal: write segment 1: the disk is full")
		s.expect(s.ask("GET", "/healthz", "", ""), 200, "alive")
		s.contains(s.ask("GET", "/v1/entries", "", ""), 200, `"payload":"one"`)
		s.contains(s.ask("GET", "/v1/status", "", ""), 200, `"writable":false,"why_not_writable":"no room: journal`)
		s.cluster.FreeDisk("a")
		<-time.After(time.Second)
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "ready")
		s.expect(s.ask("POST", "/v1/entries", "Idempotency-Key: k", "two"), 201, `{"origin":"a","seq":2}`)
		s.expect(s.ask("POST", "/v1/entries?until=settled", "", "three"), 201, `{"origin":"a","seq":3,"position":3}`)
		s.cluster.Agree()
	})
}

// A failed sync is the end of writing, and not of reading. With the next start
// all is well, and nothing that was accepted is missing.
func TestBrokenDiskEndsWritingButNotReading(t *testing.T) {
	inStage(t, func(s *stage) {
		s.expect(s.ask("POST", "/v1/entries?until=settled", "", "one"), 201, `{"origin":"a","seq":1,"position":1}`)
		follower := make(chan *httptest.ResponseRecorder)
		go func() { follower <- s.ask("GET", "/v1/entries?follow=true", "", "") }()
		<-time.After(time.Second)
		s.cluster.BreakDisk("a")
		s.contains(s.ask("POST", "/v1/entries", "Idempotency-Key: k", "two"), 503, "input/output error")
		why := "this member does not write: driver: stopped, nothing more is sent or delivered: journal: write segment 1: input/output error"
		s.contains(<-follower, 200, `{"error":"`+why)
		s.contains(s.ask("POST", "/v1/entries", "", "three"), 503, why)
		s.contains(s.ask("GET", "/readyz", "", ""), 503, "not ready: "+why)
		s.expect(s.ask("GET", "/healthz", "", ""), 200, "alive")
		s.contains(s.ask("GET", "/v1/entries", "", ""), 200, `"payload":"one"`)
		s.cluster.Crash("a")
		s.cluster.Restart("a")
		s.server = New(Config{Node: s.cluster.Node("a")})
		if err := s.cluster.Node("a").Ready(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.contains(s.ask("POST", "/v1/entries?until=settled", "Idempotency-Key: k", "two"), 201, `"seq":2,"position":2`)
		s.cluster.Agree()
	})
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	inStage(t, func(s *stage) {
		s.contains(s.ask("POST", "/v1/entries", "", ""), 400, "a payload has 1 to 1048576 bytes")
		s.contains(s.ask("POST", "/v1/entries", "", strings.Repeat("x", chatterbox.MaxPayload+1)), 413, "at most 1048576 bytes")
		s.contains(s.ask("POST", "/v1/entries?until=whenever", "", "x"), 400, "it is accepted or settled")
		s.contains(s.ask("POST", "/v1/entries", "Idempotency-Key: "+strings.Repeat("k", 235), "x"), 400, "at most 234 bytes")
		s.contains(s.ask("POST", "/v1/entries", ndjson, "[1]\n"), 400, "line 1: it is no JSON string")
		s.contains(s.ask("POST", "/v1/entries", ndjson, "\"\xff\"\n"), 400, "line 1: it is not UTF-8")
		s.contains(s.ask("POST", "/v1/entries", ndjson, "\"\\ud800\"\n"), 400, "line 1: it is not UTF-8")
		s.expect(s.ask("POST", "/v1/entries", ndjson, "\"\\ufffd\"\n\"\"\n"), 201,
			"{\"origin\":\"a\",\"seq\":1}\n{\"error\":\"line 2: a payload has 1 to 1048576 bytes, not 0\"}")
		s.contains(s.ask("POST", "/v1/entries", ndjson, "\n\"two\"\n\n\n[5]\n"), 201, "line 5: it is no JSON string") // blank lines are lines
		s.contains(s.ask("GET", "/v1/entries?from=-1&limit=many&colour=red&follow=perhaps", "", ""), 400, "from=-1")
		s.contains(s.ask("GET", "/v1/nothing", "", ""), 404, "")
		s.contains(s.ask("PUT", "/v1/entries", "", "x"), 405, "")
	})
}

// Who reads on is told why there is no more, as a line or as an event.
func TestReadersAreToldThatTheMemberStops(t *testing.T) {
	inStage(t, func(s *stage) {
		answers := make(chan string, 2)
		for _, accept := range []string{"", "Accept: text/event-stream"} {
			go func() { answers <- s.ask("GET", "/v1/entries?follow=true", accept, "").Body.String() }()
		}
		synctest.Wait()
		if err := s.cluster.Node("a").Close(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		ends := []string{<-answers, <-answers}
		slices.Sort(ends)
		const why = `{"error":"this member stops: go on at another one, or here when it is back"}`
		if want := []string{"event: end\ndata: " + why + "\n\n", why + "\n"}; !slices.Equal(ends, want) {
			s.t.Errorf("readers are told %q", ends)
		}
	})
}

// Without tokens only this machine is served, and no page of another site.
func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	inStage(t, func(s *stage) {
		s.contains(s.ask("POST", "/v1/entries", "Origin: http://evil.example\nSec-Fetch-Site: cross-site", "x"), 403, "")
		request := httptest.NewRequestWithContext(s.t.Context(), "GET", "http://evil.example/v1/entries", nil)
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, request)
		s.contains(w, 403, "answers to localhost only")
		for _, host := range []string{"localhost", "LOCALHOST:80", "127.0.0.1:80", "[::1]:80", "[::1]"} {
			if !local(host) {
				s.t.Errorf("%s is this machine", host)
			}
		}
	})
}

func TestTokensSayWhoMayDoWhat(t *testing.T) {
	inStage(t, func(s *stage) {
		s.withTokens("# of the cluster\nread reading-reading-reading\n\nwriting-writing-writing\n", nil)
		const reader, writer = "Authorization: Bearer reading-reading-reading", "Authorization: Bearer writing-writing-writing"
		s.contains(s.ask("POST", "/v1/entries", writer, "x"), 201, `"seq":1`)
		s.contains(s.ask("POST", "/v1/entries", reader, "x"), 403, "may only read")
		s.contains(s.ask("POST", "/v1/entries", "", "x"), 401, "a token is needed")
		s.contains(s.ask("GET", "/v1/status", reader, ""), 200, `"name":"a"`)
		s.contains(s.ask("GET", "/metrics", "Authorization: Bearer wrong-wrong-wrong-wrong", ""), 401, "not known")
		s.contains(s.ask("GET", "/healthz", "", ""), 200, "alive")
	})
}

func TestTokenFilesAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "there is no token in it",
		"short":                     "at least 16 characters",
		"erase 0123456789abcdef":    "may read or write",
		"read write 0123456789abcd": "a line is",
	} {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTokens(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTokens(path); err == nil || !strings.Contains(err.Error(), "others can read it") {
			t.Errorf("a file for all: %v", err)
		}
	}
}

// A member that is silent stops settling for all: it is named, and nobody else
// is unready for that.
func TestStatusNamesWhoIsMissing(t *testing.T) {
	inStage(t, func(s *stage) {
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "ready\n")
		s.cluster.Isolate("c")
		await := func(done func(chatterbox.Status) bool) {
			for !done(s.cluster.Node("a").Status()) {
				aWhile, cancel := context.WithTimeout(s.t.Context(), 10*time.Millisecond)
				<-aWhile.Done()
				cancel()
			}
		}
		await(func(status chatterbox.Status) bool { return status.Ready != nil })
		s.contains(s.ask("POST", "/v1/entries", "", "x"), 201, `"seq":1`)
		await(func(status chatterbox.Status) bool { return !status.Members[2].HoldsUpSince.IsZero() })
		w := s.ask("GET", "/v1/status", "", "")
		var status Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
			s.t.Fatal(err)
		}
		if status.Ready || status.Settled != 0 || status.Tentative != 1 || len(status.HeldUpBy) != 1 || status.HeldUpBy[0].Name != "c" {
			s.t.Errorf("status %s", w.Body)
		}
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "nothing settles: c not heard")
		s.contains(s.ask("GET", "/v1/entries?tentative=true", "", ""), 200, `{"position":0,"origin":"a","seq":1,`)
		s.expect(s.ask("GET", "/v1/entries", "", ""), 200, "")
		s.contains(s.ask("GET", "/metrics", "", ""), 200, "\nchatterbox_tentative_entries 1\n")
	})
}

func TestWhatIsNotRetainedIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatterboxtest.NewCluster(t, 3, func(cfg *chatterbox.Config) { cfg.Dir, cfg.Volatile = "", true })
		n := c.Node("a")
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := &stage{t: t, cluster: c, server: New(Config{Node: n})}
		for i := range 4 {
			s.contains(s.ask("POST", "/v1/entries?until=settled", "", fmt.Sprint(i)), 201, fmt.Sprintf(`"position":%d`, i+1))
		}
		n.Compact(2)
		s.expect(s.ask("GET", "/v1/entries?from=2", "", ""), http.StatusGone, `{"error":"position 2 is not here, the first one is 3: what is before it is not retained any more, or settled while this member was away or before it came; others, or a backup, may have it","oldest":3}`)
		s.contains(s.ask("GET", "/v1/entries?from=3", "", ""), 200, `{"position":3,`)
	})
}

// The description is held against the server: what it names exists, nothing
// else does, and answers have what it demands.
func TestDescriptionIsTrue(t *testing.T) {
	inStage(t, func(s *stage) {
		var api struct {
			Paths      map[string]map[string]struct{ Responses map[string]any }
			Components struct {
				Schemas map[string]struct {
					Required   []string
					Properties map[string]any
				}
			}
		}
		w := s.ask("GET", "/v1/openapi.json", "", "")
		if err := json.Unmarshal(w.Body.Bytes(), &api); err != nil {
			s.t.Fatal(err)
		}
		described := map[string]bool{}
		for path, methods := range api.Paths {
			for method := range methods {
				described[strings.ToUpper(method)+" "+path] = true
			}
		}
		for _, r := range s.server.routes(http.NotFoundHandler()) {
			if !described[r.pattern] {
				s.t.Errorf("%s is not described", r.pattern)
			}
			delete(described, r.pattern)
		}
		for pattern := range described {
			s.t.Errorf("%s is described and does not exist", pattern)
		}
		for schema, w := range map[string]*httptest.ResponseRecorder{
			"Receipt": s.ask("POST", "/v1/entries?until=settled", "Idempotency-Key: k", "x"),
			"Entry":   s.ask("GET", "/v1/entries", "", ""),
			"Status":  s.ask("GET", "/v1/status", "", ""),
			"Members": s.ask("GET", "/v1/members", "", ""),
			"Event":   s.firstEvent(),
			"Failure": s.ask("POST", "/v1/entries", "", ""),
		} {
			var answer map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				s.t.Fatalf("%s: %v in %s", schema, err, w.Body)
			}
			for _, name := range api.Components.Schemas[schema].Required {
				if _, there := answer[name]; !there {
					s.t.Errorf("%s lacks %s: %s", schema, name, w.Body)
				}
			}
			for name := range answer {
				if _, known := api.Components.Schemas[schema].Properties[name]; !known {
					s.t.Errorf("%s has %s, which is not described", schema, name)
				}
			}
		}
	})
}
