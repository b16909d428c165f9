package comparison

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

const ms = time.Millisecond

// measure measures events of three members.
func measure(events ...trace.Event) Figures {
	m := NewMeter(trace.Header{Members: []string{"a", "b", "c"}, Protocol: sim.Delta}, nil)
	for id := range member.ID(3) {
		m.Tell(&trace.Event{Kind: trace.Start, Member: id, Identity: member.Identity(id + 1), Life: 1})
	}
	for i := range events {
		m.Tell(&events[i])
	}
	return m.Figures()
}

// written is a batch of a stream, held at its origin.
func written(at time.Duration, stream member.ID, seq, count uint64, lamport clock.Time) trace.Event {
	return trace.Event{At: at, Kind: trace.Append, Member: stream, Stream: stream, Identity: member.Identity(stream + 1), Seq: seq, Count: count, Time: lamport, Bytes: 48}
}

// settled is that batch with its place at a member.
func settled(at time.Duration, who member.ID, of trace.Event, position uint64) trace.Event {
	of.At, of.Kind, of.Member, of.Position, of.Bytes = at, trace.Deliver, who, position, 0
	return of
}

// TestMeterCountsWhatATraceSays: entries, how soon they settle at all, what
// they cost, and how soon after the last change all agree.
func TestMeterCountsWhatATraceSays(t *testing.T) {
	x, y := written(10*ms, 0, 1, 3, 1), written(20*ms, 1, 1, 1, 2)
	f := measure(x, y,
		trace.Event{At: 20 * ms, Kind: trace.Send, Member: 1, Peer: 0, Session: 1, Number: 1, Count: 1, Bytes: 48},
		trace.Event{At: 21 * ms, Kind: trace.Send, Member: 1, Peer: 2, Session: 1},
		trace.Event{At: 30 * ms, Kind: trace.Fault, Note: "30ms a <-> b cut"},
		settled(40*ms, 0, x, 0), settled(40*ms, 1, x, 0),
		trace.Event{At: 50 * ms, Kind: trace.Fault, Note: "50ms a <-> b heal"},
		settled(60*ms, 2, x, 0), settled(60*ms, 2, y, 3), settled(75*ms, 1, y, 3),
		settled(90*ms, 0, y, 3),
	)
	if f.Entries != 4 || f.Agreed != 4 || f.Messages != 2 || f.Bytes != 48 || !f.Changed || f.After != 40*ms || f.Complete {
		t.Errorf("figures %+v", f)
	}
	row := Row{Runs: []Figures{f}}
	if p50, last := row.Latency(half), row.Latency(all); p50 != 50*ms || last != 70*ms {
		t.Errorf("half of the entries settle within %v, all within %v", p50, last)
	}
	if row.BytesPerEntry() != 12 || row.MessagesPerEntry() != 0.5 {
		t.Errorf("%v bytes and %v messages an entry", row.BytesPerEntry(), row.MessagesPerEntry())
	}
}

// TestMeterAsksThoseThatRunInTheEnd: who is down settles nothing, and nobody
// waits for it; who runs and lacks something has never agreed.
func TestMeterAsksThoseThatRunInTheEnd(t *testing.T) {
	x := written(10*ms, 0, 1, 2, 1)
	crash := trace.Event{At: 30 * ms, Kind: trace.Crash, Member: 2}
	f := measure(x, crash, settled(40*ms, 0, x, 0), settled(45*ms, 1, x, 0))
	if f.Agreed != 2 || f.After != 15*ms || !f.Changed {
		t.Errorf("with c down: %+v", f)
	}
	f = measure(x, crash, settled(40*ms, 0, x, 0))
	if f.Agreed != 0 || f.After >= 0 || len(f.settled) != 0 {
		t.Errorf("with c down, and b without the entry: %+v", f)
	}
	if f = measure(x, settled(40*ms, 0, x, 0)); f.Changed {
		t.Errorf("nothing changed: %+v", f)
	}
}

// table makes a table of a few simulated runs.
func table(t *testing.T) *Table {
	t.Helper()
	made := &Table{Made: "Simulated.", Command: "chatterbox compare"}
	halves, err := failure.Parse(strings.NewReader("500ms a,b <-> c cut\n1s a,b <-> c heal"), "test")
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]failure.Map{"halves": halves, "<script>|nothing": {}} {
		for _, protocol := range []string{sim.Delta, sim.Lockstep} {
			for seed := range uint64(2) {
				shape := sim.Draw(1, 3)
				shape.Ending, shape.Rates, shape.Zombies, shape.Spared = sim.Unended, []float64{20, 20, 20}, 0, nil
				config := sim.Config{Protocol: protocol, Seed: seed, Members: 3, SendFor: 2 * time.Second, GraceFor: 2 * time.Second, Map: m, Shape: &shape}
				header, err := sim.Prepare(config)
				if err != nil {
					t.Fatal(err)
				}
				meter := NewMeter(header, sim.Numbers(header.Seed))
				config.Sink = meter
				if _, err := sim.Run(config); err != nil {
					t.Fatal(err)
				}
				made.Add(protocol, name, meter.Figures())
			}
		}
	}
	return made
}

// TestRunsAgreeAfterAHeal measures real protocols: all is agreed, within a
// second of the heal.
func TestRunsAgreeAfterAHeal(t *testing.T) {
	made := table(t)
	for _, protocol := range []string{sim.Delta, sim.Lockstep} {
		row := made.row(protocol, "halves")
		median, slowest, known, never := row.After()
		if !known || never || median <= 0 || slowest < median || slowest > time.Second {
			t.Errorf("%s agrees %v after the heal, at last %v; known %t, never %t", protocol, median, slowest, known, never)
		}
		if row.Agree() != 2 || row.Complete() != 2 || row.Agreed() == 0 || row.Agreed() != row.Entries() || row.Latency(half) <= 0 {
			t.Errorf("%s: %+v", protocol, row)
		}
		if _, _, known, _ := made.row(protocol, "<script>|nothing").After(); known {
			t.Errorf("%s: a map without lines changes something", protocol)
		}
	}
}

// TestBrokenPromisesAreToldEverywhere.
func TestBrokenPromisesAreToldEverywhere(t *testing.T) {
	made := table(t)
	made.Rows[0].Runs[1].Broken = []string{"agreement at b, 1.000 s"}
	if made.Broken() != 1 || !strings.Contains(made.headline(), "broken in 1 of 8") {
		t.Errorf("%d broken, headline %s", made.Broken(), made.headline())
	}
	var js, md bytes.Buffer
	if err := made.JSON(&js); err != nil || !strings.Contains(js.String(), "agreement at b") {
		t.Errorf("JSON: %v", err)
	}
	if err := made.Markdown(&md); err != nil || !strings.Contains(md.String(), "| BROKEN in 1 |") {
		t.Errorf("Markdown: %v", err)
	}
}

// TestFormsHaveTheSameFigures compares text, CSV and JSON.
func TestFormsHaveTheSameFigures(t *testing.T) {
	made := table(t)
	var asCSV, asJSON, asMarkdown bytes.Buffer
	for _, err := range []error{made.CSV(&asCSV), made.JSON(&asJSON), made.Markdown(&asMarkdown)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	lines, err := csv.NewReader(&asCSV).ReadAll()
	if err != nil || len(lines) != 1+len(made.Rows) {
		t.Fatalf("%d lines of CSV, %v", len(lines), err)
	}
	var object struct {
		Rows []map[string]any
	}
	if err := json.Unmarshal(asJSON.Bytes(), &object); err != nil || len(object.Rows) != len(made.Rows) {
		t.Fatalf("%d rows of JSON, %v", len(object.Rows), err)
	}
	for i, row := range object.Rows {
		for k, key := range lines[0] {
			text := ""
			if row[key] != nil {
				text = fmt.Sprint(row[key])
			}
			if lines[i+1][k] != text {
				t.Errorf("row %d: %s is %q in CSV and %q in JSON", i, key, lines[i+1][k], text)
			}
		}
	}
	for _, line := range strings.Split(asMarkdown.String(), "\n") {
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "|") && cells != len(columns())+1 {
			t.Errorf("the line %q has %d cells", line, cells-1)
		}
	}
	if len(made.Cells()) != 1+len(made.Rows) || len(made.Cells()[0]) != len(Heads()) {
		t.Error("the table for the terminal has another form")
	}
}

// TestPageNeedsNothingElse, and shows names as text.
func TestPageNeedsNothingElse(t *testing.T) {
	var out bytes.Buffer
	if err := table(t).Page(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	if !strings.Contains(page, "default-src 'none'") || strings.Contains(page, "<script") || !strings.Contains(page, html.EscapeString("<script>|nothing")) {
		t.Error("the page has no policy, or a name became markup")
	}
	if found := regexp.MustCompile(`https?://`).FindString(page); found != "" {
		t.Error("the page speaks of an address")
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Count(page, `role="img"`) != 2*len(plots()) {
		t.Error("a plot is missing, or not drawn")
	}
}
