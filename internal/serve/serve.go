// Package serve lets any language reach a member over HTTP: it writes, reads
// and watches the log through the public face, as any user of it.
//
// [New] makes the [Server] of a node. POST /v1/entries puts payloads in, GET
// /v1/entries reads the log by position, as JSON lines or as server-sent events
// for browsers; /v1/status and /v1/members say how things are, /metrics the same
// for Prometheus, /healthz and /readyz for who restarts and balances.
// /v1/openapi.json describes all of it.
//
// # Who may do what
//
// Without [Tokens] everybody who reaches the address may do everything, so it
// must be a loopback address. A page of another site that runs in a browser on
// this machine is refused: it may not write at all, and names other than
// localhost in the Host header may not read either.
//
// # Goroutines
//
// Requests run in those of net/http. One that streams has a timer besides, which
// flushes what was written, and one with a token a timer that looks whether that
// is still good.
package serve

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatterbox"
)

//go:embed openapi.json
var openAPI []byte

// Config is all that a server is made from.
type Config struct {
	// Node is the member that is served.
	Node *chatterbox.Node
	// Tokens are what callers must show. Nil: nobody must, see the package
	// comment.
	Tokens *Tokens
	// Log is told of requests that failed on our side. Default: nobody is.
	Log *slog.Logger
	// Door is what connections come through, which learns who is no stranger.
	// Nil: all that come are served.
	Door *Door
}

// Server serves one member. It is an http.Handler.
type Server struct {
	node     *chatterbox.Node
	tokens   *Tokens
	log      *slog.Logger
	door     *Door
	handler  http.Handler
	requests *prometheus.HistogramVec
	readers  atomic.Int64 // requests that read the log now
}

// New returns the server of a node. It starts nothing: give it to an
// http.Server, see [Limit].
func New(cfg Config) *Server {
	s := &Server{node: cfg.Node, tokens: cfg.Tokens, log: cfg.Log, door: cfg.Door}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	metrics := s.metrics()
	mux := http.NewServeMux()
	for _, r := range s.routes(metrics) {
		mux.Handle(r.pattern, s.guarded(r))
	}
	s.handler = http.NewCrossOriginProtection().Handler(mux)
	return s
}

// ServeHTTP answers a request. The body of who may not do what he asks for, or asks for
// what there is not, is waited for no longer than a second.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
	if r.Method == http.MethodOptions && r.RequestURI == "*" { // of the server as a whole; the multiplexer knows paths only
		recorded.Header().Set("Allow", allMethods)
		recorded.WriteHeader(http.StatusNoContent)
	} else {
		s.handler.ServeHTTP(recorded, r)
	}
	if !recorded.allowed && hasBody(r) { // nobody has read it, so the server will
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(dismissWithin)) // a test's has none
	}
}

// allMethods is what some path or other answers to.
const allMethods = "GET, HEAD, POST"

// hasBody reports whether something of a request may come yet.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// Limit sets how long and how large requests may be, and lets a [Door] learn who
// sends them. Neither bodies nor answers have a deadline: both may be streams that
// last.
func Limit(server *http.Server) {
	server.ReadHeaderTimeout = 5 * time.Second
	server.IdleTimeout = 2 * time.Minute
	server.MaxHeaderBytes = 16 << 10
	server.DisableGeneralOptionsHandler = true // it waits for bodies
	server.ConnContext = withConnection
}

// route is a pattern of the multiplexer, who may use it, and what answers.
type route struct {
	pattern string
	need    right
	serve   http.HandlerFunc
}

func (s *Server) routes(metrics http.Handler) []route {
	return []route{
		{"POST /v1/entries", mayWrite, s.write},
		{"GET /v1/entries", mayRead, s.read},
		{"GET /v1/status", mayRead, s.status},
		{"GET /v1/members", mayRead, s.members},
		{"POST /v1/members", mayWrite, s.change},
		{"GET /v1/orphans", mayRead, s.orphans},
		{"GET /v1/events", mayRead, s.events},
		{"GET /v1/openapi.json", mayRead, serveOpenAPI},
		{"GET /metrics", mayRead, metrics.ServeHTTP},
		{"GET /healthz", mayAsk, s.healthz},
		{"GET /readyz", mayAsk, s.readyz},
	}
}

// guarded lets only those through who may, and measures the others' requests.
func (s *Server) guarded(r route) http.Handler {
	_, path, _ := strings.Cut(r.pattern, " ")
	counted := s.requests.MustCurryWith(prometheus.Labels{"route": path})
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		began := time.Now()
		recorded := w.(*recorder) // ours
		defer func() {
			counted.WithLabelValues(request.Method, statusText(recorded.status)).Observe(time.Since(began).Seconds())
		}()
		if status, reason := s.refusal(request, r.need); status != 0 {
			dismiss(recorded)
			refuse(recorded, status, reason)
			return
		}
		recorded.allowed = r.need != mayAsk
		if s.tokens != nil && r.need != mayAsk {
			vouch(request)
			w := s.watchToken(recorded, request, r.need)
			defer w.end()
			request = w.request
		}
		r.serve(recorded, request)
	})
}

// refusal returns with which status a request is refused; 0 if it is not.
func (s *Server) refusal(r *http.Request, need right) (status int, reason string) {
	if need == mayAsk {
		return 0, ""
	}
	if s.tokens != nil {
		return s.tokens.refusal(r.Header.Get("Authorization"), need)
	}
	if !local(r.Host) {
		return http.StatusForbidden, "without tokens this address answers to localhost only, not to " + r.Host
	}
	return 0, ""
}

// local reports whether a Host header names this machine by what no name server
// can change: a page of another site that had its name point here shows its own.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// recorder remembers the status of an answer, and whether the sender may do what he
// asks for.
type recorder struct {
	http.ResponseWriter
	status  int
	allowed bool
}

// WriteHeader passes the status on.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// failure is the answer to a request that failed.
type failure struct {
	Error string `json:"error"`
	// Oldest is the first position that can be read, where that is the trouble.
	Oldest uint64 `json:"oldest,omitempty"`
	*entryID
	// InDoubt says that the entry may have been accepted all the same: ask for
	// it, or send it again with its Idempotency-Key.
	InDoubt bool `json:"in_doubt,omitempty"`
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	answer(w, status, failure{Error: reason})
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // our own types
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who is gone needs no answer
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}

// gone reports whether the caller went away.
func gone(r *http.Request) bool {
	return r.Context().Err() != nil && !errors.Is(context.Cause(r.Context()), errToken)
}

// whyNot returns the status and the text for an error of the node.
func (s *Server) whyNot(err error) (status int, reason string) {
	reason = strings.TrimPrefix(err.Error(), "chatterbox: ")
	switch {
	case errors.Is(err, chatterbox.ErrPayload):
		return http.StatusBadRequest, reason
	case errors.Is(err, chatterbox.ErrFull) && s.node.Status().Writable == nil:
		return http.StatusTooManyRequests, reason
	case errors.Is(err, chatterbox.ErrFull), errors.Is(err, chatterbox.ErrReadOnly), errors.Is(err, chatterbox.ErrClosed), errors.Is(err, chatterbox.ErrRemoved):
		return http.StatusServiceUnavailable, reason
	}
	s.log.Error("a request failed", "error", err)
	return http.StatusServiceUnavailable, reason
}
