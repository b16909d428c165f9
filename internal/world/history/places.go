package history

import (
	"sort"

	"chatterbox/internal/core/member"
)

// placesMax is how many of the last batches have their places remembered, even
// after they were compacted: else whoever asks where an entry came to stand
// races with who compacts.
const placesMax = 1 << 16

// places finds the positions of entries by stream.
type places struct {
	streams []stream
	origins []uint16 // of the last batches, a ring
	next    int      // where in origins the next one goes
}

// stream is what is remembered of one stream.
type stream struct {
	have   uint64  // entries that have settled
	places []place // rising
}

type place struct{ seq, first uint64 } // of a batch's first entry

func newPlaces(members int) places { return places{streams: make([]stream, members)} }

func (p *places) begin(have []uint64) {
	for i := range p.streams {
		p.streams[i] = stream{}
		if i < len(have) {
			p.streams[i].have = have[i]
		}
	}
	p.origins, p.next = p.origins[:0], 0
}

func (p *places) add(b *Batch) {
	s := &p.streams[b.Origin]
	s.have = b.Last()
	s.places = append(s.places, place{b.Seq, b.First})
	if len(p.origins) < placesMax {
		p.origins = append(p.origins, uint16(b.Origin))
		return
	}
	oldest := &p.streams[p.origins[p.next]]
	oldest.places = oldest.places[1:]
	p.origins[p.next] = uint16(b.Origin)
	p.next = (p.next + 1) % placesMax
}

// find reports whether an entry has settled, and where if that is known.
func (p *places) find(origin member.ID, seq uint64) (position uint64, settled bool) {
	if int(origin) >= len(p.streams) || seq > p.streams[origin].have {
		return 0, false
	}
	all := p.streams[origin].places
	i := sort.Search(len(all), func(i int) bool { return all[i].seq > seq })
	if i == 0 {
		return 0, true
	}
	return all[i-1].first + seq - all[i-1].seq, true
}
