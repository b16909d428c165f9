package board

import (
	"fmt"
	"io"
	"strings"

	"chatterbox/internal/job/cluster"
	"chatterbox/internal/term"
)

// PrintReport writes each member's tuple and the verdict.
func PrintReport(w io.Writer, style term.Style, report *cluster.Report, exact bool) {
	rows := [][]string{{"member", "tuple", "result"}}
	for i := range report.Members {
		rows = append(rows, reportRow(style, &report.Members[i], exact))
	}
	term.Table(w, rows)
	verdict := report.Verdict()
	word := verdict.String()
	switch verdict {
	case cluster.Agree:
		word = style.Good(word)
	case cluster.Partial:
		word = style.Warn(word)
	default:
		word = style.Bad(word)
	}
	fmt.Fprintf(w, "%s: %s\n", word, report.Describe())
	for _, sentence := range report.Explain() {
		fmt.Fprintf(w, "  %s\n", sentence)
	}
}

func reportRow(style term.Style, m *cluster.Member, exact bool) []string {
	if m.Outcome == nil {
		return []string{m.Name, "-", style.Bad(m.Fate())}
	}
	score := m.Outcome.Score
	if exact {
		score = m.Outcome.Exact
	}
	result := style.Good("complete")
	if !m.Outcome.Complete {
		result = style.Warn("partial, missing " + strings.Join(m.Outcome.Missing, " "))
	}
	return []string{m.Name, fmt.Sprintf("(%d,%s)", m.Outcome.Count, score), result}
}
