package term

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Grouped writes a number with a comma after each thousand.
func Grouped(n uint64) string {
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

// PerSecond writes a rate in three digits; what happens less than once in twenty
// seconds is none.
func PerSecond(rate float64) string {
	if rate < 0.05 {
		return "0 /s"
	}
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

// Tenths writes a duration in seconds with one decimal.
func Tenths(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// Short writes a duration without the zeros at its end: 1h, not 1h0m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Bar draws how much of a whole is done, in a number of columns.
func Bar(done float64, columns int) string {
	const eighths = "▏▎▍▌▋▊▉"
	filled := int(min(max(done, 0), 1)*float64(columns)*8 + 0.5)
	text := strings.Repeat("█", filled/8)
	if part := filled % 8; part > 0 {
		text += string([]rune(eighths)[part-1])
	}
	return text + strings.Repeat(" ", columns-len([]rune(text)))
}

// BarColumns is how wide a bar of progress is.
const BarColumns = 24

// Plural writes a count with its noun.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// namedMax is how many members a sentence names.
const namedMax = 6

// Names lists the names of members by their places, of many only the first ones
// and how many more there are.
func Names(places []int, name func(place int) string) string {
	var names []string
	for i, place := range places {
		if i == namedMax && len(places) > namedMax+1 {
			names = append(names, fmt.Sprintf("%d more", len(places)-namedMax))
			break
		}
		names = append(names, name(place))
	}
	return strings.Join(names, ", ")
}

// Speed is how fast a count rises, as a moving average.
type Speed struct {
	Rate  float64 // a second
	count uint64
	at    time.Time
}

// observeEvery is how far apart two counts must be to tell a rate.
const observeEvery = 50 * time.Millisecond

// Observe notes the count at a time.
func (s *Speed) Observe(count uint64, at time.Time) {
	if at.Sub(s.at) < observeEvery {
		return
	}
	passed := at.Sub(s.at).Seconds()
	if !s.at.IsZero() && passed > 0 && count >= s.count {
		s.Rate = (s.Rate + float64(count-s.count)/passed) / 2
	}
	s.count, s.at = count, at
}
