package clock

import (
	"math"
	"slices"
)

// narrowFrom is the number of members from which on marks begin narrow: below,
// all rows of a member take less than 64 KiB, and nothing is worth saving.
const narrowFrom = 65

// Marks are a vector that knows its horizon, for the rows of a matrix that
// change at one place at a time and are asked for their horizon all the time.
// In a large cluster they take half of the memory of a [Vector] as long as all
// numbers are small. They are made by [NewMarks].
type Marks struct {
	wide   Vector   // nil: narrow has them
	narrow []narrow // nil: wide has them
	lowest int      // the stream of the lowest promise; -1: it is to be looked for
}

// narrow is a mark of which both numbers are small.
type narrow struct{ have, promise uint32 }

// narrowInfinity stands for the promise of a closed stream.
const narrowInfinity = math.MaxUint32

// NewMarks makes marks of a number of streams, at least one, all zero.
func NewMarks(streams int) Marks {
	if streams >= narrowFrom {
		return Marks{narrow: make([]narrow, streams)}
	}
	return Marks{wide: make(Vector, streams)}
}

// Len gives the number of streams.
func (m *Marks) Len() int { return len(m.wide) + len(m.narrow) }

// At gives the mark of a stream.
func (m *Marks) At(stream int) Mark {
	if m.wide != nil {
		return m.wide[stream]
	}
	return m.narrow[stream].mark()
}

// Set changes the mark of a stream.
func (m *Marks) Set(stream int, mark Mark) {
	before := m.At(stream).Promise
	if stream == m.lowest && mark.Promise != before || mark.Promise < before {
		m.lowest = -1
	}
	if m.wide == nil {
		m.setNarrow(stream, mark)
		return
	}
	m.wide[stream] = mark
}

func (m *Marks) setNarrow(stream int, mark Mark) {
	if fits(mark) {
		m.narrow[stream] = narrowed(mark)
		return
	}
	m.wide, m.narrow = m.Vector(), nil
	m.wide[stream] = mark
}

// Merge joins a mark into that of a stream. It gives the mark that is there
// now, and says whether it changed.
func (m *Marks) Merge(stream int, mark Mark) (joined Mark, changed bool) {
	before := m.At(stream)
	joined = before.Merge(mark)
	if joined == before {
		return joined, false
	}
	if stream == m.lowest && joined.Promise != before.Promise {
		m.lowest = -1
	}
	if m.wide == nil {
		m.setNarrow(stream, joined)
	} else {
		m.wide[stream] = joined
	}
	return joined, true
}

// Horizon gives the lowest promise, as [Vector.Horizon] does. It looks at all
// marks only when the one that was lowest has changed since the last call.
func (m *Marks) Horizon() Time {
	if m.lowest < 0 {
		m.look()
	}
	return min(Infinity, m.At(m.lowest).Promise)
}

// look finds the lowest promise.
func (m *Marks) look() {
	m.lowest = 0
	for stream := range m.wide {
		if m.wide[stream].Promise < m.wide[m.lowest].Promise {
			m.lowest = stream
		}
	}
	for stream := range m.narrow {
		if m.narrow[stream].promise < m.narrow[m.lowest].promise {
			m.lowest = stream
		}
	}
}

// Vector gives a copy as a vector.
func (m *Marks) Vector() Vector {
	v := make(Vector, m.Len())
	for stream := range v {
		v[stream] = m.At(stream)
	}
	return v
}

// Clone gives marks that change by themselves from here on.
func (m *Marks) Clone() Marks {
	return Marks{wide: slices.Clone(m.wide), narrow: slices.Clone(m.narrow), lowest: m.lowest}
}

func fits(mark Mark) bool {
	return mark.Have <= math.MaxUint32 && (mark.Promise < narrowInfinity || mark.Promise == Infinity)
}

func narrowed(mark Mark) narrow {
	return narrow{uint32(mark.Have), uint32(min(mark.Promise, narrowInfinity))}
}

func (n narrow) mark() Mark {
	if n.promise == narrowInfinity {
		return Mark{Have: uint64(n.have), Promise: Infinity}
	}
	return Mark{Have: uint64(n.have), Promise: Time(n.promise)}
}
