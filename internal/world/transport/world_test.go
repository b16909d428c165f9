package transport

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/transport/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is some members on one network in memory.
type world struct {
	*testing.T
	network *memnet.Network
	list    member.List
	log     *logBook
	nodes   []*node
}

// node is a member's transport, and what it told.
type node struct {
	*Transport
	*recorder
}

// logBook gathers the lines of all members.
type logBook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(p)
}

func (l *logBook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.lines.Bytes(), []byte(text))
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

// recorder is a handler that writes down what it is told.
type recorder struct {
	transport *Transport
	gate      func(*protocol.Message) // called first with each message; may be nil

	mu       sync.Mutex
	links    []string // "1 up", "1 up unreliable", "1 down"
	at       []time.Time
	numbers  []uint64 // of messages received, in order
	arrived  []time.Time
	contents [][]byte // of batches received, in order
}

func (r *recorder) Up(peer member.ID, reliable bool) {
	if reliable {
		r.note("%d up", peer)
	} else {
		r.note("%d up unreliable", peer)
	}
}

func (r *recorder) Down(peer member.ID) { r.note("%d down", peer) }

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, fmt.Sprintf(format, args...))
	r.at = append(r.at, time.Now())
}

func (r *recorder) Receive(m *protocol.Message) {
	if r.gate != nil {
		r.gate(m)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers = append(r.numbers, m.Number)
	r.arrived = append(r.arrived, time.Now())
	for i := range m.Batches {
		r.contents = append(r.contents, bytes.Clone(m.Batches[i].Bytes))
		m.Batches[i].Buffer.Release()
	}
	r.transport.Recycle(m)
}

// history returns what was told of links, and empties it.
func (r *recorder) history() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprint(r.links)
	r.links, r.at = nil, nil
	return text
}

// received returns the numbers of the messages received, and empties it.
func (r *recorder) received() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	numbers := r.numbers
	r.numbers, r.arrived = nil, nil
	return numbers
}

// isUp reports whether a link was up when last told of.
func (r *recorder) isUp(peer member.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range slices.Backward(r.links) {
		switch text {
		case fmt.Sprintf("%d up", peer), fmt.Sprintf("%d up unreliable", peer):
			return true
		case fmt.Sprintf("%d down", peer):
			return false
		}
	}
	return false
}

// newWorld makes a network for a number of members, none of which runs yet.
func newWorld(t *testing.T, members int) *world {
	t.Helper()
	w := &world{T: t, network: memnet.New(), log: &logBook{}, nodes: make([]*node, members)}
	for i := range members {
		w.list = append(w.list, member.Member{Name: string(rune('a' + i)), Host: "host" + string(rune('a'+i)), Port: 1})
	}
	return w
}

// config returns the configuration of a member, without a listener.
func (w *world) config(id member.ID) Config {
	return Config{
		Self: id, List: w.list, Cluster: "test", Identity: member.Identity(100 + id), Life: 1,
		Dial: w.network.Dialer(w.address(id)), Handler: &recorder{}, Pool: protocol.NewPool(64<<10, 16),
		Log:  slog.New(slog.NewTextHandler(w.log, nil)).With("member", w.list[id].Name),
		Seed: uint64(id),
	}
}

func (w *world) address(id member.ID) string { return w.list[id].Address() }

// start runs a member; change may alter its configuration.
func (w *world) start(id member.ID, change func(*Config)) *node {
	w.Helper()
	config := w.config(id)
	if change != nil {
		change(&config)
	}
	if config.Listener == nil {
		listener, err := w.network.Listen(w.address(id))
		if err != nil {
			w.Fatal(err)
		}
		config.Listener = listener
	}
	handler := config.Handler.(*recorder)
	transport, err := Start(config)
	if err != nil {
		w.Fatal(err)
	}
	handler.transport = transport
	w.nodes[id] = &node{transport, handler}
	return w.nodes[id]
}

// startAll runs all members and waits until all links are up.
func (w *world) startAll(change func(*Config)) {
	w.Helper()
	for i := range w.list {
		w.start(member.ID(i), change)
	}
	w.rest(250 * time.Millisecond) // who started first was refused by the others
	for i, n := range w.nodes {
		for j := range w.nodes {
			if i != j && !n.isUp(member.ID(j)) {
				w.Fatalf("no link from %d to %d:\n%s", i, j, w.log)
			}
		}
		n.history()
	}
}

// stop ends a member at once, as a crash would.
func (w *world) stop(id member.ID) {
	if w.nodes[id] == nil {
		return
	}
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	w.nodes[id].Close(ctx)
	w.nodes[id] = nil
}

func (w *world) stopAll() {
	for i := range w.nodes {
		w.stop(member.ID(i))
	}
}

// cut cuts both directions between the first two members, below the transport.
func (w *world) cut() {
	w.network.Cut(w.address(0), w.address(1))
	w.network.Cut(w.address(1), w.address(0))
}

func (w *world) heal() {
	w.network.Heal(w.address(0), w.address(1))
	w.network.Heal(w.address(1), w.address(0))
}

// say sends a message with a number.
func (n *node) say(to member.ID, number uint64, batches ...protocol.Batch) {
	n.Send(protocol.Envelope{To: to, Message: &protocol.Message{
		From: n.config.Self, Identity: n.config.Identity, Session: 1, Number: number, Batches: batches,
	}})
}

// inWorld runs a test in virtual time, and ends all members afterwards.
func inWorld(t *testing.T, members int, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, members)
		defer w.stopAll()
		test(w)
	})
}

// rest lets virtual time pass.
func (w *world) rest(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
