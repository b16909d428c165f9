package check

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// cutOff is what lay beyond a cut when the origin came back.
type cutOff struct {
	number  uint64 // of the view in which it did
	entries uint64 // that it had in the order
	batches []batch
}

// root returns the identity of who writes under one: its own one.
func (h *history) root(pen member.Identity) member.Identity {
	if root, known := h.roots[pen]; known {
		return root
	}
	return pen
}

// noteOpens: a stream goes on behind a cut, and what lay there is written again.
func (h *history) noteOpens(m *witness, e *trace.Event) {
	root := member.Identity(e.Hash)
	if h.roots[e.Identity] == 0 { // nobody told it before
		h.roots[e.Identity] = root
		if s := h.streams[e.Stream].of(root); s != nil {
			s.open(e)
		}
	}
	m.returns[e.Stream]++
	if m.view >= h.endsAt[e.Stream] {
		h.ends[e.Stream], h.endsAt[e.Stream] = endless, m.view
	}
	if e.Number > m.before {
		m.held[e.Stream], m.kept[e.Stream] = min(m.held[e.Stream], e.Have), min(m.kept[e.Stream], e.Have)
		said := &m.published[e.Stream]
		*said = clock.Mark{Have: min(said.Have, e.Have), Promise: min(said.Promise, e.Promise)}
	}
}

// open cuts the stream off for its origin to go on.
func (s *stream) open(e *trace.Event) {
	at := s.after(e.Have)
	s.cuts = append(s.cuts, cutOff{e.Number, e.Have, slices.Clone(s.batches[at:])})
	s.batches = s.batches[:at:at]
}

// asKnownTo returns the stream as who went by a view last knows it.
func (s *stream) asKnownTo(view uint64) *stream {
	for i := range s.cuts {
		if c := &s.cuts[i]; c.number > view {
			return &stream{identity: s.identity ^ member.Identity(c.number), batches: append(slices.Clip(s.batches[:s.after(c.entries)]), c.batches...)}
		}
	}
	return s
}

// longest returns the entries of the stream, with those that are to be written again.
func (s *stream) longest() uint64 {
	longest := s.length()
	for i := range s.cuts {
		if n := len(s.cuts[i].batches); n > 0 {
			longest = max(longest, s.cuts[i].batches[n-1].end()-1)
		}
	}
	return longest
}

// written returns the batch of a stream that begins at seq, as it was written under
// an identity.
func (h *history) written(stream member.ID, pen member.Identity, seq uint64) *batch {
	s := h.streams[stream].of(h.root(pen))
	if s == nil {
		return nil
	}
	if b := s.find(seq); b != nil && b.pen == pen {
		return b
	}
	for i := range s.cuts {
		for k := range s.cuts[i].batches {
			if b := &s.cuts[i].batches[k]; b.seq == seq && b.pen == pen {
				return b
			}
		}
	}
	return nil
}
