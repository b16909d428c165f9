//go:build unix

package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatterbox/internal/world/wire"
	"chatterbox/test/program"
)

// before is what this version must get along with.
var before = flag.String("before", "", "revision of this repository that members of this version run together with")

// release is the program of a revision, and which wire format it speaks.
type release struct {
	binary string
	wire   int
}

// releaseOf builds the program of a revision, from the repository that this is
// a checkout of.
func releaseOf(t *testing.T, revision string) release {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	git := func(arguments ...string) []byte {
		out, err := exec.CommandContext(t.Context(), "git", arguments...).Output()
		if err != nil {
			t.Skipf("this is no checkout that has %s: git %s: %v", revision, strings.Join(arguments, " "), err)
		}
		return out
	}
	top := strings.TrimSpace(string(git("rev-parse", "--show-toplevel")))
	source := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", source)
	unpack.Stdin = bytes.NewReader(git("-C", top, "archive", "--format=tar", revision))
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := release{binary: filepath.Join(source, "chatterbox.old")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", r.binary, "./cmd/chatterbox")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", revision, err, out)
	}
	text, err := os.ReadFile(filepath.Join(source, "internal/world/wire/wire.go"))
	match := regexp.MustCompile(`(?m)^const Version = (\d+)$`).FindSubmatch(text)
	if err != nil || match == nil {
		t.Fatalf("%s does not say which wire format it speaks: %v", revision, err)
	}
	_, err = fmt.Sscan(string(match[1]), &r.wire)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s speaks version %d, this one %d", revision, r.wire, wire.Version)
	return r
}

func TestReleaseBefore(t *testing.T) {
	revision := *before
	if revision == "" {
		program.OnlyAmongAll(t)
		revision = "HEAD^"
	}
	old := releaseOf(t, revision)
	t.Run("its folders are read", func(t *testing.T) { foldersAreRead(t, old) })
	if old.wire == wire.Version {
		t.Run("its members take part", func(t *testing.T) { membersAreExchanged(t, old) })
	} else {
		t.Run("its members are refused by name", func(t *testing.T) { membersRefuseEachOther(t, old) })
	}
}

// membersAreExchanged runs members of this version and of an earlier one
// together, and exchanges them for one another, one at a time, there and back,
// while clients write.
func membersAreExchanged(t *testing.T, old release) {
	t.Helper()
	h := newHouse(t)
	h.places[0].binary = old.binary
	h.survive("exchanges", func(ctx context.Context, h *house, chance *rand.Rand) (exchanges int) {
		for end := time.Now().Add(*ordealFor); time.Now().Before(end) || exchanges < 2*members; exchanges++ {
			h.until("members are ready", h.allReady)
			i := exchanges % members
			h.stop(i)
			if h.places[i].binary == "" {
				h.places[i].binary = old.binary
			} else {
				h.places[i].binary = ""
			}
			h.start(i)
			pause(ctx, time.Duration(chance.IntN(200))*time.Millisecond)
		}
		return exchanges
	})
}

// stop ends a member in good order.
func (h *house) stop(i int) {
	h.t.Helper()
	h.signal(i, syscall.SIGTERM)
	if err := h.process(i).Wait(); err != nil {
		h.t.Errorf("member %d ended with %v", i, err)
	}
}

// pair is two members of the classic job, which run to their end.
type pair struct {
	t         *testing.T
	folder    string
	addresses [2]string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t, t.TempDir(), [2]string{freeAddress(t), freeAddress(t)}}
	list, err := json.Marshal(p.addresses)
	if err == nil {
		err = os.WriteFile(filepath.Join(p.folder, "peers.json"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// outcome is how a member ended.
type outcome struct {
	status int
	tuple  string
	talk   string
}

// run runs both members, each by a program of its own.
func (p *pair) run(binaries [2]string, arguments ...string) (ended [2]outcome) {
	var both sync.WaitGroup
	for i, binary := range binaries {
		both.Go(func() {
			_, port, _ := net.SplitHostPort(p.addresses[i])
			command := exec.CommandContext(p.t.Context(), binary, append([]string{
				"node", "--port", port, "--send-for", "1", "--wait-for", "2", "--data-dir", fmt.Sprintf("data-%d", i),
			}, arguments...)...)
			command.Dir = p.folder
			var tuple, talk bytes.Buffer
			command.Stdout, command.Stderr = &tuple, &talk
			if err := command.Run(); command.ProcessState == nil {
				p.t.Error(err)
				return
			}
			ended[i] = outcome{command.ProcessState.ExitCode(), tuple.String(), talk.String()}
		})
	}
	both.Wait()
	return ended
}

// membersRefuseEachOther runs a member of each version.
func membersRefuseEachOther(t *testing.T, old release) {
	t.Helper()
	for i, ended := range newPair(t).run([2]string{old.binary, program.Build(t)}) {
		other := fmt.Sprintf("version %d", [2]int{wire.Version, old.wire}[i])
		if ended.status != 2 || !strings.Contains(ended.talk, other) {
			t.Errorf("member %d ended with %d and does not speak of %s:\n%s", i, ended.status, other, ended.talk)
		}
	}
}

// foldersAreRead starts this version with folders that an earlier one wrote: the
// job is done, and its outcome is the same.
func foldersAreRead(t *testing.T, old release) {
	t.Helper()
	p := newPair(t)
	first := p.run([2]string{old.binary, old.binary}, "--rate", "500")
	if first[0].status != 0 || first[0].tuple != first[1].tuple {
		t.Fatalf("the earlier version ended with %+v", first)
	}
	this := program.Build(t)
	for i, again := range p.run([2]string{this, this}) {
		if again.status != 0 || again.tuple != first[i].tuple {
			t.Errorf("member %d had %s, and has %s, status %d:\n%s", i, first[i].tuple, again.tuple, again.status, again.talk)
		}
	}
	t.Logf("both have %s", strings.TrimSpace(first[0].tuple))
}
