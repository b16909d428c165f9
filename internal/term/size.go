package term

import (
	"os"

	"golang.org/x/term"
)

// Size is what a terminal has room for.
type Size struct{ Columns, Lines int }

// What a terminal has room for that does not say.
const (
	columnsDefault = 80
	linesDefault   = 24
)

// SizeOf returns the size of the terminal that file is.
func SizeOf(file *os.File) Size {
	size := Size{columnsDefault, linesDefault}
	columns, lines, err := term.GetSize(int(file.Fd()))
	if err == nil && columns > 0 {
		size.Columns = columns
	}
	if err == nil && lines > 0 {
		size.Lines = lines
	}
	return size
}

// IsTerminal reports whether somebody may be looking at file.
func IsTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
