// Package term draws on terminals: text in colours, lines that are drawn over
// themselves, tables, bars, and figures that are short enough for them.
//
// A [Style] paints text or leaves it plain. A [Screen] is what is drawn again
// and again at the end of a terminal, cut to its size. [Table] writes rows.
// Nothing here knows what is drawn.
package term

// Style paints text for a terminal; false leaves it plain.
type Style bool

// Good paints what is well.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Warn paints what somebody should look at.
func (s Style) Warn(text string) string { return s.paint("33", text) }

// Bad paints what went wrong.
func (s Style) Bad(text string) string { return s.paint("31;1", text) }

// Strong paints what the eye should find first.
func (s Style) Strong(text string) string { return s.paint("1", text) }

// Faint paints what may be overlooked.
func (s Style) Faint(text string) string { return s.paint("2", text) }

// Accent paints what stands for a quantity.
func (s Style) Accent(text string) string { return s.paint("36", text) }

func (s Style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
