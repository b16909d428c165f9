//go:build linux

package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatterbox/test/program"
)

// diskBytes is the size of a small disk: room for what members write in a test.
func diskBytes() int { return 24<<20 + int(ordealFor.Seconds())*2<<20 }

// mount mounts a file system of its own until the test ends.
func mount(t *testing.T, what, kind, options string) (at string) {
	t.Helper()
	at = t.TempDir()
	if err := unix.Mount(what, at, kind, 0, options); err != nil {
		t.Skipf("mount a %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return at
}

// smallDisk is a file system in memory that can be filled up.
type smallDisk struct {
	t      testing.TB
	at     string
	filler *os.File
}

func newSmallDisk(t *testing.T, bytes int) *smallDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a disk of its own needs root")
	}
	d := &smallDisk{t: t, at: mount(t, "tmpfs", "tmpfs", fmt.Sprintf("size=%d", bytes))}
	var err error
	if d.filler, err = os.Create(filepath.Join(d.at, "filler")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.filler.Close() })
	return d
}

// fill takes all room that is left.
func (d *smallDisk) fill() {
	size, err := d.filler.Seek(0, io.SeekEnd)
	for err == nil {
		size += int64(os.Getpagesize())
		err = unix.Fallocate(int(d.filler.Fd()), 0, size-int64(os.Getpagesize()), int64(os.Getpagesize()))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Errorf("fill: %v", err)
	}
}

// free gives back what was filled.
func (d *smallDisk) free() {
	if err := d.filler.Truncate(0); err != nil {
		d.t.Error(err)
	}
}

// The folder of each member is on a small disk of its own, which is full for a
// while. The member refuses, says why, can be read, and goes on by itself: no
// process is started anew.
func TestAcceptedEntriesSurviveFullDisks(t *testing.T) {
	program.OnlyAmongAll(t)
	var disks [members]*smallDisk
	for i := range disks {
		disks[i] = newSmallDisk(t, diskBytes())
	}
	h := newHouse(t, func(places *[housed]place) {
		for i := range disks {
			places[i].data = filepath.Join(disks[i].at, "data")
		}
	})
	h.survive("full disks", func(ctx context.Context, h *house, chance *rand.Rand) (times int) {
		processes := h.running
		for end := time.Now().Add(*ordealFor); time.Now().Before(end); times++ {
			victims := chance.Perm(members)[:1+chance.IntN(2)]
			for _, v := range victims {
				disks[v].fill()
			}
			for _, v := range victims {
				h.until("a member says that its disk is full", func() bool {
					status, body := h.get(v, "/readyz")
					return status == http.StatusServiceUnavailable && strings.Contains(body, "the disk is full") && strings.Contains(body, "no space left on device")
				})
				h.isReadOnly(ctx, v, "the disk is full")
			}
			pause(ctx, time.Duration(chance.IntN(500))*time.Millisecond)
			for _, v := range victims {
				disks[v].free()
			}
			h.until("members are ready again", h.allReady)
			pause(ctx, time.Duration(chance.IntN(500))*time.Millisecond)
		}
		if h.running != processes {
			h.t.Error("a member was started anew")
		}
		return times
	})
}

// isReadOnly demands that a member refuses to write, gives out what it has, and
// lives.
func (h *house) isReadOnly(ctx context.Context, i int, why string) {
	h.t.Helper()
	const key = "refused"
	if status, body := h.post(ctx, i, key); status != http.StatusServiceUnavailable || !strings.Contains(string(body), why) || strings.Contains(string(body), "in_doubt") {
		h.t.Errorf("member %d answers a post with %d %s", i, status, body)
	}
	if status, body := h.get(i, "/healthz"); status != http.StatusOK {
		h.t.Errorf("member %d is not healthy: %d %s", i, status, body)
	}
	settled := h.settled(i)
	status, log := h.get(i, "/v1/entries")
	if entries := len(entriesOf(log)); status != http.StatusOK || entries < settled || settled == 0 {
		h.t.Errorf("member %d gives out %d entries of %d: %d", i, entries, settled, status)
	}
}

// A real disk that fails: ext4 on a loop device whose file lies on another file
// system, which is full. Writes succeed, for they only reach the cache; then
// fdatasync fails, the kernel drops what it was about, and the next fdatasync
// would succeed. The member must not believe it: it ends writing, can be read, and
// with the next start, on a disk that is well, goes on without a loss.
func TestAcceptedEntriesSurviveDisksThatFail(t *testing.T) {
	program.OnlyAmongAll(t)
	var below [members]*smallDisk
	var folders [members]string
	for i := range below {
		below[i] = newSmallDisk(t, diskBytes())
		folders[i] = filepath.Join(loopDisk(t, below[i], diskBytes()-(4<<20)), "data")
	}
	h := newHouse(t, func(places *[housed]place) {
		for i := range members {
			places[i].data = folders[i]
		}
	})
	h.survive("failed disks", func(ctx context.Context, h *house, chance *rand.Rand) (times int) {
		for end := time.Now().Add(*ordealFor); time.Now().Before(end); times++ {
			h.until("members are ready", h.allReady)
			pause(ctx, time.Duration(chance.IntN(500))*time.Millisecond)
			v := chance.IntN(members)
			below[v].fill()
			h.until("a member says that its disk fails", func() bool {
				status, body := h.get(v, "/readyz")
				return status == http.StatusServiceUnavailable && strings.Contains(body, "this member does not write: driver: stopped")
			})
			below[v].free()
			pause(ctx, time.Duration(chance.IntN(500))*time.Millisecond)
			h.isReadOnly(ctx, v, "this member does not write") // whatever the disk does now
			h.kill(v)
			h.start(v)
		}
		return times
	})
}

// loopDisk mounts an ext4 of so many bytes that lies in a sparse file on another
// disk.
func loopDisk(t *testing.T, below *smallDisk, bytes int) (at string) {
	t.Helper()
	image := filepath.Join(below.at, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, int64(bytes)); err != nil {
		t.Fatal(err)
	}
	// Without a journal of its own, so that the file system outlives the errors.
	call(t, "mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard", image)
	device := call(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() { call(t, "losetup", "--detach", device) })
	return mount(t, device, "ext4", "errors=continue")
}

// call runs a tool, and skips the test where there is none.
func call(t *testing.T, tool string, arguments ...string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), tool, arguments...).CombinedOutput()
	if err != nil {
		t.Skipf("%s: %v: %s", tool, err, out)
	}
	return strings.TrimSpace(string(out))
}
