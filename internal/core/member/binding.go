package member

// Binding ties each place in the list to the identity that may write there.
// An entry is written once: the first identity heard of stays. Nothing may
// settle until all members show the same complete binding, for until then two
// lives could write at the same place.
type Binding []Identity

// Bind ties id to identity if nothing is tied to it yet, and says whether
// identity is now the one tied to id.
func (b Binding) Bind(id ID, identity Identity) bool {
	if b[id] == 0 {
		b[id] = identity
	}
	return b[id] == identity && identity != 0
}

// Merge takes over what other knows and b does not, and says whether b
// changed. Entries that b has already stay, even where other differs.
func (b Binding) Merge(other Binding) bool {
	changed := false
	for i := range min(len(b), len(other)) {
		if b[i] == 0 && other[i] != 0 {
			b[i] = other[i]
			changed = true
		}
	}
	return changed
}

// Complete reports whether every place is tied.
func (b Binding) Complete() bool {
	for _, identity := range b {
		if identity == 0 {
			return false
		}
	}
	return true
}

// Hash returns a number that is equal for equal complete bindings, and 0 as long
// as the binding is incomplete (FNV-1a over the identities).
func (b Binding) Hash() uint64 {
	hash := uint64(14695981039346656037)
	for _, identity := range b {
		if identity == 0 {
			return 0
		}
		for shift := 0; shift < 64; shift += 8 {
			hash = (hash ^ uint64(identity)>>shift&0xff) * 1099511628211
		}
	}
	return max(hash, 1)
}
