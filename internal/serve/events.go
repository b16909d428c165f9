package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"chatterbox"
)

const (
	// lookEvery is how often a member is looked at for those who wait for events.
	lookEvery = 250 * time.Millisecond
	// silentAfter is for how long a member is not heard when it is said.
	silentAfter = time.Second
)

// Event is something that an operator wants to know, as GET /v1/events says it.
type Event struct {
	// Type is "status" for the first one, which has all of it; then "heard" and
	// "silent" of a member, "settling" when the members that settling waits for
	// change, "view" when the members change, "ready" and "not-ready", "writable" and
	// "not-writable"; "end" is the last one.
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	// Member is who was heard again, or is not heard.
	Member string `json:"member,omitempty"`
	// Seconds is how long nothing was heard of it; missing if nothing ever was.
	Seconds *float64 `json:"heard_s,omitempty"`
	// Stopped reports whether who is not heard was stopped as planned.
	Stopped bool `json:"stopped,omitempty"`
	// Reason says why.
	Reason string `json:"reason,omitempty"`
	// HeldUpBy is who settling waits for, since when, and what ends it; of
	// "settling" only, empty if it waits for nobody.
	HeldUpBy *[]Culprit `json:"held_up_by,omitempty"`
	// View is the number of the view, Members who belongs to it, and Came and Gone
	// whom it has that the one before had not, and the other way round; of "view"
	// only.
	View    uint64   `json:"view,omitempty"`
	Members []string `json:"members,omitempty"`
	Came    []string `json:"came,omitempty"`
	Gone    []string `json:"gone,omitempty"`
	Status  *Status  `json:"status,omitempty"`
}

// Watch looks at a node again and again and calls each with what has changed,
// until it returns false, or ctx or the node ends. The first event has the
// status at the beginning.
func Watch(ctx context.Context, node *chatterbox.Node, each func(*Event) bool) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	before := lookAt(node)
	if !each(&Event{Type: "status", At: before.at, Status: &before.status}) {
		return
	}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-node.Done():
			each(&Event{Type: "end", At: time.Now(), Reason: stopping})
			return
		}
		now := lookAt(node)
		for _, e := range changes(&before, &now) {
			if !each(&e) {
				return
			}
		}
		before = now
	}
}

// look is how a member is at a moment.
type look struct {
	at     time.Time
	status Status
}

func lookAt(node *chatterbox.Node) look {
	now, status := time.Now(), node.Status()
	return look{now, StatusOf(&status, now)}
}

// changes returns what has happened between two looks: who holds settling up
// after who is silent, for that is mostly why.
func changes(before, now *look) (events []Event) {
	for i := range now.status.Members {
		if i >= len(before.status.Members) || now.status.Members[i].Name == now.status.Name {
			continue
		}
		m := &now.status.Members[i]
		switch was, is := isHeard(&before.status.Members[i]), isHeard(m); {
		case is && !was:
			events = append(events, Event{Type: "heard", Member: m.Name, Seconds: before.status.Members[i].Heard})
		case was && !is && m.Counts():
			events = append(events, Event{Type: "silent", Member: m.Name, Seconds: m.Heard, Stopped: m.Stopped, Reason: m.Trouble})
		}
	}
	if is, was := now.status.View, before.status.View; is != was && is > 0 {
		here, there := membersOf(&now.status), membersOf(&before.status)
		events = append(events, Event{Type: "view", View: is, Members: here, Came: without(here, there), Gone: without(there, here)})
	}
	if !slices.EqualFunc(before.status.HeldUpBy, now.status.HeldUpBy, func(a, b Culprit) bool { return a.Name == b.Name }) {
		events = append(events, Event{Type: "settling", HeldUpBy: &now.status.HeldUpBy})
	}
	events = appendTurn(events, "ready", before.status.Ready, now.status.Ready, now.status.Reason)
	events = appendTurn(events, "writable", before.status.Writable, now.status.Writable, now.status.WhyNot)
	for i := range events {
		events[i].At = now.at
	}
	return events
}

// membersOf returns the names of the members of the view.
func membersOf(s *Status) (names []string) {
	for _, m := range s.inView() {
		if m.Counts() {
			names = append(names, m.Name)
		}
	}
	return names
}

// without returns the names that are not among others.
func without(names, others []string) (rest []string) {
	for _, name := range names {
		if !slices.Contains(others, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// isHeard reports whether a member was heard just now.
func isHeard(m *Member) bool { return m.Heard != nil && *m.Heard < silentAfter.Seconds() }

func appendTurn(events []Event, name string, was, is bool, reason string) []Event {
	switch {
	case is && !was:
		return append(events, Event{Type: name})
	case was && !is:
		return append(events, Event{Type: "not-" + name, Reason: reason})
	}
	return events
}

// events tells what happens, as server-sent events or as lines.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	for name := range r.URL.Query() {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%s: there are no parameters", name))
		return
	}
	if !s.admitReader(w) {
		return
	}
	defer s.readers.Add(-1)
	out := newStream(w, wantsEvents(r.Header))
	defer out.end()
	Watch(r.Context(), s.node, out.event)
}

// event writes something that happened, and reports whether anybody takes it.
func (o *stream) event(e *Event) bool {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // our own type
	}
	if o.line = o.line[:0]; o.events {
		o.line = append(append(append(o.line, "event: "...), e.Type...), "\ndata: "...)
	}
	o.line = append(append(o.line, text...), '\n')
	return o.write()
}

// Logged returns what tells a log of events, for [Watch]: warnings of what keeps
// entries from settling or being taken, and when that is over.
func Logged(log *slog.Logger) func(*Event) bool {
	return func(e *Event) bool {
		switch e.Type {
		case "status":
			if !e.Status.Ready {
				log.Info("nothing settles yet", "reason", e.Status.Reason)
			}
		case "heard":
			log.Info("a member is heard again", "member", e.Member)
		case "silent":
			logSilent(log, e)
		case "settling":
			logSettling(log, *e.HeldUpBy)
		case "ready":
			log.Info("entries settle")
		case "not-ready":
			log.Warn("nothing settles", "reason", e.Reason)
		case "writable":
			log.Info("entries are taken")
		case "not-writable":
			log.Error("no entries are taken", "reason", e.Reason)
		}
		return true
	}
}

func logSilent(log *slog.Logger, e *Event) {
	if e.Stopped {
		log.Info("a member was stopped as planned", "member", e.Member)
		return
	}
	log.Warn("a member is not heard", "member", e.Member, "trouble", e.Reason)
}

func logSettling(log *slog.Logger, by []Culprit) {
	for _, who := range by {
		log.Warn("settling waits for a member", "member", who.Name, "since_s", who.Since, "do", who.Command)
	}
	if len(by) == 0 {
		log.Info("settling waits for nobody")
	}
}
