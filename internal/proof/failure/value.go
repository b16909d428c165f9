package failure

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	timeMax        = 1000 * time.Hour // of a time in a map
	clockMin       = 10               // percent: a clock runs ten times too slow
	clockMax       = 1000             // percent: to ten times too fast
	bytesPerSecMax = 1e12             // of a rate
)

// parseDuration reads a time such as 5ms, 2s, 1.5s or 1m30s.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if _, bare := parseNumber(text); bare == nil {
		return 0, fmt.Errorf("expected a time with its unit, such as %ss or %sms", text, text)
	}
	switch {
	case err != nil:
		return 0, errors.New("expected a time such as 5ms, 2s or 1m")
	case d < 0 || strings.HasPrefix(text, "-"):
		return 0, errors.New("expected a time from 0s, the start of the run")
	case d > timeMax:
		return 0, fmt.Errorf("expected a time of at most %s", formatDuration(timeMax))
	}
	return d, nil
}

// formatDuration writes a time the way that people do: 1m, not 1m0s.
func formatDuration(d time.Duration) string {
	text := strings.Replace(d.String(), "µ", "u", 1)
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// parseDelay reads a time or a range of times: 5ms or 5ms..20ms.
func parseDelay(text string) (low, high time.Duration, err error) {
	first, second, isRange := strings.Cut(text, "..")
	if low, err = parseDuration(first); err != nil || !isRange {
		return low, low, err
	}
	if high, err = parseDuration(second); err != nil {
		return 0, 0, err
	}
	if high < low {
		return 0, 0, fmt.Errorf("expected the shorter time first, such as %s..%s", second, first)
	}
	return low, high, nil
}

func formatDelay(low, high time.Duration) string {
	if low == high {
		return formatDuration(low)
	}
	return formatDuration(low) + ".." + formatDuration(high)
}

// parsePercent reads a share such as 20% or 0.5%, from low to high.
func parsePercent(text string, low, high float64) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	percent, err := parseNumber(number)
	if !ok || err != nil || percent < low || percent > high {
		return 0, fmt.Errorf("expected a share from %s to %s", formatPercent(low), formatPercent(high))
	}
	return percent, nil
}

func formatPercent(percent float64) string {
	return strconv.FormatFloat(percent, 'f', -1, 64) + "%"
}

// parseNumber reads digits with at most one point among them.
func parseNumber(text string) (float64, error) {
	if strings.Trim(text, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// rateUnits has units with their bytes a second. A rate is written in the first
// in which it comes out whole: in bits where it can be, for so networks are
// measured.
func rateUnits() []rateUnit {
	return []rateUnit{
		{"Gbit/s", 125e6},
		{"Mbit/s", 125e3},
		{"KB/s", 1e3},
		{"B/s", 1},
		{"GB/s", 1e9},
		{"MB/s", 1e6},
		{"kB/s", 1e3},
		{"kbit/s", 125}, // read, never written
	}
}

type rateUnit struct {
	name  string
	bytes float64
}

// parseRate reads bytes a second, such as 5Mbit/s or 100KB/s.
func parseRate(text string) (int64, error) {
	at := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if at < 0 {
		at = len(text)
	}
	number, err := parseNumber(text[:at])
	for _, unit := range rateUnits() {
		if bytes := math.Round(number * unit.bytes); err == nil && unit.name == text[at:] && bytes >= 1 && bytes <= bytesPerSecMax {
			return int64(bytes), nil
		}
	}
	return 0, errors.New("expected a rate from 1B/s to 1000GB/s such as 5Mbit/s or 100KB/s")
}

func formatRate(bytesPerSecond int64) string {
	for _, unit := range rateUnits() {
		if size := int64(unit.bytes); bytesPerSecond%size == 0 && bytesPerSecond >= size {
			return strconv.FormatInt(bytesPerSecond/size, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytesPerSecond, 10) + "B/s"
}
