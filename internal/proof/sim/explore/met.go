package explore

// met is the set of situations that were met, by their hashes: open addressing
// with linear probing. It may be asked by several tasks as long as none adds.
type met struct {
	hashes []uint64 // 0 is free
	count  int
}

const metFirst = 1 << 8

func (m *met) has(hash uint64) bool {
	if len(m.hashes) == 0 {
		return false
	}
	return m.hashes[m.slot(hash)] == hash
}

// add puts a hash in and says whether it was new.
func (m *met) add(hash uint64) bool {
	if 2*m.count >= len(m.hashes) {
		m.grow()
	}
	slot := m.slot(hash)
	if m.hashes[slot] == hash {
		return false
	}
	m.hashes[slot] = hash
	m.count++
	return true
}

// slot returns where the hash is, or would be. Low bits choose the shard, so
// high ones choose the slot.
func (m *met) slot(hash uint64) uint64 {
	mask := uint64(len(m.hashes) - 1)
	at := hash >> 20 & mask
	for m.hashes[at] != 0 && m.hashes[at] != hash {
		at = (at + 1) & mask
	}
	return at
}

func (m *met) grow() {
	old := m.hashes
	m.hashes = make([]uint64, max(metFirst, 2*len(old)))
	for _, hash := range old {
		if hash != 0 {
			m.hashes[m.slot(hash)] = hash
		}
	}
}
