package cluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/trace"
)

// writeEvents writes a trace, and behind it what else a killed process may
// have left.
func writeEvents(t *testing.T, path string, rest string, at ...time.Duration) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := trace.NewWriter(file, trace.Header{Members: []string{"a"}})
	for _, at := range at {
		w.Tell(&trace.Event{Kind: trace.Pause, At: at})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(rest); err != nil || file.Close() != nil {
		t.Fatal(err)
	}
}

func TestTracesAreMergedByTime(t *testing.T) {
	folder := t.TempDir()
	first, second, empty := filepath.Join(folder, "1"), filepath.Join(folder, "2"), filepath.Join(folder, "3")
	writeEvents(t, first, "", 1, 4, 4, 9)
	writeEvents(t, second, `{"at":7,"what":"pa`, 2, 3, 5)
	writeEvents(t, empty, "")
	var merged trace.Log
	told := []trace.Event{{Kind: trace.Crash, At: 4, Note: "x"}, {Kind: trace.Phase, At: 6, Note: "end"}}
	if err := merge(&merged, []string{first, second, empty}, told); err != nil {
		t.Fatal(err)
	}
	var got []time.Duration
	for _, e := range merged.Events {
		got = append(got, e.At)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 3, 4, 4, 4, 5, 6, 9}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMissingTraceIsAnError(t *testing.T) {
	if err := merge(new(trace.Log), []string{filepath.Join(t.TempDir(), "nothing")}, nil); err == nil {
		t.Error("no error")
	}
}
