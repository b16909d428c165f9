package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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

// take returns what was written since the last call.
func (p *page) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text.String()
	p.text.Reset()
	return text
}

// What is said too often is counted, and the count is said: when the time is
// over, also if nothing more comes, and at the end.
func TestLogIsLimitedAndSaysWhatWasLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out page
		handler := newLimited(slog.NewJSONHandler(&out, nil))
		log := slog.New(handler).With("who", "a")
		for i := range logMost + 5 {
			log.Warn("again and again", "i", i)
		}
		log.Error("again and again") // another kind
		log.Debug("not wanted")
		if lines := strings.Count(out.take(), "\n"); lines != logMost+1 {
			t.Fatalf("%d lines at once, want %d", lines, logMost+1)
		}
		<-time.After(logEvery)
		synctest.Wait()
		var said struct {
			Level, Msg, Who string
			Left            int `json:"left_out"`
		}
		text := out.take()
		if err := json.Unmarshal([]byte(text), &said); err != nil || said.Left != 5 || said.Msg != "again and again" || said.Who != "a" || said.Level != "WARN" {
			t.Fatalf("said %q, %v", text, err)
		}
		for range logMost + 2 {
			log.Warn("again and again")
		}
		handler.limits.end()
		if lines := strings.Split(strings.TrimSpace(out.take()), "\n"); len(lines) != logMost+1 || !strings.Contains(lines[logMost], `"left_out":2`) {
			t.Fatalf("at the end: %q", lines[len(lines)-1])
		}
	})
}

// However many different things are said, memory is bounded.
func TestLogRemembersSoManyKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		handler := newLimited(slog.NewTextHandler(&out, nil))
		log := slog.New(handler)
		for i := range 10 * logKinds {
			log.Info(fmt.Sprint("number ", i)) //nolint:sloglint // that is the point
		}
		if kinds := len(handler.limits.kinds); kinds > logKinds+1 {
			t.Errorf("%d kinds are remembered", kinds)
		}
		if lines := strings.Count(out.String(), "\n"); lines > logKinds+logMost {
			t.Errorf("%d lines", lines)
		}
		handler.limits.end()
		if !strings.Contains(out.String(), fmt.Sprintf(`"other messages" left_out=%d`, 9*logKinds-logMost)) {
			t.Errorf("ends with %q", out.String()[out.Len()-200:])
		}
	})
}
