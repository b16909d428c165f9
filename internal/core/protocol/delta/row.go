package delta

import (
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// row is what is known of a member: what it holds, whom it hears, and when
// that changed here.
type row struct {
	identity member.Identity
	knows    bool // it was heard to know the agreed binding
	version  uint64
	binding  uint64
	hears    member.Set
	marks    clock.Marks
	stable   clock.Time // what the member itself reported as stable
	view     uint64     // the number of the view by which it went when it last said anything
	spoken   *spoken    // what counts for settling once it is wedged; nil: all of marks does

	newest uint64          `state:"rank"` // the change counter when anything last changed here
	meta   uint64          `state:"rank"` // the same for version, binding and hears
	stamps []uint64        `state:"rank"` // the same for each mark; nil: any may be as new as newest
	risen  time.Duration   // when any mark last rose
	rose   []time.Duration // the same for each mark; nil: any may have risen as late as risen
}

// detailFrom is the number of members from which on it is noted of the marks
// of others only when it is needed which of them changed and rose: the rows of
// all would take three times the memory, and mostly nobody asks.
const detailFrom = 65

// newRow makes the row of an incarnation that is just heard of.
func newRow(members int, identity member.Identity, now time.Duration) *row {
	r := &row{identity: identity, marks: clock.NewMarks(members), risen: now}
	if members < detailFrom {
		r.noteChanges()
		r.noteRises()
	}
	return r
}

// grow adds marks of streams that nobody holds anything of, up to a number of them.
func (r *row) grow(places int) {
	more := places - r.marks.Len()
	if more <= 0 {
		return
	}
	r.marks.Grow(places)
	if r.stamps != nil {
		r.stamps = append(r.stamps, make([]uint64, more)...)
	}
	if r.rose != nil {
		r.rose = append(r.rose, slices.Repeat([]time.Duration{r.risen}, more)...)
	}
	if r.spoken != nil {
		r.spoken.have = append(r.spoken.have, make([]uint64, more)...)
	}
}

// noteChanges notes from here on of each mark when it changes.
func (r *row) noteChanges() {
	if r.stamps == nil {
		r.stamps = slices.Repeat([]uint64{r.newest}, r.marks.Len())
	}
}

// noteRises notes from here on of each mark when it rises.
func (r *row) noteRises() {
	if r.rose == nil {
		r.rose = slices.Repeat([]time.Duration{r.risen}, r.marks.Len())
	}
}

// spoken is what a member said before it promised or accepted anything of the
// next view.
type spoken struct {
	have []uint64   // entries of each stream
	time clock.Time // by its clock
}

// counted returns how many entries of a stream the member said it holds, as far as
// that counts for settling.
func (r *row) counted(stream member.ID) uint64 {
	if r.spoken != nil {
		return r.spoken.have[stream]
	}
	return r.mark(stream).Have
}

// time returns the latest time that the member, whose own stream is given, said
// its clock had passed, as far as that counts.
func (r *row) time(own member.ID) clock.Time {
	if r.spoken != nil {
		return r.spoken.time
	}
	return r.mark(own).Promise
}

// wedge has count no more than what the member, whose own stream is given, said
// so far.
func (r *row) wedge(own member.ID) {
	if r.spoken != nil {
		return
	}
	r.spoken = &spoken{have: make([]uint64, r.marks.Len()), time: r.mark(own).Promise}
	for stream := range r.spoken.have {
		r.spoken.have[stream] = r.mark(member.ID(stream)).Have
	}
}

// count adds a mark to what counts although the member is wedged: it was said
// before that.
func (r *row) count(stream member.ID, mark clock.Mark, own bool) {
	r.spoken.have[stream] = max(r.spoken.have[stream], mark.Have)
	if own {
		r.spoken.time = max(r.spoken.time, mark.Promise)
	}
}

// mark returns how far the member holds a stream.
func (r *row) mark(stream member.ID) clock.Mark { return r.marks.At(int(stream)) }

// stamp returns the change counter when a mark last changed, or a later one.
func (r *row) stamp(stream int) uint64 {
	if r.stamps == nil {
		return r.newest
	}
	return r.stamps[stream]
}

// changedSince counts the marks that changed since.
func (r *row) changedSince(since uint64) int {
	changed := 0
	for stream := range r.marks.Len() {
		if r.stamp(stream) > since {
			changed++
		}
	}
	return changed
}

// roseAt returns when a mark last rose, or a later time.
func (r *row) roseAt(stream int) time.Duration {
	if r.rose == nil {
		return r.risen
	}
	return r.rose[stream]
}
