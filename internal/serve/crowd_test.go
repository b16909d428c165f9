package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// queue is a listener that gives out connections from addresses.
type queue struct{ from []string }

func (q *queue) Accept() (net.Conn, error) {
	if len(q.from) == 0 {
		return nil, errors.New("no more")
	}
	address := q.from[0]
	q.from = q.from[1:]
	return &fake{address: address}, nil
}

func (q *queue) Close() error   { return nil }
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

type fake struct {
	net.Conn
	address string
}

func (f *fake) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 2} }
func (f *fake) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.address), Port: 1} }
func (f *fake) Close() error         { return nil }

func (f *fake) Read([]byte) (int, error) { return 1, nil }

// TestCrowdLeavesRoomForOthers: one address gets so many connections, all of them
// together so many, and who leaves makes room.
func TestCrowdLeavesRoomForOthers(t *testing.T) {
	q, now := new(queue), time.Duration(0)
	d := newDoor(slog.New(slog.DiscardHandler), func() time.Duration { return now })
	d.max, d.ofOneMax = 6, 2
	var taken []net.Conn
	come := func(from ...string) string {
		t.Helper()
		q.from = from
		got, before := "", d.Refused()
		for {
			conn, err := d.Listen(q).Accept()
			if err != nil {
				return fmt.Sprintf("%s%d refused", got, d.Refused()-before)
			}
			taken = append(taken, conn)
			got += conn.RemoteAddr().(*net.TCPAddr).IP.String() + " "
		}
	}
	for _, c := range []struct{ got, want string }{
		{come("10.0.0.1", "10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"), "10.0.0.1 10.0.0.1 10.0.0.2 2 refused"},
		{come("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"), "127.0.0.1 127.0.0.1 127.0.0.1 1 refused"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	for range 2 { // the second one is nothing
		if err := taken[0].Close(); err != nil {
			t.Error(err)
		}
	}
	if got, want := come("10.0.0.1", "10.0.0.1"), "10.0.0.1 1 refused"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, conn := range taken {
		_ = conn.Close()
	}
	if d.all != 0 || len(d.of) != 0 {
		t.Errorf("%d are counted, %v", d.all, d.of)
	}
}

// TestStrangersComeInSoOften: from other machines, unless a token came from there;
// this machine comes as often as it likes. The log is told once a minute.
func TestStrangersComeInSoOften(t *testing.T) {
	var log page
	q, now := new(queue), time.Hour
	d := newDoor(slog.New(slog.NewTextHandler(&log, nil)), func() time.Duration { return now })
	come := func(times int, from string) (in []net.Conn) {
		q.from = slices.Repeat([]string{from}, times)
		for {
			conn, err := d.Listen(q).Accept()
			if err != nil {
				return in
			}
			in = append(in, conn)
			_ = conn.Close()
		}
	}
	if in := come(2*strangerBurst, "10.0.0.1"); len(in) != strangerBurst {
		t.Errorf("of a stranger %d connections are let in", len(in))
	}
	for _, own := range []string{"127.0.0.1", "::1", "10.0.0.9"} {
		if in := come(2*strangersBurst, own); len(in) != 2*strangersBurst {
			t.Errorf("of %s %d connections are let in", own, len(in))
		}
	}
	come(1, "10.0.0.2")[0].(*counted).vouch()
	for i := range 2 * strangersBurst {
		come(1, fmt.Sprintf("10.0.1.%d", i%250))
	}
	if in := come(2*strangersBurst, "10.0.0.2"); len(in) != 2*strangersBurst {
		t.Errorf("where a token came from %d connections are let in", len(in))
	}
	if in := come(10, "10.0.0.3"); len(in) != 0 {
		t.Errorf("of a stranger after many others %d are let in", len(in))
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "shows no token") {
		t.Errorf("the log is told:\n%s", log.String())
	}
	now += time.Minute + time.Second
	if in := come(2*strangerBurst, "10.0.0.3"); len(in) != strangerBurst {
		t.Errorf("of a stranger a minute later %d are let in", len(in))
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("the log is told:\n%s", log.String())
	}
}

// TestStrangersAreReadInTurn has many come at once: what the first ones ask is not
// read together. This machine waits for nobody, nor does who has shown a token, nor
// anybody twice.
func TestStrangersAreReadInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, began := new(queue), time.Now()
		d := newDoor(slog.New(slog.DiscardHandler), func() time.Duration { return time.Since(began) })
		come := func(from string) net.Conn {
			q.from = []string{from}
			conn, err := d.Listen(q).Accept()
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		waited := func(conn net.Conn) time.Duration {
			from := time.Now()
			if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			return time.Since(from)
		}
		come("10.0.0.7").(*counted).vouch()
		var read atomic.Int64
		for range strangerBurst {
			conn := come("10.0.0.1")
			go func() {
				waited(conn)
				waited(conn)
				read.Add(1)
			}()
		}
		synctest.Wait()
		for _, at := range []string{"127.0.0.1", "10.0.0.9", "10.0.0.7"} {
			if wait := waited(come(at)); wait != 0 {
				t.Errorf("%s waited %v", at, wait)
			}
		}
		for want := int64(1); want <= strangerBurst; want++ {
			if got := read.Load(); got != want {
				t.Fatalf("%d were read, want %d", got, want)
			}
			<-time.After(strangersApart)
			synctest.Wait()
		}
	})
}

// withTokens has the server go by a file of tokens, and returns what changes it.
func (s *stage) withTokens(text string, log *slog.Logger) (change func(string)) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "tokens")
	change = func(text string) {
		s.t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	change(text)
	tokens, err := ReadTokens(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = New(Config{Node: s.cluster.Node("a"), Tokens: tokens, Log: log})
	return change
}

// page is what a log writes to, and what a test reads meanwhile.
type page struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (p *page) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(line)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// TestTokensAreFollowed: a file that has changed counts within a second or two,
// for requests that last as well; one that cannot be read changes nothing.
func TestTokensAreFollowed(t *testing.T) {
	inStage(t, func(s *stage) {
		var log page
		const first, second = "Authorization: Bearer first-first-first-", "Authorization: Bearer second-second-sec"
		change := s.withTokens("write first-first-first-\n", slog.New(slog.NewTextHandler(&log, nil)))
		ended := make(chan string, 1)
		go func() { ended <- s.ask("GET", "/v1/entries?follow=true", first, "").Body.String() }()
		<-time.After(time.Minute)
		change("write short\n")
		<-time.After(5 * time.Second)
		s.contains(s.ask("GET", "/v1/status", first, ""), 200, "")
		if text := log.String(); !strings.Contains(text, "the file of tokens cannot be read") || len(ended) > 0 {
			s.t.Errorf("a file that is no good: %s", text)
		}
		change("write second-second-sec\n")
		<-time.After(3 * time.Second)
		synctest.Wait()
		select {
		case text := <-ended:
			if !strings.Contains(text, "the token is not good any more") {
				s.t.Errorf("the reader was told %q", text)
			}
		default:
			s.t.Fatal("a reader whose token is gone reads on")
		}
		s.contains(s.ask("GET", "/v1/status", first, ""), 401, "not known")
		s.contains(s.ask("GET", "/v1/status", second, ""), 200, "")
	})
}

// tokensOf returns tokens that are not read from a file.
func tokensOf(known tokens) *Tokens {
	return &Tokens{known: known, looked: time.Now().Add(time.Hour)}
}

// listening serves with a handler until the test ends, and returns where.
func listening(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := &http.Server{Handler: handler} //nolint:gosec // Limit sets the deadlines
	Limit(server)
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(NewDoor(slog.New(slog.DiscardHandler)).Listen(listener)) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// say connects and says something.
func say(t *testing.T, to, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestStrangerDoesNotLinger: who shows no token is answered, whatever he asks for, and
// his connection ends, however long he says that the request will be.
func TestStrangerDoesNotLinger(t *testing.T) {
	at := listening(t, New(Config{Tokens: tokensOf(tokens{})}))
	var all sync.WaitGroup
	for _, request := range []struct {
		line   string
		status int
	}{
		{"POST /v1/entries", 401},
		{"GET /v1/entries?follow=true", 401},
		{"PUT /v1/entries", 405},
		{"POST /nothing", 404},
		{"POST //v1/entries", 307},
		{"GET /../../etc/passwd", 307},
		{"OPTIONS *", 204},
		{"POST /healthz", 405},
		{"Sec-Fetch-Site: cross-site", 403},
	} {
		for _, length := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked", "Content-Length: 1000000000"} {
			line, more, _ := strings.Cut(request.line, ": ")
			if more != "" {
				line, more = "POST /v1/entries", request.line+"\r\n"
			}
			conn := say(t, at, fmt.Sprintf("%s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n\r\n", line, more, length))
			all.Go(func() {
				answer, err := io.ReadAll(conn)
				if errors.Is(err, syscall.ECONNRESET) {
					err = nil // after the answer
				}
				if err != nil || !strings.HasPrefix(string(answer), fmt.Sprintf("HTTP/1.1 %d ", request.status)) {
					t.Errorf("%s, %s: %q, %v", request.line, length, answer, err)
				}
			})
		}
	}
	all.Wait()
}

// TestMethods: what a path does not answer to is refused with what it does, whatever
// the method is called; and what is no path at all is refused too.
func TestMethods(t *testing.T) {
	at := listening(t, New(Config{Tokens: tokensOf(tokens{})}))
	for _, c := range []struct {
		line, allow string
		status      int
	}{
		{"OPTIONS * HTTP/1.1", "GET, HEAD, POST", 204},
		{"OPTIONS /v1/entries HTTP/1.1", "GET, HEAD, POST", 405},
		{"TRACE /v1/entries HTTP/1.1", "GET, HEAD, POST", 405},
		{"DELETE /v1/status HTTP/1.1", "GET, HEAD", 405},
		{"PATCH /metrics HTTP/1.1", "GET, HEAD", 405},
		{"BREW /healthz HTTP/1.1", "GET, HEAD", 405},
		{"post /v1/entries HTTP/1.1", "GET, HEAD, POST", 405},
		{"HEAD /v1/status HTTP/1.1", "", 401},
		{"OPTIONS /nothing HTTP/1.1", "", 404},
		{"GET * HTTP/1.1", "", 400},
		{"CONNECT localhost:80 HTTP/1.1", "", 404},
		{"GET http://elsewhere/v1/status HTTP/1.1", "", 401},
		{"P(ST /v1/entries HTTP/1.1", "", 400},
		{"GET /healthz HTTP/3.0", "", 505},
	} {
		conn := say(t, at, c.line+"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		_ = answer.Body.Close()
		if allow := answer.Header.Get("Allow"); answer.StatusCode != c.status || allow != c.allow {
			t.Errorf("%s: %d, Allow: %q; want %d, %q", c.line, answer.StatusCode, allow, c.status, c.allow)
		}
	}
}

// TestTokenOfWhoDoesNotRead: the request of a reader that takes nothing ends when his
// token is good no more.
func TestTokenOfWhoDoesNotRead(t *testing.T) {
	const token = "reading-reading-reading"
	tokens := tokensOf(tokens{sha256.Sum256([]byte(token)): mayRead})
	s, begun, ended := New(Config{Tokens: tokens}), make(chan bool), make(chan error, 1)
	s.handler = s.guarded(route{"GET /v1/entries", mayRead, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		for text := make([]byte, 1<<20); ; {
			if _, err := w.Write(text); err != nil {
				ended <- err
				return
			}
		}
	}})
	at := listening(t, s)
	say(t, at, "GET /v1/entries HTTP/1.1\r\nHost: localhost\r\nAuthorization: bearer "+token+"\r\n\r\n")
	<-begun
	tokens.mu.Lock()
	tokens.known = nil
	tokens.mu.Unlock()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
}
