package script

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/protocol"
)

// roundsMax is how often "deliver all" passes on what waits before it gives
// up on members that never fall silent.
const roundsMax = 100

// play does one line of a script and gives its outcome.
func (w *world) play(t *testing.T, line *datadriven.TestData) string {
	t.Helper()
	w.outcome.Reset()
	a := &arguments{t: t, line: line, w: w}
	if command, ok := commands()[line.Cmd]; !ok {
		line.Fatalf(t, "unknown command %q; package script lists what there is", line.Cmd)
	} else if w.nodes == nil && line.Cmd != "cluster" {
		line.Fatalf(t, "a script begins with cluster")
	} else {
		command(w, a)
	}
	for _, fault := range w.faults {
		t.Error(fault)
	}
	w.faults = nil
	if w.outcome.Len() == 0 {
		return "ok"
	}
	return w.outcome.String()
}

func commands() map[string]func(*world, *arguments) {
	return map[string]func(*world, *arguments){
		"cluster":   (*world).cluster,
		"broadcast": func(w *world, a *arguments) { w.submit(a, true) },
		"submit":    func(w *world, a *arguments) { w.submit(a, false) },
		"flush":     eachNode((*world).flush),
		"close":     eachNode(closeStream),
		"deliver":   (*world).deliver,
		"forge":     (*world).forge,
		"drop":      eachLink(func(l *link, n int) { l.waiting = slices.Delete(l.waiting, 0, n) }),
		"repeat":    eachLink(func(l *link, n int) { l.waiting = append(l.waiting, l.waiting[:n]...) }),
		"reverse":   eachLink(func(l *link, n int) { slices.Reverse(l.waiting[:n]) }),
		"cut":       eachLink(func(l *link, _ int) { l.cut = true }),
		"heal":      eachLink(func(l *link, _ int) { l.cut = false }),
		"up":        linkEvent(protocol.Up),
		"down":      linkEvent(protocol.Down),
		"tick":      (*world).tickSome,
		"advance":   (*world).advance,
		"crash":     eachNode((*world).crash),
		"restart":   (*world).restart,
		"backup":    eachNode((*world).keepCopy),
		"restore":   func(w *world, a *arguments) { w.bringBack(a.nodes(0)[0]) },
		"status":    (*world).showStatus,
		"log":       eachNode(func(w *world, n *node) { w.list(n, "log", w.texts(n.log)) }),
		"tentative": eachNode((*world).tentative),
		"room": eachNode(func(w *world, n *node) {
			room := fmt.Sprint(n.reducer.Room())
			if n.reducer.Room() == math.MaxInt {
				room = "for any"
			}
			w.printf("%s: room %s, busy %t", w.names[n.id], room, n.reducer.Busy())
		}),
		"owned":   eachNode((*world).owned),
		"waiting": (*world).waiting,
		"show":    func(w *world, a *arguments) { w.setHidden(a, false) },
		"hide":    func(w *world, a *arguments) { w.setHidden(a, true) },
	}
}

func eachNode(command func(*world, *node)) func(*world, *arguments) {
	return func(w *world, a *arguments) {
		for _, n := range a.running() {
			command(w, n)
		}
	}
}

func eachLink(command func(l *link, n int)) func(*world, *arguments) {
	return func(w *world, a *arguments) {
		limit := a.number("n", math.MaxInt)
		a.links(func(from, to *node) {
			l := w.links[from.id][to.id]
			command(l, min(limit, len(l.waiting)))
		})
	}
}

func linkEvent(kind protocol.Kind) func(*world, *arguments) {
	return func(w *world, a *arguments) {
		a.links(func(from, to *node) { w.setLink(from, to, kind) })
	}
}

func closeStream(w *world, n *node) {
	w.step(n, protocol.Event{Kind: protocol.Close})
	w.flush(n)
}

func (w *world) cluster(a *arguments) {
	*w = world{build: w.build, hidden: make(map[string]bool)}
	for part, shown := range parts() {
		w.hidden[part] = !shown
	}
	w.base = Member{Tick: 10 * time.Millisecond, Datagram: true, Options: make(map[string]string)}
	var absent []string
	for _, arg := range a.line.CmdArgs {
		value := strings.Join(arg.Vals, ",")
		switch arg.Key {
		case "members":
			w.names = arg.Vals
		case "absent":
			absent = arg.Vals
		case "protocol":
			w.base.Protocol = value
		case "tick":
			w.base.Tick = a.duration(value)
		case "durable":
			w.base.Durable = true
		case "links":
			w.base.Datagram = value != "reliable"
		default:
			w.base.Options[arg.Key] = value
		}
	}
	w.setUp(absent)
}

func (w *world) submit(a *arguments, flush bool) {
	var words []string
	for _, arg := range a.line.CmdArgs[1:] {
		if arg.Vals == nil {
			words = append(words, arg.Key)
		}
	}
	for _, n := range a.running() {
		b := protocol.Batch{Bytes: []byte(strings.Join(words, " ")), Count: uint32(max(1, len(words)))}
		if size := a.number("bytes", 0); size > 0 {
			b.Bytes = []byte(strings.Repeat("x", size))
		}
		b.Count = uint32(a.number("count", int(b.Count)))
		w.lend(n, &b)
		w.step(n, protocol.Event{Kind: protocol.Submit, Batch: b})
		if flush {
			w.flush(n)
		}
	}
}

func (w *world) deliver(a *arguments) {
	if a.word(0) == "all" && a.word(1) == "" {
		rounds := a.number("rounds", roundsMax)
		for range rounds {
			if !w.round() {
				return
			}
		}
		if rounds == roundsMax {
			w.printf("still sending after %d rounds", rounds)
		}
		return
	}
	limit := a.number("n", math.MaxInt)
	a.links(func(from, to *node) {
		if w.receive(from, to, limit) > 0 {
			w.flush(to)
		}
	})
}

func (w *world) tickSome(a *arguments) {
	nodes := w.nodes
	if a.word(0) != "" {
		nodes = a.nodes(0)
	}
	for range a.number("n", 1) {
		w.tick(nodes)
	}
}

func (w *world) advance(a *arguments) {
	w.quiet = a.has("quiet")
	for range a.duration(a.word(0)) / w.base.Tick {
		w.tick(w.nodes)
		for rounds := 0; a.has("deliver") && rounds < roundsMax && w.round(); rounds++ {
		}
	}
	w.quiet = false
}

func (w *world) restart(a *arguments) {
	nodes := w.nodes
	if a.word(0) != "all" {
		nodes = a.nodes(0)
	}
	for _, n := range nodes {
		w.start(n, a.has("losing"))
		w.flush(n)
	}
}

func (w *world) showStatus(a *arguments) {
	for _, n := range a.running() {
		w.status(n, a.has("known"))
	}
}

func (w *world) tentative(n *node) {
	var batches []protocol.Batch
	for b := range n.reducer.Tentative() {
		w.mustOwn(n, b, "keeps tentatively")
		batches = append(batches, *b)
	}
	w.list(n, "tentative", w.texts(batches))
}

func (w *world) owned(n *node) {
	var texts []string
	for _, text := range n.owned {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	w.list(n, "owns", texts)
}

func (w *world) waiting(*arguments) {
	for _, from := range w.nodes {
		for _, to := range w.nodes {
			for _, m := range w.links[from.id][to.id].waiting {
				w.printf("%s to %s {%s}", w.names[from.id], w.names[to.id], w.message(m))
			}
		}
	}
}

func (w *world) setHidden(a *arguments, hidden bool) {
	for _, arg := range a.line.CmdArgs {
		if _, ok := parts()[arg.Key]; !ok {
			a.line.Fatalf(a.t, "cannot show or hide %q", arg.Key)
		}
		w.hidden[arg.Key] = hidden
	}
}

func (w *world) list(n *node, what string, texts []string) {
	if len(texts) == 0 {
		texts = []string{"nothing"}
	}
	w.printf("%s: %s %s", w.names[n.id], what, strings.Join(texts, " "))
}

func (w *world) texts(batches []protocol.Batch) []string {
	var texts []string
	for i := range batches {
		texts = append(texts, w.batch(&batches[i]))
	}
	return texts
}

func (w *world) vector(v clock.Vector) string {
	var words []string
	for i, mark := range v {
		words = append(words, fmt.Sprintf("%s:%d@%s", w.names[i], mark.Have, mark.Promise))
	}
	return strings.Join(words, " ")
}

// arguments reads what stands behind a command.
type arguments struct {
	t    *testing.T
	line *datadriven.TestData
	w    *world
}

func (a *arguments) word(i int) string {
	if i < len(a.line.CmdArgs) && a.line.CmdArgs[i].Vals == nil {
		return a.line.CmdArgs[i].Key
	}
	return ""
}

func (a *arguments) has(key string) bool { return a.line.HasArg(key) }

func (a *arguments) nodes(i int) []*node {
	if a.word(i) == "all" {
		return slices.DeleteFunc(slices.Clone(a.w.nodes), func(n *node) bool { return n.reducer == nil })
	}
	place := slices.Index(a.w.names, a.word(i))
	if place < 0 {
		a.line.Fatalf(a.t, "%q is no member; the members are %v, or all", a.word(i), a.w.names)
	}
	return a.w.nodes[place : place+1]
}

// running returns the members that the first argument names, and complains where
// one does not run.
func (a *arguments) running() []*node {
	nodes := a.nodes(0)
	for _, n := range nodes {
		if n.reducer == nil {
			a.line.Fatalf(a.t, "%s does not run", a.w.names[n.id])
		}
	}
	return nodes
}

// links calls command for each link between the two members that the arguments
// name; a single all means every link.
func (a *arguments) links(command func(from, to *node)) {
	second := 1
	if a.word(0) == "all" && a.word(1) == "" {
		second = 0
	}
	for _, from := range a.nodes(0) {
		for _, to := range a.nodes(second) {
			if from != to {
				command(from, to)
			}
		}
	}
}

func (a *arguments) number(key string, byDefault int) int {
	arg, ok := a.line.Arg(key)
	if !ok {
		return byDefault
	}
	n, err := strconv.Atoi(strings.Join(arg.Vals, ""))
	if err != nil || n < 0 {
		a.line.Fatalf(a.t, "%s wants a natural number", arg)
	}
	return n
}

func (a *arguments) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		a.line.Fatalf(a.t, "%q is no duration above zero", text)
	}
	return d
}
