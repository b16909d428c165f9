package serve

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// dismissWithin is how long the rest of a refused request is waited for.
const dismissWithin = time.Second

// dismiss lets the connection of who may do nothing end with the answer, however
// slowly the rest of the request comes.
func dismiss(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(dismissWithin)) // a test's has none
}

// errToken ends requests whose token is good no more.
var errToken = errors.New("the token is not good any more")

// tokenWatch ends a request that lasts when its token is good no more.
type tokenWatch struct {
	s       *Server
	request *http.Request // with a context that ends then
	need    right
	cancel  context.CancelCauseFunc

	mu    sync.Mutex          // guards all below: the timer runs beside the request
	w     http.ResponseWriter // nil: the request is over
	timer *time.Timer
}

func (s *Server) watchToken(w http.ResponseWriter, r *http.Request, need right) *tokenWatch {
	t := &tokenWatch{s: s, need: need, w: w}
	var ctx context.Context
	ctx, t.cancel = context.WithCancelCause(r.Context())
	t.request = r.WithContext(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(rereadEvery, t.look)
	return t
}

func (t *tokenWatch) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.w == nil {
		return
	}
	if status, _ := t.s.refusal(t.request, t.need); status != 0 {
		t.cancel(errToken)
		control := http.NewResponseController(t.w)
		_ = control.SetReadDeadline(time.Now())                     // it may wait for more of the body
		_ = control.SetWriteDeadline(time.Now().Add(dismissWithin)) // or for who does not read
		return
	}
	if _, err := t.s.tokens.now(); err != nil {
		t.s.log.Warn("the file of tokens cannot be read, those before go on", "error", err)
	}
	t.timer.Reset(rereadEvery)
}

// end lets the timer do nothing any more: the handler returns.
func (t *tokenWatch) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w = nil
	t.timer.Stop()
	t.cancel(nil)
}
