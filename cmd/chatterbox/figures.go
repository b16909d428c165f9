package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// grouped writes a number with a comma after each thousand.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var text strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			text.WriteByte(',')
		}
		text.WriteRune(digit)
	}
	return text.String()
}

// perSecond writes a rate in three digits.
func perSecond(rate float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G/s"}, {1e6, "M/s"}, {1e3, "k/s"}} {
		if rate >= unit.size {
			return fmt.Sprintf("%.3g %s", rate/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.3g /s", rate)
}

// tenths writes a duration in seconds with one decimal.
func tenths(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// bar draws how much of a whole is done, in a number of columns.
func bar(done float64, columns int) string {
	const eighths = "▏▎▍▌▋▊▉"
	filled := int(min(max(done, 0), 1)*float64(columns)*8 + 0.5)
	text := strings.Repeat("█", filled/8)
	if part := filled % 8; part > 0 {
		text += string([]rune(eighths)[part-1])
	}
	return text + strings.Repeat(" ", columns-len([]rune(text)))
}

// plural writes a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
