//go:build unix

package serve_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox/test/program"
)

// TestADeadMemberIsLetGoByItself kills one of three while clients write. Nobody gives
// a command: the others go on without it by themselves. Started again it comes back by
// itself, and nothing that anybody accepted is lost.
func TestADeadMemberIsLetGoByItself(t *testing.T) {
	program.OnlyAmongAll(t)
	const evictAfter = 5 * time.Second // longer than any disk stands still
	h := newHouse(t)
	for i := range members {
		h.places[i].flags = []string{"--evict-after", evictAfter.String()}
	}
	h.meet()
	load := h.load()
	h.until("something has settled", func() bool { return h.settled(0) > 20 })
	h.kill(2)
	died, longest := time.Now(), time.Duration(0)
	for goes, last, at := 0, h.settled(0), died; goes < 20; pause(t.Context(), 5*time.Millisecond) {
		if now := h.settled(0); now > last {
			longest = max(longest, time.Since(at))
			goes, last, at = goes+now-last, now, time.Now()
		} else if time.Since(died) > calmMax {
			h.tellAll()
			t.Fatalf("nothing settles %v after a member died", time.Since(died))
		}
		if _, text := h.get(0, "/v1/members"); !strings.Contains(text, `"view":2`) {
			goes = 0 // what settles now is from before
		}
	}
	t.Logf("settling stood still for %v; %v is what the others wait for", longest, evictAfter)
	h.until("both know", func() bool { _, text := h.get(1, "/v1/members"); return strings.Contains(text, `"view":2`) })
	h.start(2)
	h.until("it is back", func() bool { return h.ready(2) && h.settled(2) == h.settled(0) })
	load.stop()
	h.until("all has settled", func() bool { return h.allSettled(0, 1, 2) })
	_, log := h.get(0, "/v1/entries")
	if _, other := h.get(1, "/v1/entries"); log != other {
		t.Error("the members that stayed have different logs")
	}
	h.judge(t, entriesOf(log))
	if _, rest := h.get(2, fmt.Sprintf("/v1/entries?from=%d", h.settled(2))); !strings.HasSuffix(log, rest) || len(entriesOf(rest)) != 1 {
		t.Errorf("who came back reads %s", rest)
	}
}

// rounds is how often a rolling restart goes round, among all tests.
const rounds = 3

// TestARollingRestartLosesNothing stops one member after the other in good order, and
// starts it again, while clients write to all. All that was accepted settles, once; and
// what is written while one is stopped settles before it is started again, although nobody
// is ever let go.
func TestARollingRestartLosesNothing(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t)
	h.byCommand()
	h.meet()
	load := h.load()
	for n := range members * rounds {
		i := n % members
		h.roll(i, func() bool { return h.ready(i) })
	}
	load.stop()
	h.judge(t, h.calm(t.Context()))
	t.Logf("%d entries were accepted; the longest of %d that were looked at took %v to settle", len(h.accepted), load.count, load.longest)
}

// TestARollingRestartWithoutFoldersLosesNothing is the same where members keep nothing on
// disk: who is stopped leaves, and the new life has its place by itself.
func TestARollingRestartWithoutFoldersLosesNothing(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t)
	h.volatile = true
	for i := range members {
		h.places[i].flags = []string{"--evict-after", "10m"} // nobody is evicted, and who comes has its place by itself
	}
	h.meet()
	load, log := h.load(), map[uint64]entry{}
	for n := range members * rounds {
		i := n % members
		h.roll(i, func() bool { return h.isMember(i) })
		h.gather((i+1)%members, log)
	}
	load.stop()
	h.until("all has settled", func() bool {
		for i := range members {
			h.gather(i, log)
		}
		return h.settled(1) == h.settled(0) && h.settled(2) == h.settled(0) && h.hasAccepted(slices.Collect(maps.Values(log)))
	})
	whole := slices.SortedFunc(maps.Values(log), func(x, y entry) int { return cmp.Compare(x.Position, y.Position) })
	h.judge(t, whole)
	t.Logf("%d entries were accepted; the longest of %d that were looked at took %v to settle", len(h.accepted), load.count, load.longest)
}

// TestAllAreStoppedOneAfterTheOther and started again, the last one first. Alone it can
// be read as far as anything had settled, takes entries, and names whom it waits for; and
// what is stopped as planned says so.
func TestAllAreStoppedOneAfterTheOther(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t)
	h.byCommand()
	h.meet()
	for n := range 4 * members {
		h.write(t.Context(), n%members, fmt.Sprint("entry ", n))
	}
	last := len(h.calm(t.Context()))
	h.stop(0)
	h.until("a is said to be stopped", func() bool {
		return h.says(1, "/v1/status", `"stopped":true,"trouble":"stopped as planned, not heard since `)
	})
	if !h.ready(1) || !h.ready(2) {
		t.Error("the others are not ready")
	}
	h.stop(1)
	h.stop(2)
	h.start(2)
	h.until("c has what had settled", func() bool { return h.settled(2) == last })
	h.write(t.Context(), 2, "alone")
	for waits, names := range []string{"ab", "a"} {
		h.until("c waits for "+names, func() bool {
			for _, name := range "ab" {
				if h.says(2, "/readyz", fmt.Sprintf("settling waits for %c since ", name)) != strings.ContainsRune(names, name) {
					return false
				}
			}
			return true
		})
		h.start(1 - waits)
	}
	h.until("all is settled", func() bool { return h.allSettled(0, 1, 2) })
	h.judge(t, h.calm(t.Context()))
}

// says reports whether a member's answer has a text.
func (h *house) says(of int, path, text string) bool {
	_, body := h.get(of, path)
	return strings.Contains(body, text)
}

// roll stops a member in good order, and starts it again once the others have settled
// more without it.
func (h *house) roll(i int, back func() bool) {
	h.t.Helper()
	a, b := (i+1)%members, (i+2)%members
	h.goesOn("before one is stopped", a, b)
	began := time.Now()
	h.stop(i)
	stopped := time.Now()
	h.goesOn("while one is stopped", a, b)
	went := time.Now()
	if !h.ready(a) || !h.ready(b) {
		h.t.Errorf("while member %d is stopped as planned the others are not ready", i)
	}
	h.start(i)
	h.until("it is back", func() bool { return back() && h.settled(i) >= h.settled(a) })
	h.t.Logf("member %d stopped within %v, %d more entries of each of the others settled within %v, and it was back %v after its start",
		i, stopped.Sub(began), goneOn, went.Sub(stopped), time.Since(went))
}

// isMember reports whether a member belongs to the view that it goes by, and is ready.
func (h *house) isMember(i int) bool {
	var got struct {
		Members []struct{ Name, Role string }
	}
	_, text := h.get(i, "/v1/members")
	_ = json.Unmarshal([]byte(text), &got) // no answer has no members
	return h.ready(i) && len(got.Members) == members && !slices.ContainsFunc(got.Members, func(m struct{ Name, Role string }) bool { return m.Role != "member" })
}

// gather adds what a member has of the log, which must be what others had there.
func (h *house) gather(of int, log map[uint64]entry) {
	h.t.Helper()
	_, text := h.get(of, fmt.Sprintf("/v1/entries?from=%d", h.oldest(of)))
	for _, e := range entriesOf(text) {
		if before, known := log[e.Position]; known && before != e {
			h.t.Errorf("position %d was %+v, and is %+v at member %d", e.Position, before, e, of)
		}
		log[e.Position] = e
	}
}

// goneOn is how many entries more settle where settling goes on.
const goneOn = 20

// goesOn waits until entries settle at members that are written now.
func (h *house) goesOn(when string, at ...int) {
	h.t.Helper()
	for _, i := range at {
		var before struct{ Settled, Tentative int }
		_, text := h.get(i, "/v1/status")
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			h.t.Fatal(err)
		}
		h.until("entries settle "+when, func() bool { return h.settled(i) > before.Settled+before.Tentative+goneOn })
	}
}

// load is clients that write to all members, and look how long entries take to settle.
type load struct {
	stop func()

	mu      sync.Mutex // guards below
	count   int
	longest time.Duration
}

// load lets clients write until they are stopped.
func (h *house) load() *load {
	l := new(load)
	ctx, stop := context.WithCancel(h.t.Context())
	var clients sync.WaitGroup
	for w := range writers {
		clients.Go(func() {
			for n := 0; h.write(ctx, w%members, fmt.Sprintf("writer %d entry %d", w, n)); n++ {
			}
		})
	}
	for i := range members {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				began := time.Now()
				if h.settle(ctx, i, fmt.Sprintf("looked at by %d, entry %d", i, n)) {
					l.took(time.Since(began))
				}
				pause(ctx, 5*time.Millisecond)
			}
		})
	}
	l.stop = func() { stop(); clients.Wait() }
	h.t.Cleanup(l.stop)
	return l
}

func (l *load) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	l.longest = max(l.longest, d)
}
