//go:build unix

package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"chatterbox/test/program"
)

// TestALostDiskIsReplaced kills one of three while clients write, and takes its folder away.
// Started again with none it has the place of the one that it was: by itself once the others
// have let go of that, or told so. It catches up and writes again; all that was accepted at
// the others, and all that had settled of it, is there once, in one order.
func TestALostDiskIsReplaced(t *testing.T) {
	program.OnlyAmongAll(t)
	for name, flags := range map[string][]string{"by itself": {"--evict-after", "5s"}, "when told": {"--evict-after", "never"}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			for i := range members {
				h.places[i].flags = flags
			}
			h.meet()
			const before = "c wrote this before"
			if !h.settle(t.Context(), 2, before) {
				t.Fatal("nothing settles")
			}
			stop := h.writeTo(0, 1)
			h.until("something has settled", func() bool { return h.settled(0) > 20 && h.settled(2) > 20 })
			h.kill(2)
			old := h.places[2].data
			h.places[2].data += "-anew"
			h.start(2)
			if name == "when told" {
				h.until("it reads", func() bool { return h.settled(0) > 0 && strings.Contains(h.trouble(2), "without its data") })
				if text, status := h.members(0, "replace", "c", "--wait", "60s"); status != 0 {
					t.Fatalf("replace: status %d: %s", status, text)
				}
			}
			for n := range 50 {
				if !h.write(t.Context(), 2, fmt.Sprintf("c writes since, entry %d", n)) {
					t.Fatal("it does not write")
				}
			}
			stop()
			h.until("all has settled everywhere", func() bool { return h.allSettled(0, 1, 2) })
			_, log := h.get(0, "/v1/entries")
			if _, other := h.get(1, "/v1/entries"); log != other {
				t.Error("the members that stayed have different logs")
			}
			h.judge(t, entriesOf(log))
			if _, rest := h.get(2, fmt.Sprintf("/v1/entries?from=%d", h.oldest(2))); !strings.HasSuffix(log, rest) || len(entriesOf(rest)) < 50 {
				t.Errorf("who was seated has another log of %d entries", len(entriesOf(rest)))
			}
			for _, text := range []string{`"life":2`, before} {
				if !strings.Contains(log, text) {
					t.Errorf("the log has no %s", text)
				}
			}
			if name == "when told" {
				h.oldFolderTurnsUp(old)
			}
		})
	}
}

// oldFolderTurnsUp starts c with the folder that was lost: it joins nothing and says why. With
// the one that it has by now c goes on.
func (h *house) oldFolderTurnsUp(old string) {
	h.t.Helper()
	now := h.places[2].data
	h.kill(2)
	h.places[2].data = old
	h.start(2)
	h.until("the old one says that another one has its place", func() bool { return strings.Contains(h.trouble(2), "another one has the place of this member") })
	if status, text := h.post(h.t.Context(), 2, "of the old one"); status == http.StatusCreated {
		h.t.Errorf("the old one takes entries: %s", text)
	}
	h.kill(2)
	h.places[2].data = now
	h.start(2)
	last := h.position(1, "after the old one had turned up")
	h.until("c goes on", func() bool { return h.ready(2) && h.settled(2) >= int(last) })
	h.write(h.t.Context(), 2, "c goes on")
	h.until("that has settled", func() bool { return h.allSettled(0, 1, 2) })
	_, log := h.get(1, "/v1/entries")
	h.judge(h.t, entriesOf(log))
}

// writeTo lets clients write to members until they are stopped.
func (h *house) writeTo(places ...int) (stop func()) {
	done := make(chan struct{})
	var clients sync.WaitGroup
	for _, at := range places {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					h.write(h.t.Context(), at, fmt.Sprintf("to %d, entry %d", at, n))
				}
			}
		})
	}
	once := sync.OnceFunc(func() { close(done); clients.Wait() })
	h.t.Cleanup(once)
	return once
}

// oldest returns the first position that a member has.
func (h *house) oldest(of int) int {
	var status struct{ Oldest int }
	_, text := h.get(of, "/v1/status")
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		h.t.Fatal(err)
	}
	return status.Oldest
}

// trouble returns why a member takes no entries.
func (h *house) trouble(of int) string {
	_, text := h.get(of, "/v1/status")
	return text
}
