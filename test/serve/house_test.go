//go:build unix

package serve_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatterbox/internal/job/cluster"
	"chatterbox/test/program"
)

const (
	members   = 3
	housed    = 5 // these, and who joins
	writers   = 4
	answerMax = 3 * time.Second  // of a request
	calmMax   = 30 * time.Second // until all agree once nothing fails any more
)

// ordealFor is how long things fail.
var ordealFor = flag.Duration("ordeal", 2*time.Second, "how long members are killed, paused, cut off or given bad disks, in each test")

// house is a cluster of processes and what clients know of it.
type house struct {
	t       testing.TB
	binary  string
	folder  string
	places  [housed]place
	clients [housed]http.Client // that reach each member

	volatile bool // members keep nothing on disk

	mu      sync.Mutex // guards all below
	running [housed]*exec.Cmd
	knowledge
}

// place is where a member runs.
type place struct {
	peer  string   // address for members
	web   string   // address for clients
	data  string   // its folder
	flags []string // that it needs there
	// binary is the program; "" is that of this version.
	binary string
	// command makes the process; nil: it runs beside the test.
	command func(ctx context.Context, program string, arguments ...string) *exec.Cmd
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// newHouse makes a cluster on this machine's loopback; places may be changed
// by settle.
func newHouse(t testing.TB, settle ...func(places *[housed]place)) *house {
	h := &house{t: t, binary: program.Build(t), folder: t.TempDir(), knowledge: knowledgeOfNothing()}
	for i := range housed {
		h.places[i] = place{peer: freeAddress(t), web: freeAddress(t), data: filepath.Join(h.folder, fmt.Sprintf("data-%d", i))}
	}
	for _, change := range settle {
		change(&h.places)
	}
	var peers []string
	for i := range housed {
		p := &h.places[i]
		if i < members {
			peers = append(peers, p.peer)
		}
		h.clients[i] = http.Client{Timeout: answerMax, Transport: &http.Transport{DialContext: p.dial, MaxIdleConnsPerHost: writers}}
	}
	list, err := json.Marshal(peers)
	if err == nil {
		err = os.WriteFile(filepath.Join(h.folder, "peers.json"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for i := range housed {
			h.kill(i)
		}
	})
	return h
}

// freeAddress finds an address at which nobody listens, of the test alone.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", program.Ports(t, 1)[0])
}

func (h *house) start(i int) {
	p := &h.places[i]
	host, port, _ := net.SplitHostPort(p.peer)
	arguments := append([]string{"serve", "--host", host, "--port", port, "--http", p.web}, p.flags...)
	if i < members {
		arguments = append(arguments, "--peer-config-file", "peers.json")
	}
	if h.volatile {
		arguments = append(arguments, "--volatile")
	} else {
		arguments = append(arguments, "--data-dir", p.data)
	}
	run := exec.CommandContext
	if p.command != nil {
		run = p.command
	}
	binary := h.binary
	if p.binary != "" {
		binary = p.binary
	}
	command := run(context.WithoutCancel(h.t.Context()), binary, arguments...)
	command.Dir = h.folder
	command.Env = cluster.ChildEnvironment(members + 1) // and those who ask
	talk, err := os.OpenFile(h.talk(i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Error(err)
		return
	}
	defer talk.Close() //nolint:errcheck // the process has its own
	command.Stderr = talk
	if err := command.Start(); err != nil {
		h.t.Error(err)
		return
	}
	h.mu.Lock()
	h.running[i] = command
	h.mu.Unlock()
}

func (h *house) startAll() {
	for i := range members {
		h.start(i)
	}
}

// byCommand has members go and come back by command alone, from the next start on.
func (h *house) byCommand() {
	for i := range members {
		h.places[i].flags = []string{"--evict-after", "never"}
	}
}

// meet starts all members, and waits until they have met.
func (h *house) meet() {
	h.t.Helper()
	h.startAll()
	h.until("members are ready", h.allReady)
}

// allReady reports whether all members serve.
func (h *house) allReady() bool { return h.ready(0) && h.ready(1) && h.ready(2) }

// talk is the file of what a member says.
func (h *house) talk(i int) string { return filepath.Join(h.folder, fmt.Sprintf("talk-%d", i)) }

// kill ends a member as a crash of the program does.
func (h *house) kill(i int) {
	if command := h.process(i); command != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	h.mu.Lock()
	h.running[i] = nil
	h.mu.Unlock()
}

func (h *house) signal(i int, signal syscall.Signal) {
	if err := h.process(i).Process.Signal(signal); err != nil {
		h.t.Errorf("signal %v to member %d: %v", signal, i, err)
	}
}

func (h *house) process(i int) *exec.Cmd {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[i]
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// until waits until something is so, and fails if it takes too long.
func (h *house) until(what string, so func() bool) {
	h.t.Helper()
	for end := time.Now().Add(calmMax); !so(); pause(h.t.Context(), 20*time.Millisecond) {
		if time.Now().After(end) {
			h.tellAll()
			h.t.Fatalf("not within %v: %s", calmMax, what)
		}
	}
}

// tellAll shows what members said.
func (h *house) tellAll() {
	for i := range members {
		talk, _ := os.ReadFile(h.talk(i))
		h.t.Logf("member %d said:\n%s", i, talk)
	}
}

// ordeal does things to members while clients write, until its time is over,
// and returns how many it did.
type ordeal func(ctx context.Context, h *house, chance *rand.Rand) (deeds int)

// survive runs a cluster through an ordeal, and judges what is left.
func (h *house) survive(what string, through ordeal) {
	h.t.Helper()
	h.meet() // the ordeal could end before they have met
	ctx, stop := context.WithCancel(h.t.Context())
	defer stop()
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	var clients, followers sync.WaitGroup
	for w := range writers {
		clients.Go(func() {
			for n := 0; h.write(writing, w%members, fmt.Sprintf("writer %d entry %d", w, n)); n++ {
			}
		})
	}
	for i := range members {
		followers.Go(func() { h.follow(ctx, i) })
	}
	seed := rand.Uint64()
	h.t.Logf("seed %d", seed)
	deeds := through(ctx, h, rand.New(rand.NewPCG(seed, 0)))
	stopWriting()
	clients.Wait()
	began := time.Now()
	last := h.calm(ctx)
	stop()
	followers.Wait()
	h.judge(h.t, last)
	if deeds == 0 {
		h.t.Errorf("no %s: this proves nothing", what)
	}
	h.t.Logf("%d %s, %d entries accepted, %d settled, %d answers refused or lost, all agree %.1f s after the last of it",
		deeds, what, len(h.accepted), len(last), h.refused, time.Since(began).Seconds())
}
