// Package cost judges what runs cost by how it is distributed over many of
// them: one run in fifty thousand with a link of 5 KB/s for ever buys no rule.
//
// A run has a number for each [Measure] that applies to it (package check
// takes it). A [Sheet] gathers those of many runs and gives a [Row] of
// quantiles for each measure; [Compare] sets rows beside those of a baseline.
// Rows are written and read as a table of text, which is what a baseline is.
package cost

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"chatterbox/internal/proof/check"
)

// Measure is one respect in which a run costs something. Smaller is better.
type Measure struct {
	Name  string
	Doc   string
	Check string  // the check that notes it in a single run
	Bound float64 // beyond it a run is one too many
	// Slack is how much a quantile may rise besides a tenth: what is so little
	// that nobody notices.
	Slack float64
}

// Measures returns all measures, in the order of tables.
func Measures() []Measure {
	return []Measure{
		{"copies", "entries sent for each one needed, where nothing fails", "few-copies", 1.05, 0.01},
		{"copies-healed", "entries sent for each one needed, from the heal on", "few-copies", 2, 0.05},
		{"early", "share of the entries sent that were sent again within a tick", "no-early-resend", 0, 0.002},
		{"quiet", "messages of the busiest member for each keep-alive, once all is settled", "quiet-end", 2, 0.05},
		{"settle", "the longest time to settle as a share of what is allowed, where nothing fails", "settles-in-time", 1, 0.02},
		{"heal", "seconds from the heal until all that was written before has settled everywhere", "", 1, 0.02},
		{"late", "seconds after the deadline until members that have only others between them hold the same", "", 0, 0.25},
	}
}

// MeasureNamed returns the measure of a name; one without a name if there is
// none.
func MeasureNamed(name string) Measure {
	for _, m := range Measures() {
		if m.Name == name {
			return m
		}
	}
	return Measure{}
}

// Sheet gathers what runs cost. The zero value is empty.
type Sheet struct{ values map[string][]float64 }

// Add takes in what a run cost.
func (s *Sheet) Add(costs []check.Cost) {
	if s.values == nil {
		s.values = map[string][]float64{}
	}
	for _, c := range costs {
		s.values[c.Name] = append(s.values[c.Name], c.Value)
	}
}

// Row is the distribution of one measure.
type Row struct {
	Name   string  `json:"cost"`
	Runs   int     `json:"runs"` // to which the measure applies
	P50    float64 `json:"p50"`
	P90    float64 `json:"p90"`
	P99    float64 `json:"p99"`
	Beyond float64 `json:"beyond"` // share of the runs that are beyond the bound
}

// Rows returns a row for each measure that applies to any run.
func (s *Sheet) Rows() []Row {
	var rows []Row
	for _, m := range Measures() {
		values := slices.Clone(s.values[m.Name])
		if len(values) == 0 {
			continue
		}
		slices.Sort(values)
		fine, _ := slices.BinarySearchFunc(values, m.Bound, func(value, bound float64) int {
			if value <= bound {
				return -1
			}
			return cmp.Compare(value, bound)
		})
		rows = append(rows, Row{
			Name: m.Name, Runs: len(values), P50: quantile(values, 0.5), P90: quantile(values, 0.9), P99: quantile(values, 0.99),
			Beyond: 1 - float64(fine)/float64(len(values)),
		})
	}
	return rows
}

// quantile returns the smallest of sorted values that a share of them does not
// exceed.
func quantile(sorted []float64, share float64) float64 {
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// worseBy is how much a quantile may rise before that is worse.
const worseBy = 1.1

// Worse returns how a distribution is worse than another one of the same measure:
// its median or its last hundredth has risen by more than a tenth. "" is not.
func Worse(was, is Row) string {
	slack := MeasureNamed(is.Name).Slack
	var worse []string
	if is.P50 > was.P50*worseBy+slack {
		worse = append(worse, "p50")
	}
	if is.P99 > was.P99*worseBy+slack {
		worse = append(worse, "p99")
	}
	return strings.Join(worse, " and ")
}

// Compare returns the measures in which rows are worse than a baseline, and how.
// What one has and the other lacks is an error: they are not of the same runs.
func Compare(baseline, rows []Row) (map[string]string, error) {
	worse := map[string]string{}
	if len(baseline) != len(rows) {
		return nil, fmt.Errorf("the baseline has %d measures, these runs have %d", len(baseline), len(rows))
	}
	for i, is := range rows {
		if baseline[i].Name != is.Name {
			return nil, fmt.Errorf("the baseline has %s where these runs have %s", baseline[i].Name, is.Name)
		}
		if how := Worse(baseline[i], is); how != "" {
			worse[is.Name] = how
		}
	}
	return worse, nil
}

// Table returns rows as cells of text, below a head. With a baseline each row
// has the quantiles that were, and how it is worse.
func Table(rows, baseline []Row) [][]string {
	head := []string{"cost", " runs", " p50", " p90", " p99", " beyond"}
	if baseline != nil {
		head = append(head, " p50 was", " p99 was", "")
	}
	table := [][]string{head}
	for i, r := range rows {
		cells := []string{r.Name, strconv.Itoa(r.Runs), number(r.P50), number(r.P90), number(r.P99), number(100*r.Beyond) + "%"}
		if baseline != nil {
			was := baseline[i]
			cells = append(cells, number(was.P50), number(was.P99), "")
			if how := Worse(was, r); how != "" {
				cells[len(cells)-1] = "worse: " + how
			}
		}
		table = append(table, cells)
	}
	return table
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// Parse reads the rows of a table. Lines that are no row are passed over; that
// there is no row at all is an error.
func Parse(text string) ([]Row, error) {
	var rows []Row
	for _, line := range strings.Split(text, "\n") {
		cells := strings.Fields(line)
		if len(cells) < 6 || MeasureNamed(cells[0]).Name == "" {
			continue
		}
		r := Row{Name: cells[0]}
		var wrong error
		r.Runs, wrong = strconv.Atoi(cells[1])
		for i, field := range []*float64{&r.P50, &r.P90, &r.P99, &r.Beyond} {
			value, err := strconv.ParseFloat(strings.TrimSuffix(cells[i+2], "%"), 64)
			*field, wrong = value, errors.Join(wrong, err)
		}
		if wrong != nil {
			return nil, fmt.Errorf("the row of %s: %w", r.Name, wrong)
		}
		r.Beyond /= 100
		rows = append(rows, r)
	}
	if rows == nil {
		return nil, errors.New("there is no table of cost in it: sim --cost prints one")
	}
	return rows, nil
}
