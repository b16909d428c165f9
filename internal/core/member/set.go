package member

import "math/bits"

// Set is a set of members, a bit each. The zero value is empty and grows as
// needed.
type Set []uint64

// Add puts id into the set.
func (s *Set) Add(id ID) {
	for len(*s) <= int(id/64) {
		*s = append(*s, 0)
	}
	(*s)[id/64] |= 1 << (id % 64)
}

// Remove takes id out of the set.
func (s Set) Remove(id ID) {
	if int(id/64) < len(s) {
		s[id/64] &^= 1 << (id % 64)
	}
}

// Has reports whether id is in the set.
func (s Set) Has(id ID) bool {
	return int(id/64) < len(s) && s[id/64]&(1<<(id%64)) != 0
}

// Len counts the members in the set.
func (s Set) Len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// Equal reports whether both sets hold the same members.
func (s Set) Equal(t Set) bool {
	for i := range max(len(s), len(t)) {
		if s.word(i) != t.word(i) {
			return false
		}
	}
	return true
}

// CopyFrom makes s equal to t and reuses the memory of s.
func (s *Set) CopyFrom(t Set) { *s = append((*s)[:0], t...) }

func (s Set) word(i int) uint64 {
	if i < len(s) {
		return s[i]
	}
	return 0
}
