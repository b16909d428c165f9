package bench

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Metric is one figure of a report, named as in its JSON form, with points
// between the keys.
type Metric struct {
	Name  string
	Value float64
}

// Metrics returns the figures of a report, in its own order: not what it was
// told to measure, and not the single rounds.
func (r *Report) Metrics() []Metric {
	var metrics []Metric
	report := reflect.ValueOf(*r)
	for i := range report.NumField() {
		metrics = appendMetrics(metrics, report.Type().Field(i).Tag.Get("json"), report.Field(i))
	}
	settings := []string{"members", "payload_bytes", "rate_per_s", "duration_s"}
	return slices.DeleteFunc(metrics, func(m Metric) bool { return slices.Contains(settings, m.Name) })
}

func appendMetrics(metrics []Metric, name string, value reflect.Value) []Metric {
	switch value.Kind() {
	case reflect.Float64:
		return append(metrics, Metric{Name: name, Value: value.Float()})
	case reflect.Struct:
		for i := range value.NumField() {
			metrics = appendMetrics(metrics, name+"."+value.Type().Field(i).Tag.Get("json"), value.Field(i))
		}
	}
	return metrics
}

// metric returns a figure by its name.
func (r *Report) metric(name string) (float64, bool) {
	for _, m := range r.Metrics() {
		if m.Name == name {
			return m.Value, true
		}
	}
	return 0, false
}

// Condition compares a metric with a number, like ratio<0.85.
type Condition struct {
	Metric   string
	Operator string // <, <=, > or >=
	Bound    float64
}

// ParseCondition reads a condition. The error says what is allowed.
func ParseCondition(text string) (Condition, error) {
	at := strings.IndexAny(text, "<>")
	if at < 0 {
		return Condition{}, fmt.Errorf("wants METRIC<NUMBER, with <, <=, > or >= in the middle, like 'ratio<0.85'")
	}
	c := Condition{Metric: strings.TrimSpace(text[:at]), Operator: text[at : at+1]}
	bound, isOrEqual := strings.CutPrefix(text[at+1:], "=")
	if isOrEqual {
		c.Operator += "="
	}
	var err error
	if c.Bound, err = strconv.ParseFloat(strings.TrimSpace(bound), 64); err != nil || math.IsNaN(c.Bound) || math.IsInf(c.Bound, 0) {
		return Condition{}, fmt.Errorf("%q is not a number", strings.TrimSpace(bound))
	}
	if _, ok := (&Report{}).metric(c.Metric); !ok {
		return Condition{}, fmt.Errorf("there is no metric %q; there are %s", c.Metric, metricNames())
	}
	return c, nil
}

func metricNames() string {
	var names []string
	for _, m := range (&Report{}).Metrics() {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// String writes the condition as it is read.
func (c Condition) String() string {
	return c.Metric + c.Operator + strconv.FormatFloat(c.Bound, 'g', -1, 64)
}

// Holds reports whether the condition holds for a report, and the metric's value.
func (c Condition) Holds(report *Report) (value float64, holds bool) {
	value, _ = report.metric(c.Metric)
	switch c.Operator {
	case "<":
		return value, value < c.Bound
	case "<=":
		return value, value <= c.Bound
	case ">":
		return value, value > c.Bound
	default:
		return value, value >= c.Bound
	}
}
