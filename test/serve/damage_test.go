//go:build unix

package serve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rot changes a bit wherever a text stands in the segments of a member, which may
// run, and returns how often that was.
func (h *house) rot(of int, text string) (times int) {
	h.t.Helper()
	for _, name := range h.segments(of) {
		file, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			h.t.Fatal(err)
		}
		data, err := io.ReadAll(file)
		for at := 0; err == nil; times++ {
			next := bytes.Index(data[at:], []byte(text))
			if next < 0 {
				break
			}
			at += next
			data[at] ^= 4
			_, err = file.WriteAt(data[at:at+1], int64(at))
		}
		if err := errors.Join(err, file.Close()); err != nil {
			h.t.Fatal(err)
		}
	}
	return times
}

// segments returns the paths of a member's segments, the oldest first.
func (h *house) segments(of int) []string {
	h.t.Helper()
	names, err := filepath.Glob(filepath.Join(h.places[of].data, "*.log"))
	if err != nil || len(names) == 0 {
		h.t.Fatalf("no segments of member %d: %v", of, err)
	}
	return names
}

// TestDamagedFolderIsMendedByPeers: a member that was killed finds entries of
// each member changed on its disk; it puts them back, says so, and gives out what
// all others do. What it alone knew nobody can put back: then it does not start,
// and says why.
func TestDamagedFolderIsMendedByPeers(t *testing.T) {
	h := newHouse(t)
	h.startAll()
	for i := range 3 * members {
		if !h.write(t.Context(), i%members, fmt.Sprintf("kept entry %d", i)) {
			t.Fatal("not accepted")
		}
	}
	h.calm(t.Context())
	h.kill(2)
	for i := range members {
		if h.rot(2, fmt.Sprintf("kept entry %d", 3+i)) == 0 {
			t.Fatalf("entry %d is not in the folder", 3+i)
		}
	}
	h.start(2)
	h.until("the member is ready again", func() bool { return h.ready(2) })
	h.judge(t, h.calm(t.Context()))
	if talk, _ := os.ReadFile(h.talk(2)); strings.Count(string(talk), "was put back") != members {
		t.Errorf("it said:\n%s", talk)
	}
	if _, status := h.get(2, "/v1/status"); !strings.Contains(status, fmt.Sprintf(`"mended":%d`, members)) {
		t.Errorf("status %s", status)
	}

	h.kill(2)
	newest := h.segments(2)
	name := newest[len(newest)-1]
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[20] ^= 1 // in its head
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start(2)
	refused := h.process(2)
	var exit *exec.ExitError
	if err := refused.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("it ended with %v", err)
	}
	if talk, _ := os.ReadFile(h.talk(2)); !strings.Contains(string(talk), "nobody else has it") || !strings.Contains(string(talk), filepath.Base(name)) {
		t.Errorf("it said:\n%s", talk)
	}
}
