package delta

import (
	"slices"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
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

	newest uint64          // the change counter when anything last changed here
	meta   uint64          // the same for version, binding and hears
	stamps []uint64        // the same for each mark; nil: any may be as new as newest
	risen  time.Duration   // when any mark last rose
	rose   []time.Duration // the same for each mark; nil: any may have risen as late as risen
}

// detailFrom is the number of members from which on it is noted of the marks
// of others only when it is needed which of them changed and rose: the rows of
// all would take three times the memory, and mostly nobody asks.
const detailFrom = 65

// newRow makes the row of a life that is just heard of.
func newRow(members int, identity member.Identity, now time.Duration) *row {
	r := &row{identity: identity, marks: clock.NewMarks(members), risen: now}
	if members < detailFrom {
		r.noteChanges()
		r.noteRises()
	}
	return r
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

// mark gives how far the member holds a stream.
func (r *row) mark(stream member.ID) clock.Mark { return r.marks.At(int(stream)) }

// stamp gives the change counter when a mark last changed, or a later one.
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

// roseAt gives when a mark last rose, or a later time.
func (r *row) roseAt(stream int) time.Duration {
	if r.rose == nil {
		return r.risen
	}
	return r.rose[stream]
}

// changed notes that a mark of a row changed.
func (d *Delta) changed(r *row, stream member.ID) {
	d.changes++
	r.newest = d.changes
	if r.stamps != nil {
		r.stamps[stream] = d.changes
	}
}

// rose notes that a mark of a row rose, as the member, or somebody for it, told.
func (d *Delta) rose(r *row, stream member.ID) {
	d.changed(r, stream)
	r.risen = d.now
	if r.rose != nil {
		r.rose[stream] = d.now
	}
}

// setMeta notes that version, binding or hears of a row changed.
func (d *Delta) setMeta(r *row) {
	d.changes++
	r.meta, r.newest = d.changes, d.changes
}
