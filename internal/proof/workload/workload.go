// Package workload provokes: it makes the numbers that members broadcast, and
// folds the log of them into an exact score.
//
// [Numbers] is a member's stream of numbers k, integers from 1 to 2^53, which
// stand for k/2^53 in (0,1]; the payload of one is 8 bytes, little endian. A
// log of n of them is worth a [Score]: the count n, the sum S of all k, and
// W = 1*k1 + 2*k2 + ... + n*kn. These form a monoid,
//
//	(n, S, W) (n', S', W') = (n+n', S+S', W+W'+n*S')
//
// exact in 128 bits, so parts of a log are summed where they are warm and
// joined in order later. [Prepare] takes a batch's score,
// [Fold] joins it to the score of what comes before, together with a digest of
// the order. [Phases] says when a run stops sending and when it ends.
package workload

// EntryBytes is the length of a number's payload.
const EntryBytes = 8

const (
	// numberBits is the precision of a float64: k/2^53 is exact in one.
	numberBits = 53
	// NumberMax is the largest number k, which stands for 1.
	NumberMax = 1 << numberBits
)
