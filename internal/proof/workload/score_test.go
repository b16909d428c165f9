package workload

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

func ExampleScore() {
	score, _ := sum(bytesOf([]uint64{NumberMax, NumberMax / 2, NumberMax / 4}))
	fmt.Println(score, score.Exact())
	// Output: (3,2.75) 2.75
}

// TestLargestScoreFits128Bits joins numbers of the largest value up to the
// limit: W is then as large as it can be.
func TestLargestScoreFits128Bits(t *testing.T) {
	one := scoreOfNumbers(t, []uint64{NumberMax})
	var log Score
	for range 38 { // 1, 3, 7, ... 2^38-1 entries
		twice, err := log.Join(log)
		if err != nil {
			t.Fatal(err)
		}
		if log, err = twice.Join(one); err != nil {
			t.Fatal(err)
		}
	}
	if want := uniform(EntriesMax, big.NewInt(NumberMax)); log != want || log.Count() != EntriesMax {
		t.Fatalf("score is %+v, should be %+v", log, want)
	}
	if _, err := log.Join(one); err == nil {
		t.Fatal("one entry too many was joined")
	}
}

func TestFoldBeyondTheLimitCountsButRefusesToScore(t *testing.T) {
	batch := numbersBatch(t)
	var log Summary
	uniform(EntriesMax-1, big.NewInt(1)).put(&log)
	Fold(&log, &batch)
	Fold(&log, &batch)
	if want := uint64(EntriesMax) - 1 + 2*uint64(batch.Count); log[summaryCount] != want {
		t.Fatalf("count is %d, should be %d", log[summaryCount], want)
	}
	if _, err := FromSummary(log); err == nil || !strings.Contains(err.Error(), "more than a score counts") {
		t.Fatalf("error is %v", err)
	}
	log[summaryCount] = 1<<64 - 1
	Fold(&log, &batch)
	if log[summaryCount] != 1<<64-1 {
		t.Fatalf("count wrapped to %d", log[summaryCount])
	}
}

func TestSummaryThatNoNumbersHaveIsRefused(t *testing.T) {
	two := scoreOfNumbers(t, []uint64{5, 7})
	for name, broken := range map[string]Score{
		"sum too small":      {n: 2, s: wide{lo: 1}, w: two.w},
		"sum too large":      {n: 2, s: wide{hi: 1}, w: two.w},
		"weighted too small": {n: 2, s: two.s, w: wide{lo: 2}},
		"weighted too large": {n: 2, s: two.s, w: wide{hi: 1}},
		"entries of nothing": {n: 0, s: two.s},
	} {
		var summary Summary
		broken.put(&summary)
		if _, err := FromSummary(summary); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCutsRefuseWhatIsNoPart(t *testing.T) {
	small, large := scoreOfNumbers(t, []uint64{3}), scoreOfNumbers(t, []uint64{1, 1})
	for name, cut := range map[string]func(Score) (Score, error){"end": large.CutEnd, "begin": large.CutBegin} {
		if left, err := cut(small); err == nil {
			t.Errorf("%s: 3 was cut off 1, 1, which leaves %+v", name, left)
		}
	}
	if _, err := small.CutEnd(large); err == nil {
		t.Error("two entries were cut off one")
	}
	if _, err := small.CutBegin(large); err == nil {
		t.Error("two entries were cut off one")
	}
}

func TestExactIsThatOfTheJudge(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		numbers := someNumbers(100).Draw(t, "numbers")
		if got, want := scoreOfNumbers(t, numbers).Exact(), judgeOf(numbers).exact(); got != want {
			t.Fatalf("exact is %s, should be %s", got, want)
		}
	})
}

// someWeighted draws a score with any W that 128 bits hold, those near the
// middle between two floats more often than chance would.
func someWeighted(t *rapid.T) (Score, judge) {
	w := new(big.Int).SetUint64(rapid.Uint64().Draw(t, "leading"))
	w.Lsh(w, uint(rapid.IntRange(0, 64).Draw(t, "shift")))
	w.Add(w, big.NewInt(rapid.Int64Range(-2, 2).Draw(t, "nudge")))
	if w.Sign() < 0 || w.BitLen() > 128 {
		w.SetInt64(0)
	}
	return Score{n: 1, w: wideOf(w)}, judge{n: 1, s: new(big.Int), w: w}
}

func TestFloatIsRoundedHalfToEven(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		score, judge := someWeighted(t)
		want, _ := judge.value().Float64()
		if got, err := strconv.ParseFloat(score.Float(), 64); err != nil || got != want {
			t.Fatalf("%s reads as %v, should be %v", score.Float(), got, want)
		}
		if exact := judge.exact(); score.Exact() != exact {
			t.Fatalf("exact is %s, should be %s", score.Exact(), exact)
		}
	})
}

func TestFloatTiesGoToTheEvenNeighbour(t *testing.T) {
	for _, c := range []struct {
		w    wide
		want string
	}{
		{wide{}, "0"},
		{wide{lo: 1}, "0.00000000000000011102230246251565"},
		{wide{lo: NumberMax}, "1"},
		{wide{lo: 1<<54 + 2}, "2"},                           // in the middle, even below
		{wide{lo: 1<<54 + 3}, "2.0000000000000004"},          // above the middle
		{wide{lo: 1<<54 + 6}, "2.000000000000001"},           // in the middle, even above
		{wide{hi: 1 << 53}, "18446744073709552000"},          // 2^64
		{wide{hi: 1<<53 | 1}, "18446744073709552000"},        // in the middle, even below
		{wide{hi: 1<<53 | 1, lo: 1}, "18446744073709556000"}, // a bit above the middle
		{wide{hi: 1<<53 | 3}, "18446744073709560000"},        // in the middle, even above
	} {
		got := (Score{w: c.w}).Float()
		if got != c.want {
			t.Errorf("%x: %s, should be %s", c.w, got, c.want)
		}
	}
}

// TestFloatIsShortest takes the last digit away: what is left, cut off or
// rounded up, must not read back as the same number.
func TestFloatIsShortest(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		score, _ := someWeighted(t)
		text := score.Float()
		if strings.ContainsAny(text, "eE+-") {
			t.Fatalf("%s has an exponent or a sign", text)
		}
		value, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		unit := lastPlace(text)
		for _, shorter := range neighbours(value, unit.Mul(unit, big.NewRat(10, 1))) {
			if f, _ := shorter.Float64(); value.Sign() != 0 && f == score.float() && shorter.Cmp(value) != 0 {
				t.Fatalf("%s is shorter than %s", shorter.FloatString(60), text)
			}
		}
	})
}

// lastPlace returns the worth of the last digit that is not zero.
func lastPlace(text string) *big.Rat {
	whole, fraction, found := strings.Cut(text, ".")
	ten := big.NewInt(10)
	if found {
		return new(big.Rat).SetFrac(big.NewInt(1), ten.Exp(ten, big.NewInt(int64(len(fraction))), nil))
	}
	zeros := len(whole) - len(strings.TrimRight(whole, "0"))
	return new(big.Rat).SetInt(ten.Exp(ten, big.NewInt(int64(zeros)), nil))
}

// neighbours returns the multiples of unit below and above value.
func neighbours(value, unit *big.Rat) []*big.Rat {
	quotient := new(big.Rat).Quo(value, unit)
	below := new(big.Int).Quo(quotient.Num(), quotient.Denom())
	above := new(big.Int).Add(below, big.NewInt(1))
	return []*big.Rat{
		new(big.Rat).Mul(new(big.Rat).SetInt(below), unit),
		new(big.Rat).Mul(new(big.Rat).SetInt(above), unit),
	}
}
