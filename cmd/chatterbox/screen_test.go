package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/cluster"
	"chatterbox/failure"
	"chatterbox/job"
)

func TestDurationsHaveAUnitOfTheirOwn(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, "0.25": 250 * time.Millisecond, "1500ms": 1500 * time.Millisecond,
		"2m": 2 * time.Minute, "0": 0, "-1": -time.Second, "1e2": 100 * time.Second,
	} {
		if got, err := parseDuration(text, time.Second); err != nil || got != want {
			t.Errorf("%q is %v, error %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "5 s", "NaN", "Inf", "1e30", "3x"} {
		if got, err := parseDuration(text, time.Second); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
	if got, _ := parseDuration("7", time.Millisecond); got != 7*time.Millisecond {
		t.Errorf("a bare tick is %v", got)
	}
}

func TestFiguresAreShort(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 12345678: "12,345,678"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	for rate, want := range map[float64]string{0: "0 /s", 42: "42 /s", 1234: "1.23 k/s", 5e6: "5 M/s", 2.5e9: "2.5 G/s"} {
		if got := perSecond(rate); got != want {
			t.Errorf("%v is %q, want %q", rate, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", time.Minute: "1m", 90 * time.Second: "1m30s", 0: "0s", time.Second: "1s", 10 * time.Minute: "10m",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for done, want := range map[float64]string{-1: "    ", 0: "    ", 0.5: "██  ", 0.53125: "██▏ ", 1: "████", 2: "████"} {
		if got := bar(done, 4); got != want {
			t.Errorf("%v is %q, want %q", done, got, want)
		}
	}
}

func TestColoursTakeNoColumns(t *testing.T) {
	painted := style(true).good("four")
	if got := columns(painted); got != 4 {
		t.Errorf("%q has %d columns", painted, got)
	}
	if got := pad(painted, -6); got != "  "+painted {
		t.Errorf("padded on the left: %q", got)
	}
	if got := cut("a"+painted, 3); got != "a\x1b[32mfo\x1b[0m" {
		t.Errorf("cut: %q", got)
	}
	if got := style(false).bad("plain"); got != "plain" {
		t.Errorf("without colours: %q", got)
	}
}

func TestScreenIsDrawnOverItself(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, live: true, width: func() int { return 6 }}
	s.draw([]string{"one", "two two"})
	s.say("said")
	s.clear()
	want := "one\ntwo t\x1b[0m\n" + "\x1b[2A\r\x1b[Jsaid\none\ntwo t\x1b[0m\n" + "\x1b[2A\r\x1b[J"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestScreenOnlySaysWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out}
	s.draw([]string{"progress"})
	s.say("said")
	s.clear()
	if out.String() != "said\n" {
		t.Errorf("%q", out.String())
	}
}

func TestBoardShowsMembersAndWhatTheMapDoes(t *testing.T) {
	var out bytes.Buffer
	events, err := failure.Parse(strings.NewReader("0s b <-> * heal\n1h a crash\n0s a <-> b cut"), "events")
	if err != nil {
		t.Fatal(err)
	}
	console := &console{stderr: &out, live: true, width: func() int { return 100 }}
	b := newBoard(console, cluster.Names(3), 4*time.Second, events)
	b.progress(1, job.Progress{Phase: job.PhaseGrace, Count: 1234, Settled: 1000, Heard: []bool{true, true, false}})
	text := out.String()
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

func TestSpeedIsAMovingAverage(t *testing.T) {
	var s speed
	start := time.Unix(100, 0)
	for i, count := range []uint64{0, 100, 200, 300} {
		s.observe(count, start.Add(time.Duration(i)*time.Second))
	}
	if s.rate != 87.5 {
		t.Errorf("rate %v", s.rate)
	}
	s.observe(7, start.Add(9*time.Second)) // a restarted member counts anew
	if s.rate != 87.5 {
		t.Errorf("rate %v after a restart", s.rate)
	}
}

func TestReportIsATableWithAVerdict(t *testing.T) {
	var out bytes.Buffer
	report := &cluster.Report{Elapsed: time.Second, Members: []cluster.Member{
		{Name: "a", Outcome: &job.Outcome{Count: 12, Score: "34.5", Exact: "34.5000", Complete: true}},
		{Name: "b", Exit: 2, Outcome: &job.Outcome{Count: 7, Score: "8.9", Missing: []string{"c"}}},
		{Name: "c", Exit: 137, Broken: "crashed"},
	}}
	printReport(&console{stdout: &out}, report, false)
	want := `member  tuple      result
a       (12,34.5)  complete
b       (7,8.9)    partial, missing c
c       -          crashed
partial: something is missing, and so the tuples differ
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
