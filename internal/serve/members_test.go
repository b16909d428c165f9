package serve

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox"
)

// byCommand has members go and come back by command alone.
func byCommand(c *chatterbox.Config) { c.EvictAfter = -1 }

// TestWhoIsAwayIsSaidToBeLetGo: as long as settling waits for c it is said what ends
// that, and when; then the others go on without it, which is an event.
func TestWhoIsAwayIsSaidToBeLetGo(t *testing.T) {
	inStage(t, func(s *stage) {
		lines := make(chan string, 1)
		go func() { lines <- s.ask("GET", "/v1/events", "", "").Body.String() }()
		synctest.Wait()
		s.cluster.Crash("c")
		s.contains(s.ask("POST", "/v1/entries", "", "x"), 201, `"seq":1`)
		<-time.After(5 * time.Second)
		for _, target := range []string{"/readyz", "/v1/status"} {
			s.contains(s.ask("GET", target, "", ""), 200, "once it has been away for 10s the others go on without it by themselves, or at once: chatterbox members evict c --http ADDR")
		}
		<-time.After(7 * time.Second)
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "ready\n")
		s.contains(s.ask("GET", "/v1/members", "", ""), 200, `{"view":2,"quorum":2,"holders":2,"may_fail":0,`)
		if err := s.cluster.Node("a").Close(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		if said := <-lines; !strings.Contains(said, `"view":2,"members":["a","b"],"gone":["c"]`) {
			s.t.Errorf("%s", said)
		}
	})
}

// TestMembersChangeOverHTTP has the others go on without c, which is gone, and
// looks at all that tells of it.
func TestMembersChangeOverHTTP(t *testing.T) {
	inStageOf(t, byCommand, func(s *stage) {
		lines := make(chan string, 1)
		go func() { lines <- s.ask("GET", "/v1/events", "", "").Body.String() }()
		s.contains(s.ask("GET", "/v1/members", "", ""), 200, `{"view":1,"quorum":2,"holders":2,"may_fail":1,"members":[{"name":"a",`)
		for body, why := range map[string]string{
			"":                              `write the change as {\"action\":\"evict\",\"name\":\"c\"}`,
			`{"action":"dance","name":"c"}`: `action \"dance\": evict, leave, move, return and replace are what there is`,
			`{"action":"evict"}`:            "name the member",
			`{"action":"evict","name":"c"` + strings.Repeat(" ", changeBytesMax) + "}": "a change has at most 4096 bytes",
		} {
			s.contains(s.ask("POST", "/v1/members", "", body), 400, why)
		}
		s.contains(s.ask("POST", "/v1/members", "", `{"action":"evict","name":"x"}`), 409, `no member is called \"x\"`)
		s.cluster.Crash("c")
		s.contains(s.ask("POST", "/v1/entries", "", "x"), 201, `"seq":1`)
		<-time.After(5 * time.Second)
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "if it does not come back, go on without it: chatterbox members evict c --http ADDR")
		s.expect(s.ask("POST", "/v1/members", "", `{"action":"evict","name":"c"}`), 202, `{"view":2,"decided":true}`)
		s.cluster.Agree()
		<-time.After(time.Second)
		w := s.ask("GET", "/v1/members", "", "")
		var members Membership
		if err := json.Unmarshal(w.Body.Bytes(), &members); err != nil {
			s.t.Fatal(err)
		}
		if members.View != 2 || members.Quorum != 2 || members.MayFail != 0 || len(members.Members) != 2 || members.Members[1].Name != "b" {
			s.t.Errorf("%s", w.Body)
		}
		s.contains(s.ask("GET", "/v1/status", "", ""), 200, `"name":"c","address":"c:3","place":2,"role":"evicted"`)
		s.contains(s.ask("GET", "/readyz", "", ""), 200, "ready\n")
		metrics := s.ask("GET", "/metrics", "", "").Body.String()
		for _, want := range []string{"\nchatterbox_view 2\n", "\nchatterbox_members 2\n", "\nchatterbox_may_fail_members 0\n", "\nchatterbox_ready 1\n"} {
			if !strings.Contains(metrics, want) || strings.Contains(metrics, `member="c"`) {
				s.t.Errorf("no %q, or something of c, in %s", want, metrics)
			}
		}
		for target, why := range map[string]string{"": "name the member", "?name=": "name the member", "?name=c&x=1": "nothing else"} {
			s.contains(s.ask("GET", "/v1/orphans"+target, "", ""), 400, why)
		}
		for _, name := range []string{"b", "c"} { // of c a and b have nothing that is not in the order
			s.expect(s.ask("GET", "/v1/orphans?name="+name, "", ""), 200, "")
		}
		s.cluster.Crash("b")
		<-time.After(5 * time.Second)
		s.contains(s.ask("POST", "/v1/members", "", `{"action":"evict","name":"b"}`), 409, "2 of 2 members decide on a change, here is only a; not heard: b")
		if text := s.ask("GET", "/readyz", "", "").Body.String(); !strings.Contains(text, "b not heard") || strings.Contains(text, "evict") {
			s.t.Errorf("ready: %s", text)
		}
		if err := s.cluster.Node("a").Close(s.t.Context()); err != nil {
			s.t.Log(err) // nobody else is there
		}
		synctest.Wait()
		judgeViews(s, <-lines)
	})
}

// judgeViews demands the one event of a view.
func judgeViews(s *stage, lines string) {
	s.t.Helper()
	var views []Event
	for line := range strings.Lines(lines) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("%v in %s", err, line)
		}
		if e.Type == "view" {
			views = append(views, e)
		}
	}
	if len(views) != 1 || views[0].View != 2 || !slices.Equal(views[0].Members, []string{"a", "b"}) || !slices.Equal(views[0].Gone, []string{"c"}) || views[0].Came != nil {
		s.t.Errorf("%+v", views)
	}
}

// TestOrphansAreReadWhereTheyAre lets c write while it is cut off and evicted, and
// asks c itself once it knows.
func TestOrphansAreReadWhereTheyAre(t *testing.T) {
	inStageOf(t, byCommand, func(s *stage) {
		c := &stage{t: s.t, cluster: s.cluster, server: New(Config{Node: s.cluster.Node("c")})}
		s.cluster.Isolate("c")
		c.contains(c.ask("POST", "/v1/entries", "", "alone"), 201, `"seq":1`)
		s.cluster.Evict("a", "c")
		s.cluster.HealAll()
		s.cluster.Agree()
		<-time.After(time.Second) // until it has looked at that
		c.contains(c.ask("GET", "/readyz", "", ""), 503, "let go of this one")
		c.contains(c.ask("GET", "/v1/orphans?name=c", "", ""), 200, `{"position":0,"origin":"c","seq":1,`)
		c.contains(c.ask("GET", "/v1/orphans?name=c", "", ""), 200, `"payload":"alone","settled":false}`)
	})
}
