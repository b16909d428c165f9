package wire

import (
	"encoding/binary"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// reader takes fields off the front of bytes that may be anything. The first
// field that is not there or not allowed is its error, and empties it, so that
// all that follows reads as zero and loops over counts end.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(format, args...)
	}
	r.rest = nil
}

func (r *reader) byte(what string) byte {
	if len(r.rest) < 1 {
		r.fail("%s is missing", what)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) fixed(what string) uint64 {
	if len(r.rest) < 8 {
		r.fail("%s is missing", what)
		return 0
	}
	u := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return u
}

func (r *reader) word(what string) uint16 {
	if len(r.rest) < 2 {
		r.fail("%s is missing", what)
		return 0
	}
	u := binary.LittleEndian.Uint16(r.rest)
	r.rest = r.rest[2:]
	return u
}

func (r *reader) varint(what string) uint64 {
	u, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("%s is missing", what)
		return 0
	}
	r.rest = r.rest[n:]
	return u
}

// atMost reads a number and refuses what is above a limit.
func (r *reader) atMost(limit uint64, what string) uint64 {
	u := r.varint(what)
	if u > limit {
		r.fail("%s is %d, allowed are up to %d", what, u, limit)
		return 0
	}
	return u
}

// count reads how many elements follow, each of at least elementBytes, so that
// no more memory is asked for than the input can fill.
func (r *reader) count(limit, elementBytes int, what string) int {
	n := r.atMost(uint64(limit), what)
	if n*uint64(elementBytes) > uint64(len(r.rest)) {
		r.fail("%s is %d, but only %d bytes follow", what, n, len(r.rest))
		return 0
	}
	return int(n)
}

func (r *reader) id(what string) member.ID {
	return member.ID(r.atMost(member.CountMax-1, what))
}

func (r *reader) time(what string) clock.Time {
	return clock.Time(r.atMost(uint64(clock.Infinity), what))
}

func (r *reader) text(bytesMax int, what string) string {
	n := r.count(bytesMax, 1, what)
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

// end makes sure that nothing is left.
func (r *reader) end(what string) error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%s: %d bytes too many", what, len(r.rest))
	}
	return r.err
}
