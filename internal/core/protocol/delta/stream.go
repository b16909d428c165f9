package delta

import (
	"sort"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/protocol"
)

// stream is what this member keeps of the batches of one origin: those held
// and not yet trimmed, and a few beyond a gap. How many entries are held says
// the own row.
type stream struct {
	log       log
	base      uint64     // entries before the front of the log: trimmed
	last      clock.Time // of the newest batch held
	ahead     []protocol.Batch
	aheadSize int // bytes of ahead

	want want
}

// find returns the number of the batch that follows the first have entries.
func (s *stream) find(have uint64) uint64 {
	return s.log.first + uint64(sort.Search(s.log.len(), func(i int) bool {
		return s.log.at(s.log.first+uint64(i)).Seq > have
	}))
}

// stash keeps a batch beyond a gap if there is room, and reports whether it took
// this one, and whether it has one like it now.
func (s *stream) stash(b *protocol.Batch, bytesMax int) (kept, known bool) {
	at := sort.Search(len(s.ahead), func(i int) bool { return s.ahead[i].Seq >= b.Seq })
	if at < len(s.ahead) && s.ahead[at].Seq == b.Seq {
		return false, true
	}
	if s.aheadSize+b.Size() > bytesMax {
		return false, false
	}
	s.ahead = append(s.ahead, protocol.Batch{})
	copy(s.ahead[at+1:], s.ahead[at:])
	s.ahead[at] = *b
	s.aheadSize += b.Size()
	return true, true
}

// unstash takes out the batches that are held or follow directly, first ones
// first, one a call.
func (s *stream) unstash(have uint64) (protocol.Batch, bool) {
	if len(s.ahead) == 0 || s.ahead[0].Seq > have+1 {
		return protocol.Batch{}, false
	}
	b := s.ahead[0]
	s.ahead = s.ahead[:copy(s.ahead, s.ahead[1:])]
	s.aheadSize -= b.Size()
	return b, true
}
