// Package dashboard shows a run on a page in a browser: as it goes on, or from
// a trace.
//
// A [Dashboard] is a [trace.Sink]. It makes a film of the events that it is
// told (package film), keeps the latest of its steps, and serves them to at
// most [WatchersMax] browsers with the page that draws them. Nobody who
// watches can hold up who tells: browsers read what is kept, and one that falls
// behind what is kept is told so and dropped. Where a run can be changed
// ([Config.Act]), the page can cut links and crash members; that needs the
// token in the URL and a loopback address. Start reading at [New].
//
// Goroutines: one serves, and one for each request.
package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/film"
)

// Mode says what a page shows.
type Mode string

// The modes.
const (
	Replay    Mode = "replay"    // a trace that was written before
	Simulated Mode = "simulated" // a run in virtual time
	Live      Mode = "live"      // a run that goes on
	Served    Mode = "served"    // a member that stays, as it sees its cluster
)

// Config is all that a dashboard is made from.
type Config struct {
	Address string // to listen on, such as 127.0.0.1:7070; port 0 chooses one
	Mode    Mode
	Title   string // what is shown, in few words
	Header  trace.Header
	// Act lets a line of a failure map happen: in a live run now, in a
	// simulated one at its time. It is called by several goroutines at a time.
	// Nil, and any address that is not loopback, make the page read-only.
	Act func(failure.Event) error
	// Data says that members keep their data when they crash; the page says so.
	Data bool
	// Allowed reports whether a request shows that its sender may look, by the
	// password of basic authentication. Nil: everybody may who reaches the page.
	Allowed func(*http.Request) bool
	// Guard returns a listener that lets connections in. Nil: so many at a time that
	// all who watch have some.
	Guard func(net.Listener) net.Listener
	// WriteTrace writes the trace of the run, for GET /trace. Nil serves what
	// the dashboard was told, while it is told.
	WriteTrace func(io.Writer) error
	Log        *slog.Logger // nil is silence
}

const (
	// MembersMax is how many members a page can draw.
	MembersMax = 64
	// WatchersMax is how many browsers may watch at a time.
	WatchersMax = 16
	// requestsMax is how many connections may be open, watchers included.
	requestsMax = 4 * WatchersMax
)

// Dashboard shows one run. Use [New]. Tell, Pass, Load and End are for one
// goroutine at a time.
type Dashboard struct {
	config   Config
	token    string // empty where nothing can be changed
	instance string // another one in each process
	listener net.Listener
	server   *http.Server
	served   chan error

	film  *film.Film // nil for a member that is served, see Show
	reel  *reel
	lines *lines // of the trace; nil if Config.WriteTrace has them
	ended bool

	mu       sync.Mutex // guards all below
	members  []string
	faults   []string // lines of the failure map that took effect
	watchers int
	left     chan struct{} // closed when the last watcher goes
	thinned  uint64
	lately   time.Time // when that grew
	notice   string
}

// New listens and begins to serve. Close it.
func New(config Config) (*Dashboard, error) {
	if n := len(config.Header.Members); n > MembersMax {
		return nil, fmt.Errorf("dashboard: a page draws at most %d members, not %d", MembersMax, n)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // what may stand guard filters plain TCP only
	listener, err := plain.Listen(context.Background(), "tcp", config.Address)
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	if config.Mode == Served && config.Allowed == nil && !isLoopback(listener.Addr()) {
		return nil, errors.Join(errors.New("dashboard: anybody who reaches this address could look: name tokens, or listen on 127.0.0.1"), listener.Close())
	}
	if config.Guard == nil {
		config.Guard = func(inner net.Listener) net.Listener { return limited(inner, requestsMax) }
	}
	d := &Dashboard{config: config, members: config.Header.Members, listener: config.Guard(listener), served: make(chan error, 1), left: make(chan struct{})}
	if config.Act != nil && isLoopback(listener.Addr()) {
		d.token = newToken()
	}
	d.instance = newToken()[:8]
	d.reel = newReel()
	if config.Mode != Served {
		if config.WriteTrace == nil {
			d.lines = newLines(config.Header)
		}
		d.begin(config.Header)
	}
	d.server = &http.Server{
		Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		DisableGeneralOptionsHandler: true, // it waits for bodies
		ErrorLog:                     slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
	}
	go func() { d.served <- d.server.Serve(d.listener) }()
	return d, nil
}

// begin begins the film of a run.
func (d *Dashboard) begin(header trace.Header) {
	d.film = film.New(header, d.take)
	d.ended = false
}

// URL returns where the page is. It holds the token, if there is one.
func (d *Dashboard) URL() string {
	url := "http://" + d.listener.Addr().String() + "/"
	if d.token != "" {
		url += d.token + "/"
	}
	return url
}

// ReadOnly reports whether the page can change nothing.
func (d *Dashboard) ReadOnly() bool { return d.token == "" }

// Tell takes in the next event of the run. Times never fall.
func (d *Dashboard) Tell(e *trace.Event) {
	if e.Kind == trace.Fault {
		d.noteFault(e.Note)
	}
	if d.lines != nil {
		d.lines.add(e)
	}
	d.film.Tell(e)
}

// Pass lets the time of the run go on without an event.
func (d *Dashboard) Pass(at time.Duration) { d.film.Pass(at) }

// End ends the run. The page stays.
func (d *Dashboard) End() {
	if d.ended {
		return
	}
	d.ended = true
	d.film.End()
	if d.lines != nil {
		d.lines.end()
	}
}

// Load shows another run in place of the one so far: tell tells all of it.
func (d *Dashboard) Load(header trace.Header, tell func(trace.Sink) error) error {
	d.mu.Lock()
	d.faults = nil
	d.mu.Unlock()
	d.reel.restart()
	d.begin(header)
	err := tell(d)
	d.End()
	return err
}

// Renew begins a page anew that is told no events: it is of these members from now on.
func (d *Dashboard) Renew(members []string) {
	d.mu.Lock()
	d.members = members
	d.mu.Unlock()
	d.reel.restart()
}

// Notice shows a sentence on the page, such as that a trace ends early.
func (d *Dashboard) Notice(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notice = text
	d.reel.wake()
}

// Thinned adds to the number of batches and messages that the page does not
// show, for there are too many; it says so.
func (d *Dashboard) Thinned(more uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if more > 0 {
		d.lately = time.Now()
	}
	if d.thinned == 0 && more > 0 {
		d.reel.wake()
	}
	d.thinned += more
}

func (d *Dashboard) take(step *film.Step) { d.Show(step, d.film) }

// Keyer returns a step that tells everything as it is now.
type Keyer interface{ Key() *film.Step }

// Show takes in the next step of a page that is told no events. What told it is
// asked for a key now and then, for those who come later.
func (d *Dashboard) Show(step *film.Step, from Keyer) {
	data, err := json.Marshal(step)
	if err != nil {
		panic("dashboard: " + err.Error()) // our own type
	}
	d.reel.add(data, from)
}

// faultsMax is how many lines the failure map of a run may have here.
const faultsMax = 10_000

// noteFault keeps the lines of the failure map. One that happens again and
// again is one line.
func (d *Dashboard) noteFault(note string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, known := range d.faults[max(0, len(d.faults)-faultsLook):] {
		if known == note {
			return
		}
	}
	if len(d.faults) < faultsMax {
		d.faults = append(d.faults, note)
	}
}

// faultsLook is how far back it is looked whether a line happened before.
const faultsLook = 100

// failureMap writes what went wrong as a failure map.
func (d *Dashboard) failureMap() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var m failure.Map
	var others bytes.Buffer
	for _, note := range d.faults {
		lines, err := failure.Parse(bytes.NewReader([]byte(note)), "fault")
		if err != nil {
			fmt.Fprintf(&others, "# not a line of a failure map: %q\n", note)
			continue
		}
		m = append(m, lines...)
	}
	text := "# What went wrong in a run of " + fmt.Sprint(len(d.config.Header.Members)) + " members.\nversion " + failure.Version + "\n"
	return append([]byte(text+m.String()), others.Bytes()...)
}

// Wait waits until nobody watches, or stop is closed.
func (d *Dashboard) Wait(stop <-chan struct{}) {
	for {
		d.mu.Lock()
		watchers, left := d.watchers, d.left
		d.mu.Unlock()
		if watchers == 0 && !d.comesBack(stop) {
			return
		}
		select {
		case <-left:
		case <-stop:
			return
		}
	}
}

// comesBack waits for somebody who reloads the page.
func (d *Dashboard) comesBack(stop <-chan struct{}) bool {
	timer := time.NewTimer(reloadFor)
	defer timer.Stop()
	select {
	case <-timer.C:
		return d.Watchers() > 0
	case <-stop:
		return false
	}
}

// reloadFor is how long a page may take to come back.
const reloadFor = 1500 * time.Millisecond

// Watchers counts the browsers that watch.
func (d *Dashboard) Watchers() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.watchers
}

// enter counts a watcher in, if there is room.
func (d *Dashboard) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watchers == WatchersMax {
		return false
	}
	d.watchers++
	return true
}

func (d *Dashboard) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watchers--; d.watchers == 0 {
		close(d.left)
		d.left = make(chan struct{})
	}
}

// Close ends the page: everybody who watches is cut off.
func (d *Dashboard) Close() error {
	d.reel.close()
	if d.lines != nil {
		d.lines.end()
	}
	err := d.server.Close()
	if served := <-d.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
