//go:build unix

package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// knowledge is what clients know of the log.
type knowledge struct {
	sent     map[string]bool   // keys of entries that were sent
	accepted map[string]string // keys of those that were accepted, and their IDs
	seen     map[uint64]string // what was read at a position
	refused  int               // answers that were not 201, or did not come
	broken   []string
}

func knowledgeOfNothing() knowledge {
	return knowledge{sent: map[string]bool{}, accepted: map[string]string{}, seen: map[uint64]string{}}
}

// write sends an entry to a member until it is accepted.
func (h *house) write(ctx context.Context, to int, key string) bool {
	h.mu.Lock()
	h.sent[key] = true
	h.mu.Unlock()
	for ctx.Err() == nil {
		if status, _ := h.post(ctx, to, key); status == http.StatusCreated {
			return true
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// post sends an entry once, and returns the status of the answer and the
// answer; 0 if none came.
func (h *house) post(ctx context.Context, to int, key string) (status int, body []byte) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url(to, "/v1/entries"), strings.NewReader(key))
	if err != nil {
		h.t.Error(err)
		return 0, nil
	}
	request.Header.Set("Idempotency-Key", key)
	return h.answerTo(request, to, key)
}

// settle sends an entry once, without a key, waits until it has settled, and
// reports whether it has.
func (h *house) settle(ctx context.Context, at int, payload string) bool {
	h.mu.Lock()
	h.sent[payload] = true
	h.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url(at, "/v1/entries?until=settled"), strings.NewReader(payload))
	if err != nil {
		h.t.Error(err)
		return false
	}
	status, _ := h.answerTo(request, at, payload)
	return status == http.StatusCreated
}

// answerTo makes a request that sends an entry, and notes what comes of it.
func (h *house) answerTo(request *http.Request, to int, key string) (status int, body []byte) {
	if response, err := h.clients[to].Do(request); err == nil {
		defer response.Body.Close() //nolint:errcheck // only read
		if body, err = io.ReadAll(response.Body); err == nil {
			status = response.StatusCode
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if status == http.StatusCreated {
		h.accepted[key] = entryOf(body).id()
	} else {
		h.refused++
	}
	return status, body
}

func (h *house) url(of int, path string) string { return "http://" + h.places[of].web + path }

// get returns the status and the body of an answer; 0 if none came.
func (h *house) get(of int, path string) (status int, body string) {
	response, err := h.clients[of].Get(h.url(of, path))
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

func (h *house) ready(of int) bool {
	status, _ := h.get(of, "/readyz")
	return status == http.StatusOK
}

// entry is a line of the log.
type entry struct {
	Position uint64
	Origin   string
	Seq      uint64
	Payload  string
}

func (e entry) id() string { return fmt.Sprintf("%s/%d", e.Origin, e.Seq) }

func entryOf(line []byte) (e entry) {
	_ = json.Unmarshal(line, &e) // what is no entry has no position
	return e
}

// follow reads the log of a member as it grows, again and again from where it
// broke off, and compares what stands at a position with what anybody read there.
func (h *house) follow(ctx context.Context, of int) {
	client := http.Client{Transport: h.clients[of].Transport}
	for next := uint64(1); ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url(of, fmt.Sprintf("/v1/entries?follow=true&from=%d", next)), nil)
		if err != nil {
			h.t.Error(err)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			e := entryOf(lines.Bytes())
			if e.Position == 0 {
				break // the end, with its reason
			}
			h.see(of, e, next)
			next = e.Position + 1
		}
		_ = response.Body.Close()
	}
}

func (h *house) see(by int, e entry, want uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := e.id() + " " + e.Payload
	if e.Position != want {
		h.broken = append(h.broken, fmt.Sprintf("member %d gave out position %d after %d", by, e.Position, want-1))
	}
	if before, known := h.seen[e.Position]; known && before != text {
		h.broken = append(h.broken, fmt.Sprintf("position %d was %q, and is %q at member %d", e.Position, before, text, by))
	}
	h.seen[e.Position] = text
}

// settled returns how many entries have settled at a member.
func (h *house) settled(of int) (count int) {
	var status struct{ Settled int }
	_, body := h.get(of, "/v1/status")
	_ = json.Unmarshal([]byte(body), &status) // no answer has no entries
	return status.Settled
}

// allSettled reports whether members have settled as much as each other, and the first
// of them all that was accepted. More may have settled than clients were told of, so
// counts alone do not say that.
func (h *house) allSettled(at ...int) bool {
	first := h.settled(at[0])
	for _, i := range at {
		if h.settled(i) != first {
			return false
		}
	}
	return first > 0 && h.hasAccepted(h.logOf(at[0]))
}

// hasAccepted reports whether all that was accepted is among entries.
func (h *house) hasAccepted(log []entry) bool {
	there := map[string]bool{}
	for i := range log {
		there[log[i].Payload] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for payload := range h.accepted {
		if !there[payload] {
			return false
		}
	}
	return true
}

// calm waits until all members give out the same log with all that was
// accepted.
func (h *house) calm(ctx context.Context) []entry {
	for end := time.Now().Add(calmMax); time.Now().Before(end); pause(ctx, 50*time.Millisecond) {
		first, equal := h.settled(0), true
		for i := 1; i < members && equal; i++ {
			equal = h.settled(i) == first
		}
		if first == 0 || !equal {
			continue
		}
		_, log := h.get(0, "/v1/entries")
		for i := 1; i < members && equal; i++ {
			_, other := h.get(i, "/v1/entries")
			equal = other == log
		}
		if whole := entriesOf(log); equal && h.hasAccepted(whole) {
			return whole
		}
	}
	h.tellAll()
	for i := range members {
		h.t.Errorf("member %d has settled %d entries; %d were accepted", i, h.settled(i), len(h.accepted))
	}
	h.t.Fatal("members do not come to the same log")
	return nil
}

func entriesOf(log string) (entries []entry) {
	for line := range bytes.Lines([]byte(log)) {
		entries = append(entries, entryOf(line))
	}
	return entries
}

// problemsShown is how many problems of a log are shown.
const problemsShown = 20

// judge compares the log with what clients know.
func (k *knowledge) judge(t testing.TB, log []entry) {
	t.Helper()
	problems := append(k.problems(log), k.broken...)
	for _, text := range problems[:min(len(problems), problemsShown)] {
		t.Error(text)
	}
	if len(problems) > problemsShown {
		t.Errorf("and %d problems more", len(problems)-problemsShown)
	}
	if len(k.accepted) == 0 {
		t.Error("nothing was accepted: this proves nothing")
	}
}

// problems returns what is wrong with the log.
func (k *knowledge) problems(log []entry) (found []string) {
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	places := map[string]uint64{}
	for i, e := range log {
		if e.Position != uint64(i+1) {
			wrong("position %d stands at place %d", e.Position, i+1)
		}
		if before, twice := places[e.Payload]; twice {
			wrong("%q is there twice, at %d and %d", e.Payload, before, e.Position)
		}
		places[e.Payload] = e.Position
		if id, known := k.accepted[e.Payload]; known && id != e.id() {
			wrong("%q was accepted as %s and is %s", e.Payload, id, e.id())
		}
		if before := k.seen[e.Position]; before != "" && before != e.id()+" "+e.Payload {
			wrong("position %d was read as %q and is %q", e.Position, before, e.Payload)
		}
		if !k.sent[e.Payload] {
			wrong("%q was never sent", e.Payload)
		}
	}
	for key, id := range k.accepted {
		if places[key] == 0 {
			wrong("%q, accepted as %s, is lost", key, id)
		}
	}
	for position := range k.seen {
		if position > uint64(len(log)) {
			wrong("position %d was read, and is not there any more", position)
		}
	}
	return found
}

// read returns the log as it was read by those that followed it.
func (k *knowledge) read() []entry {
	log := make([]entry, len(k.seen))
	for position, text := range k.seen {
		id, payload, _ := strings.Cut(text, " ")
		e := entry{Position: position, Payload: payload}
		e.Origin, _, _ = strings.Cut(id, "/")
		_, _ = fmt.Sscanf(id, e.Origin+"/%d", &e.Seq)
		if position <= uint64(len(log)) {
			log[position-1] = e
		}
	}
	return log
}
