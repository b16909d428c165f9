//go:build linux

package serve_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox/test/program"
)

const (
	backlogMemory = 8 << 20            // of each member, for entries
	backlogEntry  = 512 << 10          // bytes
	backlogTotal  = 12 * backlogMemory // that members write while one is away
)

// TestAnAbsentMemberCostsDiskOnly: two members write much more than they may
// have in memory while the third one is away; one of them is killed meanwhile and
// comes back. In the end all have the same log, with everything in it.
func TestAnAbsentMemberCostsDiskOnly(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t, func(places *[housed]place) {
		for i := range members {
			places[i].flags = []string{"--memory-max", fmt.Sprint(backlogMemory >> 20), "--evict-after", "never"}
		}
	})
	h.meet()
	h.kill(2)
	for part := range 2 {
		h.writeMuch(part, backlogTotal/2)
		if settled := h.settled(1); settled > 0 {
			t.Errorf("%d entries have settled while a member is away", settled)
		}
		if part == 0 {
			h.kill(0)
			h.start(0)
			h.until("a member is back", func() bool { status, _ := h.get(0, "/v1/status"); return status == http.StatusOK })
		}
	}
	for i := range 2 {
		h.judgeResident(i)
	}
	h.start(2)
	entries := backlogTotal / backlogEntry
	h.until("all has settled at all members", func() bool {
		return h.settled(0) == entries && h.settled(1) == entries && h.settled(2) == entries
	})
	if h.digest(0, entries) != h.digest(2, entries) {
		t.Error("the one that was away reads another log")
	}
	for i := range members {
		h.judgeResident(i)
	}
}

// TestDamageOfWhatIsParkedIsMended: what two members have on disk only, for one that is
// away, is changed there while they run. Each gets it from the other when the third
// one is back, and goes on.
func TestDamageOfWhatIsParkedIsMended(t *testing.T) {
	program.OnlyAmongAll(t)
	h := newHouse(t, func(places *[housed]place) {
		for i := range members {
			places[i].flags = []string{"--memory-max", fmt.Sprint(backlogMemory >> 20), "--evict-after", "never"}
		}
	})
	h.meet()
	h.kill(2)
	h.writeMuch(0, 2*backlogMemory)
	for n := range 8 { // two of each writer's at each of the two
		if text := fmt.Sprintf("part 0 entry %d ", n); h.rot(n/2%2, text) == 0 {
			t.Fatalf("%q is not on the disk of member %d", text, n/2%2)
		}
	}
	h.start(2)
	entries := 2 * backlogMemory / backlogEntry
	h.until("all has settled at all members", func() bool {
		return h.settled(0) == entries && h.settled(1) == entries && h.settled(2) == entries
	})
	if one := h.digest(0, entries); h.digest(1, entries) != one || h.digest(2, entries) != one {
		t.Error("members read different logs")
	}
	for i := range 2 {
		if _, status := h.get(i, "/v1/status"); !strings.Contains(status, `"mended":`) || strings.Contains(status, `"mended":0`) {
			t.Errorf("member %d: status %s", i, status)
		}
	}
}

// writeMuch has the first two members accept entries of so many bytes together.
func (h *house) writeMuch(part, bytes int) {
	h.t.Helper()
	var clients sync.WaitGroup
	for w := range writers {
		clients.Go(func() {
			for n := w; n < bytes/backlogEntry; n += writers {
				text := fmt.Sprintf("part %d entry %d ", part, n)
				h.postLarge(w%2, text+strings.Repeat("x", backlogEntry-len(text)))
			}
		})
	}
	clients.Wait()
}

// postLarge sends an entry until it is accepted.
func (h *house) postLarge(to int, text string) {
	for end := time.Now().Add(calmMax); time.Now().Before(end); pause(h.t.Context(), 20*time.Millisecond) {
		response, err := h.clients[to].Post(h.url(to, "/v1/entries"), "", strings.NewReader(text))
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusCreated {
			return
		}
	}
	h.t.Errorf("member %d does not accept an entry within %v", to, calmMax)
}

// digest reads the log of a member, and returns a hash of it.
func (h *house) digest(of, entries int) (sum [sha256.Size]byte) {
	h.t.Helper()
	response, err := http.Get(h.url(of, "/v1/entries")) //nolint:noctx // the member ends with the test
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	hash, lines := sha256.New(), 0
	seen := map[string]bool{}
	for decoder := json.NewDecoder(io.TeeReader(response.Body, hash)); ; lines++ {
		var e entry
		if err := decoder.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			h.t.Fatal(err)
		}
		seen[strings.TrimRight(e.Payload, "x")] = true
	}
	if lines != entries || len(seen) != entries {
		h.t.Errorf("member %d has %d entries, %d of them different; %d were accepted", of, lines, len(seen), entries)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// judgeResident compares the most memory that a member ever had with what was
// written.
func (h *house) judgeResident(i int) {
	h.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process(i).Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	var kib int
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, _ = fmt.Sscan(rest, &kib)
		}
	}
	h.t.Logf("member %d had %d MiB at most, %d MiB were written", i, kib>>10, backlogTotal>>20)
	if kib == 0 || kib<<10 > backlogTotal {
		h.t.Errorf("member %d had %d KiB in memory", i, kib)
	}
}
