//go:build unix

package serve_test

import (
	"fmt"
	"strings"
	"testing"

	"chatterbox/test/program"
)

// TestOneOfThreeGoesOnByForce kills two of three for good. Without force nothing ends
// that, and force is not used by a slip; then the third one goes on alone, with all that
// had settled. One of the two turns up with its folder: it had nothing that the other one
// has not, so it is a member again.
func TestOneOfThreeGoesOnByForce(t *testing.T) {
	program.OnlyAmongAll(t)
	h, stop := written(t)
	h.until("something has settled", func() bool { return h.settled(0) > 20 })
	stop()
	h.until("all has settled", func() bool { return h.allSettled(0, 1, 2) })
	before := h.settled(0)
	if text, status := h.members(0, "evict", "c", "--force", "--lose-what-only-it-has"); status != 3 || !strings.Contains(text, "it goes without force") {
		t.Errorf("exit status %d: %s", status, text)
	}
	h.kill(1)
	h.kill(2)
	h.until("it hears nobody, and has not for a while", func() bool {
		text, _ := h.members(0, "evict", "b", "--force", "--lose-what-only-it-has")
		return strings.Contains(text, "c is to go on, and is not heard")
	})
	for _, refused := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"evict", "b"}, "2 of 3 members decide on a change"},
		{[]string{"evict", "b", "c"}, "too many"},
		{[]string{"evict", "b", "c", "--force"}, "--lose-what-only-it-has"},
		{[]string{"evict", "b", "c", "--lose-what-only-it-has"}, "is said with --force"},
		{[]string{"evict", "a", "b", "--force", "--lose-what-only-it-has"}, "this is a itself"},
	} {
		if text, status := h.members(0, refused.arguments...); status != 3 || !strings.Contains(text, refused.says) {
			t.Errorf("%v: exit status %d: %s", refused.arguments, status, text)
		}
	}
	text, status := h.members(0, "evict", "b", "c", "--force", "--lose-what-only-it-has")
	for _, says := range []string{"view 2: 1 member", "entries are in the order", "b, c must never run again"} {
		if status != 0 || !strings.Contains(text, says) {
			t.Errorf("exit status %d: %s", status, text)
		}
	}
	if h.settled(0) != before || !h.settle(t.Context(), 0, "a goes on alone") {
		t.Error("it does not settle what it takes from all that had settled on")
	}
	h.start(1)
	h.until("b is a member again", func() bool { return h.goesBy(1, 3) && h.ready(0) && h.ready(1) })
	if !h.settle(t.Context(), 1, "b is back") {
		t.Error("b does not write")
	}
	h.until("both have settled the same", func() bool { return h.settled(0) == h.settled(1) })
	_, first := h.get(0, "/v1/entries")
	if _, second := h.get(1, fmt.Sprintf("/v1/entries?from=%d", h.oldest(1))); !strings.HasSuffix(first, second) || len(entriesOf(second)) == 0 {
		t.Errorf("the members have different logs:\n%s\n%s", first, second)
	}
	h.judge(t, entriesOf(first))
}

// TestWhoShowedMoreStaysApart has two of three settle entries while the third one is
// down. Then they die, and it goes on by force without these. One that turns up had shown
// them: neither takes anything of the other one, and both say so.
func TestWhoShowedMoreStaysApart(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t)
	h.byCommand()
	h.meet()
	if !h.settle(t.Context(), 0, "all have this") {
		t.Fatal("nothing settles")
	}
	h.kill(0)
	const gap = "b and c settled this"
	if text, status := h.members(1, "evict", "a", "--even-if-heard"); status != 0 {
		t.Fatalf("exit status %d: %s", status, text)
	}
	if !h.settle(t.Context(), 2, gap) {
		t.Fatal("nothing settles")
	}
	h.kill(1)
	h.kill(2)
	h.start(0)
	h.until("it serves", func() bool { return strings.Contains(h.trouble(0), "not heard") })
	if text, status := h.members(0, "evict", "b", "c", "--force", "--lose-what-only-it-has"); status != 0 {
		t.Fatalf("exit status %d: %s", status, text)
	}
	if !h.settle(t.Context(), 0, "a goes on alone") {
		t.Fatal("nothing settles")
	}
	h.start(2)
	h.until("both say that they are apart", func() bool {
		return strings.Contains(h.trouble(0), "c goes by another history") && strings.Contains(h.trouble(2), "another history")
	})
	_, log := h.get(0, "/v1/entries")
	_, other := h.get(2, "/v1/entries")
	if strings.Contains(log, gap) || !strings.Contains(log, "a goes on alone") || strings.Contains(other, "a goes on alone") {
		t.Errorf("the histories are mixed:\n%s\n%s", log, other)
	}
}
