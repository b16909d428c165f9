//go:build unix

package serve_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox/test/program"
)

// written starts all members, and clients that write to all of them until stop.
func written(t *testing.T) (h *house, stop func()) {
	t.Helper()
	h = newHouse(t)
	h.meet()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for w := range writers {
		clients.Go(func() {
			for n := 0; h.write(ctx, w%members, fmt.Sprintf("writer %d entry %d", w, n)); n++ {
			}
		})
	}
	return h, func() {
		cancel()
		clients.Wait()
	}
}

// TestAMemberThatIsGoneForGoodIsEvicted kills one of three for good while
// clients write. Settling waits for it, and each way to ask says what ends that;
// then the others go on without it, and nothing that they accepted is lost. One of
// them is killed afterwards and comes back. Then the evicted one is started again with
// its folder: it is a member again by itself, and what it alone had accepted settles,
// once. At last it is evicted again, and started without its folder: it reads on, and the
// log is the same.
func TestAMemberThatIsGoneForGoodIsEvicted(t *testing.T) {
	program.OnlyAmongAll(t)
	h, stop := written(t)
	defer stop()
	h.until("something has settled", func() bool { return h.settled(0) > 20 })
	if text, status := h.members(0, "evict", "c"); status != 3 || !strings.Contains(text, "c is heard") {
		t.Errorf("exit status %d: %s", status, text)
	}
	h.evictTheDead()
	h.kill(1)
	h.start(1)
	h.until("the other one is back", func() bool { return h.ready(1) })
	stop()
	h.refuseChanges()
	h.comeBack()
	h.kill(2)
	if text, status := h.members(0, "evict", "c", "--even-if-heard"); status != 0 || !strings.Contains(text, "view 4: 2 members") {
		t.Errorf("exit status %d: %s", status, text)
	}
	if err := os.RemoveAll(h.places[2].data); err != nil {
		t.Fatal(err)
	}
	h.bringBack("without its folder")
	_, first := h.get(0, "/v1/entries")
	if _, second := h.get(1, "/v1/entries"); first != second {
		t.Error("the members have different logs")
	}
	h.judge(t, entriesOf(first))
}

// TestMembersThatLeaveLoseNothing has two of three members leave one after the
// other while clients write to all of them: they end by themselves, in good order,
// and all that anybody accepted has its place.
func TestMembersThatLeaveLoseNothing(t *testing.T) {
	h, stop := written(t)
	defer stop()
	for i, name := range map[int]string{2: "c", 1: "b"} {
		before := h.settled(0)
		h.until("something has settled", func() bool { return h.settled(0) > before+20 })
		text, status := h.members(i, "leave", name)
		if status != 0 || !strings.Contains(text, name+" has left: view ") {
			t.Fatalf("exit status %d: %s", status, text)
		}
		if err := h.process(i).Wait(); err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
		last := h.settled(0)
		h.until("settling goes on", func() bool { return h.settled(0) > last+20 })
	}
	stop()
	if text, status := h.members(0, "leave", "a"); status != 3 || !strings.Contains(text, "the only member cannot go") {
		t.Errorf("exit status %d: %s", status, text)
	}
	h.until("all has settled", func() bool { return h.allSettled(0) })
	_, log := h.get(0, "/v1/entries")
	h.judge(t, entriesOf(log))
}

// TestAMovedMemberIsDialedWhereItIs starts c at another address while the others
// run, and then restarts one of them, which finds c there as well.
func TestAMovedMemberIsDialedWhereItIs(t *testing.T) {
	h := newHouse(t)
	h.meet()
	h.write(t.Context(), 2, "before")
	h.kill(2)
	moved := freeAddress(t)
	for want, arguments := range map[string][]string{
		"say where to":                 {"move", "c"},
		"no member is called":          {"move", "x", moved},
		"write it as host:port":        {"move", "c", "nowhere"},
		"is that of a too":             {"move", "c", h.places[0].peer},
		"there is an address too many": {"evict", "c", moved},
	} {
		if text, status := h.members(0, arguments...); status != 3 || !strings.Contains(text, want) {
			t.Errorf("%q: exit status %d: %s", arguments, status, text)
		}
	}
	if text, status := h.members(0, "move", "c", moved); status != 0 || !strings.Contains(text, moved) {
		t.Fatalf("exit status %d: %s", status, text)
	}
	h.places[2].flags = append(h.places[2].flags, "--listen", moved)
	h.start(2)
	h.until("c is there", func() bool { return h.ready(2) })
	h.until("b dials it there", func() bool { // else c offers a connection, which would do as well
		talk, _ := os.ReadFile(h.talk(1))
		_, after, _ := strings.Cut(string(talk), "the peer has another address")
		for line := range strings.Lines(after) {
			if strings.Contains(line, `msg="link up" peer="c (`) && strings.Contains(line, "dialed=true") {
				return true
			}
		}
		return false
	})
	h.kill(0)
	h.start(0)
	for i := range members {
		h.write(t.Context(), i, fmt.Sprint("after ", i))
	}
	h.judge(t, h.calm(t.Context()))
	_, status := h.get(0, "/v1/status")
	if !strings.Contains(status, moved) || strings.Contains(status, h.places[2].peer) {
		t.Errorf("%s", status)
	}
}

// evictTheDead kills c, has the others say what ends the wait, and does that.
func (h *house) evictTheDead() {
	h.t.Helper()
	h.kill(2)
	for _, path := range []string{"/readyz", "/v1/status"} {
		h.until(path+" says what ends the wait", func() bool {
			_, text := h.get(0, path)
			return strings.Contains(text, "chatterbox members evict c --http")
		})
	}
	waits, began := h.settled(0), time.Now()
	if text, status := h.members(0, "evict", "c"); status != 0 || !strings.Contains(text, "view 2: 2 members") || strings.Contains(text, h.places[2].peer) {
		h.t.Fatalf("exit status %d: %s", status, text)
	}
	h.until("settling goes on", func() bool { return h.settled(0) > waits && h.settled(1) > waits })
	h.t.Logf("decided, and settling again, after %v", time.Since(began))
}

// refuseChanges asks for what makes no sense, and for what two members of whom one
// is dead cannot decide.
func (h *house) refuseChanges() {
	h.t.Helper()
	refused := func(name, why string) {
		h.t.Helper()
		if text, status := h.members(0, "evict", name); status != 3 || !strings.Contains(text, "refused") || !strings.Contains(text, why) {
			h.t.Errorf("evict %s: exit status %d: %s", name, status, text)
		}
	}
	refused("x", "no member is called")
	h.kill(1)
	h.until("b is silent", func() bool { _, text := h.get(0, "/readyz"); return strings.Contains(text, "b not heard") })
	refused("b", "not heard: b")
	h.start(1)
}

// comeBack starts c again with its folder: it is a member again by itself, and takes
// entries; all that anybody had accepted settles, each once.
func (h *house) comeBack() {
	h.t.Helper()
	began := time.Now()
	h.start(2)
	h.until("c is a member again", func() bool { return h.goesBy(2, 3) && h.allReady() })
	h.t.Logf("c is back after %v", time.Since(began))
	text, status := h.members(2)
	if status != 0 || !strings.Contains(text, "view 3: 3 members") {
		h.t.Errorf("exit status %d: %s", status, text)
	}
	if text, status := h.members(2, "return", "c"); status != 0 {
		h.t.Errorf("it is back already, and asking is refused: exit status %d: %s", status, text)
	}
	for i := range members {
		h.write(h.t.Context(), i, fmt.Sprint("after it came back, at ", i))
	}
	h.until("all has settled", func() bool { return h.allSettled(0, 1, 2) })
	_, log := h.get(0, "/v1/entries")
	h.judge(h.t, entriesOf(log))
}

// goesBy reports whether a member goes by the view of a number.
func (h *house) goesBy(at, view int) bool {
	_, text := h.get(at, "/v1/members")
	return strings.Contains(text, fmt.Sprintf(`"view":%d,`, view))
}

// bringBack starts c again: it reads what settles from then on.
func (h *house) bringBack(what string) {
	h.t.Helper()
	h.start(2)
	h.until("the evicted one reads on, "+what, func() bool { return h.settled(2) > 0 && h.settled(2) == h.settled(0) && h.settled(1) == h.settled(0) })
	n := 0
	h.until("what is written then is there, too", func() bool {
		n++
		text := fmt.Sprintf("entry %d, written after it came back %s", n, what)
		from := fmt.Sprintf("/v1/entries?from=%d", h.position(0, text))
		pause(h.t.Context(), 100*time.Millisecond)
		_, here := h.get(0, from)
		_, there := h.get(2, from)
		return strings.Contains(here, text) && here == there
	})
}

// position writes an entry and returns its position.
func (h *house) position(at int, text string) uint64 {
	h.t.Helper()
	h.mu.Lock()
	h.sent[text] = true
	h.mu.Unlock()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url(at, "/v1/entries?until=settled"), strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	_, body := h.answerTo(request, at, text)
	return entryOf(body).Position
}

// members runs the command of that name at a member, and returns what it prints
// and its exit status.
func (h *house) members(at int, arguments ...string) (text string, status int) {
	h.t.Helper()
	command := exec.CommandContext(h.t.Context(), h.binary, append(append([]string{"members"}, arguments...), "--http", h.places[at].web)...)
	output, err := command.CombinedOutput()
	if command.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(output), command.ProcessState.ExitCode()
}
