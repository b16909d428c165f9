package dashboard

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// TestMain looks for goroutines that are left. A server waits half a second for
// the other end of a connection that it closed in the middle of a request.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// open serves a page of two members and returns it and a browser.
func open(t *testing.T, config Config) (*Dashboard, *http.Client) {
	t.Helper()
	config.Address = "127.0.0.1:0"
	if config.Header.Members == nil {
		config.Header = trace.Header{Members: []string{"a", "b"}, Protocol: "delta", Seed: 7}
	}
	d, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, client
}

func get(t *testing.T, client *http.Client, url string) (status int, header http.Header, body string) {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(data)
}

// base is the address without the token.
func base(d *Dashboard) string { return "http://" + d.listener.Addr().String() }

// tell tells a run of so many batches of a.
func tell(d *Dashboard, from, batches uint64) {
	for i := from; i < from+batches; i++ {
		at := time.Duration(i) * 10 * time.Millisecond
		for id := range member.ID(2) {
			d.Tell(&trace.Event{At: at, Kind: trace.Append, Member: id, Identity: 1, Seq: i + 1, Count: 1, Time: 1})
		}
	}
}

// next reads the next server-sent event.
func next(t *testing.T, stream *bufio.Reader) (event, data string) {
	t.Helper()
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ends: %v", err)
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "event":
			event = value
		case "data":
			data = value
		case "":
			return event, data
		}
	}
}

func watch(t *testing.T, client *http.Client, url string) (*bufio.Reader, func()) {
	t.Helper()
	answer, err := client.Get(url) //nolint:bodyclose // the caller does
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	return bufio.NewReader(answer.Body), func() { _ = answer.Body.Close() }
}

func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	d, client := open(t, Config{Mode: Replay})
	status, header, body := get(t, client, d.URL())
	if status != http.StatusOK || !strings.Contains(body, `src="page/main.js"`) {
		t.Fatalf("status %d: %s", status, body)
	}
	csp := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("%q is missing in the policy %q", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(body, "style=") || strings.Contains(body, "onclick") || strings.Contains(body, "//") {
		t.Error("the page has something inline or from elsewhere")
	}
	for _, asset := range []string{"main.js", "page.css", "uplot/uPlot.esm.js", "uplot/LICENSE", "icon.svg"} {
		if status, header, _ := get(t, client, base(d)+"/page/"+asset); status != http.StatusOK || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: status %d, %v", asset, status, header)
		}
	}
}

func TestTheHostMustBeThisMachine(t *testing.T) {
	d, client := open(t, Config{Mode: Replay})
	for host, want := range map[string]int{"evil.example": 421, "localhost": 200, "localhost:99": 200, "[::1]:7": 200, "127.0.0.1": 200, "10.0.0.1": 421} {
		request, err := http.NewRequest(http.MethodGet, base(d)+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("host %q: status %d, want %d", host, answer.StatusCode, want)
		}
	}
}

// TestMethods: what a path does not answer to is refused with what it does, whatever
// the method is called; and what is no path at all is refused too.
func TestMethods(t *testing.T) {
	d, _ := open(t, Config{Mode: Live})
	for _, c := range []struct {
		line, allow string
		status      int
	}{
		{"OPTIONS * HTTP/1.1", "GET, HEAD, POST", 204},
		{"OPTIONS /film HTTP/1.1", "GET, HEAD", 405},
		{"TRACE / HTTP/1.1", "GET, HEAD", 405},
		{"POST /map HTTP/1.1", "GET, HEAD", 405},
		{"GET /act HTTP/1.1", "POST", 405},
		{"BREW /trace HTTP/1.1", "GET, HEAD", 405},
		{"OPTIONS /nothing HTTP/1.1", "", 404},
		{"GET * HTTP/1.1", "", 400},
		{"CONNECT localhost:80 HTTP/1.1", "GET, HEAD", 405},
		{"G(T / HTTP/1.1", "", 400},
	} {
		conn, err := net.Dial("tcp", d.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "%s\r\nHost: localhost\r\nConnection: close\r\n\r\n", c.line)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		_ = answer.Body.Close()
		if allow := answer.Header.Get("Allow"); answer.StatusCode != c.status || allow != c.allow {
			t.Errorf("%s: %d, Allow: %q; want %d, %q", c.line, answer.StatusCode, allow, c.status, c.allow)
		}
		_ = conn.Close()
	}
}

// act posts a line as a page would, or as another one.
func act(t *testing.T, client *http.Client, d *Dashboard, line string, header map[string]string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, base(d)+"/act", strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

func TestOnlyThePageWithTheTokenActs(t *testing.T) {
	var done []string
	d, client := open(t, Config{Mode: Live, Act: func(e failure.Event) error {
		if e.Action == failure.Clock {
			return errors.New("not possible")
		}
		done = append(done, e.String())
		return nil
	}})
	own := map[string]string{"Chatterbox-Act": "1"}
	if status, _ := act(t, client, d, "1s a <-> b cut", own); status != http.StatusForbidden {
		t.Errorf("without the token: status %d", status)
	}
	if status, _, body := get(t, client, d.URL()); status != http.StatusOK || !strings.Contains(body, "<main>") {
		t.Fatalf("the URL with the token: status %d: %s", status, body)
	}
	if status, _ := act(t, client, d, "1s a <-> b cut", nil); status != http.StatusForbidden {
		t.Errorf("as a form of another page: status %d", status)
	}
	foreign := map[string]string{"Chatterbox-Act": "1", "Origin": "http://evil.example"}
	if status, _ := act(t, client, d, "1s a <-> b cut", foreign); status != http.StatusForbidden {
		t.Errorf("from another origin: status %d", status)
	}
	own["Origin"] = base(d)
	if status, text := act(t, client, d, "1s a <-> b cut", own); status != http.StatusNoContent {
		t.Errorf("status %d: %s", status, text)
	}
	for line, want := range map[string]string{
		"a <-> b cut": "click:1:1", "1s a <-> b cut\n2s b crash": "one line", "1s a clock 50%": "not possible", "1s every 1s until 3s a crash": "one line",
		strings.Repeat("x", 2000): "too long",
	} {
		if status, text := act(t, client, d, line, own); status < 400 || !strings.Contains(text, want) {
			t.Errorf("%.40q: status %d: %s", line, status, text)
		}
	}
	if fmt.Sprint(done) != "[1s a <-> b cut]" {
		t.Errorf("done: %q", done)
	}
	d.End()
	if status, _, _ := get(t, client, d.URL()+"trace"); status != http.StatusOK {
		t.Errorf("the trace below the token: status %d", status)
	}
}

func TestReadOnlyPagesHaveNoToken(t *testing.T) {
	d, client := open(t, Config{Mode: Replay})
	if !d.ReadOnly() || d.URL() != base(d)+"/" {
		t.Errorf("read-only %t, URL %s", d.ReadOnly(), d.URL())
	}
	if status, _ := act(t, client, d, "1s a <-> b cut", map[string]string{"Chatterbox-Act": "1"}); status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
}

func TestStepsComeAsTheyAreMade(t *testing.T) {
	d, client := open(t, Config{Mode: Live, Title: "x"})
	stream, stop := watch(t, client, base(d)+"/film")
	defer stop()
	event, data := next(t, stream)
	var run about
	if err := json.Unmarshal([]byte(data), &run); err != nil || event != "run" || len(run.Members) != 2 || run.Seed != "7" || run.Act {
		t.Fatalf("%s %s: %v", event, data, err)
	}
	tell(d, 0, 10)
	event, data = next(t, stream)
	if event != "steps" || !strings.Contains(data, `"b":[0,1,1,1,0,`) {
		t.Fatalf("%s %s", event, data)
	}
	tell(d, 10, 40)
	d.End()
	for !strings.Contains(data, `"e":true`) {
		if event, data = next(t, stream); event != "steps" && event != "beat" {
			t.Fatalf("%s %s", event, data)
		}
	}
	// Whoever comes back goes on where it was; another run begins anew.
	again, stop := watch(t, client, base(d)+"/film?from=3&run="+run.Run)
	defer stop()
	_, _ = next(t, again)
	if _, data := next(t, again); strings.Contains(data, `"t":40000,`) || !strings.Contains(data, `"t":160000,`) {
		t.Errorf("from the third step on: %s", data)
	}
	anew, stop := watch(t, client, base(d)+"/film?from=3&run=other")
	defer stop()
	_, _ = next(t, anew)
	if _, data := next(t, anew); !strings.Contains(data, `"t":40000,`) {
		t.Errorf("from the start on: %s", data)
	}
}

func TestWatchersAreLimited(t *testing.T) {
	d, client := open(t, Config{Mode: Live})
	for range WatchersMax {
		_, stop := watch(t, client, base(d)+"/film")
		defer stop()
	}
	if status, _, body := get(t, client, base(d)+"/film"); status != http.StatusServiceUnavailable || !strings.Contains(body, "watchers full") {
		t.Errorf("status %d: %s", status, body)
	}
}

// TestWhoeverDoesNotReadHoldsUpNobody connects browsers that never read, and
// tells a run that is many times larger than what is kept for them.
func TestWhoeverDoesNotReadHoldsUpNobody(t *testing.T) {
	d, client := open(t, Config{Mode: Live})
	for range 4 {
		conn, err := net.Dial("tcp", d.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // never read
		if _, err := io.WriteString(conn, "GET /film HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	step := bytes.Repeat([]byte("1,"), 32<<10)
	for range 3 * reelBytesMax / len(step) {
		d.reel.add(step, d.film)
	}
	if d.reel.base == 0 || d.reel.bytes > reelBytesMax+keyEvery*len(step) {
		t.Errorf("%d bytes of %d steps are kept, from %d on", d.reel.bytes, len(d.reel.steps), d.reel.base)
	}
	if p := d.reel.read(1, 0); !p.behind {
		t.Error("a watcher that fell behind is not told so")
	}
	if p := d.reel.read(-1, 0); p.behind || p.key == nil || len(p.steps) == 0 {
		t.Error("a newcomer does not begin with a key")
	}
	stream, stop := watch(t, client, base(d)+"/film")
	defer stop()
	if event, data := next(t, stream); event != "run" || strings.Contains(data, `"from":0`) {
		t.Errorf("%s %.100s", event, data)
	}
}

func TestTraceIsServedAsItIsTold(t *testing.T) {
	d, client := open(t, Config{Mode: Live})
	tell(d, 0, 3)
	answer, err := client.Get(base(d) + "/trace")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	reader, err := trace.NewReader(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	tell(d, 3, 2)
	d.End()
	var event trace.Event
	events := 0
	for err = reader.Next(&event); err == nil; err = reader.Next(&event) {
		events++
	}
	if !errors.Is(err, io.EOF) || events != 10 || reader.Header().Seed != 7 {
		t.Errorf("%d events, then %v", events, err)
	}
}

func TestWhatWentWrongIsAFailureMap(t *testing.T) {
	d, client := open(t, Config{Mode: Live})
	for _, note := range []string{"2s a <-> b cut", "2s a <-> b cut", "3s <script> x", "4s a <-> b heal"} {
		d.Tell(&trace.Event{Kind: trace.Fault, Note: note})
	}
	status, header, body := get(t, client, base(d)+"/map")
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") || !strings.Contains(header.Get("Content-Disposition"), "attachment") {
		t.Errorf("status %d, %v", status, header)
	}
	m, err := failure.Parse(strings.NewReader(body), "saved")
	if err != nil || m.String() != "2s  a <-> b  cut\n4s  a <-> b  heal\n" {
		t.Errorf("%v\n%s", err, body)
	}
}

func TestALargeClusterIsRefused(t *testing.T) {
	if _, err := New(Config{Address: "127.0.0.1:0", Header: trace.Header{Members: make([]string, MembersMax+1)}}); err == nil {
		t.Error("65 members are drawn")
	}
}

func TestAnotherRunReplacesTheFirst(t *testing.T) {
	d, client := open(t, Config{Mode: Simulated})
	load := func(batches uint64) {
		if err := d.Load(d.config.Header, func(trace.Sink) error { tell(d, 0, batches); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	load(5)
	stream, stop := watch(t, client, base(d)+"/film")
	defer stop()
	_, first := next(t, stream)
	if event, _ := next(t, stream); event != "steps" {
		t.Fatal(event)
	}
	load(9)
	event, second := next(t, stream)
	if event == "beat" {
		event, second = next(t, stream)
	}
	if event != "run" || first == second {
		t.Errorf("%s %s, before it %s", event, second, first)
	}
}

// TestAServedMemberIsShownToWhoHasAToken asks with and without the password,
// and demands that nothing can be done.
func TestAServedMemberIsShownToWhoHasAToken(t *testing.T) {
	var gone atomic.Bool
	d, client := open(t, Config{Mode: Served, Title: "a", Allowed: func(r *http.Request) bool {
		_, password, _ := r.BasicAuth()
		return password == "sesame" && !gone.Load()
	}})
	for _, path := range []string{"", "film", "page/main.js"} {
		status, header, _ := get(t, client, d.URL()+path)
		if status != http.StatusUnauthorized || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("/%s without a token: %d %v", path, status, header)
		}
	}
	inside := strings.Replace(d.URL(), "http://", "http://any:sesame@", 1)
	if status, _, body := get(t, client, inside); status != http.StatusOK || !strings.Contains(body, "chatterbox") {
		t.Errorf("with a token: %d", status)
	}
	for _, path := range []string{"act", "map", "trace", "film"} {
		answer, err := client.Post(inside+path, "text/plain", strings.NewReader("1s a <-> b cut"))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST /%s: %s", path, answer.Status)
		}
	}
	if !d.ReadOnly() {
		t.Error("something can be changed")
	}
	film, err := client.Get(inside + "film")
	if err != nil {
		t.Fatal(err)
	}
	defer film.Body.Close() //nolint:errcheck // only read
	gone.Store(true)
	if _, err := io.Copy(io.Discard, film.Body); err != nil { // it ends
		t.Errorf("an open page whose token is gone: %v", err)
	}
	if _, err := New(Config{Address: "0.0.0.0:0", Mode: Served, Title: "a"}); err == nil || !strings.Contains(err.Error(), "anybody who reaches this address") {
		t.Errorf("beyond loopback without tokens: %v", err)
	}
}
