package board

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/job/runs"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/term"
)

func TestBoardShowsMembersAndWhatTheMapDoes(t *testing.T) {
	var out bytes.Buffer
	events, err := failure.Parse(strings.NewReader("0s b <-> * heal\n1h a crash\n0s a <-> b cut"), "events")
	if err != nil {
		t.Fatal(err)
	}
	screen := term.NewScreen(&out, true, func() term.Size { return term.Size{Columns: 100, Lines: 30} })
	b := New(screen, false, cluster.Names(3), 4*time.Second, events)
	b.Progress(1, job.Progress{Phase: job.PhaseGrace, Count: 1234, Settled: 1000, Heard: []bool{true, true, false}})
	text := strings.ReplaceAll(out.String(), "\x1b[K", "")
	for _, want := range []string{
		"0s b <-> * heal\n", "0s a <-> b cut\n", "grace ", " of 4.0s\n",
		"b                1,234           1,000         0 /s  a ·\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "crash") {
		t.Errorf("the map's future is told:\n%s", text)
	}
	if strings.Index(text, "heal") > strings.Index(text, "cut") {
		t.Errorf("events at one time are not in the map's order:\n%s", text)
	}
}

func TestReportIsATableWithAVerdict(t *testing.T) {
	var out bytes.Buffer
	report := &cluster.Report{Elapsed: time.Second, Members: []cluster.Member{
		{Name: "a", Outcome: &job.Outcome{Count: 12, Score: "34.5", Exact: "34.5000", Complete: true}},
		{Name: "b", Exit: 2, Outcome: &job.Outcome{Count: 7, Score: "8.9", Missing: []string{"c"}}},
		{Name: "c", Exit: 137, Broken: "crashed"},
	}}
	PrintReport(&out, false, report, false)
	want := `member  tuple      result
a       (12,34.5)  complete
b       (7,8.9)    partial, missing c
c       -          crashed
partial: something is missing, and so the tuples differ
  member b has not heard that there are no more entries of c: c had crashed
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// situation is a board's words after the members of a cluster told how far they
// are, two seconds into the run.
func situation(t *testing.T, events string, progress ...job.Progress) []string {
	t.Helper()
	m, err := failure.Parse(strings.NewReader(events), "events")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Unix(100, 0)
	w := newWords(cluster.Names(len(progress)), false, began)
	for _, event := range m {
		w.happens(event, began.Add(event.At))
	}
	rows := make([]boardRow, len(progress))
	for id := range progress {
		rows[id].progress = progress[id]
		w.observe(member.ID(id), &rows[id], began.Add(800*time.Millisecond))
	}
	return w.lines(rows, began.Add(2*time.Second))
}

// told is the progress of a member that hears those marked with a y.
func told(hears string, settled uint64, awaits ...int) job.Progress {
	p := job.Progress{Phase: job.PhaseSend, Count: 100, Settled: settled, Awaits: awaits}
	for _, mark := range hears {
		p.Heard = append(p.Heard, mark == 'y')
	}
	return p
}

func TestBoardSaysWhatIsTheMatter(t *testing.T) {
	for name, c := range map[string]struct {
		got, want []string
	}{
		"all is well": {
			situation(t, "", told("yy", 100), told("yy", 90)),
			[]string{"all hear all, and everything settles"},
		},
		"one hears nobody": {
			situation(t, "", told("yyy", 50, 2), told("yyy", 50, 2), told("..y", 50)),
			[]string{"c hears nobody since 1.2s", "settling at a, b waits for c since 1.2s"},
		},
		"two halves": {
			situation(t, "", told("yy..", 5, 2, 3), told("yy..", 5, 2, 3), told("..yy", 5, 0, 1), told("..yy", 5, 0, 1)),
			[]string{
				"a, b and c, d do not hear each other since 1.2s",
				"settling at a, b waits for c, d since 1.2s",
				"settling at c, d waits for a, b since 1.2s",
			},
		},
		"one way": {
			situation(t, "", told("yyy", 100), told(".yy", 100), told("yyy", 100)),
			[]string{"b hears nothing of a since 1.2s"},
		},
		"all wait for who crashed": {
			situation(t, "1s c crash", told("yy.", 5, 2), told("yy.", 5, 2), told("yyy", 5)),
			[]string{"c is down since 1.0s", "settling waits for c since 1.2s"},
		},
		"a pause that is over": {
			situation(t, "1s b pause\n1500ms b resume", told("yy", 100), told("yy", 100)),
			[]string{"all hear all, and everything settles"},
		},
		"nothing is known yet": {situation(t, "", job.Progress{}, told("yy", 100)), nil},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRunIsShownInVirtualTime(t *testing.T) {
	var out bytes.Buffer
	screen := term.NewScreen(&out, true, func() term.Size { return term.Size{Columns: 100, Lines: 30} })
	r := NewRun(screen, false, 4*time.Second)
	for i := range 2000 {
		r.Tell(&trace.Event{At: time.Duration(i) * time.Millisecond})
	}
	if text := out.String(); !strings.Contains(text, " 1.0s of 4s of virtual time, 1,024 events, ") {
		t.Errorf("%q", text)
	}
}

func TestSimulationsSayWhatIsDrawn(t *testing.T) {
	events, err := failure.Parse(strings.NewReader("1s a <-> b cut\n2s a <-> b heal\n3s a <-> b cut\n3s c crash"), "events")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Unix(100, 0)
	totals := &runs.Totals{
		Began: began, Done: 50, Virtual: time.Minute,
		Last: sim.Config{Protocol: "delta", Seed: 7, Members: 3, Map: events, Shape: &sim.Shape{Journal: true}},
	}
	got := Simulations(false, totals, 200, began.Add(10*time.Second))
	want := []string{
		"██████                   50 of 200 runs, 5/s, 1m of virtual time, 30s to go",
		"seed 7: 3 members of delta with journals over datagrams, 4 lines of failures: crash, cut",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
