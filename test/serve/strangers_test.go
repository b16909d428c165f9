//go:build linux

package serve_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox/test/program"
)

const (
	recordingsKept  = 16
	recordBytesMax  = 256 << 10
	strangerBytes   = 1 << 20 // that one may take of a member's memory
	strangersAtOnce = 64 + 2*members
)

// Whoever comes to the ports of members and is none disturbs nobody: clients are
// answered as they are without them, all that is accepted settles, and memory
// stays bounded. Members have keys, so that what was recorded of them is worth
// nothing. Each kind comes in turns with quiet; the report has the latency until
// an entry has settled, in both.
func TestStrangersDisturbNobody(t *testing.T) {
	program.OnlyAmongAll(t)
	h, s := besieged(t)
	reading, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	for i := range members {
		readers.Go(func() { h.follow(reading, i) })
	}
	h.talkTo(t.Context(), *ordealFor/4, &times{}) // until memory is what it is with clients
	for _, kind := range strangers() {
		before := h.memory()
		quiet, under := &times{}, &times{}
		var work, rest time.Duration // processor time of all members
		visits, turns := 0, max(2, int(ordealFor.Seconds()/8))
		length := *ordealFor / time.Duration(4*turns)
		for range turns {
			begin := h.processorTime()
			h.talkTo(t.Context(), length, quiet)
			calm := h.processorTime()
			end := s.begin(t, kind.name)
			h.talkTo(t.Context(), length, under)
			visits += end()
			work += h.processorTime() - calm
			rest += calm - begin
		}
		after := h.memory()
		t.Logf("%-24s %7.0f visits/s; until settled p50 %v, quiet %v; p99 %v, quiet %v: ratio %.2f; members take %.2f of a core, quiet %.2f; memory of one at its peak %d MiB, before %d MiB",
			kind.name, float64(visits)/(length.Seconds()*float64(turns)), under.at(50), quiet.at(50), under.at(99), quiet.at(99),
			float64(under.at(99))/float64(quiet.at(99)), share(work, length, turns), share(rest, length, turns), after>>20, before>>20)
		if visits == 0 || under.count() == 0 || quiet.count() == 0 {
			t.Errorf("%s: %d visits, %d answers while they came, %d besides: this proves nothing", kind.name, visits, under.count(), quiet.count())
		}
		if grown := after - before; grown > strangersAtOnce*strangerBytes {
			t.Errorf("%s: a member took %d MiB more", kind.name, grown>>20)
		}
	}
	h.until("all is read that has settled, at all members alike", func() bool {
		h.mu.Lock()
		read := len(h.seen)
		h.mu.Unlock()
		return read >= len(h.accepted) && h.settled(0) == read && h.settled(1) == read && h.settled(2) == read
	})
	stop()
	readers.Wait()
	h.judge(t, h.read())
	if h.refused > 0 {
		t.Errorf("%d requests of clients failed", h.refused)
	}
	for i := range members {
		if talk, _ := os.ReadFile(h.talk(i)); len(talk) > 64<<10 || bytes.Contains(talk, []byte("goroutine ")) {
			t.Errorf("member %d said %d bytes about them:\n%s", i, len(talk), talk[:min(len(talk), 4<<10)])
		}
	}
}

// realPeer is where a member listens for members: behind the address that they
// dial stands who records.
func realPeer(p *place) string { return p.flags[len(p.flags)-1] }

// besieged starts members with keys, and records what they and a client say.
func besieged(t *testing.T) (*house, *siege) {
	t.Helper()
	s := &siege{Recordings: map[string][][]byte{}}
	var tapes [members]*tape
	h := newHouse(t, func(places *[housed]place) {
		for i := range members {
			behind := freeAddress(t)
			tapes[i] = record(t, places[i].peer, behind)
			places[i].flags = []string{"--memory-max", "16", "--keys", "keys", "--listen", behind}
		}
	})
	h.volatile = true
	keys := exec.CommandContext(t.Context(), h.binary, "keys", "keys")
	keys.Dir = h.folder
	if out, err := keys.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.startAll()
	for i := range members {
		h.until("members are ready", func() bool { return h.ready(i) })
		peer, web, key := realPeer(&h.places[i]), h.places[i].web, fmt.Sprintf("replayed %d", i)
		if !h.write(t.Context(), i, key) {
			t.Fatal("not accepted")
		}
		s.Addresses = append(s.Addresses, peer, web)
		s.Recordings[peer] = tapes[i].recordings()
		// Of a client: a request with a key, which may be repeated.
		s.Recordings[web] = [][]byte{fmt.Appendf(nil, "POST /v1/entries HTTP/1.1\r\nHost: %s\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
			web, key, len(key), key)}
	}
	return h, s
}

// times are how long requests took.
type times struct {
	mu  sync.Mutex // guards all
	all []time.Duration
}

func (t *times) add(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, took)
}

func (t *times) count() int { return len(t.all) }

func (t *times) at(percent int) time.Duration {
	if len(t.all) == 0 {
		return 0
	}
	slices.Sort(t.all)
	return t.all[(len(t.all)-1)*percent/100].Round(10 * time.Microsecond)
}

// talkTo writes at each member, one entry after the other, for a time.
func (h *house) talkTo(ctx context.Context, length time.Duration, took *times) {
	var clients sync.WaitGroup
	end := time.Now().Add(length)
	for i := range members {
		clients.Go(func() {
			for time.Now().Before(end) {
				began := time.Now()
				// Without a key: of the keys that strangers repeat, the last 65,536 count.
				if h.settle(ctx, i, fmt.Sprintf("client %d at %d", i, began.UnixNano())) {
					took.add(time.Since(began))
				}
			}
		})
	}
	clients.Wait()
}

// share is what part of a core processor time is, over a number of turns.
func share(work, length time.Duration, turns int) float64 {
	return work.Seconds() / (length.Seconds() * float64(turns))
}

// ticksPerSecond is the unit of processor times in /proc on Linux.
const ticksPerSecond = 100

// processorTime returns what all members have computed so far, the kernel for
// them included.
func (h *house) processorTime() (sum time.Duration) {
	for i := range members {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.process(i).Process.Pid))
		_, rest, _ := strings.Cut(string(stat), ") ") // the name may have blanks
		fields := strings.Fields(rest)
		if err != nil || len(fields) < 13 {
			h.t.Fatalf("no processor time of member %d: %v", i, err)
		}
		for _, ticks := range fields[11:13] { // utime and stime, proc_pid_stat(5)
			n, _ := strconv.Atoi(ticks)
			sum += time.Duration(n) * time.Second / ticksPerSecond
		}
	}
	return sum
}

// memory returns the most that a member has had in memory so far, in bytes.
func (h *house) memory() (most int) {
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	for i := range members {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process(i).Process.Pid))
		match := peak.FindSubmatch(status)
		if err != nil || match == nil {
			h.t.Fatalf("no memory of member %d: %v", i, err)
		}
		kibibytes, _ := strconv.Atoi(string(match[1]))
		most = max(most, kibibytes<<10)
	}
	return most
}

// tape passes on what comes to an address, and records what each connection
// says.
type tape struct {
	mu    sync.Mutex // guards all below
	sides []*bytes.Buffer
}

// record listens at an address until the test ends, and passes on to another one.
func record(t *testing.T, at, to string) *tape {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	tp := &tape{}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { tp.pass(t.Context(), conn, to) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return tp
}

func (tp *tape) pass(ctx context.Context, from net.Conn, address string) {
	to, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		_ = from.Close()
		return
	}
	leave := context.AfterFunc(ctx, func() { _, _ = from.Close(), to.Close() })
	defer leave()
	tp.mu.Lock()
	side := &bytes.Buffer{}
	if len(tp.sides) < recordingsKept {
		tp.sides = append(tp.sides, side)
	}
	tp.mu.Unlock()
	var ways sync.WaitGroup
	ways.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		tp.mu.Lock()
		if side.Len() < recordBytesMax {
			side.Write(buffer[:n])
		}
		tp.mu.Unlock()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			break
		}
	}
	_ = to.Close()
	ways.Wait()
}

// recordings returns what was said, by each connection that said anything.
func (tp *tape) recordings() (all [][]byte) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for _, side := range tp.sides {
		if side.Len() > 0 {
			all = append(all, bytes.Clone(side.Bytes()))
		}
	}
	return all
}
