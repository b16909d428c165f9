package explore

import (
	"slices"

	"chatterbox/internal/proof/state"
)

// mailMax is how many messages can be on their way in all.
const mailMax = 12

// situation is where all members are and what is on its way: numbers of states
// and of messages, and how much of the bounds is used up. It has no pointers,
// so that millions of them cost the collector nothing.
type situation struct {
	nodes [membersMax]uint32
	// mail is what is on its way, 0 at the end: of datagrams sorted by their
	// hashes, of streams link by link in the order of sending.
	mail  [mailMax]uint32
	spent spent
}

// spent counts what all members have in common.
type spent struct{ drops, repeats, crashes, losses, breaks, evicts, returns uint8 }

// count returns how many messages are on their way.
func (s *situation) count() int {
	if n := slices.Index(s.mail[:], 0); n >= 0 {
		return n
	}
	return mailMax
}

// take takes the message at an index off its link.
func (s *situation) take(at int) {
	copy(s.mail[at:], s.mail[at+1:])
	s.mail[mailMax-1] = 0
}

// send puts a message on its link, and says whether there was room for it.
func (w *world) send(s *situation, letter uint32) bool {
	m, n := w.mails.get(letter), s.count()
	onLink, at := 0, n
	for i := range n {
		other := w.mails.get(s.mail[i])
		if other.from == m.from && other.to == m.to {
			onLink++
		}
		if at == n && w.goesBefore(m, other) {
			at = i
		}
	}
	if onLink == w.config.Bounds.InFlight {
		return false
	}
	copy(s.mail[at+1:], s.mail[at:])
	s.mail[at] = letter
	return true
}

func (w *world) goesBefore(m, other *mail) bool {
	if w.config.Streams {
		return m.link() < other.link()
	}
	return m.print < other.print
}

func (m *mail) link() int { return int(m.from)*membersMax + int(m.to) }

// hangUp loses what is on its way on a link.
func (w *world) hangUp(s *situation, link int) {
	for i := s.count() - 1; i >= 0; i-- {
		if w.mails.get(s.mail[i]).link() == link {
			s.take(i)
		}
	}
}

// print returns the hash by which the situation is known.
func (w *world) print(s *situation) uint64 {
	hash := uint64(0)
	for _, number := range s.nodes[:w.config.Members] {
		hash = state.Mix(hash, w.nodes.get(number).print)
	}
	for _, letter := range s.mail[:s.count()] {
		hash = state.Mix(hash, w.mails.get(letter).print)
	}
	for _, n := range [...]uint8{s.spent.drops, s.spent.repeats, s.spent.crashes, s.spent.losses, s.spent.breaks, s.spent.evicts, s.spent.returns} {
		hash = state.Mix(hash, uint64(n))
	}
	return max(hash, 1) // 0 is no situation
}
