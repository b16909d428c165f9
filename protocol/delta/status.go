package delta

import (
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// Status describes the state for people and reports.
func (d *Delta) Status() protocol.Status {
	s := protocol.Status{
		Self: d.cfg.Self, Horizon: d.mine.marks.Horizon(), Settled: d.settled, Stable: d.stable,
		Agreed: d.agreed, Reader: d.reader, LogBytes: d.logBytes,
		Held: d.mine.marks.Vector(), Trimmed: slices.Clone(d.base.Have),
		Known: make([]clock.Vector, d.cfg.Members), Heard: make([]bool, d.cfg.Members),
		Refused: d.counts.refused, CopiesIn: d.counts.copies, AppendsIn: d.counts.appends,
	}
	for k, r := range d.rows {
		if r != nil {
			s.Known[k] = r.marks.Vector()
		}
		s.Heard[k] = member.ID(k) == d.cfg.Self || d.hears(&d.links[k])
	}
	s.Complete = d.agreed && d.settled >= clock.Infinity
	s.Done = s.Complete && d.ended() && d.allTold()
	return s
}

// allTold says whether every peer that is there knows that all is stable.
func (d *Delta) allTold() bool {
	for i := range d.links {
		l := &d.links[i]
		there := l.peer != d.cfg.Self && l.up && d.hears(l)
		if there && !l.knowsEnd() {
			return false
		}
	}
	return true
}
