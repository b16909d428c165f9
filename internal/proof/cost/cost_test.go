package cost_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/cost"
)

// sheet has a hundred runs of one measure, from 0.01 to 1 times a scale.
func sheet(scale float64) *cost.Sheet {
	s := &cost.Sheet{}
	for i := range 100 {
		s.Add([]check.Cost{{Name: "heal", Value: scale * float64(100-i) / 100}})
	}
	return s
}

func TestQuantilesAreOfTheSortedValues(t *testing.T) {
	rows := sheet(2).Rows()
	if len(rows) != 1 || rows[0] != (cost.Row{Name: "heal", Runs: 100, P50: 1, P90: 1.8, P99: 1.98, Beyond: 0.5}) {
		t.Errorf("%+v", rows)
	}
	if rows := (&cost.Sheet{}).Rows(); rows != nil {
		t.Errorf("nothing comes to %+v", rows)
	}
}

func TestATenthIsWorse(t *testing.T) {
	was := sheet(1).Rows()
	for scale, want := range map[float64]string{1: "", 0.5: "", 1.09: "", 1.2: "p50 and p99"} {
		worse, err := cost.Compare(was, sheet(scale).Rows())
		if err != nil || worse["heal"] != want {
			t.Errorf("%v times as much: %v, %v, want %q", scale, worse, err, want)
		}
	}
	late := sheet(1)
	late.Add([]check.Cost{{Name: "heal", Value: 9}})
	late.Add([]check.Cost{{Name: "heal", Value: 9}})
	if worse, err := cost.Compare(was, late.Rows()); err != nil || worse["heal"] != "p99" {
		t.Errorf("two late ones: %v, %v", worse, err)
	}
	late.Add([]check.Cost{{Name: "early", Value: 0}})
	if _, err := cost.Compare(was, late.Rows()); err == nil {
		t.Error("runs with another measure are compared")
	}
}

// TestBaselineIsATable: what is printed can be read again, also with what it was
// compared with behind it.
func TestBaselineIsATable(t *testing.T) {
	rows := sheet(3).Rows()
	for _, baseline := range [][]cost.Row{nil, sheet(1).Rows()} {
		text := "1,000 runs of delta\n"
		for _, cells := range cost.Table(rows, baseline) {
			text += fmt.Sprintln(strings.Join(cells, "  "))
		}
		read, err := cost.Parse(text)
		if err != nil || len(read) != 1 || math.Abs(read[0].P99-rows[0].P99) > 1e-3 || math.Abs(read[0].Beyond-rows[0].Beyond) > 1e-3 {
			t.Errorf("%v, %+v of\n%s", err, read, text)
		}
		if worse := strings.Contains(text, "worse: p50 and p99"); worse != (baseline != nil) {
			t.Errorf("worse: %t in\n%s", worse, text)
		}
	}
	for _, text := range []string{"", "cost runs", "heal 1 2 3 x 5%"} {
		if rows, err := cost.Parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, rows)
		}
	}
}

// TestMeasuresAreOfChecks: a measure names the check that notes it in a run.
func TestMeasuresAreOfChecks(t *testing.T) {
	for _, m := range cost.Measures() {
		if known, ok := check.Named(m.Check); m.Check != "" && (!ok || !known.Cost) || m.Doc == "" || m.Slack <= 0 {
			t.Errorf("%+v", m)
		}
	}
}
