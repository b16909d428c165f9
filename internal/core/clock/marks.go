package clock

// smallFrom is the number of members from which on marks begin small: below,
// all rows of a member take no more than 64 KiB, and nothing is worth saving.
const smallFrom = 65

// Marks are a vector that knows its horizon, for the rows of a matrix that
// change at one place at a time and are asked for their horizon all the time.
// In a large cluster they take a quarter of the memory of a [Vector], and later
// half of it, as long as all numbers are small. They are made by [NewMarks].
type Marks struct {
	// One of the three has them, the others are nil.
	wide   Vector
	narrow []small[uint32]
	tiny   []small[uint16]
	lowest int `state:"hint"` // the stream of the lowest promise; -1: it is to be looked for
}

// small is a mark of which both numbers are small. The largest promise stands
// for that of a closed stream.
type small[T uint16 | uint32] struct{ have, promise T }

// NewMarks makes marks of a number of streams, at least one, all zero.
func NewMarks(streams int) Marks {
	if streams >= smallFrom {
		return Marks{tiny: make([]small[uint16], streams)}
	}
	return Marks{wide: make(Vector, streams)}
}

// Len returns the number of streams.
func (m *Marks) Len() int { return len(m.wide) + len(m.narrow) + len(m.tiny) }

// Grow adds marks, all zero, up to a number of streams.
func (m *Marks) Grow(streams int) {
	more := streams - m.Len()
	switch {
	case more <= 0:
		return
	case m.wide != nil:
		m.wide = append(m.wide, make(Vector, more)...)
	case m.narrow != nil:
		m.narrow = append(m.narrow, make([]small[uint32], more)...)
	default:
		m.tiny = append(m.tiny, make([]small[uint16], more)...)
	}
	m.lowest = -1
}

// At returns the mark of a stream.
func (m *Marks) At(stream int) Mark {
	if m.wide != nil {
		return m.wide[stream]
	}
	return m.smallAt(stream)
}

// smallAt is kept out of At, so that At itself is small enough to be inlined.
//
//go:noinline
func (m *Marks) smallAt(stream int) Mark {
	if m.tiny != nil {
		return m.tiny[stream].mark()
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
		m.setSmall(stream, mark)
		return
	}
	m.wide[stream] = mark
}

// setSmall changes a mark where it lies if it fits there, and otherwise moves
// all to where there is more room.
func (m *Marks) setSmall(stream int, mark Mark) {
	switch {
	case m.tiny != nil && put(m.tiny, stream, mark):
		return
	case m.tiny != nil:
		m.narrow = make([]small[uint32], len(m.tiny))
		for i := range m.tiny {
			put(m.narrow, i, m.tiny[i].mark())
		}
		m.tiny = nil
	}
	if !put(m.narrow, stream, mark) {
		m.wide = m.Vector()
		m.narrow = nil
		m.wide[stream] = mark
	}
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
		m.setSmall(stream, joined)
	} else {
		m.wide[stream] = joined
	}
	return joined, true
}

// Horizon returns the lowest promise, as [Vector.Horizon] does. It looks at all
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
	m.lowest += lowestOf(m.narrow) + lowestOf(m.tiny)
}

// Vector returns a copy as a vector.
func (m *Marks) Vector() Vector {
	v := make(Vector, m.Len())
	for stream := range v {
		v[stream] = m.At(stream)
	}
	return v
}

// lowestOf returns the place of the lowest promise, 0 if there is none.
func lowestOf[T uint16 | uint32](marks []small[T]) int {
	lowest := 0
	for i := range marks {
		if marks[i].promise < marks[lowest].promise {
			lowest = i
		}
	}
	return lowest
}

// put writes a mark down if it is small enough, and says whether it is.
func put[T uint16 | uint32](marks []small[T], i int, mark Mark) bool {
	most := ^T(0)
	switch {
	case mark.Have > uint64(most) || mark.Promise >= Time(most) && mark.Promise != Infinity:
		return false
	case mark.Promise == Infinity:
		marks[i] = small[T]{T(mark.Have), most}
	default:
		marks[i] = small[T]{T(mark.Have), T(mark.Promise)}
	}
	return true
}

func (s small[T]) mark() Mark {
	if s.promise == ^T(0) {
		return Mark{Have: uint64(s.have), Promise: Infinity}
	}
	return Mark{Have: uint64(s.have), Promise: Time(s.promise)}
}
