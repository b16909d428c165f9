package mutant

import (
	"fmt"
	"slices"
	"strings"
)

// A patch is a sentence, then changes, with empty lines between them:
//
//	What was lost on the way is not sent again.
//
//	--- internal/core/protocol/delta/link.go
//	 func (d *Delta) rewind(l *link) {
//	+	return
//
// Lines that begin with a minus go, those with a plus come, those with a space
// stay and tell where. What stays and goes must stand in the file exactly
// once, whatever its indentation: a patch that does not fit any more fails,
// instead of breaking nothing or something else. A change without a file of its
// own is one more in the file of the change before.

// change is what happens at one place of a file.
type change struct {
	file string
	old  []string // lines without indentation
	new  []string
}

// parse reads the changes of a patch.
func parse(text string) ([]change, error) {
	blocks := strings.Split(strings.TrimSpace(text), "\n\n")
	var all []change
	file := ""
	for _, block := range blocks[1:] {
		c := change{file: file}
		for _, line := range strings.Split(block, "\n") {
			if name, ok := strings.CutPrefix(line, "--- "); ok {
				file, c.file = name, name
				continue
			}
			kept := line[:1] == " "
			if kept || line[:1] == "-" {
				c.old = append(c.old, strings.TrimSpace(line[1:]))
			}
			if kept || line[:1] == "+" {
				c.new = append(c.new, line[1:])
			}
			if !strings.Contains(" +-", line[:1]) {
				return nil, fmt.Errorf("the line begins with no space, plus or minus: %s", line)
			}
		}
		if c.file == "" || len(c.old) == 0 {
			return nil, fmt.Errorf("a change without a file, or without a line that tells where:\n%s", block)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no change in it")
	}
	return all, nil
}

// apply makes the change in the text of its file.
func (c *change) apply(text string) (string, error) {
	lines := strings.Split(text, "\n")
	at, found := 0, 0
	for i := range lines {
		if c.fits(lines[i:]) {
			at = i
			found++
		}
	}
	if found != 1 {
		return "", fmt.Errorf("%s has these lines %d times, once is wanted:\n%s", c.file, found, strings.Join(c.old, "\n"))
	}
	return strings.Join(slices.Replace(lines, at, at+len(c.old), c.new...), "\n"), nil
}

func (c *change) fits(lines []string) bool {
	return len(lines) >= len(c.old) && slices.EqualFunc(lines[:len(c.old)], c.old, func(line, old string) bool {
		return strings.TrimSpace(line) == old
	})
}
