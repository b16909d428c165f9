package scene

import (
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// Out reports whether the others go on without a member, by the newest view
// that any of them goes by.
func (s *Scene) Out(id member.ID) bool { return s.View.Out.Has(id) }

// install takes in that a member goes by another view, and which streams end
// with it.
func (s *Scene) install(m *Member, e *trace.Event) {
	m.View.Tell(e)
	if m.View.Number > s.View.Number {
		s.View = trace.View{Number: m.View.Number}
	}
	switch e.Kind {
	case trace.Install:
		return
	case trace.Opens:
		if e.Number == m.View.Number {
			s.lose(m, e)
		}
		s.streams[e.Stream].open(e)
		return
	}
	s.lose(m, e)
	if m.View.Number == s.View.Number {
		s.View.Out.Add(e.Stream)
		s.end(&s.streams[e.Stream], e)
	}
}

// end takes in that a stream ends after so many entries, once.
func (s *Scene) end(t *stream, e *trace.Event) {
	if t.ended == e.Identity {
		return
	}
	t.ended, t.end = e.Identity, e.Have
	s.Written[e.Stream] = min(s.Written[e.Stream], t.counts(t.known))
	for _, b := range t.batches {
		s.judge(t, b)
	}
}

// open takes in that a stream goes on behind its end, once.
func (t *stream) open(e *trace.Event) {
	if e.Number <= t.opened {
		return
	}
	t.opened, t.before = e.Number, append(slices.Clip(t.before), t.identity)
	t.identity, t.known, t.ended = e.Identity, e.Have, 0
}

// judge tells whether a batch can never settle.
func (s *Scene) judge(t *stream, b *Batch) {
	if s.Witness != nil && b.Identity == t.ended && b.Seq > t.end {
		s.Witness.Lost(b)
	}
}

// lose lets the member drop what it holds of a stream beyond its end.
func (s *Scene) lose(m *Member, e *trace.Event) {
	m.Have[e.Stream] = min(m.Have[e.Stream], e.Have)
	beyond := func(b *Batch) bool {
		return b.Stream == e.Stream && (b.Identity == e.Identity) == (e.Kind == trace.Ends) && b.Seq > e.Have
	}
	kept := m.tentative[:0:0]
	for _, b := range m.tentative {
		switch {
		case !beyond(b):
			kept = append(kept, b)
		case s.Witness != nil:
			s.Witness.Dropped(b, e.Member)
		}
	}
	m.tentative = kept
	arrivals := m.arrivals[:0:0]
	for _, a := range m.arrivals {
		if !beyond(a.batch) {
			arrivals = append(arrivals, a)
		}
	}
	m.arrivals = arrivals
}
