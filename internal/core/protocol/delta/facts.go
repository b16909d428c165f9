package delta

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/protocol"
)

// onStable takes over that everybody holds everything up to a time.
func (d *Delta) onStable(l *link, m *protocol.Message) {
	if m.View.Number == 0 || !d.roster.Agreed() || m.Stable > clock.Infinity {
		return
	}
	d.frontier.stable = max(d.frontier.stable, m.Stable)
	if l.row != nil {
		l.row.stable = max(l.row.stable, m.Stable)
	}
}

// onRow joins what a member holds into what is known of it.
func (d *Delta) onRow(from *link, r *protocol.Row, agreed bool) {
	if !d.roster.Has(r.Member) || (r.Member == d.cfg.Self && !d.roster.Observes()) {
		return
	}
	target := d.rowOf(from, r, agreed)
	if target == nil || d.roster.Agreed() && r.View > d.frontier.mine.view {
		return
	}
	wedged := d.noteView(target, r)
	if r.Version > target.version {
		target.version, target.binding = r.Version, r.Binding
		target.hears.CopyFrom(r.Hears)
		d.frontier.setMeta(target)
	}
	observer := !d.roster.Counts(r.Member, r.Identity)
	for _, mark := range r.Marks {
		if !d.roster.Has(mark.Stream) || observer && !agreed && (d.roster.Agreed() || mark.Stream == r.Member) {
			continue // an observer that does not know the binding may speak of another incarnation's stream
		}
		if target.spoken != nil && !wedged {
			target.count(mark.Stream, mark.Mark, mark.Stream == r.Member)
		}
		d.onMark(target, mark, mark.Stream == r.Member)
		d.streams[mark.Stream].want.told(mark.Have, from.peer)
	}
	if r.Member == d.cfg.Self {
		return
	}
	l := &d.links[r.Member]
	if target != l.row && target.risen == d.now && agreed && d.standsStill(l) {
		d.hearOf(l, r.Identity) // its observer was from before
	}
	d.confirm(l)
	if l != from {
		d.overtaken(l)
		l.cursor.popDone()
	}
}

// noteView notes in which view a row was said, and reports whether its member was
// wedged in it by then, which counts in that view. Who has no view yet notes that too: it
// passes the row on.
func (d *Delta) noteView(target *row, r *protocol.Row) (wedged bool) {
	if r.View > target.view {
		target.view, target.spoken = r.View, nil
	}
	wedged = r.Wedged && r.View > 0 && r.View == target.view && r.View >= d.frontier.mine.view
	if wedged && target.spoken == nil {
		target.wedge(r.Member)
		d.frontier.setMeta(target)
	}
	return wedged
}

// rowOf finds the row that a fact is about; nil when it is about nobody here.
func (d *Delta) rowOf(from *link, r *protocol.Row, agreed bool) *row {
	if r.Member == d.cfg.Self {
		return d.boundRow(r)
	}
	l := &d.links[r.Member]
	if from != l {
		d.bind(r.Member, r.Identity)
		if l.presence.identity == 0 {
			d.forget(l, r.Identity) // it is heard of through others only
		}
		if r.Identity != 0 && r.Identity != l.presence.identity && !d.roster.Counts(r.Member, r.Identity) && agreed && d.standsStill(l) {
			d.hearOf(l, r.Identity)
		}
	}
	if l.presence.identity == r.Identity {
		return l.row
	}
	return d.boundRow(r)
}

func (d *Delta) boundRow(r *protocol.Row) *row {
	if r.Identity == 0 || !d.roster.Counts(r.Member, r.Identity) {
		return nil
	}
	return d.frontier.rowOf(r.Member, r.Identity, d.now)
}

// onMark joins one mark of a row, and takes its promise if the entries that it
// presumes are held here. Before all agreed on who writes where, only the
// origin's own word is certain to be about the stream that is held here.
func (d *Delta) onMark(target *row, mark protocol.StreamMark, ownWord bool) {
	finite := mark.Promise < clock.Infinity
	if mark.Promise > clock.Infinity || finite && !d.clock.Takes(mark.Promise) {
		d.counts.Refused++
		return
	}
	joined, changed := target.marks.Merge(int(mark.Stream), mark.Mark)
	if !changed {
		return
	}
	d.frontier.rose(target, mark.Stream, d.now)
	if finite && !d.isAhead(mark.Promise) {
		d.clock.Merge(mark.Promise)
		d.reserve()
	}
	if d.roster.Writes(mark.Stream) {
		d.judgeOwn(target, joined)
		return
	}
	s := &d.streams[mark.Stream]
	switch {
	case joined.Have > d.frontier.held(mark.Stream):
		s.want.waiting = true
		if s.want.missed == 0 {
			s.want.missed = max(d.now, 1)
		}
	case !d.roster.Agreed() && !ownWord:
		s.want.waiting = true
	default:
		d.frontier.raise(mark.Stream, clock.Mark{Promise: joined.Promise})
	}
}
