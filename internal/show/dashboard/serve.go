package dashboard

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chatterbox/internal/proof/failure"
)

//go:embed page
var page embed.FS

const (
	// writeTimeout is how long a browser may take to take something in.
	writeTimeout = 10 * time.Second
	// beatEvery is how often somebody who watches hears that the run is there,
	// though nothing happens.
	beatEvery = time.Second
	// actBytesMax bounds what a page asks for.
	actBytesMax = 1 << 10
	// bodyWithin is how long a body is waited for, whoever sends it.
	bodyWithin = time.Second
)

// policy lets a page load nothing but what comes from here, and run no script
// that stands in it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (d *Dashboard) handler() http.Handler {
	mux := http.NewServeMux()
	assets, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // embedded
	}
	files := http.FileServerFS(assets)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "page.html") })
	mux.Handle("GET /page/", http.StripPrefix("/page/", files))
	mux.HandleFunc("GET /film", d.serveFilm)
	if d.config.Mode != Served { // nobody imposes failures there, or knows all events
		mux.HandleFunc("GET /trace", d.serveTrace)
		mux.HandleFunc("GET /map", d.serveMap)
		mux.HandleFunc("POST /act", d.serveAct)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody { // nobody needs long for the little that a page says
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin)) // a test's has none
		}
		if r.Method == http.MethodOptions && r.RequestURI == "*" { // of the server as a whole; the multiplexer knows paths only
			w.Header().Set("Allow", "GET, HEAD, POST")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if !d.hostAllowed(r.Host) {
			http.Error(w, "this page is for this machine: open it by its address or as localhost", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		if !d.allowed(r) {
			h.Set("WWW-Authenticate", `Basic realm="chatterbox", charset="UTF-8"`)
			http.Error(w, "a token is needed: any name, and the token as the password", http.StatusUnauthorized)
			return
		}
		if !d.withToken(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// about is what a page is told first of a run.
type about struct {
	Mode     Mode     `json:"mode"`
	Title    string   `json:"title"`
	Members  []string `json:"members"`
	Protocol string   `json:"protocol"`
	Seed     string   `json:"seed"` // text: readers of JSON keep 53 bits of a number
	Run      string   `json:"run"`  // names the run; another one means that all before is void
	Act      bool     `json:"act"`  // this browser may change the run
	Data     bool     `json:"data"` // members keep their data when they crash
	From     int      `json:"from"` // number of the first step; above 0 the beginning is forgotten
}

// serveFilm sends the steps of the film as server-sent events, and goes on
// while somebody watches.
func (d *Dashboard) serveFilm(w http.ResponseWriter, r *http.Request) {
	if !d.enter() {
		http.Error(w, "watchers full: "+strconv.Itoa(WatchersMax)+" pages watch already; close one of them", http.StatusServiceUnavailable)
		return
	}
	defer d.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	out := &events{w: w, control: http.NewResponseController(w)}
	generation, next := -1, -1
	if at, err := strconv.Atoi(r.URL.Query().Get("from")); err == nil {
		next = at
	}
	if at, ok := strings.CutPrefix(r.URL.Query().Get("run"), d.instance+"-"); ok {
		generation, _ = strconv.Atoi(at)
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	told := ""
	for first := true; out.err == nil && d.allowed(r); first = false {
		p := d.reel.read(next, generation)
		switch {
		case p.closed:
			out.send("closed", []byte("{}"), -1)
			return
		case p.behind:
			out.send("behind", []byte("{}"), -1)
			return
		case first || p.generation != generation:
			out.json("run", d.about(r, &p))
			generation = p.generation
		}
		if note := d.note(); note != told {
			told = note
			out.json("note", note)
		}
		out.steps(&p)
		if next = p.next; len(p.steps) > 0 {
			continue
		}
		select {
		case <-p.more:
		case <-beat.C:
			out.send("beat", []byte("{}"), -1)
		case <-r.Context().Done():
			return
		}
	}
}

func (d *Dashboard) about(r *http.Request, p *portion) about {
	cookie, err := r.Cookie(d.cookieName())
	d.mu.Lock()
	defer d.mu.Unlock()
	return about{
		Mode: d.config.Mode, Title: d.config.Title, Members: d.members, Protocol: d.config.Header.Protocol,
		Seed: strconv.FormatUint(d.config.Header.Seed, 10), Run: d.instance + "-" + strconv.Itoa(p.generation),
		Act: d.token != "" && err == nil && cookie.Value == d.token, Data: d.config.Data, From: p.next - len(p.steps),
	}
}

// note is what the page must say of what it shows.
func (d *Dashboard) note() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	notes := []string{}
	if d.notice != "" {
		notes = append(notes, d.notice)
	}
	if d.thinned > 0 && (d.config.Mode != Live || time.Since(d.lately) < thinnedFor) {
		notes = append(notes, "So much happens that the page is thinned: some batches and frames are not drawn. The counts are right.")
	}
	return strings.Join(notes, " ")
}

// thinnedFor is how long a live page says that it is thinned. How many frames
// are drawn of how many it says always.
const thinnedFor = 15 * time.Second

// events writes server-sent events.
type events struct {
	w       io.Writer
	control *http.ResponseController
	err     error
}

func (e *events) json(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic("dashboard: " + err.Error()) // our own types
	}
	e.send(name, data, -1)
}

// send writes one event; data is one line.
func (e *events) send(name string, data []byte, id int) {
	if e.err != nil {
		return
	}
	var text bytes.Buffer
	text.WriteString("event: " + name + "\n")
	if id >= 0 {
		text.WriteString("id: " + strconv.Itoa(id) + "\n")
	}
	text.WriteString("data: ")
	text.Write(data)
	text.WriteString("\n\n")
	e.err = e.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if e.err == nil {
		_, e.err = e.w.Write(text.Bytes())
	}
	if e.err == nil {
		e.err = e.control.Flush()
	}
}

func (e *events) steps(p *portion) {
	steps := p.steps
	if p.key != nil {
		steps = append([][]byte{p.key}, steps...)
	}
	if len(steps) == 0 {
		return
	}
	data := append([]byte("["), bytes.Join(steps, []byte(","))...)
	e.send("steps", append(data, ']'), p.next)
}

func (d *Dashboard) serveTrace(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	if d.config.WriteTrace == nil {
		d.lines.serve(w, r)
		return
	}
	if err := d.config.WriteTrace(&patient{w, http.NewResponseController(w)}); err != nil {
		d.config.Log.Debug("trace not served", "error", err)
	}
}

// patient gives each write its time.
type patient struct {
	w       io.Writer
	control *http.ResponseController
}

// Write writes within the time that a browser has.
func (p *patient) Write(data []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return p.w.Write(data)
}

func (d *Dashboard) serveMap(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="failure-map.txt"`)
	_, _ = w.Write(d.failureMap())
}

// serveAct lets a line of a failure map happen.
func (d *Dashboard) serveAct(w http.ResponseWriter, r *http.Request) {
	if !d.mayAct(r) {
		http.Error(w, "this page may only look: open it with the whole URL that was printed", http.StatusForbidden)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(writeTimeout))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, actBytesMax))
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	lines, err := failure.Parse(bytes.NewReader(text), "click")
	if err == nil && (len(lines) != 1 || lines[0].Every != 0) {
		err = errors.New("one line of a failure map is wanted, such as: 2s a <-> b cut")
	}
	if err == nil {
		err = d.config.Act(lines[0])
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
