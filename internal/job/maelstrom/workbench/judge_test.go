package workbench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// write adds an acknowledged write to a history: its beginning and its end.
func (h *history) write(begins, ends time.Duration, value int) {
	at := len(*h)
	*h = append(*h, operation{at: begins, write: true, value: value, invocation: at})
	*h = append(*h, operation{at: ends, write: true, value: value, invocation: at, result: done})
}

// reads adds a read that shows values.
func (h *history) reads(node int, begins, ends time.Duration, final bool, values ...int) {
	at := len(*h)
	*h = append(*h, operation{at: begins, node: node, final: final, invocation: at})
	*h = append(*h, operation{at: ends, node: node, final: final, invocation: at, result: done, read: values})
}

func judged(h history, nodes ...string) *Report {
	b := &bench{history: h, names: nodes}
	return b.report()
}

// TestLatencyIsFromKnownToLastAbsent as Jepsen's checker measures it: the end
// of the write, or of a read that shows the value if that is earlier, to the
// beginning of the last read that does not.
func TestLatencyIsFromKnownToLastAbsent(t *testing.T) {
	var h history
	h.write(0, 100*time.Millisecond, 7)
	h.reads(0, 150*time.Millisecond, 160*time.Millisecond, false)
	h.reads(1, 200*time.Millisecond, 210*time.Millisecond, false, 7)
	h.reads(0, 350*time.Millisecond, 400*time.Millisecond, false)
	h.reads(0, 500*time.Millisecond, 510*time.Millisecond, true, 7)
	h.reads(1, 500*time.Millisecond, 510*time.Millisecond, true, 7)
	report := judged(h, "n1", "n2")
	if len(report.Violations) > 0 || report.Stable.Max != 250*time.Millisecond+1 ||
		report.Everywhere.Max != 350*time.Millisecond+1 || report.Answers.Max != 100*time.Millisecond {
		t.Errorf("%s", report)
	}
}

// TestJudgeSeesEachMistake: a history with one mistake has one kind of
// violation.
func TestJudgeSeesEachMistake(t *testing.T) {
	for want, ends := range map[string]func(*history){
		"": func(h *history) {
			h.reads(0, 3, 4, true, 7)
			h.reads(1, 3, 4, true, 7)
		},
		"was known and is lost": func(h *history) {
			h.reads(0, 3, 4, true)
			h.reads(1, 3, 4, true)
		},
		"acknowledged and not at [n2]": func(h *history) {
			h.reads(1, 3, 4, true)
			h.reads(0, 3, 4, true, 7)
		},
		"which nobody wrote": func(h *history) {
			h.reads(0, 3, 4, true, 7, 8)
			h.reads(1, 3, 4, true, 7)
		},
		"twice": func(h *history) {
			h.reads(0, 3, 4, true, 7, 7)
			h.reads(1, 3, 4, true, 7)
		},
		"n2 did not answer": func(h *history) { h.reads(0, 3, 4, true, 7) },
	} {
		var h history
		h.write(1, 2, 7)
		ends(&h)
		report := judged(h, "n1", "n2")
		seen := slices.ContainsFunc(report.Violations, func(v string) bool { return strings.Contains(v, want) })
		if want == "" && len(report.Violations) > 0 || want != "" && !seen {
			t.Errorf("%q: %s", want, report)
		}
	}
}

// TestUnansweredWritesMayBeAnywhereOrNowhere: at all nodes or at none, but not
// at some only.
func TestUnansweredWritesMayBeAnywhereOrNowhere(t *testing.T) {
	for _, shown := range [][2][]int{{{}, {}}, {{7}, {7}}, {{7}, {}}} {
		h := history{{at: 1, write: true, value: 7}, {at: 2, write: true, value: 7, result: unknown}}
		h.reads(0, 3, 4, true, shown[0]...)
		h.reads(1, 3, 4, true, shown[1]...)
		report := judged(h, "n1", "n2")
		if same := len(shown[0]) == len(shown[1]); same != (len(report.Violations) == 0) {
			t.Errorf("%v: %s", shown, report)
		}
	}
}

// TestQuantilesAreThoseOfJepsen: the element at the floor of n times the point.
func TestQuantilesAreThoseOfJepsen(t *testing.T) {
	got := quantiles([]time.Duration{4, 3, 2, 1})
	if got != (Quantiles{P50: 3, P95: 4, P99: 4, Max: 4}) || quantiles(nil) != (Quantiles{}) {
		t.Errorf("%+v", got)
	}
}
