package diagram

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// chromeEvent is an event of the Trace Event Format, which Perfetto and
// chrome://tracing read. Ts and Dur are microseconds.
type chromeEvent struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Ph    string         `json:"ph"` // the phase: M, X, b, e, s, f, i or C
	Ts    float64        `json:"ts"`
	Dur   *float64       `json:"dur,omitempty"` // of X
	Pid   int            `json:"pid"`
	Tid   int            `json:"tid"`
	ID    string         `json:"id,omitempty"` // of b, e, s and f
	Bp    string         `json:"bp,omitempty"` // of f: binds to the slice around it
	Scope string         `json:"s,omitempty"`  // of i: g is global, p of its process
	Args  map[string]any `json:"args,omitempty"`
}

// Perfetto writes a view as JSON in the Trace Event Format: a process for each
// member, whose slices are what it did at a moment, with flows for the frames
// between them and async slices for batches from when they were held until they
// settled; and a process for the failure map. Notice says what is left out of a
// run that is too large.
func Perfetto(out io.Writer, r *Run, v View) (notice string, err error) {
	batches, frames, notice := r.perfettoScope(&v)
	w := &chromeWriter{out: bufio.NewWriter(out)}
	title, err := json.Marshal(clean(v.Title, titleChars))
	if err != nil {
		return "", fmt.Errorf("diagram: write trace events: %w", err)
	}
	fmt.Fprintf(w.out, `{"displayTimeUnit":"ms","otherData":{"title":%s,"protocol":%q,"seed":"%d"},"traceEvents":[`, title, clean(r.Header.Protocol, titleChars), r.Header.Seed)
	w.processes(r)
	w.steps(r, r.stepsOf(&v, batches, frames))
	w.bars(r, batches)
	w.world(r)
	fmt.Fprintln(w.out, "\n]}")
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err != nil {
		return "", fmt.Errorf("diagram: write trace events: %w", w.err)
	}
	return notice, nil
}

// perfettoScope returns the batches and frames of a view: of one that is about
// a few batches their stories, else all that fits.
func (r *Run) perfettoScope(v *View) (batches, frames []int32, notice string) {
	if len(v.Matters) > 0 {
		return v.Matters, r.stories(v, v.Matters), ""
	}
	reduced := r.reduced(cellsMax)
	for _, i := range reduced.batches {
		if b := &r.Batches[i]; b.written() <= v.To && (b.ended() >= v.From || b.open()) {
			batches = append(batches, i)
		}
	}
	for _, i := range reduced.frames {
		if f := &r.Frames[i]; f.Sent <= v.To && max(f.Got, f.Sent) >= v.From {
			frames = append(frames, i)
		}
	}
	return batches, frames, reduced.notice
}

// chromeWriter writes events, and keeps the first error.
type chromeWriter struct {
	out     *bufio.Writer
	written int
	err     error
}

func (w *chromeWriter) write(e *chromeEvent) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // text and numbers of our own
	}
	if w.written > 0 {
		w.out.WriteByte(',') //nolint:errcheck // Flush tells
	}
	w.out.WriteByte('\n') //nolint:errcheck // Flush tells
	w.out.Write(line)     //nolint:errcheck // Flush tells
	w.written++
}

// The processes: that of the failure map, and one for each member.
const (
	mapPid  = 1
	onlyTid = 1
)

func pidOf(m member.ID) int { return mapPid + 1 + int(m) }

func (w *chromeWriter) processes(r *Run) {
	name := func(pid int, name string) {
		w.write(&chromeEvent{Name: "process_name", Ph: "M", Pid: pid, Tid: onlyTid, Args: map[string]any{"name": name}})
		w.write(&chromeEvent{Name: "process_sort_index", Ph: "M", Pid: pid, Tid: onlyTid, Args: map[string]any{"sort_index": pid}})
		w.write(&chromeEvent{Name: "thread_name", Ph: "M", Pid: pid, Tid: onlyTid, Args: map[string]any{"name": "does"}})
	}
	name(mapPid, "failure map")
	for m, member := range r.names() {
		name(mapPid+1+m, clean(member, textChars))
	}
}

// micro writes a time in microseconds, with its nanoseconds.
func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// steps writes what members did, all that a member did in one moment as one
// slice, and the frames as flows from slice to slice.
func (w *chromeWriter) steps(r *Run, steps []step) {
	byMember := make([][]*step, len(r.names()))
	for i := range steps {
		byMember[steps[i].who] = append(byMember[steps[i].who], &steps[i])
	}
	for m, own := range byMember {
		for i := 0; i < len(own); {
			first, end := own[i], i+1
			for end < len(own) && own[end].at <= first.at {
				end++
			}
			dur := micro(time.Microsecond)
			if end < len(own) { // slices must not overlap, also where times are cut to whole nanoseconds
				dur = min(dur, micro(own[end].at-first.at)/2)
			}
			e := chromeEvent{Name: oneLine(r.words(first)), Cat: "member", Ph: "X", Ts: micro(first.at), Dur: &dur, Pid: pidOf(member.ID(m)), Tid: onlyTid}
			if end-i > 1 {
				var rest []string
				for _, s := range own[i+1 : end] {
					rest = append(rest, oneLine(r.words(s)))
				}
				e.Args = map[string]any{"and": rest}
			}
			w.write(&e)
			for _, s := range own[i:end] {
				w.flow(r, s, first.at)
			}
			i = end
		}
	}
}

// flow writes the end of a frame that is at a step. Frames that were lost have
// no arrow.
func (w *chromeWriter) flow(r *Run, s *step, at time.Duration) {
	if s.frame == nothing || r.Frames[s.frame].Got < 0 {
		return
	}
	e := chromeEvent{Name: "frame", Cat: "frame", Ph: "s", Ts: micro(at), Pid: pidOf(s.who), Tid: onlyTid, ID: fmt.Sprint(s.frame)}
	if s.kind == stepReceives {
		e.Ph, e.Bp = "f", "e"
	}
	w.write(&e)
}

// bars writes batches from when a member held them until they settled there.
func (w *chromeWriter) bars(r *Run, batches []int32) {
	for _, i := range batches {
		b := &r.Batches[i]
		for m := range r.names() {
			if b.Held[m] < 0 {
				continue
			}
			end := b.Settled[m]
			if end < 0 {
				end = r.End
			}
			id := fmt.Sprintf("%d.%d", i, m)
			e := chromeEvent{Name: oneLine(r.label(b)), Cat: "tentative", Ph: "b", Ts: micro(b.Held[m]), Pid: pidOf(member.ID(m)), Tid: onlyTid, ID: id}
			e.Args = map[string]any{"time": uint64(b.Time), "position": b.Position, "entries": b.Count, "settled": b.Settled[m] >= 0}
			w.write(&e)
			w.write(&chromeEvent{Name: e.Name, Cat: e.Cat, Ph: "e", Ts: max(micro(end), e.Ts), Pid: e.Pid, Tid: onlyTid, ID: id})
		}
	}
}

// world writes the failure map, and what happened to members.
func (w *chromeWriter) world(r *Run) {
	for i := 0; i < len(r.Marks); i++ {
		if r.Marks[i].Kind == trace.Fault {
			at := r.Marks[i].At
			text, last := r.faultsAt(i)
			w.write(&chromeEvent{Name: oneLine(text), Cat: "fault", Ph: "i", Scope: "g", Ts: micro(at), Pid: mapPid, Tid: onlyTid})
			i = last
		}
	}
	for _, event := range r.lifeEvents() {
		if event.view {
			continue // a slice, as all that a member does
		}
		w.write(&chromeEvent{Name: event.text, Cat: "member", Ph: "i", Scope: "p", Ts: micro(event.at), Pid: pidOf(event.who), Tid: onlyTid})
	}
	for i := range r.Broken {
		broken := &r.Broken[i]
		w.write(&chromeEvent{
			Name: "broken: " + broken.Check, Cat: "broken", Ph: "i", Scope: "g", Ts: micro(broken.At), Pid: pidOf(broken.Member), Tid: onlyTid,
			Args: map[string]any{"text": oneLine(broken.Text)},
		})
	}
	for i, cut := range r.cuts {
		name := fmt.Sprintf("%s – %s cut", r.names()[cut.gap], r.names()[cut.gap+1])
		id := fmt.Sprintf("cut.%d", i)
		for _, end := range []struct {
			ph string
			at time.Duration
		}{{"b", cut.from}, {"e", cut.to}} {
			w.write(&chromeEvent{Name: oneLine(name), Cat: "cut", Ph: end.ph, Ts: micro(end.at), Pid: mapPid, Tid: onlyTid, ID: id})
		}
	}
}
