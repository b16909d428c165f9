package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A line of a trace is one flat object of JSON. It is read strictly: every
// byte of it counts, a key stands once, and a number is whole and exact.

// ExactMax is the largest whole number that every reader of JSON keeps as it
// is. Larger ones stand in quotes, and are refused without them, for nobody
// can know what they were before some tool rounded them.
const ExactMax = 1<<53 - 1

// errCut says that a line ends in the middle.
var errCut = errors.New("the line ends in the middle")

// scanner reads one line from the left to the right.
type scanner struct {
	line []byte
	at   int // of the next byte
}

// lineError is an error with the place in the line where it was noticed.
type lineError struct {
	at  int // byte, from 0
	err error
}

// Error returns the text without the place, which whoever knows the line tells.
func (e *lineError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *lineError) Unwrap() error { return e.err }

func wrongAt(at int, format string, args ...any) error {
	return &lineError{at, fmt.Errorf(format, args...)}
}

// valueKind says what a value of JSON is.
type valueKind uint8

const (
	number  valueKind = iota + 1
	quoted            // text, in quotes
	boolean           // true or false
	list              // of texts
)

// value is a value of JSON as it stands in the line.
type value struct {
	kind valueKind
	at   int // in the line, from 0
	raw  []byte
}

// object reads the whole line as an object and hands over each field.
func (s *scanner) object(field func(key value, v value) error) error {
	if err := s.take('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		if s.space(); s.peek() == '}' && first {
			break
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if err := s.take(':'); err != nil {
			return err
		}
		v, err := s.value()
		if err != nil {
			return err
		}
		if err := field(key, v); err != nil {
			return err
		}
		if s.space(); s.peek() != ',' {
			break
		}
		s.at++
	}
	if err := s.take('}'); err != nil {
		return err
	}
	if s.space(); s.at < len(s.line) {
		return wrongAt(s.at, "nothing may follow the object, found %s", s.found())
	}
	return nil
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.line) {
		return s.line[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.line) && (s.line[s.at] == ' ' || s.line[s.at] == '\t' || s.line[s.at] == '\r') {
		s.at++
	}
}

// take reads one byte of punctuation, with space before it.
func (s *scanner) take(want byte) error {
	if s.space(); s.peek() != want {
		return s.expected(strconv.QuoteRune(rune(want)))
	}
	s.at++
	return nil
}

// expected returns what was expected instead of what stands there.
func (s *scanner) expected(what string) error {
	if s.at >= len(s.line) {
		return &lineError{s.at, fmt.Errorf("%w: expected %s", errCut, what)}
	}
	return wrongAt(s.at, "expected %s, found %s", what, s.found())
}

// foundMax is how many bytes an error shows of what was found.
const foundMax = 30

func (s *scanner) found() string {
	rest := s.line[s.at:]
	if len(rest) <= foundMax {
		return strconv.Quote(string(rest))
	}
	return strconv.Quote(string(rest[:foundMax])) + "…"
}

func (s *scanner) value() (value, error) {
	s.space()
	start := s.at
	switch b := s.peek(); {
	case b == '"':
		return s.text()
	case b == '[':
		return s.texts()
	case b == '-' || b >= '0' && b <= '9':
		for b := s.peek(); b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E' || b >= '0' && b <= '9'; b = s.peek() {
			s.at++
		}
		return value{number, start, s.line[start:s.at]}, nil
	case b == 't' || b == 'f':
		for s.peek() >= 'a' && s.peek() <= 'z' {
			s.at++
		}
		if word := string(s.line[start:s.at]); word == "true" || word == "false" {
			return value{boolean, start, s.line[start:s.at]}, nil
		}
		if s.at == len(s.line) {
			return value{}, s.expected("a value")
		}
		s.at = start
	}
	return value{}, s.expected("a number, a text in quotes, true, false or a list of texts")
}

// text reads a text in quotes; raw has them.
func (s *scanner) text() (value, error) {
	if s.space(); s.peek() != '"' {
		return value{}, s.expected("a text in quotes")
	}
	start := s.at
	for s.at++; s.at < len(s.line); s.at++ {
		switch b := s.line[s.at]; {
		case b == '\\':
			s.at++
		case b == '"':
			s.at++
			raw := s.line[start:s.at]
			if !utf8.Valid(raw) {
				return value{}, wrongAt(start, "the text is not valid UTF-8")
			}
			return value{quoted, start, raw}, nil
		case b < ' ':
			return value{}, wrongAt(s.at, "a text has no control characters, found %s", s.found())
		}
	}
	s.at = len(s.line)
	return value{}, s.expected(`the end of a text, "`)
}

// texts reads a list of texts in quotes.
func (s *scanner) texts() (value, error) {
	start := s.at
	s.at++
	for first := true; ; first = false {
		if s.space(); s.peek() == ']' && first {
			break
		}
		if _, err := s.text(); err != nil {
			return value{}, err
		}
		if s.space(); s.peek() != ',' {
			break
		}
		s.at++
	}
	if err := s.take(']'); err != nil {
		return value{}, err
	}
	return value{list, start, s.line[start:s.at]}, nil
}

// name returns what stands between the quotes of a key, which has no escapes
// in it if it is one of ours.
func (v value) name() string { return string(v.raw[1 : len(v.raw)-1]) }

// string decodes a text.
func (v value) string() (string, error) {
	if v.kind == quoted && bytes.IndexByte(v.raw, '\\') < 0 {
		return v.name(), nil // nearly all are like that, and there are many
	}
	var text string
	if v.kind != quoted || json.Unmarshal(v.raw, &text) != nil {
		return "", wrongAt(v.at, "%s is no text in quotes", v.raw)
	}
	return text, nil
}

// strings decodes a list of texts.
func (v value) strings() ([]string, error) {
	var texts []string
	if v.kind != list || json.Unmarshal(v.raw, &texts) != nil {
		return nil, wrongAt(v.at, "%s is no list of texts", v.raw)
	}
	return texts, nil
}

func (v value) boolean() (bool, error) {
	if v.kind != boolean {
		return false, wrongAt(v.at, "%s is neither true nor false", v.raw)
	}
	return v.raw[0] == 't', nil
}

// whole decodes a whole number: plain as far as it is exact, or in quotes.
func (v value) whole() (uint64, error) {
	digits := v.raw
	if v.kind == quoted {
		digits = digits[1 : len(digits)-1]
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, wrongAt(v.at, "%s is more than 64 bits hold", v.raw)
	case err != nil || v.kind != number && v.kind != quoted:
		return 0, wrongAt(v.at, "%s is no whole number from 0", v.raw)
	case v.kind == number && n > ExactMax:
		return 0, wrongAt(v.at, "%s may have been rounded on its way here: numbers beyond %d stand in quotes", v.raw, ExactMax)
	}
	return n, nil
}

// hex decodes a 64-bit number that is written as hexadecimal text.
func (v value) hex() (uint64, error) {
	if v.kind != quoted {
		return 0, wrongAt(v.at, "%s is no hexadecimal number in quotes", v.raw)
	}
	n, err := strconv.ParseUint(v.name(), 16, 64)
	if err != nil {
		return 0, wrongAt(v.at, "%s is no hexadecimal number of at most 16 digits", v.raw)
	}
	return n, nil
}
