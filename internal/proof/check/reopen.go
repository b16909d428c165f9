package check

import (
	"cmp"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// cutOff is what lay beyond a cut when the origin came back.
type cutOff struct {
	number  uint64 // of the view in which it did
	branch  *branch
	entries uint64 // that it had in the order
	batches []batch
	lost    bool // another one goes on with the stream: nobody writes them again
}

// root returns the identity that names the stream of which a batch under an identity is:
// that of the first one who wrote it.
func (h *history) root(pen member.Identity) member.Identity {
	if root, known := h.roots[pen]; known {
		return root
	}
	return pen
}

// writer returns the identity of who writes under one: its own one.
func (h *history) writer(pen member.Identity) member.Identity {
	if writer, known := h.pens[pen]; known {
		return writer
	}
	return pen
}

// ownOf returns the stream that a life writes: its own one, or the one that it goes on
// with; nil if it has none.
func (h *history) ownOf(stream member.ID, writer member.Identity) *stream {
	if root, heir := h.heirs[writer]; heir {
		writer = root
	}
	return h.streams[stream].of(writer)
}

// isOwn reports whether a member tells of what it wrote itself.
func (h *history) isOwn(e *trace.Event) bool {
	return e.Stream == e.Member && h.writer(e.Identity) == h.members[e.Member].identity
}

// noteOpens: a stream goes on behind a cut. What lay there is written again, unless it is
// another one that goes on with the stream.
func (h *history) noteOpens(m *witness, e *trace.Event) {
	root, writer := member.Identity(cmp.Or(e.Session, e.Hash)), member.Identity(e.Hash)
	if h.roots[e.Identity] == 0 { // nobody told it before
		h.roots[e.Identity], h.pens[e.Identity] = root, writer
		if root != writer {
			h.heirs[writer] = root
		}
		h.streams[e.Stream].turnTo(root)
		h.streams[e.Stream].open(e, writer, m.branch)
		h.tenants[e.Stream] = writer
	}
	m.returns[e.Stream]++
	m.gone.Remove(e.Stream)
	m.branch.end(e.Stream, endless, m.view)
	if e.Number > m.before {
		m.held[e.Stream], m.kept[e.Stream] = min(m.held[e.Stream], e.Have), min(m.kept[e.Stream], e.Have)
		said := &m.published[e.Stream]
		*said = clock.Mark{Have: min(said.Have, e.Have), Promise: min(said.Promise, e.Promise)}
	}
}

// open cuts the stream off for who writes it to go on.
func (s *stream) open(e *trace.Event, writer member.Identity, in *branch) {
	at := s.after(e.Have)
	s.cuts = append(s.cuts, cutOff{number: e.Number, branch: in, entries: e.Have, batches: slices.Clone(s.batches[at:])})
	s.batches = s.batches[:at:at]
	if before := cmp.Or(s.tenant, s.identity); before != writer {
		for i := range s.cuts {
			s.cuts[i].lost = true
		}
	}
	s.tenant = writer
}

// turnTo makes the stream that of a life, with what that wrote before, if it did.
func (s *stream) turnTo(identity member.Identity) {
	if s.identity == identity {
		return
	}
	next, older := stream{identity: identity}, s.older
	if i := slices.IndexFunc(older, func(o stream) bool { return o.identity == identity }); i >= 0 {
		next = older[i]
		older = slices.Delete(older, i, i+1)
	}
	if len(s.batches)+len(s.cuts) > 0 {
		older = append(older, stream{batches: s.batches, identity: s.identity, tenant: s.tenant, cuts: s.cuts})
	}
	*s = next
	s.older = older
}

// isKnownTo reports whether a member goes by a view in which the stream was cut.
func (c *cutOff) isKnownTo(m *witness) bool {
	return c.number <= m.told && m.toldIn.isWithin(c.branch)
}

// isAhead reports whether a stream went on in no view that a member goes by now.
func (c *cutOff) isAhead(m *witness) bool {
	return c.number > 0 && (c.number > m.view || !m.branch.isWithin(c.branch))
}

// asKnownTo returns the stream as a member knows it by the view that it went by last.
func (s *stream) asKnownTo(m *witness) *stream {
	for i := range s.cuts {
		if c := &s.cuts[i]; !c.isKnownTo(m) {
			return &stream{identity: s.identity ^ member.Identity(c.number), batches: append(slices.Clip(s.batches[:s.after(c.entries)]), c.batches...)}
		}
	}
	return s
}

// longest returns the entries of the stream, with those that are to be written again.
func (s *stream) longest() uint64 {
	longest := s.length()
	for i := range s.cuts {
		if n := len(s.cuts[i].batches); n > 0 && !s.cuts[i].lost {
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
