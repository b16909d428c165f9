package delta

import "chatterbox/internal/core/protocol"

// ranges is a set of message numbers: rising ranges with gaps between them.
type ranges []protocol.Range

// add puts a number in and reports whether it was new. The lowest range is
// forgotten when there are too many.
func (r *ranges) add(number uint64) bool {
	s := *r
	i := len(s)
	for i > 0 && s[i-1].First > number {
		i--
	}
	if i > 0 && number <= s[i-1].Last {
		return false
	}
	joinsLeft, joinsRight := i > 0 && s[i-1].Last+1 == number, i < len(s) && s[i].First == number+1
	switch {
	case joinsLeft && joinsRight:
		s[i-1].Last = s[i].Last
		s = append(s[:i], s[i+1:]...)
	case joinsLeft:
		s[i-1].Last = number
	case joinsRight:
		s[i].First = number
	default:
		s = append(s, protocol.Range{})
		copy(s[i+1:], s[i:])
		s[i] = protocol.Range{First: number, Last: number}
	}
	if len(s) > protocol.AckRangesMax {
		s = s[:copy(s, s[1:])]
	}
	*r = s
	return true
}
