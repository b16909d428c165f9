//go:build unix

package serve_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"chatterbox/test/program"
)

// TestWhoKnowsNobodyAnyMore kills c, has d and e join, and all that c knows leave. Started
// again c finds nobody, takes an entry, and says what helps; with that it is told who is
// there, comes back, and what it had accepted alone settles, once.
func TestWhoKnowsNobodyAnyMore(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t)
	h.meet()
	for i := range members {
		h.write(t.Context(), i, fmt.Sprint("before, at ", i))
	}
	h.goesWithout(2, "c", 0)
	h.join(3, "d", 0)
	h.until("d is a member", func() bool { return h.ready(3) })
	h.join(4, "e", 3)
	h.until("e is a member", func() bool { return h.ready(4) })
	for i, name := range []string{"a", "b"} {
		h.leaves(i, name)
	}
	h.start(2)
	h.isTold(2, 3)
	h.until("c is a member again", func() bool { return h.hasPlace(4, "c") && h.hasPlace(2, "e") && h.ready(2) })
	h.until("all has settled", func() bool { return h.allSettled(2, 3, 4) })
	_, log := h.get(2, "/v1/entries") // it has all: nothing was forgotten that it lacked
	h.judge(t, entriesOf(log))
}

// goesWithout kills a member, and has the others go on without it.
func (h *house) goesWithout(i int, name string, by int) {
	h.t.Helper()
	h.kill(i)
	if text, status := h.members(by, "evict", name, "--even-if-heard"); status != 0 {
		h.t.Fatalf("exit status %d: %s", status, text)
	}
}

// leaves has a member leave, and end by itself.
func (h *house) leaves(i int, name string) {
	h.t.Helper()
	if text, status := h.members(i, "leave", name); status != 0 {
		h.t.Fatalf("exit status %d: %s", status, text)
	}
	if err := h.process(i).Wait(); err != nil {
		h.t.Errorf("%s ended with %v", name, err)
	}
}

// isTold has a member that finds nobody accept an entry, and say what helps; that is done.
func (h *house) isTold(i, by int) {
	h.t.Helper()
	text := "if they have left or moved, start this one with --join HOST:PORT besides"
	h.until("it says what helps", func() bool { return h.says(i, "/readyz", text) && h.says(i, "/v1/status", text) })
	h.write(h.t.Context(), i, fmt.Sprint("alone, at ", i))
	h.until("it says what ends the wait", func() bool { return h.says(i, "/v1/status", "start this member with --join HOST:PORT besides") })
	if said, _ := os.ReadFile(h.talk(i)); !strings.Contains(string(said), "nothing settles yet") || !strings.Contains(string(said), text) {
		h.t.Errorf("its log does not say what helps:\n%s", said)
	}
	h.until("so does who is there, and is not known", func() bool { return h.says(by, "/v1/status", "if that lasts, start c with --join HOST:PORT besides") })
	h.stop(i)
	flags := h.places[i].flags
	h.places[i].flags = append(flags[:len(flags):len(flags)], "--join", h.places[by].peer)
	h.start(i)
	h.places[i].flags = flags
}
