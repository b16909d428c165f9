package maelstrom_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/job/maelstrom"
)

const tick = 100 * time.Millisecond

// world is a few nodes whose lines arrive at once, unless they are lost.
type world struct {
	t       *testing.T
	now     time.Duration
	nodes   map[string]*maelstrom.Node
	names   []string
	waiting [][]byte // lines between nodes
	heard   []string // lines for clients
	lose    func(line string) bool
	lives   uint64
	copies  int
	strict  bool
	tick    time.Duration // of the nodes
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	w := &world{t: t, tick: tick, nodes: make(map[string]*maelstrom.Node), lose: func(string) bool { return false }}
	w.begin(names...)
	return w
}

// begin starts nodes.
func (w *world) begin(names ...string) {
	w.names = names
	for _, name := range names {
		w.start(name)
	}
}

// start gives a node a life, another one if it had one.
func (w *world) start(name string) {
	w.lives++
	life := w.lives
	w.nodes[name] = maelstrom.New(maelstrom.Config{
		Tick: w.tick, Copies: w.copies, Strict: w.strict, Random: func() uint64 { return life },
		Send: func(line []byte) { w.take(bytes.Clone(line)) },
	})
	names, err := json.Marshal(w.names)
	if err != nil {
		w.t.Fatal(err)
	}
	w.say(name, fmt.Sprintf(`{"type":"init","msg_id":1,"node_id":%q,"node_ids":%s}`, name, names))
	if got := w.heard[len(w.heard)-1]; !strings.Contains(got, "init_ok") {
		w.t.Fatalf("init: %s", got)
	}
	w.heard = w.heard[:len(w.heard)-1]
}

func (w *world) take(line []byte) {
	var l struct{ Src, Dest string }
	if err := json.Unmarshal(line, &l); err != nil || bytes.ContainsRune(line, '\n') {
		w.t.Fatalf("not one line of JSON: %q", line)
	}
	if !slices.Contains(w.names, l.Dest) {
		w.heard = append(w.heard, string(line))
	} else if !w.lose(string(line)) {
		w.waiting = append(w.waiting, line)
	}
}

// say has the client c1 say something to a node.
func (w *world) say(to, body string) {
	if node := w.nodes[to]; node != nil {
		node.Receive(w.now, fmt.Appendf(nil, `{"src":"c1","dest":%q,"body":%s}`, to, body))
		node.Wake(w.now)
	}
}

// meet has somebody speak to each node, so that all meet.
func (w *world) meet() {
	for _, name := range w.names {
		w.say(name, `{"type":"read","msg_id":1}`)
	}
	w.pass(20)
	w.answers()
}

// pass lets time pass, a tick at a time.
func (w *world) pass(ticks int) {
	for range ticks {
		w.now += tick
		for _, name := range w.names {
			if node := w.nodes[name]; node != nil {
				node.Wake(w.now)
			}
		}
		for len(w.waiting) > 0 {
			line := w.waiting[0]
			w.waiting = w.waiting[1:]
			var l struct{ Dest string }
			if err := json.Unmarshal(line, &l); err != nil {
				w.t.Fatal(err)
			}
			if node := w.nodes[l.Dest]; node != nil {
				node.Receive(w.now, line)
			}
		}
	}
}

// answers returns what clients heard since the last call, bodies only.
func (w *world) answers() []string {
	var bodies []string
	for _, line := range w.heard {
		var l struct{ Body json.RawMessage }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			w.t.Fatal(err)
		}
		bodies = append(bodies, string(l.Body))
	}
	w.heard = w.heard[:0]
	return bodies
}

// expect demands what clients heard since the last look.
func (w *world) expect(bodies ...string) {
	w.t.Helper()
	if got := w.answers(); !slices.Equal(got, bodies) {
		w.t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(bodies, "\n"))
	}
}

// cut loses what a node says and what is said to it.
func (w *world) cut(name string) {
	w.lose = func(line string) bool {
		return strings.HasPrefix(line, fmt.Sprintf(`{"src":%q`, name)) || strings.Contains(line, fmt.Sprintf(`"dest":%q`, name))
	}
}

func (w *world) heal() { w.lose = func(string) bool { return false } }
