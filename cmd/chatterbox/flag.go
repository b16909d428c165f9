package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// checkedValue is the value of a flag or argument that remembers what is wrong
// with it, so that all mistakes can be told at once.
type checkedValue interface{ mistake() string }

// flaw is the memory of a checked value.
type flaw struct{ text string }

func (f flaw) mistake() string { return f.text }

func (f *flaw) set(given, allowed string) { f.text = fmt.Sprintf("%q: %s", given, allowed) }

// take gives the text of a flag's value. What begins like a flag is none, but
// a negative number is: it deserves an answer of its own.
func (f *flaw) take(context *kong.DecodeContext, allowed string) (string, bool) {
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

// seconds is a duration; a bare number is in seconds.
type seconds struct {
	time.Duration
	flaw
}

// Decode reads the value for kong.
func (s *seconds) Decode(context *kong.DecodeContext) error {
	s.Duration = s.duration(context, time.Second, "seconds")
	return nil
}

// milliseconds is a duration; a bare number is in milliseconds.
type milliseconds struct {
	time.Duration
	flaw
}

// Decode reads the value for kong.
func (m *milliseconds) Decode(context *kong.DecodeContext) error {
	m.Duration = m.duration(context, time.Millisecond, "milliseconds")
	return nil
}

// durationMax bounds every duration that can be given.
const durationMax = 365 * 24 * time.Hour

// duration reads a duration whose bare numbers have the given unit. The tags
// min and max of the flag narrow what is allowed.
func (f *flaw) duration(context *kong.DecodeContext, unit time.Duration, unitName string) time.Duration {
	low, high := tagDuration(context, "min", 0), tagDuration(context, "max", durationMax)
	allowed := fmt.Sprintf("a number of %s, or like 1500ms, 5s or 2m; from %s to %s", unitName, short(low), short(high))
	text, ok := f.take(context, allowed)
	if !ok {
		return 0
	}
	given, err := parseDuration(text, unit)
	if err != nil || given < low || given > high {
		f.set(text, allowed)
	}
	return given
}

// parseDuration reads a duration, a bare number in the given unit.
func parseDuration(text string, unit time.Duration) (time.Duration, error) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
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

// short writes a duration without the zeros at its end: 1h, not 1h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// whole is a whole number; the tags min and max say which.
type whole struct {
	Value uint64
	flaw
}

// Decode reads the value for kong.
func (w *whole) Decode(context *kong.DecodeContext) error {
	low, high := tagWhole(context, "min", 0), tagWhole(context, "max", math.MaxInt64)
	allowed := fmt.Sprintf("a whole number from %d", low)
	if high < math.MaxInt64 {
		allowed += fmt.Sprintf(" to %d", high)
	}
	text, ok := w.take(context, allowed)
	if !ok {
		return nil
	}
	var err error
	if w.Value, err = strconv.ParseUint(text, 10, 64); err != nil || w.Value < low || w.Value > high {
		w.set(text, allowed)
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

// seed is a seed of random numbers, and whether one was given at all.
type seed struct {
	Value uint64
	Given bool
	flaw
}

// Decode reads the value for kong.
func (s *seed) Decode(context *kong.DecodeContext) error {
	const allowed = "a whole number from 0 to 18446744073709551615"
	text, ok := s.take(context, allowed)
	if !ok {
		return nil
	}
	var err error
	if s.Value, err = strconv.ParseUint(text, 10, 64); err != nil {
		s.set(text, allowed)
	}
	s.Given = true
	return nil
}

// choice is one of the words in the tag oneof, separated by commas.
type choice struct {
	Value string
	flaw
}

// Decode reads the value for kong.
func (c *choice) Decode(context *kong.DecodeContext) error {
	words := choices(context.Value)
	allowed := "one of " + strings.Join(words, ", ")
	text, ok := c.take(context, allowed)
	if !ok {
		return nil
	}
	c.Value = text
	for _, word := range words {
		if word == text {
			return nil
		}
	}
	c.set(text, allowed)
	return nil
}

// choices gives the words that a choice allows.
func choices(value *kong.Value) []string {
	return strings.Split(value.Tag.Get("oneof"), ",")
}

// text is any text that is not empty: a path, an address.
type text struct {
	Value string
	flaw
}

// Decode reads the value for kong.
func (t *text) Decode(context *kong.DecodeContext) error {
	allowed := context.Value.Tag.Get("allowed")
	if allowed == "" {
		allowed = "something that is not empty"
	}
	given, ok := t.take(context, allowed)
	if !ok {
		return nil
	}
	if t.Value = given; given == "" {
		t.set(given, allowed)
	}
	return nil
}
