package sim

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
)

// goOnWithin is how long the others take to go on once they may let go of who is gone.
const goOnWithin = time.Second

// demandOfLettingGo writes what must come of it that members let go of who is away.
func (w *world) demandOfLettingGo() {
	s := &w.shape
	if s.EvictAfter == 0 || s.Scarce {
		return
	}
	switch w.header.Stays = w.noneAway(); {
	case w.someStop():
		w.header.GoesOnWithinNs = goOnWithin
		return
	case !w.someDie():
		return
	}
	w.header.GoesOnWithinNs = s.EvictAfter + goOnWithin
	if s.Zombies > 0 {
		w.header.GoesOnWithinNs += zombieMax // what comes so late of who is gone is a sign of life
	}
}

// someDie reports whether nothing fails but that members are gone for good, once all
// have met, of whom the others let go by themselves; and these are enough for that.
func (w *world) someDie() bool {
	var dead member.Set
	for _, e := range w.schedule.Members() {
		if e.Action != failure.Crash && e.Action != failure.Kill && e.Action != failure.Pause || e.At < meetFor {
			return false
		}
		dead.Add(e.Member)
	}
	for i := range w.lines {
		if w.lines[i].Arrow != failure.NoLink {
			return false
		}
	}
	living := w.config.Members - dead.Len()
	return w.shape.EvictAfter > 0 && !w.shape.Scarce && dead.Len() > 0 && living >= member.Quorum(w.config.Members)
}

// calmFrom is how long before the next one is stopped as planned the last one must be
// back: by then it has what the others have.
const calmFrom = time.Second

// someStop reports whether nothing fails but that members with their data are stopped as
// planned and started again, one after the other, once all have met: then the others wait
// for nobody.
func (w *world) someStop() bool {
	if w.config.Members < 3 || !w.shape.Changes || !w.shape.Journal || w.shape.Scarce || len(w.lines) == 0 {
		return false
	}
	from, away := meetFor, false
	for _, e := range w.schedule.Members() {
		switch {
		case e.Action == failure.Stop && !away && e.At >= from:
			away = true
		case e.Action == failure.Restart && away && e.At > from:
			from, away = e.At+calmFrom, false
		default:
			return false
		}
	}
	for i := range w.lines {
		if w.lines[i].Arrow != failure.NoLink {
			return false
		}
	}
	return true
}

// noneAway reports whether no member is away from a quorum for so long that the
// others let go of it: at any time all members run, and good links connect them, or
// no links at all connect a quorum; anything else lasts for half of that at most.
func (w *world) noneAway() bool {
	for i := range w.lines {
		if a := w.lines[i].Action; a == failure.Clock || a == failure.Rate || a == failure.Evict || a == failure.Force || a == failure.Leave || a == failure.Join || a == failure.Observe || a == failure.Stop && !w.shape.Journal || a == failure.CrashLosingData || a == failure.CrashRestoring {
			return false
		}
	}
	lasts := time.Duration(0)
	for at, more := time.Duration(0), true; more && at < w.config.Lasts(); {
		var next time.Duration
		if next, more = w.schedule.Next(at); !more {
			next = w.config.Lasts()
		}
		if span := (window{at, next - 1}); w.allRun(span) && w.connected(span) || !w.quorumMeets(at) {
			lasts = 0
		} else if lasts += next - at; lasts > w.shape.EvictAfter/2 {
			return false
		}
		at = next
	}
	return true
}

// quorumMeets reports whether links of whatever kind connect a quorum of members that
// run at a time.
func (w *world) quorumMeets(at time.Duration) bool {
	running := w.running(window{at, at})
	for first := range running {
		reached := make([]bool, len(running))
		reached[first] = running[first]
		met := 0
		for waiting := []int{first}; len(waiting) > 0 && running[first]; met++ {
			from := waiting[0]
			waiting = waiting[1:]
			for to := range running {
				some := !w.link(member.ID(from), member.ID(to), at).Cut || !w.link(member.ID(to), member.ID(from), at).Cut
				if running[to] && !reached[to] && some {
					reached[to] = true
					waiting = append(waiting, to)
				}
			}
		}
		if met >= member.Quorum(len(running)) {
			return true
		}
	}
	return false
}
