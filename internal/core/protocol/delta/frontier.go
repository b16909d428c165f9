package delta

import (
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// frontier is how far all members are known to be, and how far this one went on
// the strength of that.
type frontier struct {
	rows []*row // of the incarnation bound to each member; nil: not heard of
	mine *row   // the own row; the one in rows unless this is an observer

	changes   uint64 `state:"rank"` // counts changes of rows: what the stamps of rows refer to
	published uint64 `state:"rank"` // the change counter at the newest change of the own row

	settled   clock.Time        // all up to it was delivered
	assured   clock.Time        // all up to it had settled before this start
	secured   []uint64          `state:"hint"` // per stream: entries that enough members were found to hold
	delivered []uint64          // per stream: number in its log of the next batch to deliver
	restored  []uint64          // per stream: entries that were held at this start, of which it is not known how many had been delivered; nil: it began with none
	stable    clock.Time        // all members hold all up to it
	laggard   member.ID         `state:"hint"` // whose row was the first one found to keep stable from rising
	base      protocol.Snapshot // what is trimmed
	trimmed   int               // bytes trimmed since the journal was told
	numbers   []uint64          `state:"scratch"` // memory of reached
	gone      member.Set        // who was let go: nobody waits for them
	viewedAt  time.Duration     // when the present view began to count here
	trimmedAt time.Duration     // when something was forgotten last, or there was nothing to forget
}

// newFrontier returns the frontier of a member that knows of nobody.
func newFrontier(cfg *Config) frontier {
	f := frontier{
		rows: make([]*row, cfg.Members), mine: newRow(cfg.Members, cfg.Identity, 0),
		secured: make([]uint64, cfg.Members), delivered: make([]uint64, cfg.Members),
		base: protocol.Snapshot{Have: make([]uint64, cfg.Members)},
	}
	f.rows[cfg.Self] = f.mine
	f.mine.version = cfg.Life << 32
	f.mine.noteChanges()
	f.setMeta(f.mine)
	return f
}

// grow adds places up to a number of them.
func (f *frontier) grow(places int) {
	more := places - len(f.rows)
	f.rows = append(f.rows, make([]*row, more)...)
	f.secured = append(f.secured, make([]uint64, more)...)
	f.delivered = append(f.delivered, make([]uint64, more)...)
	f.base.Have = append(f.base.Have, make([]uint64, more)...)
	f.mine.grow(places)
	for _, r := range f.rows {
		if r != nil {
			r.grow(places)
		}
	}
}

// held returns how many entries of a stream this member holds.
func (f *frontier) held(stream member.ID) uint64 { return f.mine.mark(stream).Have }

// rowOf returns the row of the incarnation that counts at a place, and makes it
// when it is just heard of.
func (f *frontier) rowOf(place member.ID, identity member.Identity, now time.Duration) *row {
	if f.rows[place] == nil {
		f.rows[place] = newRow(len(f.rows), identity, now)
	}
	return f.rows[place]
}

// raise joins a mark into the own row.
func (f *frontier) raise(stream member.ID, mark clock.Mark) {
	if before := f.mine.mark(stream); before.Have >= mark.Have && before.Promise >= mark.Promise {
		return // mostly it is known from another member
	}
	if _, changed := f.mine.marks.Merge(int(stream), mark); changed {
		f.changed(f.mine, stream)
		f.published = f.changes
	}
}

// changed notes that a mark of a row changed.
func (f *frontier) changed(r *row, stream member.ID) {
	f.changes++
	r.newest = f.changes
	if r.stamps != nil {
		r.stamps[stream] = f.changes
	}
}

// rose notes that a mark of a row rose, as the member, or somebody for it, told.
func (f *frontier) rose(r *row, stream member.ID, now time.Duration) {
	f.changed(r, stream)
	r.risen = now
	if r.rose != nil {
		r.rose[stream] = now
	}
}

// setMeta notes that version, binding or hears of a row changed.
func (f *frontier) setMeta(r *row) {
	f.changes++
	r.meta, r.newest = f.changes, f.changes
}

// publishMeta makes a new version of the own row: binding or hears changed.
func (f *frontier) publishMeta() {
	f.mine.version++
	f.setMeta(f.mine)
	f.published = f.changes
}

// retell has all of the own row told again: what was told of it before did not
// count.
func (f *frontier) retell() {
	f.mine.newest = f.changes
	for j := range f.mine.stamps {
		f.mine.stamps[j] = f.changes
	}
}

// isHeld reports whether so many members are known to hold the first entries of
// a stream. All rows are looked at only when more entries are asked for than
// enough members held the last time.
func (f *frontier) isHeld(stream member.ID, entries uint64, members int) bool {
	if f.secured[stream] < entries {
		reached := f.reached(members, func(_ member.ID, r *row) uint64 { return r.counted(stream) })
		f.secured[stream] = max(f.secured[stream], reached)
	}
	return f.secured[stream] >= entries
}

// passed returns the latest time that the clocks of so many members are known to
// have passed, as far as what they said counts.
func (f *frontier) passed(members int) clock.Time {
	return clock.Time(f.reached(members, func(k member.ID, r *row) uint64 { return uint64(r.time(k)) }))
}

// reached returns the largest number that so many rows reach; 0 if there are not so
// many.
func (f *frontier) reached(members int, of func(member.ID, *row) uint64) uint64 {
	f.numbers = f.numbers[:0]
	for k, r := range f.rows {
		if r != nil {
			f.numbers = append(f.numbers, of(member.ID(k), r))
		}
	}
	if len(f.numbers) < members {
		return 0
	}
	slices.Sort(f.numbers)
	return f.numbers[len(f.numbers)-members]
}

// lower takes back what a row says of a stream beyond so many entries.
func (f *frontier) lower(r *row, stream member.ID, entries uint64) {
	mark := r.mark(stream)
	if mark.Have <= entries {
		return
	}
	r.marks.Set(int(stream), clock.Mark{Have: entries, Promise: mark.Promise})
	f.changed(r, stream)
}

// reopen takes back that nothing of a stream follows up to a time. What the own row
// and those of others say of it from then on begins there.
func (f *frontier) reopen(r *row, stream member.ID, start clock.Time) {
	mark := r.mark(stream)
	if mark.Promise <= start {
		return
	}
	r.marks.Set(int(stream), clock.Mark{Have: mark.Have, Promise: start})
	f.changed(r, stream)
}

// begin begins anew to find out who holds what, in a view.
func (f *frontier) begin(v *member.View) {
	f.mine.view = v.Number
	for _, r := range f.rows {
		if r != nil && r.view != v.Number {
			r.spoken = nil
		}
	}
	f.mine.spoken = nil
	f.gone = f.gone[:0]
	for k := range v.Places {
		if v.Places[k].Role == member.Gone {
			f.gone.Add(member.ID(k))
			f.rows[k] = nil
		}
	}
	clear(f.secured)
}

// stabilize raises the stable time to what the rows show.
func (f *frontier) stabilize() { f.stable = max(f.stable, f.lowest()) }

// lowest returns the time up to which the rows show that all hold everything,
// or any time that is known to be stable if it is not later than that. The row
// that was behind the last time mostly still is: then one look is enough.
func (f *frontier) lowest() clock.Time {
	if f.horizonOf(f.laggard) <= f.stable && !f.gone.Has(f.laggard) {
		return f.stable
	}
	lowest := clock.Infinity
	for k := range f.rows {
		if f.gone.Has(member.ID(k)) {
			continue
		}
		horizon := f.horizonOf(member.ID(k))
		if horizon <= f.stable {
			f.laggard = member.ID(k)
			return f.stable
		}
		lowest = min(lowest, horizon)
	}
	return lowest
}

// horizonOf returns the time up to which a member is known to hold everything.
func (f *frontier) horizonOf(k member.ID) clock.Time {
	if r := f.rows[k]; r != nil {
		return r.marks.Horizon()
	}
	return 0
}
