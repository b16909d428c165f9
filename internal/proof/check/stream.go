package check

import "chatterbox/internal/proof/trace"

// oneContent: one identity and sequence number stand for one batch at all
// members, restarts included.
func oneContent(c *checker) rule {
	return func(e *trace.Event) {
		b := c.past.written(e.Stream, e.Identity, e.Seq)
		if b != nil && (b.count != e.Count || b.time != e.Time || b.hash != e.Hash) {
			c.violated(e, "%d/%d has %d entries at time %d with content %x, its origin appended %d at time %d with content %x",
				e.Stream, e.Seq, e.Count, uint64(e.Time), e.Hash, b.count, uint64(b.time), b.hash)
		}
	}
}

// noInvention: what a member holds of another's stream its origin appended,
// with those sequence numbers.
func noInvention(c *checker) rule {
	return func(e *trace.Event) {
		if e.Kind == trace.Append && c.past.isOwn(e) {
			return
		}
		if c.past.written(e.Stream, e.Identity, e.Seq) == nil {
			c.violated(e, "%s of %d/%d of identity %s, which its origin never appended", e.Kind, e.Stream, e.Seq, e.Identity)
		}
	}
}

// contiguous: of each stream batches are appended without a gap, twice or
// back, with strictly rising times.
func contiguous(c *checker) rule {
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		if have := m.held[e.Stream]; e.Seq != have+1 {
			c.violated(e, "appends %d/%d while it holds %d entries of that stream", e.Stream, e.Seq, have)
		}
		if last := m.last[e.Stream]; e.Time <= last && e.Seq > 1 {
			c.violated(e, "appends %d/%d at time %d after time %d of the same stream", e.Stream, e.Seq, uint64(e.Time), uint64(last))
		}
	}
}

// causality: what a member appends of its own comes after all that it held.
func causality(c *checker) rule {
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		if !c.past.isOwn(e) || e.Seq <= m.kept[e.Stream] {
			return
		}
		if e.Time <= m.latest {
			c.violated(e, "appends its own %d/%d at time %d while it holds a batch of time %d", e.Stream, e.Seq, uint64(e.Time), uint64(m.latest))
		}
	}
}
