package workload

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// EntriesMax is how many entries a score counts exactly: for one more, W could
// need more than 128 bits.
const EntriesMax = 1<<38 - 1

// wide is an unsigned number of 128 bits.
type wide struct{ hi, lo uint64 }

func (w wide) add(v wide) wide {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	hi, _ := bits.Add64(w.hi, v.hi, carry)
	return wide{hi, lo}
}

func (w wide) sub(v wide) wide {
	lo, borrow := bits.Sub64(w.lo, v.lo, 0)
	hi, _ := bits.Sub64(w.hi, v.hi, borrow)
	return wide{hi, lo}
}

func (w wide) less(v wide) bool {
	return w.hi < v.hi || w.hi == v.hi && w.lo < v.lo
}

// times returns w*n modulo 2^128.
func (w wide) times(n uint64) wide {
	hi, lo := bits.Mul64(w.lo, n)
	return wide{hi + w.hi*n, lo}
}

// Score is the exact worth of a log, or of a part of one. The zero value is
// that of an empty log.
type Score struct {
	n    uint64 // entries
	s, w wide   // sum of k, and of place times k
}

// Count returns the number of entries.
func (a Score) Count() uint64 { return a.n }

// String returns the tuple that a run prints: (count,score), the score as Float.
func (a Score) String() string { return fmt.Sprintf("(%d,%s)", a.n, a.Float()) }

// Join returns the score of a log whose first part is worth a and the rest b.
// Above EntriesMax it is an error: nothing wraps.
func (a Score) Join(b Score) (Score, error) {
	if a.n > EntriesMax || b.n > EntriesMax-a.n {
		return Score{}, tooMany(a.n, b.n)
	}
	return a.join(b), nil
}

// join is Join where the count is known to be small enough.
func (a Score) join(b Score) Score {
	return Score{n: a.n + b.n, s: a.s.add(b.s), w: a.w.add(b.w).add(b.s.times(a.n))}
}

// CutEnd returns the score of what is left of a log worth a when its end, worth
// b, is cut off. It is an error if b cannot be the end of a.
func (a Score) CutEnd(b Score) (Score, error) {
	if b.n > a.n {
		return Score{}, notPart(a, b)
	}
	left := Score{n: a.n - b.n, s: a.s.sub(b.s)}
	left.w = a.w.sub(b.w).sub(b.s.times(left.n))
	return left.partOf(a, b)
}

// CutBegin returns the score of what is left of a log worth a when its
// beginning, worth b, is cut off. It is an error if b cannot begin a.
func (a Score) CutBegin(b Score) (Score, error) {
	if b.n > a.n {
		return Score{}, notPart(a, b)
	}
	left := Score{n: a.n - b.n, s: a.s.sub(b.s)}
	left.w = a.w.sub(b.w).sub(left.s.times(b.n))
	return left.partOf(a, b)
}

// partOf returns the score that is left of a without b, if it is possible at all.
func (a Score) partOf(whole, cut Score) (Score, error) {
	if whole.s.less(cut.s) || whole.w.less(cut.w) || !a.possible() {
		return Score{}, notPart(whole, cut)
	}
	return a, nil
}

// possible reports whether numbers from 1 to NumberMax can have these sums: each
// is at least as large as with all 1 and at most as large as with all NumberMax.
func (a Score) possible() bool {
	if a.n > EntriesMax {
		return false
	}
	low := wide{lo: a.n}
	places := low.times(a.n + 1).half()
	return !a.s.less(low) && !low.times(NumberMax).less(a.s) &&
		!a.w.less(places) && !places.times(NumberMax).less(a.w)
}

func (w wide) half() wide { return wide{w.hi >> 1, w.hi<<63 | w.lo>>1} }

func notPart(a, b Score) error {
	return fmt.Errorf("workload: a score of %d entries is no part of one of %d", b.n, a.n)
}

func tooMany(a, b uint64) error {
	return fmt.Errorf("workload: %d and %d entries are more than a score counts exactly, %d", a, b, uint64(EntriesMax))
}

// Summary is what is kept of a log in place of its numbers: the score and a digest
// of the order.
type Summary [6]uint64

// The words of a summary. The digest is described at Fold.
const (
	summaryCount = iota
	summarySumLow
	summarySumHigh
	summaryWeightedLow
	summaryWeightedHigh
	summaryDigest
)

// FromSummary takes the score out of a summary that Summarize or Fold made. It
// is an error if the summary is none, or of more entries than EntriesMax.
func FromSummary(summary Summary) (Score, error) {
	if summary[summaryCount] == math.MaxUint64 {
		return Score{}, errors.New("workload: the log has entries that are not numbers of 8 bytes from 1 to 2^53: they are of another application")
	}
	if summary[summaryCount] > EntriesMax {
		return Score{}, tooMany(summary[summaryCount], 0)
	}
	score := scoreOf(&summary)
	if !score.possible() {
		return Score{}, fmt.Errorf("workload: no numbers have the summary %x", summary)
	}
	return score, nil
}

func scoreOf(summary *Summary) Score {
	return Score{
		n: summary[summaryCount],
		s: wide{hi: summary[summarySumHigh], lo: summary[summarySumLow]},
		w: wide{hi: summary[summaryWeightedHigh], lo: summary[summaryWeightedLow]},
	}
}

func (a Score) put(summary *Summary) {
	summary[summaryCount] = a.n
	summary[summarySumHigh], summary[summarySumLow] = a.s.hi, a.s.lo
	summary[summaryWeightedHigh], summary[summaryWeightedLow] = a.w.hi, a.w.lo
}
