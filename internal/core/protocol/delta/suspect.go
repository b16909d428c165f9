package delta

import (
	"time"

	"chatterbox/internal/core/member"
)

// suspicion is how long members have been away: this one does not learn from them,
// or they do not learn from it, on whatever way.
type suspicion struct {
	away   []time.Duration // by place; nil: nobody is
	looked time.Duration   // when that was found out last
	came   []time.Duration // by place: when its tenant came back last; nil: nobody did
	self   bool            // this member is about to be away itself, as planned
	barred []time.Duration // by place: until when who was let go for being away is not taken back; nil: nobody is
}

// install notes who comes back, and who is let go for being away: after each time in
// a row it is taken back twice as late, from when it was let go.
func (s *suspicion) install(before, view *member.View, now, limit time.Duration) {
	if before == nil || limit == 0 {
		return
	}
	for place := range view.Places {
		p := &view.Places[place]
		switch strikes := view.StrikesOf(p.Name); {
		case p.Role == member.Writer && p.Since > before.Number:
			s.came = note(s.came, len(view.Places), place, now)
		case p.Role == member.Gone && place < len(before.Places) && before.Places[place].Role == member.Writer && strikes > 0:
			s.barred = note(s.barred, len(view.Places), place, now+min(limit<<min(strikes-1, 20), barMax))
		}
	}
}

func note(times []time.Duration, places, place int, at time.Duration) []time.Duration {
	times = longer(times, places)
	times[place] = at
	return times
}

// longer returns the times of so many places, of which the last ones may be new.
func longer(times []time.Duration, places int) []time.Duration {
	if more := places - len(times); more > 0 {
		return append(times, make([]time.Duration, more)...)
	}
	return times
}

// isBarred reports whether who was let go from a place is not to be taken back yet.
func (s *suspicion) isBarred(place member.ID, now time.Duration) bool {
	return int(place) < len(s.barred) && now < s.barred[place]
}

// strikes returns how often in a row a member has been let go, this time included:
// who had been back for long is let go for the first time.
func (s *suspicion) strikes(place member.ID, before uint64, now, limit time.Duration) uint64 {
	came := time.Duration(0)
	if int(place) < len(s.came) {
		came = s.came[place]
	}
	if now-s.away[place]-came >= stayLimits*limit {
		return 1
	}
	return before + 1
}

// pass lets time pass for who is not among those that are together. A member that
// stood still itself, and so heard nobody, counts that as a moment.
func (s *suspicion) pass(now, moment time.Duration, view *member.View, together member.Set) {
	passed := min(now-s.looked, moment)
	s.looked = now
	s.away = longer(s.away, len(view.Places))
	for place := range s.away {
		if view.Places[place].Role != member.Writer || together.Has(member.ID(place)) {
			s.away[place] = 0
		} else {
			s.away[place] += passed
		}
	}
}

// clear forgets who was away.
func (s *suspicion) clear(now time.Duration) { s.away, s.looked = nil, now }

// overdue returns who has been away for so long, or longer, first, and whether there is
// such a one. Who is away as planned may be so for longer.
func (s *suspicion) overdue(limit time.Duration, planned func(member.ID) bool) (whom member.ID, found bool) {
	for place, away := range s.away {
		late := away >= limit && (away >= awayMax || !planned(member.ID(place)))
		if late && (!found || away > s.away[whom]) {
			whom, found = member.ID(place), true
		}
	}
	return whom, found
}

// suspect proposes to go on without a member that has been away for too long. Time
// passes for it only while a quorum is together: who is cut off suspects nobody, and
// when all come back one after the other nobody is late.
func (d *Delta) suspect() {
	switch {
	case !d.suspects():
		return
	case d.allTogether():
		d.suspicion.clear(d.now)
		return
	}
	view, together := d.roster.View(), d.together()
	if together.Len() < view.Quorum() {
		d.suspicion.clear(d.now)
		return
	}
	d.suspicion.pass(d.now, d.cfg.KeepAlive, view, together)
	whom, found := d.suspicion.overdue(d.cfg.EvictAfter, d.isAway)
	if !found || d.choosing() {
		return
	}
	gone := &view.Places[whom]
	// There is such a member, and it is not the only one: this is never refused.
	strikes := d.suspicion.strikes(whom, view.StrikesOf(gone.Name), d.now, d.cfg.EvictAfter)
	_ = d.synod.Ask(member.Change{Kind: member.Evict, Identity: gone.Identity, Strikes: strikes})
}

// suspects reports whether this member looks who is away: it is told to, and can
// propose something.
func (d *Delta) suspects() bool {
	return d.cfg.EvictAfter > 0 && d.synod != nil && !d.roster.Observes()
}

// allTogether reports whether every member hears, and is heard, here: that is so
// nearly always, and quickly seen.
func (d *Delta) allTogether() bool {
	for place, r := range d.frontier.rows {
		id := member.ID(place)
		if id != d.cfg.Self && !d.roster.IsGone(id) && !(r != nil && r.hears.Has(d.cfg.Self) && d.frontier.mine.hears.Has(id)) {
			return false
		}
	}
	return true
}

// together returns the members that this one learns from, and that learn from it, on
// whatever way: whom each of them hears is in its row, which is as fresh as they are.
// So all of them come to know the same.
func (d *Delta) together() member.Set {
	hears := func(k, of member.ID) bool { return d.frontier.rows[k] != nil && d.frontier.rows[k].hears.Has(of) }
	learned := d.reach(func(k, next member.ID) bool { return hears(k, next) && !d.roster.IsGone(next) })
	return d.reach(func(k, next member.ID) bool { return learned.Has(next) && hears(next, k) })
}

// reach returns the places that steps lead to from the own one.
func (d *Delta) reach(step func(from, to member.ID) bool) (reached member.Set) {
	reached.Add(d.cfg.Self)
	for waiting := []member.ID{d.cfg.Self}; len(waiting) > 0 && reached.Len() < d.roster.Size(); {
		from := waiting[0]
		waiting = waiting[1:]
		for place := range d.frontier.rows {
			if to := member.ID(place); !reached.Has(to) && step(from, to) {
				reached.Add(to)
				waiting = append(waiting, to)
			}
		}
	}
	return reached
}
