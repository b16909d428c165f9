package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/proof/trace"
)

// writeEvents writes the trace of a process: whole, if it has an end.
func writeEvents(t *testing.T, path string, end string, at ...time.Duration) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := trace.NewWriter(file, trace.Header{Members: []string{"a"}, Protocol: "delta"})
	for _, at := range at {
		w.Tell(&trace.Event{Kind: trace.Pause, At: at})
	}
	if end == whole {
		end, err = "", w.Close()
	} else {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(end); err != nil || file.Close() != nil {
		t.Fatal(err)
	}
}

const whole = "whole"

func merged(t *testing.T, told []trace.Event, parts ...part) (times []time.Duration, lost string) {
	t.Helper()
	var log trace.Log
	lost = merge(&log, parts, told)
	for _, e := range log.Events {
		times = append(times, e.At)
	}
	return times, lost
}

func TestTracesAreMergedByTime(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	writeEvents(t, path("1"), whole, 1, 4, 4, 9)
	writeEvents(t, path("2"), `{"at":7,"what":"pa`, 2, 3, 5)
	writeEvents(t, path("3"), whole)
	told := []trace.Event{{Kind: trace.Crash, At: 4, Note: "x"}, {Kind: trace.Phase, At: 6, Note: "end"}}
	got, lost := merged(t, told, part{"a", path("1"), false}, part{"b", path("2"), true}, part{"c", path("3"), false}, part{"d", path("4"), true})
	if diff := cmp.Diff([]time.Duration{1, 2, 3, 4, 4, 4, 5, 6, 9}, got); diff != "" || lost != "" {
		t.Errorf("%s, lost %q", diff, lost)
	}
}

func TestMergedTraceEndsWhereAPartIsLost(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	writeEvents(t, path("1"), whole, 1, 4, 4, 9)
	writeEvents(t, path("cut"), "", 2, 3, 5)
	writeEvents(t, path("full"+LostSuffix), `{"at":7,"wh`, 2, 3)
	writeEvents(t, path("wrong"), "nonsense\n", 3)
	for name, test := range map[string]struct {
		part part
		want []time.Duration
	}{
		"has no end":     {part{"b", path("cut"), false}, []time.Duration{1, 2, 3, 4, 4, 5}},
		"disk was full":  {part{"b", path("full"), true}, []time.Duration{1, 2, 3}},
		"is no trace":    {part{"b", path("wrong"), true}, []time.Duration{1, 3}},
		"is nowhere":     {part{"b", path("nowhere"), false}, nil},
		"cannot be read": {part{"b", folder, false}, nil},
	} {
		got, lost := merged(t, nil, part{"a", path("1"), false}, test.part)
		if diff := cmp.Diff(test.want, got); diff != "" || !strings.Contains(lost, "the part of b is lost from") {
			t.Errorf("%s: %s, lost %q", name, diff, lost)
		}
	}
}
