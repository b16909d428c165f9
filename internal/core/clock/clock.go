// Package clock says when: Lamport time, and what members know of each other.
//
// [Time] is a Lamport time and [Lamport] the clock that gives it out (Lamport,
// Time, Clocks and the Ordering of Events, 1978). A [Mark] says how far a
// member holds one stream; a [Vector] has a mark for each stream, and a
// [Matrix] a vector for each member (Wuu and Bernstein, Efficient Solutions to
// the Replicated Log and Dictionary Problems, 1984). Merging is commutative,
// associative and idempotent, so a fact may arrive late, twice or never.
package clock

import "fmt"

// Time is a Lamport time. Batches have times from 1; 0 is before all of them.
type Time uint64

const (
	// Infinity is the promise of a closed stream: nothing will follow.
	// No batch may have it or more.
	Infinity Time = 1 << 62
	// LeapFree is up to where a time from outside may be however far ahead: who
	// is new, or was away, cannot know how far the others came. That leaves as
	// many times again, more than any cluster uses.
	LeapFree Time = 1 << 61
	// LeapMax is how far ahead of the own clock a time beyond that may be. One
	// absurd time must not use up the clock for everybody.
	LeapMax Time = 1 << 40
)

// String returns the time in decimal, or "inf".
func (t Time) String() string {
	if t >= Infinity {
		return "inf"
	}
	return fmt.Sprintf("%d", uint64(t))
}

// Lamport is a Lamport clock. The zero value is ready to use.
type Lamport struct{ now Time }

// Now returns the latest time that was given out or seen.
func (l *Lamport) Now() Time { return l.now }

// Next advances the clock by one and gives the new time.
func (l *Lamport) Next() Time {
	l.now++
	return l.now
}

// Merge advances the clock to t if t is later.
func (l *Lamport) Merge(t Time) {
	if t > l.now && t < Infinity {
		l.now = t
	}
}

// Takes reports whether a time from outside is one that a sane clock can show.
func (l *Lamport) Takes(t Time) bool {
	return t < Infinity && (t <= LeapFree || t <= l.now+LeapMax)
}

// Mark says how far a member holds one stream: the first Have entries without
// a gap, and the promise that no batch with a time of Promise or less exists
// outside of those. Together they are an acknowledgement, a gap detector and
// a null message (Chandy and Misra, 1979).
type Mark struct {
	Have    uint64
	Promise Time
}

// Merge joins two marks of the same stream at the same member: the later facts.
func (m Mark) Merge(other Mark) Mark {
	return Mark{Have: max(m.Have, other.Have), Promise: max(m.Promise, other.Promise)}
}

// Closed reports whether the stream has ended and is held in full.
func (m Mark) Closed() bool { return m.Promise >= Infinity }

// Vector has a mark for each stream, by the place of its origin.
type Vector []Mark

// Merge joins other into v and says whether v changed.
func (v Vector) Merge(other Vector) bool {
	changed := false
	for i := range min(len(v), len(other)) {
		if joined := v[i].Merge(other[i]); joined != v[i] {
			v[i] = joined
			changed = true
		}
	}
	return changed
}

// Horizon returns the lowest promise: the member holds everything, present and
// future, up to that time (a scalar of Golding's acknowledgement vector, 1992).
func (v Vector) Horizon() Time {
	horizon := Infinity
	for _, mark := range v {
		horizon = min(horizon, mark.Promise)
	}
	return horizon
}

// Matrix has a vector for each member: what it is known to hold.
type Matrix []Vector

// NewMatrix makes an empty matrix for a number of members.
func NewMatrix(members int) Matrix {
	matrix := make(Matrix, members)
	marks := make(Vector, members*members)
	for i := range matrix {
		matrix[i] = marks[i*members : (i+1)*members : (i+1)*members]
	}
	return matrix
}

// Stable returns the time up to which every member holds everything.
func (m Matrix) Stable() Time {
	stable := Infinity
	for _, vector := range m {
		stable = min(stable, vector.Horizon())
	}
	return stable
}
