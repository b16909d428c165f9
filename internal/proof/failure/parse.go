package failure

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"chatterbox/internal/core/text"
)

const (
	// Version is the version of the text form that is read and written.
	Version = "1"

	mapBytesMax = 1 << 20 // of a map's text
	repeatsMax  = 10_000  // times that one line happens
	mistakesMax = 20      // that are told at once
	quoteMax    = 60      // bytes of a wrong word that are told
)

// Parse reads the text form of a map (docs/failure-maps.md). The error tells
// the first mistake of every line as name:line:column, a column being a
// character; name is only used for that.
func Parse(r io.Reader, name string) (Map, error) {
	data, err := io.ReadAll(io.LimitReader(r, mapBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("failure: read map %s: %w", name, err)
	}
	if len(data) > mapBytesMax {
		return nil, fmt.Errorf("%s: a failure map has at most %d MiB; is this one?", name, mapBytesMax>>20)
	}
	if data, err = text.Clean(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return parseLines(strings.Split(string(data), "\n"), name)
}

func parseLines(lines []string, name string) (Map, error) {
	var m Map
	var mistakes mistakes
	first := true
	for i, text := range lines {
		p := lineParser{words: splitWords(text)}
		switch {
		case len(p.words) == 1: // just the end
			continue
		case first && p.peek().text == "version":
			p.version()
		default:
			event := p.event()
			event.Source = fmt.Sprintf("%s:%d", name, i+1)
			m = append(m, event)
		}
		first = false
		if p.err != nil {
			mistakes.add("%s:%d:%w", name, i+1, p.err)
		}
	}
	if err := mistakes.join(); err != nil {
		return nil, err
	}
	return m, nil
}

// mistakes gathers errors, so many that they fit on a screen.
type mistakes struct {
	told   []error
	untold int
}

func (m *mistakes) add(format string, args ...any) {
	if len(m.told) == mistakesMax {
		m.untold++
		return
	}
	m.told = append(m.told, fmt.Errorf(format, args...))
}

func (m *mistakes) join() error {
	if m.untold > 0 {
		m.told = append(m.told, fmt.Errorf("and %d mistakes more", m.untold))
	}
	return errors.Join(m.told...)
}

// word is a piece of a line: what stands between spaces, or a comma.
type word struct {
	text   string
	column int // from 1
}

// splitWords splits a line up to its comment. The last word is empty: the end.
func splitWords(line string) []word {
	line, _, _ = strings.Cut(line, "#")
	var words []word
	start := -1 // of the word that may still grow
	column := 0
	for i, r := range line {
		column++
		space := unicode.IsSpace(r)
		switch {
		case start >= 0 && (space || r == ','):
			words[len(words)-1].text = line[start:i]
			start = -1
		case start < 0 && !space && r != ',':
			words = append(words, word{column: column})
			start = i
		}
		if r == ',' {
			words = append(words, word{text: ",", column: column})
		}
	}
	if start >= 0 {
		words[len(words)-1].text = line[start:]
	}
	return append(words, word{column: column + 1})
}
