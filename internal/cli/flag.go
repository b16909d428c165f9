package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"chatterbox/internal/term"
)

// checked is the value of a flag or argument that remembers what is wrong
// with it, so that all mistakes can be told at once.
type checked interface{ Mistake() string }

// Flaw is the memory of a checked value: what a type of flags embeds so that
// [Main] tells its mistake with all others.
type Flaw struct{ text string }

// Mistake returns what is wrong with the value, and nothing if it is fine.
func (f Flaw) Mistake() string { return f.text }

// Set notes what was given and what is allowed.
func (f *Flaw) Set(given, allowed string) { f.text = fmt.Sprintf("%q: %s", given, allowed) }

// Take returns the text of a flag's value. What begins like a flag is none, but
// a negative number is: it deserves an answer of its own.
func (f *Flaw) Take(context *kong.DecodeContext, allowed string) (string, bool) {
	token := context.Scan.Peek()
	if token.IsEOL() || !token.IsValue() && !isNumber(token.String()) {
		f.text = "has no value: " + allowed
		return "", false
	}
	return context.Scan.Pop().String(), true
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// Seconds is a duration; a bare number is in seconds.
type Seconds struct {
	time.Duration
	Flaw
}

// Decode reads the value for kong.
func (s *Seconds) Decode(context *kong.DecodeContext) error {
	s.Duration = s.duration(context, time.Second, "a number of seconds")
	return nil
}

// SecondsOrNever is a duration after which something is done, 0 if that is never; a
// bare number is in seconds.
type SecondsOrNever struct {
	time.Duration
	Flaw
}

// never is how it is written.
const never = "never"

// String returns the duration, or never.
func (s SecondsOrNever) String() string {
	if s.Duration == 0 {
		return never
	}
	return s.Duration.String()
}

// Decode reads the value for kong.
func (s *SecondsOrNever) Decode(context *kong.DecodeContext) error {
	if token := context.Scan.Peek(); token.IsValue() && token.String() == never {
		context.Scan.Pop()
		s.Duration = 0
		return nil
	}
	s.Duration = s.duration(context, time.Second, `never, or a number of seconds`)
	return nil
}

// Milliseconds is a duration; a bare number is in milliseconds.
type Milliseconds struct {
	time.Duration
	Flaw
}

// Decode reads the value for kong.
func (m *Milliseconds) Decode(context *kong.DecodeContext) error {
	m.Duration = m.duration(context, time.Millisecond, "a number of milliseconds")
	return nil
}

// durationMax bounds every duration that can be given.
const durationMax = 365 * 24 * time.Hour

// duration reads a duration whose bare numbers have the given unit, which bare says. The tags
// min and max of the flag narrow what is allowed.
func (f *Flaw) duration(context *kong.DecodeContext, unit time.Duration, bare string) time.Duration {
	low, high := tagDuration(context, "min", 0), tagDuration(context, "max", durationMax)
	allowed := fmt.Sprintf("%s, or like 1500ms, 5s or 2m; from %s to %s", bare, term.Short(low), term.Short(high))
	text, ok := f.Take(context, allowed)
	if !ok {
		return 0
	}
	given, err := ParseDuration(text, unit)
	if err != nil || given < low || given > high {
		f.Set(text, allowed)
	}
	return given
}

// ParseDuration reads a duration, a bare number in the given unit.
func ParseDuration(text string, unit time.Duration) (time.Duration, error) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.eE+-") != "" { // as Go reads them, 0x10 and 1_000 are numbers too
		return time.ParseDuration(text)
	}
	if nanos := number * float64(unit); math.Abs(nanos) <= float64(durationMax) {
		return time.Duration(math.Round(nanos)), nil
	}
	return 0, strconv.ErrRange
}

func tagDuration(context *kong.DecodeContext, tag string, byDefault time.Duration) time.Duration {
	text := context.Value.Tag.Get(tag)
	if text == "" {
		return byDefault
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		panic(err) // the grammar is ours
	}
	return duration
}

// Whole is a whole number; the tags min and max say which.
type Whole struct {
	Value uint64
	Flaw
}

// String returns the number.
func (w Whole) String() string { return strconv.FormatUint(w.Value, 10) }

// Decode reads the value for kong.
func (w *Whole) Decode(context *kong.DecodeContext) error {
	low, high := tagWhole(context, "min", 0), tagWhole(context, "max", math.MaxInt64)
	allowed := fmt.Sprintf("a whole number from %d", low)
	if high < math.MaxInt64 {
		allowed += fmt.Sprintf(" to %d", high)
	}
	text, ok := w.Take(context, allowed)
	if !ok {
		return nil
	}
	var err error
	if w.Value, err = strconv.ParseUint(text, 10, 64); err != nil || w.Value < low || w.Value > high {
		w.Set(text, allowed)
	}
	return nil
}

func tagWhole(context *kong.DecodeContext, tag string, byDefault uint64) uint64 {
	text := context.Value.Tag.Get(tag)
	if text == "" {
		return byDefault
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err) // the grammar is ours
	}
	return number
}

// Seed is a seed of random numbers, and whether one was given at all.
type Seed struct {
	Value uint64
	Given bool
	Flaw
}

// Decode reads the value for kong.
func (s *Seed) Decode(context *kong.DecodeContext) error {
	const allowed = "a whole number from 0 to 18446744073709551615"
	text, ok := s.Take(context, allowed)
	if !ok {
		return nil
	}
	var err error
	if s.Value, err = strconv.ParseUint(text, 10, 64); err != nil {
		s.Set(text, allowed)
	}
	s.Given = true
	return nil
}

// Choice is one of the words in the tag oneof, separated by commas.
type Choice struct {
	Value string
	Flaw
}

// String returns the word.
func (c Choice) String() string { return c.Value }

// Decode reads the value for kong.
func (c *Choice) Decode(context *kong.DecodeContext) error {
	words := Choices(context.Value)
	allowed := "one of " + strings.Join(words, ", ")
	text, ok := c.Take(context, allowed)
	if !ok {
		return nil
	}
	c.Value = text
	for _, word := range words {
		if word == text {
			return nil
		}
	}
	c.Set(text, allowed)
	return nil
}

// Choices returns the words that a choice allows.
func Choices(value *kong.Value) []string {
	return strings.Split(value.Tag.Get("oneof"), ",")
}

// Text is any text that is not empty: a path, an address.
type Text struct {
	Value string
	Flaw
}

// String returns the text.
func (t Text) String() string { return t.Value }

// Decode reads the value for kong.
func (t *Text) Decode(context *kong.DecodeContext) error {
	allowed := context.Value.Tag.Get("allowed")
	if allowed == "" {
		allowed = "something that is not empty"
	}
	given, ok := t.Take(context, allowed)
	if !ok {
		return nil
	}
	if t.Value = given; given == "" {
		t.Set(given, allowed)
	}
	return nil
}
