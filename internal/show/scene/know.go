package scene

import (
	"slices"
	"sort"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// promise is that from a moment on a member said of its own stream that no
// other batch has such a time or an earlier one.
type promise struct {
	at    time.Duration
	until clock.Time
}

// promisesKept is how many promises of a stream are remembered; of more, every
// other one is, so that ages are a little too young.
const promisesKept = 1 << 12

// know takes in what a member knows of the promise of a stream.
func (s *Scene) know(m *Member, of member.ID, until clock.Time) {
	m.Heard = s.Now
	if until <= m.knows[of] {
		return
	}
	m.knows[of] = until
	t := &s.streams[of]
	if m == &s.Members[of] {
		m.Own = until
		if n := len(t.promises); n == 0 || until > t.promises[n-1].until {
			t.promises = append(t.promises, promise{s.Now, until})
			s.shorten(of)
		}
	}
	next := max(m.news[of], t.promiseBase)
	for next < t.promiseBase+len(t.promises) && t.promises[next-t.promiseBase].until <= until {
		next++
	}
	m.news[of] = next
}

// shorten forgets the promises that everybody knows, and every other one of
// those that are too many.
func (s *Scene) shorten(of member.ID) {
	const much = 64 // worth the walk over all members
	t := &s.streams[of]
	if len(t.promises)%much != 0 {
		return
	}
	least := t.promiseBase + len(t.promises)
	for i := range s.Members {
		least = min(least, s.Members[i].news[of])
	}
	if least > t.promiseBase {
		t.promises = slices.Clone(t.promises[least-t.promiseBase:])
		t.promiseBase = least
	}
	if len(t.promises) < promisesKept {
		return
	}
	kept := t.promises[:0]
	for i := 0; i < len(t.promises); i += 2 {
		kept = append(kept, t.promises[i])
	}
	t.promises = kept
	for i := range s.Members {
		m := &s.Members[i]
		known := m.knows[of]
		m.news[of] = t.promiseBase + sort.Search(len(kept), func(k int) bool { return kept[k].until > known })
	}
}

// Knows returns the promise of a stream that the member knows of: it lacks no
// batch with such a time or an earlier one.
func (s *Scene) Knows(id, stream member.ID) clock.Time { return s.Members[id].knows[stream] }

// News returns since when the member's news of a stream is old: since then the
// stream's own member promised more, or does not run. Fresh is true if it is not.
func (s *Scene) News(id, stream member.ID) (since time.Duration, fresh bool) {
	m, t, of := &s.Members[id], &s.streams[stream], &s.Members[stream]
	if id == stream || m.State == Down || m.State == Absent {
		return 0, true
	}
	if next := max(m.news[stream], t.promiseBase); next < t.promiseBase+len(t.promises) {
		return t.promises[next-t.promiseBase].at, false
	}
	if of.State != Running {
		return of.Since, of.Closed && of.Own >= clock.Infinity
	}
	return 0, true
}

// LateAfter is how long a batch may be tentative before a member is late, and
// it is said who it waits for. Shorter waits come and go all the time.
const LateAfter = 375 * time.Millisecond

// Late reports whether something has waited at the member for long.
func (s *Scene) Late(id member.ID) bool {
	return s.Members[id].State == Running && s.Lag(id) > LateAfter
}

// Waits returns the members whose word the first tentative batch of a member
// waits for: they could still have something earlier, as far as it knows.
func (s *Scene) Waits(id member.ID) []member.ID {
	m := &s.Members[id]
	if len(m.tentative) == 0 {
		return nil
	}
	var waits []member.ID
	for of := range s.Members {
		if member.ID(of) != id && !m.View.Out.Has(member.ID(of)) && m.knows[of] < m.tentative[0].Time {
			waits = append(waits, member.ID(of))
		}
	}
	return waits
}
