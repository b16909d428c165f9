//go:build unix

package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatterbox/test/program"
)

// join starts somebody who joins by a member, unless its folder has a place already.
func (h *house) join(i int, name string, by int) {
	if h.places[i].flags == nil {
		h.places[i].flags = []string{"--join", h.places[by].peer, "--name", name}
	}
	h.start(i)
}

// hasPlace reports whether a member shows that somebody has a place.
func (h *house) hasPlace(at int, name string) bool {
	var view struct{ Members []struct{ Name string } }
	_, body := h.get(at, "/v1/members")
	_ = json.Unmarshal([]byte(body), &view) // no answer has no members
	return slices.ContainsFunc(view.Members, func(m struct{ Name string }) bool { return m.Name == name })
}

// logOf returns what a member can be read from its first position on.
func (h *house) logOf(at int) []entry {
	var status struct{ Oldest uint64 }
	_, body := h.get(at, "/v1/status")
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		h.t.Fatal(err)
	}
	_, log := h.get(at, fmt.Sprintf("/v1/entries?from=%d", status.Oldest))
	return entriesOf(log)
}

// TestAClusterGrowsAndShrinks while clients write at all members, of whom one is killed
// when it has just been given its place, and another one later. Then founders leave, and
// those who joined go on.
func TestAClusterGrowsAndShrinks(t *testing.T) {
	program.OnlyAmongAll(t)
	h, stop := written(t)
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	writes := func(at int) {
		clients.Go(func() {
			for n := 0; h.write(ctx, at, fmt.Sprintf("at %d entry %d", at, n)); n++ {
			}
		})
	}
	goesOn := func(at int) {
		t.Helper()
		before := h.settled(at)
		h.until(fmt.Sprintf("settling goes on at %d", at), func() bool { return h.settled(at) > before+20 })
	}
	h.join(3, "d", 0)
	writes(3)
	h.until("d is a member", func() bool { return h.ready(3) })
	h.join(4, "e", 3)
	writes(4)
	h.until("e has a place", func() bool { return h.hasPlace(0, "e") })
	h.kill(4)
	h.join(4, "e", 3)
	h.until("e is a member", func() bool { return h.ready(4) })
	goesOn(4)
	h.kill(3)
	h.places[3].flags = []string{} // its folder knows who it is
	h.join(3, "d", 0)
	h.until("d is there again", func() bool { return h.ready(3) })
	goesOn(3)
	for i, name := range []string{"a", "b"} {
		if text, status := h.members(i, "leave", name); status != 0 || !strings.Contains(text, name+" has left: view ") {
			t.Fatalf("exit status %d: %s", status, text)
		}
		if err := h.process(i).Wait(); err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
		goesOn(3)
	}
	cancel()
	clients.Wait()
	stop()
	h.until("all has settled at all", func() bool { return h.allSettled(2, 3, 4) })
	log := h.logOf(2)
	h.judge(t, log)
	for i := 3; i < housed; i++ {
		mine := h.logOf(i)
		if n := len(log) - len(mine); n < 0 || len(mine) == 0 || !slices.Equal(mine, log[n:]) {
			t.Errorf("member %d has %d entries, which are not the last ones of the %d that c has", i, len(mine), len(log))
		}
	}
}

// roleOf returns what a member says somebody is; "" if it has no place.
func (h *house) roleOf(at int, name string) string {
	var view struct{ Members []struct{ Name, Role string } }
	_, body := h.get(at, "/v1/members")
	_ = json.Unmarshal([]byte(body), &view) // no answer has no members
	for _, m := range view.Members {
		if m.Name == name {
			return m.Role
		}
	}
	return ""
}

// TestAnObserverReadsAndNobodyWaitsForIt: it is started before the members are, reads all
// that clients write to them, takes nothing, is killed without anybody noticing, catches
// up with its folder, and started without --observe becomes a member.
func TestAnObserverReadsAndNobodyWaitsForIt(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t)
	h.places[3].flags = []string{"--join", h.places[0].peer, "--name", "o", "--observe"}
	h.start(3)
	h.startAll()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for at := range members {
		clients.Go(func() {
			for n := 0; h.write(ctx, at, fmt.Sprintf("at %d entry %d", at, n)); n++ {
			}
		})
	}
	h.until("the observer is ready", func() bool { return h.ready(3) })
	if status, body := h.post(ctx, 3, "no"); status != http.StatusServiceUnavailable || !strings.Contains(string(body), "only reads: write to another one") {
		t.Errorf("the observer answers %d: %s", status, body)
	}
	for at := range members + 1 {
		h.until("it is shown as what it is", func() bool { return h.roleOf(at, "o") == "observer" })
	}
	h.kill(3)
	before := h.settled(0)
	h.until("settling goes on without it", func() bool { return h.settled(0) > before+200 && h.ready(0) })
	h.places[3].flags = []string{"--observe"} // its folder knows who it is
	h.start(3)
	h.until("the observer is ready again", func() bool { return h.ready(3) && h.settled(3) > before+200 })
	cancel()
	clients.Wait()
	h.until("all has settled at all", func() bool { return h.allSettled(0, 1, 3) })
	log := h.logOf(0)
	h.judge(t, log)
	if mine := h.logOf(3); len(mine) == 0 || !slices.Equal(mine, log[len(log)-len(mine):]) {
		t.Errorf("the observer has %d entries, which are not the last ones of the %d that a has", len(mine), len(log))
	}
	h.kill(3)
	h.places[3].flags = []string{}
	h.start(3)
	h.until("it is a member", func() bool { return h.roleOf(0, "o") == "member" })
	h.until("it writes", func() bool { status, _ := h.post(t.Context(), 3, "yes"); return status == http.StatusCreated })
}
