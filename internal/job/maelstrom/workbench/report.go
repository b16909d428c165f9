package workbench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is what a run came to.
type Report struct {
	Operations   int // begun by clients, reads and final reads included
	Writes       int
	Acknowledged int // writes
	Refused      int // operations that certainly did not happen
	Done         int // operations that were answered as they should be
	Unknown      int // operations that nobody answered in time, or with an error that leaves it open
	Lost         int // values that were known and are not read any more
	NeverRead    int // values that nobody saw, and nobody needed to see

	ServerMessages       int     // from node to node
	QuietMessages        int     // of these, after the last operation and before the final reads
	MessagesPerOperation float64 // server messages by operations, as Maelstrom counts
	LineBytesMax         int     // of the longest line from node to node

	// Stable is Maelstrom's stable-latencies: from the answer to a write, or
	// from the first read that shows the value, to the last beginning of a
	// read that does not. Everywhere is the same from the beginning of the
	// write on. Answers is how long clients waited for the answers to writes.
	Stable, Everywhere, Answers Quantiles

	// SameOrder says that the final reads of all nodes list their values in the
	// same order.
	SameOrder bool

	Violations []string // what must not be
	Hash       uint64   // of all lines with their times
}

// Available reports whether every operation was done, as Maelstrom's
// --availability total demands.
func (r *Report) Available() bool { return r.Done == r.Operations }

// Quantiles of times.
type Quantiles struct{ P50, P95, P99, Max time.Duration }

// quantiles returns them as Jepsen's frequency-distribution does.
func quantiles(times []time.Duration) Quantiles {
	if len(times) == 0 {
		return Quantiles{}
	}
	slices.Sort(times)
	at := func(point float64) time.Duration { return times[min(len(times)-1, int(float64(len(times))*point))] }
	return Quantiles{at(0.5), at(0.95), at(0.99), at(1)}
}

// String returns them in milliseconds.
func (q Quantiles) String() string {
	return fmt.Sprintf("median %d ms, 95 %% %d ms, 99 %% %d ms, max %d ms",
		q.P50.Milliseconds(), q.P95.Milliseconds(), q.P99.Milliseconds(), q.Max.Milliseconds())
}

// String returns the report, a few lines.
func (r *Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d operations, %d writes, %d acknowledged, %d refused, %d unknown, %d lost, %d never read, same order: %t\n",
		r.Operations, r.Writes, r.Acknowledged, r.Refused, r.Unknown, r.Lost, r.NeverRead, r.SameOrder)
	fmt.Fprintf(&text, "%d server messages, msgs-per-op %.2f, %d in the quiet at the end, longest line %d bytes\n",
		r.ServerMessages, r.MessagesPerOperation, r.QuietMessages, r.LineBytesMax)
	fmt.Fprintf(&text, "stable-latencies  %s\nfrom the request  %s\nto the answer     %s\n", r.Stable, r.Everywhere, r.Answers)
	for _, violation := range r.Violations {
		fmt.Fprintf(&text, "VIOLATION %s\n", violation)
	}
	return text.String()
}

// report judges the run.
func (b *bench) report() *Report {
	r := &Report{ServerMessages: b.counts.sent, QuietMessages: b.counts.quiet, LineBytesMax: b.counts.longest, Violations: b.troubles, Hash: b.hash}
	r.count(b.history)
	if r.Operations > 0 {
		r.MessagesPerOperation = float64(r.ServerMessages) / float64(r.Operations)
	}
	elements := b.history.elements()
	r.judge(b.history, elements)
	r.judgeReads(b.history, elements, b.names)
	if b.cfg.Workload == UniqueIDs {
		r.SameOrder = true
		r.judgeIdentifiers(b.history)
		return r
	}
	r.judgeEnd(b.history, elements, b.names)
	r.judgeOrder(b.history)
	return r
}

func (r *Report) count(h history) {
	for i := range h {
		o := &h[i]
		switch o.result {
		case invoked:
			r.Operations++
			if o.write {
				r.Writes++
			}
		case done:
			r.Done++
			if o.write {
				r.Acknowledged++
			}
		case refused:
			r.Refused++
		case unknown:
			r.Unknown++
		}
	}
}

// judge does what set-full does.
func (r *Report) judge(h history, elements []*element) {
	var stables, everywhere, answers []time.Duration
	for _, e := range elements {
		switch e.outcome() {
		case stable:
			stables = append(stables, e.latency(h, e.known.at))
			everywhere = append(everywhere, e.latency(h, e.invoked))
		case lost:
			r.Lost++
			r.violate("value %d was known and is lost", e.value)
		case neverRead:
			r.NeverRead++
		}
	}
	for i := range h {
		if h[i].write && h[i].result == done {
			answers = append(answers, h[i].at-h[h[i].invocation].at)
		}
	}
	r.Stable, r.Everywhere, r.Answers = quantiles(stables), quantiles(everywhere), quantiles(answers)
}

// judgeReads finds values that nobody wrote, and such that one read shows
// twice: what set-full does not look at.
func (r *Report) judgeReads(h history, elements []*element, names []string) {
	written := make(map[int]bool)
	for _, e := range elements {
		written[e.value] = true
	}
	for i := range h {
		shown := make(map[int]bool, len(h[i].read))
		for _, value := range h[i].read {
			if !written[value] {
				r.violate("%s shows %d, which nobody wrote", names[h[i].node], value)
			}
			if shown[value] {
				r.violate("%s shows %d twice", names[h[i].node], value)
			}
			shown[value] = true
		}
	}
}

// judgeEnd demands that each node reads at the end all that was acknowledged,
// and the same as the others.
func (r *Report) judgeEnd(h history, elements []*element, names []string) {
	shown := make([]map[int]bool, len(names)) // by node: what its final read shows
	for i := range h {
		if o := &h[i]; o.final && o.result == done {
			shown[o.node] = setOf(o.read)
		}
	}
	for node, values := range shown {
		if values == nil {
			r.violate("%s did not answer the final read", names[node])
		}
	}
	for _, e := range elements {
		var without []string
		for node, values := range shown {
			if values != nil && !values[e.value] {
				without = append(without, names[node])
			}
		}
		if e.acknowledged && len(without) > 0 {
			r.violate("value %d of %s is acknowledged and not at %s in the end", e.value, names[e.node], without)
		} else if len(without) > 0 && len(without) < len(names) {
			r.violate("value %d of %s is not at %s in the end", e.value, names[e.node], without)
		}
	}
}

// judgeOrder compares the order of what the final reads list.
func (r *Report) judgeOrder(h history) {
	var first []int
	r.SameOrder = true
	for i := range h {
		if o := &h[i]; o.final && o.result == done {
			if first == nil {
				first = o.read
			}
			r.SameOrder = r.SameOrder && slices.Equal(first, o.read)
		}
	}
}

// judgeIdentifiers finds such that were given twice.
func (r *Report) judgeIdentifiers(h history) {
	given := make(map[string]bool)
	for i := range h {
		o := &h[i]
		if !o.generate || o.result != done {
			continue
		}
		if given[o.id] || o.id == "" {
			r.violate("the identifier %q was given twice", o.id)
		}
		given[o.id] = true
	}
}

const violationsMax = 100 // that are told

func (r *Report) violate(format string, args ...any) {
	if len(r.Violations) < violationsMax {
		r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
	}
}
