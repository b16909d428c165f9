package workload

import (
	"fmt"
	"strconv"
)

// Seed is a seed of random numbers in JSON. Many readers of JSON keep 53 bits
// of a number, so a larger one is text there; without quotes it is refused,
// for nobody can know what it was before it was rounded.
type Seed uint64

// seedExactMax is the largest seed that is written as a number.
const seedExactMax = 1<<53 - 1

// MarshalJSON writes the seed.
func (s Seed) MarshalJSON() ([]byte, error) {
	if s > seedExactMax {
		return strconv.AppendQuote(nil, strconv.FormatUint(uint64(s), 10)), nil
	}
	return strconv.AppendUint(nil, uint64(s), 10), nil
}

// UnmarshalJSON reads both forms.
func (s *Seed) UnmarshalJSON(data []byte) error {
	text, err := strconv.Unquote(string(data))
	quoted := err == nil
	if !quoted {
		text = string(data)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("workload: %s is no seed", data)
	case !quoted && n > seedExactMax:
		return fmt.Errorf("workload: the seed %s may have been rounded: beyond %d it stands in quotes", data, uint64(seedExactMax))
	}
	*s = Seed(n)
	return nil
}
