package member

import (
	"encoding/binary"
	"hash/fnv"
)

// Hash is equal for equal lists: places, addresses and keys of all members,
// names aside, however the addresses are written (FNV-1a). Members with another
// list, and data written with one, do not belong together.
func (l List) Hash() uint64 { return l.hash(Member.normalAddress) }

// HashAsWritten is what Hash was before addresses had a normal form: data may
// still have it in its headers. For most lists it is the same.
func (l List) HashAsWritten() uint64 { return l.hash(Member.Address) }

func (l List) hash(address func(Member) string) uint64 {
	hash := fnv.New64a()
	for _, m := range l {
		for _, text := range []string{address(m), m.Key} {
			var length [8]byte
			binary.LittleEndian.PutUint64(length[:], uint64(len(text)))
			hash.Write(length[:]) // never fails
			hash.Write([]byte(text))
		}
	}
	return hash.Sum64()
}
