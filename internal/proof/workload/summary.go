package workload

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// Prepare returns the [*Score] of a batch's payloads, best while they are warm,
// and nil if one is not EntryBytes long or not a number from 1 to NumberMax.
func Prepare(b *protocol.Batch) any {
	size, payloads, ok := wire.Payloads(b).Fixed()
	if !ok || size != EntryBytes {
		return nil
	}
	score, ok := sum(payloads)
	if !ok {
		return nil
	}
	return &score
}

// blockEntries is how many numbers are summed in 64 bits: the prefixes before
// each of them add up to at most (0+1+...+63)*2^53 < 2^64.
const (
	blockEntries = 64
	blockBytes   = blockEntries * EntryBytes
)

// sum returns the score of numbers side by side; false if one is out of range.
//
// An entry costs two additions: of k to the sum S, and before that of S to P,
// the sum of all prefixes. Entry i is in the n-i prefixes that follow it, so
// P = (n-1)*k1 + ... + 0*kn, and W is n*S - P. Blocks are summed in 64 bits and
// joined in 128.
func sum(numbers []byte) (Score, bool) {
	var s, prefixes wide
	n, outside := uint64(len(numbers)/EntryBytes), uint64(0)
	for ; len(numbers) >= blockBytes; numbers = numbers[blockBytes:] {
		blockSum, blockPrefixes, blockOutside := sumBlock((*[blockBytes]byte)(numbers))
		prefixes = prefixes.add(s.times(blockEntries)).add(wide{lo: blockPrefixes})
		s = s.add(wide{lo: blockSum})
		outside |= blockOutside
	}
	restSum, restPrefixes, restOutside := sumRest(numbers)
	prefixes = prefixes.add(s.times(uint64(len(numbers) / EntryBytes))).add(wide{lo: restPrefixes})
	s = s.add(wide{lo: restSum})
	return Score{n: n, s: s, w: s.times(n).sub(prefixes)}, (outside|restOutside)>>numberBits == 0
}

// sumRest adds up fewer numbers than a block has, and the prefixes before each.
// A number k is in range if k-1 has only the lower 53 bits; 0 wraps round.
func sumRest(numbers []byte) (s, prefixes, outside uint64) {
	for ; len(numbers) >= EntryBytes; numbers = numbers[EntryBytes:] {
		k := binary.LittleEndian.Uint64(numbers)
		prefixes += s
		s += k
		outside |= k - 1
	}
	return s, prefixes, outside
}

// sumBlock is sumRest for a whole block, four numbers a round, which makes it
// twice as fast: this is what every entry passes through at every member.
func sumBlock(block *[blockBytes]byte) (s, prefixes, outside uint64) {
	for i := 0; i <= blockBytes-4*EntryBytes; i += 4 * EntryBytes {
		four := (*[4 * EntryBytes]byte)(block[i:])
		k0 := binary.LittleEndian.Uint64(four[0:8])
		prefixes += s
		s += k0
		k1 := binary.LittleEndian.Uint64(four[8:16])
		prefixes += s
		s += k1
		k2 := binary.LittleEndian.Uint64(four[16:24])
		prefixes += s
		s += k2
		k3 := binary.LittleEndian.Uint64(four[24:32])
		prefixes += s
		s += k3
		outside |= (k0 - 1) | (k1 - 1) | (k2 - 1) | (k3 - 1)
	}
	return s, prefixes, outside
}

// Fold joins a prepared batch to the summary of all that is before it in the
// order. Beyond EntriesMax only the count goes on, and
// FromSummary refuses: nothing wraps. It also refuses a log that has anything
// but numbers in it.
//
// The digest is a chain over origin, sequence number, time, count and sums of
// each batch, so it is equal where the same batches came in the same order. It
// leaves identities out, which are random, so that runs in virtual time with
// one seed have one digest. It detects mistakes, not malice.
func Fold(prefix *Summary, next *protocol.Batch) {
	b, ok := next.Prepared.(*Score)
	if !ok {
		b = &Score{n: math.MaxUint64}
	}
	prefix[summaryDigest] = chain(prefix[summaryDigest], next, b)
	a := scoreOf(prefix)
	if a.n > EntriesMax || b.n > EntriesMax-a.n {
		count, carry := bits.Add64(a.n, b.n, 0)
		if carry != 0 {
			count = math.MaxUint64
		}
		Score{n: count}.put(prefix)
		return
	}
	a.join(*b).put(prefix)
}

// chain scrambles what says which batch it is, and what is in it, into a digest.
func chain(digest uint64, b *protocol.Batch, score *Score) uint64 {
	digest = scramble(digest ^ (uint64(b.Origin)<<32 | uint64(b.Count)))
	digest = scramble(digest ^ b.Seq)
	digest = scramble(digest ^ uint64(b.Time))
	for _, word := range [...]uint64{score.s.lo, score.s.hi, score.w.lo, score.w.hi} {
		digest = scramble(digest ^ word)
	}
	return digest
}

// Digest returns the digest of the order in a summary that Fold made, as 16
// hexadecimal digits. Members with the same log have the same digest.
func Digest(summary Summary) string {
	return fmt.Sprintf("%016x", summary[summaryDigest])
}

// summaryBytes is the size of a summary as bytes.
const summaryBytes = 8 * len(Summary{})

// AppendTo appends the summary as bytes, each word little endian.
func (s *Summary) AppendTo(dst []byte) []byte {
	for _, word := range s {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst
}

// SummaryOf returns the summary that AppendTo wrote, and that of an empty log of no
// bytes. Bytes of another length are of another application: of them FromSummary says
// so.
func SummaryOf(state []byte) (s Summary) {
	switch len(state) {
	case 0:
	case summaryBytes:
		for i := range s {
			s[i] = binary.LittleEndian.Uint64(state[8*i:])
		}
	default:
		s[summaryCount] = math.MaxUint64
	}
	return s
}

// FoldState is Fold on a summary as bytes: it is a driver.Fold.
func FoldState(state []byte, next *protocol.Batch) []byte {
	s := SummaryOf(state)
	Fold(&s, next)
	return s.AppendTo(state[:0])
}
