package diagram

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// hostile are names that must come out as text.
func hostile() []string {
	return []string{`</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "a\x00\x1b[31mred\u202e", `--> ]]> & ' "`, strings.Repeat("long", 60)}
}

// texts returns the elements of a picture, and all its text.
func texts(t *testing.T, picture []byte) (elements map[string]int, text string) {
	t.Helper()
	elements = map[string]int{}
	var all strings.Builder
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return elements, all.String()
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
			for _, attribute := range token.Attr {
				if strings.HasPrefix(attribute.Name.Local, "on") || attribute.Name.Local == "href" {
					t.Errorf("attribute %s=%q", attribute.Name.Local, attribute.Value)
				}
			}
		case xml.CharData:
			all.Write(token)
			all.WriteByte('\n')
		}
	}
}

// TestPictureShowsARun draws all that the legend speaks of, for light and dark.
func TestPictureShowsARun(t *testing.T) {
	run, _ := halves(t)
	var out bytes.Buffer
	notice, err := SVG(&out, run, run.Whole())
	if err != nil {
		t.Fatal(err)
	}
	elements, text := texts(t, out.Bytes())
	for _, want := range []string{"All 5 members end with the same", "1 s  a,b ↔ c,d,e cut", "3 s  a,b ↔ c,d,e heal", "held, then settled", notice} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
	for _, want := range []string{"prefers-color-scheme:dark", `url(#wall)`, `class="x bad"`, `class="wait s0"`, `marker-end="url(#h1)"`, light().members[0], dark().members[0]} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the picture has no %s", want)
		}
	}
	if notice == "" || elements["line"] < 100 || elements["circle"] < 100 {
		t.Errorf("notice %q, elements %v", notice, elements)
	}
}

// TestChangesOfTheViewAreDrawn in the picture, the page and the files for other
// programs; hostile names are text in it.
func TestChangesOfTheViewAreDrawn(t *testing.T) {
	run := evicted(t)
	var picture, page, log, events bytes.Buffer
	for _, write := range []func() (string, error){
		func() (string, error) { return SVG(&picture, run, run.Whole()) },
		func() (string, error) { return Page(&page, run, run.Whole()) },
		func() (string, error) { return ShiViz(&log, run, run.Whole()) },
		func() (string, error) { return Perfetto(&events, run, run.Whole()) },
	} {
		if _, err := write(); err != nil {
			t.Fatal(err)
		}
	}
	_, text := texts(t, picture.Bytes())
	for _, want := range []string{"view 2: without c", "view 2: is out", "another view", "evicted"} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
	marks := 0
	for _, mark := range pageData(t, page.String()).Marks {
		if mark.View {
			marks++
		}
	}
	const words = "goes by view 2: the members are a, b; c was evicted"
	if in, also := strings.Count(log.String(), words), strings.Count(events.String(), words); marks != 3 || in != 3 || also != 3 {
		t.Errorf("of 3 members %d have a mark on the page, %d lines for ShiViz, %d slices for Perfetto", marks, in, also)
	}
	run.Header.Members = hostile()[:3]
	picture.Reset()
	if _, err := SVG(&picture, run, run.Whole()); err != nil {
		t.Fatal(err)
	}
	if elements, _ := texts(t, picture.Bytes()); elements["script"]+elements["img"]+elements["b"] > 0 {
		t.Errorf("elements %v in a picture with hostile names", elements)
	}
}

// TestHostileNamesAreTextInPictures.
func TestHostileNamesAreTextInPictures(t *testing.T) {
	run, _ := halves(t)
	run.Broken = append(run.Broken, Broken{Batch: nothing})
	run.Broken[0].Text = `<b onclick="x">`
	renamed(run, hostile()...)
	for _, view := range []View{run.Whole(), run.aroundViolation(&run.Broken[0])} {
		var out bytes.Buffer
		if _, err := SVG(&out, run, view); err != nil {
			t.Fatal(err)
		}
		elements, text := texts(t, out.Bytes())
		if elements["script"]+elements["img"]+elements["b"] > 0 || !strings.Contains(text, hostile()[0]) || strings.ContainsAny(text, "\x00\x1b") {
			t.Errorf("elements %v in a picture with hostile names", elements)
		}
	}
}

// pageData takes the data out of a page.
func pageData(t *testing.T, page string) *jsonPage {
	t.Helper()
	_, rest, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	text, _, ok := strings.Cut(rest, "</script>")
	var data jsonPage
	if err := json.Unmarshal([]byte(text), &data); err != nil || !ok {
		t.Fatalf("the data of the page: %v", err)
	}
	return &data
}

// TestPageNeedsNothingElse: its policy forbids to fetch, and names the hashes
// of its own style and script.
func TestPageNeedsNothingElse(t *testing.T) {
	run, _ := halves(t)
	var out bytes.Buffer
	if notice, err := Page(&out, run, run.Whole()); err != nil || notice != "" {
		t.Fatal(notice, err)
	}
	page := out.String()
	for name, pattern := range map[string]string{"script-src": `(?s)<script>(.*?)</script>`, "style-src": `(?s)<style>(.*?)</style>`} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(page, -1)
		if len(found) != 1 {
			t.Fatalf("%d parts for %s", len(found), name)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if want := name + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(page, want) {
			t.Errorf("the policy has no %s", want)
		}
	}
	if !strings.Contains(page, "default-src 'none'") || strings.Contains(page, "{{") {
		t.Error("the page has no policy, or a place that was not filled")
	}
	for _, address := range regexp.MustCompile(`https?://[^'"\s<]+`).FindAllString(page, -1) {
		if address != "http://www.w3.org/2000/svg" { // a name, nothing to fetch
			t.Errorf("the page speaks of %s", address)
		}
	}
	data := pageData(t, page)
	if len(data.Batches.Stream) != len(run.Batches) || len(data.Frames.At) != len(run.Frames) || data.Thinned != "" || len(data.Cuts) != 1 || len(data.Faults) != 2 {
		t.Errorf("%d batches, %d frames, thinned %q, %d cuts, %d faults", len(data.Batches.Stream), len(data.Frames.At), data.Thinned, len(data.Cuts), len(data.Faults))
	}
}

// TestHostileNamesAreTextInPages.
func TestHostileNamesAreTextInPages(t *testing.T) {
	run, _ := halves(t)
	renamed(run, hostile()...)
	view := run.Whole()
	view.Title = hostile()[0]
	var out bytes.Buffer
	if _, err := Page(&out, run, view); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	if strings.Count(page, "<script") != 2 || strings.Contains(page, "<img") || !strings.Contains(page, "<title>"+html.EscapeString(hostile()[0])) {
		t.Error("a name became markup")
	}
	if data := pageData(t, page); data.Members[0] != hostile()[0] || data.Members[1] != hostile()[1] {
		t.Errorf("members %q", data.Members)
	}
}

// TestLargeRunsAreThinnedAndSaySo: first frames without news go, then batches,
// each of which takes its whole story along.
func TestLargeRunsAreThinnedAndSaySo(t *testing.T) {
	run, _ := halves(t)
	all := run.reduced(cellsMax)
	if all.notice != "" || len(all.frames) != len(run.Frames) {
		t.Fatalf("%d of %d frames, %q", len(all.frames), len(run.Frames), all.notice)
	}
	news := run.reduced(all.cells(run) - 1)
	if !strings.Contains(news.notice, "those with something new") || len(news.batches) != len(run.Batches) || len(news.frames) >= len(run.Frames) {
		t.Errorf("%d batches, %d frames, %q", len(news.batches), len(news.frames), news.notice)
	}
	tenth := run.reduced(all.cells(run) / 20)
	if !strings.Contains(tenth.notice, "one in ") || len(tenth.batches) >= len(run.Batches)/2 || tenth.cells(run) > all.cells(run)/20 {
		t.Errorf("%d batches, %d frames, %q", len(tenth.batches), len(tenth.frames), tenth.notice)
	}
	for _, r := range []reduced{news, tenth} {
		for _, i := range r.batches {
			for m := range run.names() {
				b := &run.Batches[i]
				if by := b.brought[m]; by != nothing && r.framePlace[by] == nothing {
					t.Fatalf("the frame that brought %s to %d is left out", run.label(b), m)
				}
				if by := b.settledBy[m]; by != nothing && r.framePlace[by] == nothing {
					t.Fatalf("the frame that let %s settle at %d is left out", run.label(b), m)
				}
			}
		}
	}
}

// shiVizEvent is an event as ShiViz reads it.
type shiVizEvent struct {
	host, text string
	clock      map[string]int
}

// readShiViz reads a log as ShiViz does: the first line is the expression, the
// second the delimiter; JavaScript's named groups have another spelling here.
func readShiViz(t *testing.T, log string) []shiVizEvent {
	t.Helper()
	lines := strings.SplitN(log, "\n", 3)
	if len(lines) < 3 || lines[1] != "" {
		t.Fatal("no expression, or a delimiter that splits one run")
	}
	parser := regexp.MustCompile(strings.ReplaceAll(lines[0], "(?<", "(?P<"))
	var events []shiVizEvent
	body := strings.TrimSpace(lines[2])
	at := 0
	for _, found := range parser.FindAllStringSubmatchIndex(body, -1) {
		if strings.TrimSpace(body[at:found[0]]) != "" {
			t.Fatalf("ShiViz would skip %q", body[at:found[0]])
		}
		at = found[1]
		group := func(name string) string {
			k := parser.SubexpIndex(name)
			return body[found[2*k]:found[2*k+1]]
		}
		e := shiVizEvent{host: group("host"), text: group("event")}
		if err := json.Unmarshal([]byte(group("clock")), &e.clock); err != nil {
			t.Fatalf("clock %s: %v", group("clock"), err)
		}
		events = append(events, e)
	}
	if rest := body[at:]; strings.TrimSpace(rest) != "" {
		t.Fatalf("ShiViz would skip %q", rest)
	}
	return events
}

// TestShiVizTakesTheLog checks what ShiViz demands of vector clocks: every
// event has its own host in its clock; a host's clock counts its events from 1;
// what a clock says of another host is an event of that host, with all that
// event knew.
func TestShiVizTakesTheLog(t *testing.T) {
	run, _ := halves(t)
	entry, err := run.Around("c/7")
	if err != nil {
		t.Fatal(err)
	}
	for name, view := range map[string]View{"whole": run.Whole(), "entry": entry, "hostile": entry} {
		if name == "hostile" {
			renamed(run, hostile()...)
		}
		var out bytes.Buffer
		if _, err := ShiViz(&out, run, view); err != nil {
			t.Fatal(name, err)
		}
		events := readShiViz(t, out.String())
		known := map[string][]map[string]int{}
		for i, e := range events {
			own := e.clock[e.host]
			if own != len(known[e.host])+1 {
				t.Fatalf("%s: event %d of %s has the time %d", name, len(known[e.host])+1, e.host, own)
			}
			for host, time := range e.clock {
				if host == e.host {
					continue
				}
				if time < 1 || time > len(known[host]) {
					t.Fatalf("%s: event %d knows time %d of %s, which has had %d events", name, i, time, host, len(known[host]))
				}
				for third, heard := range known[host][time-1] {
					if e.clock[third] < heard {
						t.Fatalf("%s: event %d of %s knows %s at %d, but not what that knew of %s", name, own, e.host, host, time, third)
					}
				}
			}
			if own > 1 {
				for host, before := range known[e.host][own-2] {
					if e.clock[host] < before {
						t.Fatalf("%s: event %d of %s forgets %s", name, own, e.host, host)
					}
				}
			}
			known[e.host] = append(known[e.host], e.clock)
		}
		if len(known) < 2 || len(events) < 20 {
			t.Errorf("%s: %d events of %d hosts", name, len(events), len(known))
		}
	}
}

// TestPerfettoTakesTheEvents checks what the Trace Event Format demands of each
// phase, that slices of a thread nest, and that flows and async slices have
// both ends, in order.
func TestPerfettoTakesTheEvents(t *testing.T) {
	run, _ := halves(t)
	renamed(run, hostile()...)
	var out bytes.Buffer
	if notice, err := Perfetto(&out, run, run.Whole()); err != nil || notice != "" {
		t.Fatal(notice, err)
	}
	var file struct {
		Unit   string           `json:"displayTimeUnit"`
		Events []map[string]any `json:"traceEvents"`
	}
	if err := json.Unmarshal(out.Bytes(), &file); err != nil || file.Unit != "ms" && file.Unit != "ns" {
		t.Fatal(file.Unit, err)
	}
	type track struct{ pid, tid float64 }
	type slice struct{ from, to float64 }
	threads, opened, closed, counts := map[track][]slice{}, map[string]float64{}, map[string]float64{}, map[string]int{}
	named := map[float64]string{}
	for _, e := range file.Events {
		ph, ts := e["ph"].(string), e["ts"].(float64)
		at := track{e["pid"].(float64), e["tid"].(float64)}
		counts[ph]++
		id, _ := e["id"].(string)
		switch key := e["cat"]; {
		case e["name"].(string) == "" || ts < 0:
			t.Fatalf("event %v", e)
		case ph == "M":
			if args := e["args"].(map[string]any); e["name"] == "process_name" {
				named[at.pid] = args["name"].(string)
			}
		case ph == "X":
			threads[at] = append(threads[at], slice{ts, ts + e["dur"].(float64)})
		case ph == "b" || ph == "s":
			note(t, opened, key.(string)+id, ts)
		case ph == "e" || ph == "f" && e["bp"] == "e":
			note(t, closed, key.(string)+id, ts)
		case ph == "i":
			if !slices.Contains([]any{"g", "p", "t"}, e["s"]) {
				t.Fatalf("scope of %v", e)
			}
		default:
			t.Fatalf("phase %q is not known", ph)
		}
		if _, ok := named[at.pid]; !ok && ph != "M" {
			t.Fatalf("process %v has no name", at.pid)
		}
	}
	for at, of := range threads {
		slices.SortFunc(of, func(x, y slice) int { return cmp.Compare(x.from, y.from) })
		for i := 1; i < len(of); i++ {
			if of[i].from < of[i-1].to-1e-6 {
				t.Fatalf("slices of %v overlap: %v, %v", at, of[i-1], of[i])
			}
		}
	}
	droppedByPerfetto(t, file.Events)
	for id, from := range opened {
		if to, ok := closed[id]; !ok || to < from {
			t.Fatalf("%s begins at %v and ends at %v: %t", id, from, to, ok)
		}
	}
	if len(closed) != len(opened) {
		t.Errorf("%d flows and async slices begin, %d end", len(opened), len(closed))
	}
	for _, ph := range []string{"M", "X", "b", "e", "s", "f", "i"} {
		if counts[ph] == 0 {
			t.Errorf("no event of phase %s", ph)
		}
	}
}

func note(t *testing.T, ends map[string]float64, id string, at float64) {
	t.Helper()
	if _, twice := ends[id]; twice {
		t.Fatalf("%s is there twice", id)
	}
	ends[id] = at
}

// failing is where nothing can be written.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestWhatCannotBeWrittenIsSaid.
// droppedByPerfetto demands that Perfetto's trace processor drops nothing. It
// cuts times to whole nanoseconds, takes the ids of flows for hexadecimal, drops
// a complete slice that laps over another one of its thread, and binds the ends
// of a flow to the slice that is open there (src/trace_processor/importers in
// its sources: json/json_trace_parser_impl.cc, common/slice_tracker.cc,
// common/flow_tracker.cc).
func droppedByPerfetto(t *testing.T, events []map[string]any) {
	t.Helper()
	nanos := func(v any) int64 { return int64(v.(float64) * 1000) }
	type open struct{ from, to int64 }
	last, flows := map[float64]open{}, map[uint64]map[string]int64{}
	for _, e := range events {
		pid := e["pid"].(float64)
		switch ph := e["ph"].(string); ph {
		case "X":
			now := open{nanos(e["ts"]), nanos(e["ts"]) + nanos(e["dur"])}
			if before, ok := last[pid]; ok && (now.from < before.to || now.from == before.from) {
				t.Fatalf("slice %v of process %v laps over %v", now, pid, before)
			}
			last[pid] = now
		case "s", "f":
			id, err := strconv.ParseUint(e["id"].(string), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			if at := nanos(e["ts"]); at != last[pid].from {
				t.Fatalf("the end of flow %x at %d lies in no slice of process %v", id, at, pid)
			}
			if flows[id] == nil {
				flows[id] = map[string]int64{}
			}
			if _, twice := flows[id][ph]; twice {
				t.Fatalf("flow %x has two ends of kind %s", id, ph)
			}
			flows[id][ph] = nanos(e["ts"])
		}
	}
	for id, ends := range flows {
		if len(ends) != 2 || ends["f"] <= ends["s"] {
			t.Fatalf("flow %x: %v", id, ends)
		}
	}
}

func TestWhatCannotBeWrittenIsSaid(t *testing.T) {
	run, _ := halves(t)
	for name, write := range map[string]func(io.Writer, *Run, View) (string, error){"svg": SVG, "html": Page, "shiviz": ShiViz, "perfetto": Perfetto} {
		if _, err := write(failing{}, run, run.Whole()); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestEmptyAndTinyRunsAreDrawn: a trace may end before anything happened.
func TestEmptyAndTinyRunsAreDrawn(t *testing.T) {
	for _, members := range []int{1, 2, 64} {
		names := make([]string, members)
		for i := range names {
			names[i] = "m" + strconv.Itoa(i)
		}
		header := trace.Header{Members: names, Protocol: sim.Delta}
		builder := NewBuilder(header, nil)
		for range 2 {
			run := builder.Run()
			for name, write := range map[string]func(io.Writer, *Run, View) (string, error){"svg": SVG, "html": Page, "perfetto": Perfetto} {
				var out bytes.Buffer
				if _, err := write(&out, run, run.Whole()); err != nil || strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "+Inf") {
					t.Errorf("%s of %d members: %v", name, members, err)
				}
			}
			builder.Tell(&trace.Event{At: time.Second, Kind: trace.Append, Seq: 1, Count: 1, Time: 1})
		}
	}
}
