package delta

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Status describes the state for people and reports.
func (d *Delta) Status() protocol.Status {
	s := protocol.Status{
		Self: d.cfg.Self, Identity: d.cfg.Identity, Horizon: d.frontier.mine.marks.Horizon(), Settled: d.frontier.settled, Assured: d.frontier.assured, Stable: d.frontier.stable,
		Agreed: d.roster.Agreed(), Reader: d.roster.Observes(), LogBytes: d.inMemory(), Parked: d.own.parked,
		Held: d.frontier.mine.marks.Vector(), Trimmed: slices.Clone(d.frontier.base.Have),
		Known: make([]clock.Vector, d.roster.Len()), Heard: make([]bool, d.roster.Len()), Views: make([]uint64, d.roster.Len()), Lost: make([]bool, d.roster.Len()), Away: make([]bool, d.roster.Len()),
		Told: d.isTold(), View: d.roster.View(), Wedged: d.frontier.mine.spoken != nil,
		Tally: d.counts, Findings: d.roster.Findings(d.shown, d.isObserved, d.knowsOfAgreement()),
	}
	for k, r := range d.frontier.rows {
		if r != nil {
			s.Known[k] = r.marks.Vector()
		}
		s.Views[k] = d.links[k].report.view.Number
		s.Heard[k] = member.ID(k) == d.cfg.Self || d.hears(&d.links[k])
		s.Away[k] = !s.Heard[k] && d.isAway(member.ID(k))
		s.Lost[k] = member.ID(k) != d.cfg.Self && d.roster.Agreed() && d.isObserved(member.ID(k)) && !d.roster.Owns(member.ID(k), d.links[k].presence.identity)
	}
	if n := len(d.own.back.orphans); n > 0 {
		s.Orphans = d.own.back.orphans[n-1].Last() - d.frontier.held(d.cfg.Self)
	}
	s.Complete = d.roster.Agreed() && d.frontier.settled >= clock.Infinity
	s.Done = s.Complete && d.ended() && d.allTold()
	return s
}

// allTold reports whether every peer that is there says that all is stable for ever,
// so that this member may leave.
func (d *Delta) allTold() bool {
	for i := range d.links {
		l := &d.links[i]
		there := l.peer != d.cfg.Self && l.presence.up && d.hears(l)
		if there && (l.row == nil || l.row.stable < clock.Infinity) {
			return false
		}
	}
	return true
}
