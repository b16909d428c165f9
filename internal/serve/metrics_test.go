package serve

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestEveryMetricIsExplained holds the table of docs/operating.md to what is
// exported: each metric with its help, and nothing else.
func TestEveryMetricIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained, exported []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(chatterbox_[a-z_]+)` \\| [^|]+ \\|").FindAllStringSubmatch(string(page), -1) {
		explained = append(explained, row[1])
	}
	inStage(t, func(s *stage) {
		s.contains(s.ask("POST", "/v1/entries?until=settled", "", "x"), 201, "")
		s.cluster.Isolate("c")
		if s.contains(s.ask("POST", "/v1/entries", "", "y"), 201, ""); !s.holdsUp("c") {
			s.t.Error("settling waits for nobody")
		}
		text := s.ask("GET", "/metrics", "", "").Body.String()
		for _, line := range regexp.MustCompile(`(?m)^# HELP (chatterbox_[a-z_]+) .{10,}$`).FindAllStringSubmatch(text, -1) {
			exported = append(exported, line[1])
		}
	})
	slices.Sort(explained)
	slices.Sort(exported)
	if !slices.Equal(explained, exported) {
		t.Errorf("docs/operating.md explains %v, exported are %v", explained, exported)
	}
}
