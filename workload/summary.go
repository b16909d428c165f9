package workload

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"chatterbox/protocol"
	"chatterbox/wire"
)

// Summarize puts the score of a batch's payloads into its summary, best while
// they are warm. It is an error, and the summary empty, if a payload is not
// EntryBytes long or not a number from 1 to NumberMax. It does not allocate
// otherwise.
func Summarize(b *protocol.Batch) error {
	b.Summary = protocol.Summary{}
	size, payloads, ok := wire.Payloads(b).Fixed()
	if !ok || size != EntryBytes {
		return fmt.Errorf("workload: batch %d/%d: only payloads of %d bytes can be scored", b.Origin, b.Seq, EntryBytes)
	}
	score, ok := sum(payloads)
	if !ok {
		return fmt.Errorf("workload: batch %d/%d: a number is not from 1 to 2^53", b.Origin, b.Seq)
	}
	score.put(&b.Summary)
	return nil
}

// blockEntries is how many numbers are summed in 64 bits: the prefixes before
// each add up to at most (0+1+...+63)*2^53 < 2^64.
const blockEntries = 64

// sum gives the score of numbers side by side; false if one is out of range.
//
// It adds up k and, of each entry, the sum P of the prefixes before it; since
// P = (n-1)*k1 + ... + 0*kn, W is n*S - P. Blocks are summed in 64 bits and
// joined in 128.
func sum(numbers []byte) (Score, bool) {
	var s, prefixes wide
	n, outOfRange := uint64(len(numbers)/EntryBytes), uint64(0)
	for len(numbers) > 0 {
		block := numbers[:min(len(numbers), blockEntries*EntryBytes)]
		numbers = numbers[len(block):]
		prefixes = prefixes.add(s.times(uint64(len(block) / EntryBytes)))
		blockSum, blockPrefixes, bad := sumBlock(block)
		outOfRange |= bad
		s = s.add(wide{lo: blockSum})
		prefixes = prefixes.add(wide{lo: blockPrefixes})
	}
	return Score{n: n, s: s, w: s.times(n).sub(prefixes)}, outOfRange>>numberBits == 0
}

// sumBlock adds up to blockEntries numbers and the prefixes before them. A
// number k is in range if k-1 has no bit above the lower 53, 0 wrapping round.
func sumBlock(block []byte) (sum, prefixes, outOfRange uint64) {
	for ; len(block) >= EntryBytes; block = block[EntryBytes:] {
		k := binary.LittleEndian.Uint64(block)
		prefixes += sum
		sum += k
		outOfRange |= k - 1
	}
	return sum, prefixes, outOfRange
}

// Fold joins a summarized batch to the summary of all that is before it in the
// order; it is a protocol.Fold. Beyond EntriesMax only the count goes on, and
// FromSummary refuses: nothing wraps.
//
// The digest is a chain over origin, sequence number, time, count and sums of
// each batch, so it is equal where the same batches came in the same order. It
// leaves identities out, which are random, so that runs in virtual time with
// one seed have one digest. It detects mistakes, not malice.
func Fold(prefix *protocol.Summary, next *protocol.Batch) {
	prefix[summaryDigest] = chain(prefix[summaryDigest], next)
	a, b := scoreOf(prefix), scoreOf(&next.Summary)
	if a.n > EntriesMax || b.n > EntriesMax-a.n {
		count, carry := bits.Add64(a.n, b.n, 0)
		if carry != 0 {
			count = math.MaxUint64
		}
		Score{n: count}.put(prefix)
		return
	}
	a.join(b).put(prefix)
}

// chain mixes what says which batch it is and what is in it into a digest.
func chain(digest uint64, b *protocol.Batch) uint64 {
	digest = mix(digest^uint64(b.Origin), b.Seq)
	digest = mix(digest^uint64(b.Time), uint64(b.Count))
	for _, word := range b.Summary[:summaryDigest] {
		digest = mix(digest, word)
	}
	return digest
}

// mix is a step of the chain: one 128-bit product, its halves joined, after
// both factors were moved off zero (in the manner of wyhash).
func mix(digest, word uint64) uint64 {
	hi, lo := bits.Mul64(digest^golden64, word^wyMix)
	return scramble(hi ^ lo ^ digest)
}

// Digest gives the digest of the order in a summary that Fold made, as 16
// hexadecimal digits. Members with the same log have the same digest.
func Digest(summary protocol.Summary) string {
	return fmt.Sprintf("%016x", summary[summaryDigest])
}
