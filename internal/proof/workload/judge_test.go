package workload

import (
	"encoding/binary"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

// judge is the second implementation of a score: slow, obvious, and with
// numbers that have no limit.
type judge struct {
	n    int64
	s, w *big.Int
}

func judgeOf(numbers []uint64) judge {
	j := judge{s: new(big.Int), w: new(big.Int)}
	for _, k := range numbers {
		j.n++
		value := new(big.Int).SetUint64(k)
		j.s.Add(j.s, value)
		j.w.Add(j.w, value.Mul(value, big.NewInt(j.n)))
	}
	return j
}

// value returns W/2^53.
func (j judge) value() *big.Rat {
	return new(big.Rat).SetFrac(j.w, new(big.Int).Lsh(big.NewInt(1), 53))
}

// exact returns the value with all digits: 53 after the point always suffice.
func (j judge) exact() string {
	return strings.TrimRight(strings.TrimRight(j.value().FloatString(53), "0"), ".")
}

func (j judge) same(t rapid.TB, a Score) {
	t.Helper()
	if int64(a.n) != j.n || a.s.big().Cmp(j.s) != 0 || a.w.big().Cmp(j.w) != 0 {
		t.Fatalf("score is (%d, %v, %v), should be (%d, %v, %v)", a.n, a.s.big(), a.w.big(), j.n, j.s, j.w)
	}
}

func (w wide) big() *big.Int {
	high := new(big.Int).SetUint64(w.hi)
	return high.Lsh(high, 64).Add(high, new(big.Int).SetUint64(w.lo))
}

func wideOf(b *big.Int) wide {
	low := new(big.Int).And(b, new(big.Int).SetUint64(1<<64-1))
	return wide{hi: new(big.Int).Rsh(b, 64).Uint64(), lo: low.Uint64()}
}

// someNumbers draws a log of numbers, the extremes more often than chance would.
func someNumbers(atMost int) *rapid.Generator[[]uint64] {
	number := rapid.OneOf(rapid.Uint64Range(1, NumberMax), rapid.SampledFrom([]uint64{1, 2, NumberMax - 1, NumberMax}))
	return rapid.SliceOfN(number, 0, atMost)
}

func bytesOf(numbers []uint64) []byte {
	var payloads []byte
	for _, k := range numbers {
		payloads = binary.LittleEndian.AppendUint64(payloads, k)
	}
	return payloads
}

// scoreOfNumbers sums numbers that are in range.
func scoreOfNumbers(t rapid.TB, numbers []uint64) Score {
	t.Helper()
	score, ok := sum(bytesOf(numbers))
	if !ok {
		t.Fatal("numbers in range were refused")
	}
	return score
}

func TestSumIsThatOfTheJudge(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		numbers := someNumbers(400).Draw(t, "numbers")
		judgeOf(numbers).same(t, scoreOfNumbers(t, numbers))
	})
}

func TestSumOfTheLargestNumbersIsThatOfTheJudge(t *testing.T) {
	for _, n := range []int{1, 3, 4, 62, 63, 64, 65, 127, 128, 129, 2043, 2048, 5000} {
		numbers := make([]uint64, n)
		for i := range numbers {
			numbers[i] = NumberMax
		}
		judgeOf(numbers).same(t, scoreOfNumbers(t, numbers))
	}
}

func TestJoinIsThatOfTheJudgeAndCutsUndoIt(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		numbers := someNumbers(200).Draw(t, "numbers")
		at := rapid.IntRange(0, len(numbers)).Draw(t, "at")
		begin, end := scoreOfNumbers(t, numbers[:at]), scoreOfNumbers(t, numbers[at:])
		whole, err := begin.Join(end)
		if err != nil {
			t.Fatal(err)
		}
		judgeOf(numbers).same(t, whole)
		if left, err := whole.CutEnd(end); err != nil || left != begin {
			t.Fatalf("without the end: %v, %v", left, err)
		}
		if left, err := whole.CutBegin(begin); err != nil || left != end {
			t.Fatalf("without the beginning: %v, %v", left, err)
		}
	})
}

// someScore draws the score of a log of any length up to EntriesMax, as if
// each of its numbers were the same.
func someScore(t *rapid.T, name string, entriesMax uint64) Score {
	n := rapid.Uint64Range(0, entriesMax).Draw(t, name+" entries")
	k := new(big.Int).SetUint64(rapid.Uint64Range(1, NumberMax).Draw(t, name+" number"))
	return uniform(n, k)
}

func uniform(n uint64, k *big.Int) Score {
	count := new(big.Int).SetUint64(n)
	places := new(big.Int).Mul(count, new(big.Int).SetUint64(n+1))
	places.Rsh(places, 1)
	return Score{n: n, s: wideOf(count.Mul(count, k)), w: wideOf(places.Mul(places, k))}
}

func TestJoinIsAssociativeWithTheEmptyLogAsNeutral(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b, c := someScore(t, "a", EntriesMax/3), someScore(t, "b", EntriesMax/3), someScore(t, "c", EntriesMax/3)
		if left, right := a.join(b).join(c), a.join(b.join(c)); left != right {
			t.Fatalf("(ab)c = %v, a(bc) = %v", left, right)
		}
		if a.join(Score{}) != a || (Score{}).join(a) != a {
			t.Fatalf("the empty log changes %v", a)
		}
		if left, err := a.join(b).CutEnd(b); err != nil || left != a {
			t.Fatalf("cut off: %v, %v", left, err)
		}
	})
}
