package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// viewer is the page by which go tool trace embeds Catapult's trace viewer, the
// program behind chrome://tracing: it comes with every Go.
const viewer = `<!doctype html><title>viewer</title>
<script src="static/webcomponents.min.js"></script>
<link rel="import" href="static/trace_viewer_full.html">
<script>
var model, broken = '';
document.addEventListener('WebComponentsReady', () => {
  fetch('events.json').then(a => a.text()).then(text => {
    const read = new tr.Model(), options = new tr.importer.ImportOptions();
    options.shiftWorldToZero = false;
    return new tr.importer.Import(read, options).importTracesWithProgressDialog([text]).then(() => { model = read; });
  }).catch(e => { broken = String(e); });
});
</script><body></body>`

// event is an event of the Trace Event Format.
type event struct {
	Name, Ph, Cat string
	Pid           int
	Args          map[string]any
}

// serveViewer serves the viewer with events, and returns where.
func serveViewer(t *testing.T, static string, events []byte) string {
	mux := http.NewServeMux()
	mux.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(static))))
	mux.HandleFunc("/events.json", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(events) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, viewer)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// TestTraceViewerReadsTheExport has Catapult's own importer read what diagram
// writes for it and for Perfetto, and counts what it understood.
func TestTraceViewerReadsTheExport(t *testing.T) {
	tools := prepare(t)
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	static := filepath.Join(strings.TrimSpace(string(root)), "src/internal/trace/traceviewer/static")
	if _, err := os.Stat(filepath.Join(static, "trace_viewer_full.html")); err != nil {
		t.Skipf("this Go came without its trace viewer: %v", err)
	}
	export := filepath.Join(t.TempDir(), "events.json")
	tools.run(t, "diagram", record(t, tools, halves+"4s e crash\n4500ms e restart\n"), "--format", "perfetto", "-o", export)
	text, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ TraceEvents []event }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	counts, names := map[string]int{}, map[int]string{}
	for _, e := range file.TraceEvents {
		counts[e.Ph]++
		if e.Ph == "i" {
			counts["i "+e.Cat]++
		}
		if e.Name == "process_name" {
			names[e.Pid] = e.Args["name"].(string)
		}
	}
	p := tools.open(t, serveViewer(t, static, text), desktop())
	p.calmly(func() { // the viewer is old: it uses what browsers advise against
		p.await("model || broken")
	})
	if broken := eval[string](p, "broken"); broken != "" {
		t.Fatal(broken)
	}
	if warnings := eval[[]string](p, "model.importWarnings.map(w => w.type + ': ' + w.message)"); len(warnings) > 0 {
		t.Errorf("it warns of %q", warnings)
	}
	got := eval[map[string]int](p, `(() => {
		return {
			slices: Object.values(model.processes).reduce((n, p) => n + Object.values(p.threads).reduce((n, t) => n + t.sliceGroup.length, 0), 0),
			async: Object.values(model.processes).reduce((n, p) => n + Object.values(p.threads).reduce((n, t) => n + t.asyncSliceGroup.length, 0), 0),
			flows: model.flowEvents.length,
			bound: model.flowEvents.filter(f => f.startSlice && f.endSlice && f.duration >= 0).length,
			global: model.instantEvents.length,
			local: Object.values(model.processes).reduce((n, p) => n + p.instantEvents.length, 0),
		};
	})()`)
	want := map[string]int{
		"slices": counts["X"], "async": counts["b"], "flows": counts["s"], "bound": counts["s"],
		"global": counts["i fault"] + counts["i broken"], "local": counts["i member"],
	}
	for what, number := range want {
		if got[what] != number || number == 0 {
			t.Errorf("of %d %s it understood %d", number, what, got[what])
		}
	}
	for pid, name := range names {
		if read := eval[string](p, fmt.Sprintf("model.processes[%d].name", pid)); read != name {
			t.Errorf("process %d is %q to it, not %q", pid, read, name)
		}
	}
	t.Logf("Catapult's importer read %v", got)
}

// shiViz reads a log as ShiViz does, with a browser's regular expressions: the
// first line takes events apart, the second would part executions; text that no
// event takes is skipped in silence, so none may be (its js/model/parser.js,
// js/util/regexp.js). Then it demands of clocks what js/model/vectorTimestamp.js
// and js/model/modelGraph.js demand.
const shiViz = `log => {
	const [expression, delimiter, ...rest] = log.split('\n'), body = rest.join('\n').trim();
	if (delimiter !== '') return 'a delimiter: ' + delimiter;
	const parser = new RegExp(expression, 'g'), events = {};
	let end = 0, count = 0;
	for (let match; (match = parser.exec(body)); end = parser.lastIndex, count++) {
		if (body.slice(end, match.index).trim()) return 'skipped: ' + body.slice(end, match.index);
		const { host, clock, event } = match.groups, vector = JSON.parse(clock);
		if (!Object.hasOwn(vector, host)) return host + ' is missing from ' + clock;
		if (!event.trim()) return 'an event without words';
		if (events[host] === undefined) events[host] = []; // which finds what every object has, too
		events[host].push(vector);
	}
	if (body.slice(end).trim()) return 'skipped: ' + body.slice(end);
	for (const host in events) {
		events[host].sort((a, b) => a[host] - b[host]);
		for (const [i, vector] of events[host].entries()) {
			if (vector[host] !== i + 1) return 'event ' + (i + 1) + ' of ' + host + ' has the time ' + vector[host];
			for (const other in vector)
				if (!events[other] || vector[other] < 1 || vector[other] > events[other].length) return host + ' knows of time ' + vector[other] + ' of ' + other;
		}
	}
	return Object.keys(events).length + ' hosts, ' + (count > 100 ? 'many' : count) + ' events';
}`

// TestShiVizReadsTheExport reads it in a browser, with names that would be
// something else to it, were they left as they are.
func TestShiVizReadsTheExport(t *testing.T) {
	tools := prepare(t)
	events := record(t, tools, halves)
	text, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	const names, others = `["a","b","c","d","e"]`, `["__proto__","constructor","toString","d:1","ä.ö"]`
	if !strings.Contains(string(text), names) {
		t.Fatal("the trace names other members")
	}
	log := filepath.Join(t.TempDir(), "run.log")
	for _, members := range []string{names, others} {
		if err := os.WriteFile(events, []byte(strings.Replace(string(text), names, members, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		tools.run(t, "diagram", events, "--format", "shiviz", "-o", log)
		written, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := json.Marshal(string(written))
		if err != nil {
			t.Fatal(err)
		}
		p := tools.open(t, "data:text/html,<!doctype html><title>shiviz</title>", desktop())
		if said := eval[string](p, "("+shiViz+")("+string(quoted)+")"); said != "5 hosts, many events" {
			t.Errorf("%s: %s", members, said)
		}
	}
}
