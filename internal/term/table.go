package term

import (
	"fmt"
	"io"
	"strings"
)

// Cut shortens a line to a number of columns; colours take none.
func Cut(line string, columns int) string {
	seen, escaped := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escaped = true
		case escaped:
			escaped = r != 'm'
		case seen == max(columns, 0):
			return line[:i] + "\x1b[0m"
		default:
			seen++
		}
	}
	return line
}

// Columns counts what a text takes on a terminal; colours take nothing.
func Columns(text string) int {
	seen, escaped := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escaped = true
		case escaped:
			escaped = r != 'm'
		default:
			seen++
		}
	}
	return seen
}

// Pad fills a text up to a number of columns, on the left if that is negative.
func Pad(text string, width int) string {
	missing := max(width, -width) - Columns(text)
	switch {
	case missing <= 0:
		return text
	case width < 0:
		return strings.Repeat(" ", missing) + text
	}
	return text + strings.Repeat(" ", missing)
}

// Table writes rows in columns that are as wide as they must be. Columns whose
// head begins with a space are aligned to the right.
func Table(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for i, head := range rows[0] {
		for _, row := range rows {
			widths[i] = max(widths[i], Columns(row[i]))
		}
		if strings.HasPrefix(head, " ") {
			widths[i] = -widths[i]
		}
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Pad(cell, widths[i])
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}
