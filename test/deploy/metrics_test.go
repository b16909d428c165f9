package deploy_test

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"

	"github.com/prometheus/common/model"
)

// series are the metrics that a member exports, each with its labels. Those that
// a healthy member has no value of are known by their HELP only.
type series map[string][]string

func seriesOf(t *testing.T) series {
	t.Helper()
	text := scrape(t)
	known := series{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		known[match[1]] = nil
	}
	for _, match := range regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`).FindAllStringSubmatch(text, -1) {
		var names []string
		for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(match[2], -1) {
			names = append(names, label[1])
		}
		known[match[1]] = names
	}
	if len(known["chatterbox_ready"]) != 0 || !slices.Contains(known["chatterbox_http_request_seconds_bucket"], "le") {
		t.Fatalf("the metrics are not understood: %v", known)
	}
	// What there is only while something is wrong.
	known["chatterbox_member_holds_up_seconds"] = []string{"member"}
	known["chatterbox_member_heard_seconds"] = []string{"member"}
	known["up"] = nil // Prometheus makes it
	return known
}

// check parses an expression and demands that everything in it is there.
func (s series) check(t *testing.T, where, expression string) {
	t.Helper()
	expression = strings.NewReplacer("$__rate_interval", "1m", "$job", "chatterbox", "$instance", ".*").Replace(expression)
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, expression)
		return
	}
	selected := 0
	var has []string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			selected++
			names, known := s[node.Name]
			if !known {
				t.Errorf("%s: no member exports %s", where, node.Name)
			}
			has = append(append(has, "job", "instance"), names...)
			for _, matcher := range node.LabelMatchers {
				if matcher.Name != labels.MetricName && !slices.Contains(has, matcher.Name) {
					t.Errorf("%s: %s has no label %s", where, node.Name, matcher.Name)
				}
			}
		}
		return nil
	})
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if a, ok := node.(*parser.AggregateExpr); ok {
			for _, name := range a.Grouping {
				if !slices.Contains(has, name) {
					t.Errorf("%s: nothing in %s has a label %s", where, expression, name)
				}
			}
		}
		return nil
	})
	if selected == 0 {
		t.Errorf("%s: %s asks for nothing", where, expression)
	}
}

// TestDashboardAsksForWhatThereIs reads every expression of the dashboard.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	var dashboard struct {
		Templating struct {
			List []struct{ Name, Query string }
		}
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr, LegendFormat string }
			GridPos            struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/chatterbox.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	known, count := seriesOf(t), 0
	taken := map[[2]int]string{}
	for _, panel := range dashboard.Panels {
		if panel.Description == "" || len(panel.Targets) == 0 {
			t.Errorf("panel %q says nothing, or not what it shows", panel.Title)
		}
		for _, target := range panel.Targets {
			known.check(t, "panel "+panel.Title, target.Expr)
			count++
		}
		for x := range panel.GridPos.W {
			for y := range panel.GridPos.H {
				cell := [2]int{panel.GridPos.X + x, panel.GridPos.Y + y}
				if other := taken[cell]; other != "" || cell[0] >= 24 {
					t.Fatalf("panel %q lies over %q, or leaves the page", panel.Title, other)
				}
				taken[cell] = panel.Title
			}
		}
	}
	for _, variable := range dashboard.Templating.List {
		if match := regexp.MustCompile(`^label_values\((.*), \w+\)$`).FindStringSubmatch(variable.Query); match != nil {
			known.check(t, "variable "+variable.Name, match[1])
			count++
		}
	}
	if count < 20 {
		t.Errorf("%d expressions", count)
	}
}

// TestAlertsAreTaken has Prometheus' own reader take the rules.
func TestAlertsAreTaken(t *testing.T) {
	groups, errs := rulefmt.Parse([]byte(read(t, "prometheus/alerts.yaml")), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	known, count := seriesOf(t), 0
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			known.check(t, "alert "+rule.Alert, rule.Expr)
			if rule.Annotations["description"] == "" || rule.Labels["severity"] == "" {
				t.Errorf("alert %s does not say what to do", rule.Alert)
			}
			count++
		}
	}
	if count < 5 {
		t.Errorf("%d rules", count)
	}
	var config map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, "prometheus/prometheus.yaml")), &config); err != nil {
		t.Error(err)
	}
}
