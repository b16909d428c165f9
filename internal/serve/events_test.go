package serve

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestEventsSayWhatHappens: who is silent, who holds settling up, and that all is
// well again, in this order; at last that the member stops.
func TestEventsSayWhatHappens(t *testing.T) {
	inStage(t, func(s *stage) {
		lines, stream := make(chan string, 1), make(chan string, 1)
		go func() { lines <- s.ask("GET", "/v1/events", "", "").Body.String() }()
		go func() { stream <- s.ask("GET", "/v1/events", "Accept: text/event-stream", "").Body.String() }()
		synctest.Wait()
		s.cluster.Isolate("c")
		s.contains(s.ask("POST", "/v1/entries", "", "x"), 201, `"seq":1`)
		<-time.After(5 * time.Second)
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "settling waits for c since ")
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "start c again with its own folder, or mend its network")
		s.cluster.HealAll()
		s.cluster.Agree()
		<-time.After(5 * time.Second)
		if err := s.cluster.Node("a").Close(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		var said []string
		for line := range strings.Lines(<-lines) {
			var e Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				s.t.Fatalf("%v in %s", err, line)
			}
			text := e.Type
			if e.Member != "" {
				text += " " + e.Member
			}
			if e.HeldUpBy != nil {
				for _, who := range *e.HeldUpBy {
					text += " " + who.Name
				}
			}
			said = append(said, text)
		}
		sorted := slices.Sorted(slices.Values(said))
		if want := []string{"end", "heard c", "not-ready", "ready", "settling", "settling c", "silent c", "status"}; !slices.Equal(sorted, want) {
			s.t.Fatalf("said %q", said)
		}
		for _, order := range [][]string{
			{"status", "silent c", "heard c", "end"}, {"not-ready", "ready", "end"}, {"settling c", "settling", "end"},
		} {
			if !slices.IsSortedFunc(order, func(a, b string) int { return slices.Index(said, a) - slices.Index(said, b) }) {
				s.t.Errorf("said %q", said)
			}
		}
		if text := <-stream; !strings.HasPrefix(text, "event: status\ndata: {\"type\":\"status\"") || !strings.Contains(text, "\nevent: end\ndata: ") {
			s.t.Errorf("as events: %s", text)
		}
	})
}

// TestEventsNeedNoNews: what does not change is not said again.
func TestEventsNeedNoNews(t *testing.T) {
	now, heard, far := look{at: time.Now()}, 0.1, 90.0
	now.status = Status{
		Name: "a", Ready: true, HeldUpBy: []Culprit{{Name: "c", Since: 1}},
		Members: []Member{{Name: "a"}, {Name: "b", Heard: &heard}, {Name: "c", Heard: &far}, {Name: "d"}},
	}
	later := now
	later.status.HeldUpBy = []Culprit{{Name: "c", Since: 2}}
	if events := changes(&now, &later); len(events) > 0 {
		t.Errorf("said %+v", events)
	}
}

// firstEvent asks for events until the first one has come.
func (s *stage) firstEvent() *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(s.t.Context())
	request := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/v1/events", nil)
	w, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		s.server.ServeHTTP(w, request)
		close(done)
	}()
	synctest.Wait()
	cancel()
	<-done
	return w
}

// holdsUp waits until settling waits for a member.
func (s *stage) holdsUp(name string) bool {
	for range 100 {
		<-time.After(100 * time.Millisecond)
		status := s.cluster.Node("a").Status()
		if by := StatusOf(&status, time.Now()).HeldUpBy; len(by) == 1 && by[0].Name == name {
			return true
		}
	}
	return false
}
