package check

import (
	"cmp"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/proof/trace"
)

// viewTimes are of one view of a history when it goes on, and what settled in it.
type viewTimes struct {
	number  uint64
	clock   clock.Time // 0: nobody told it yet
	settled clock.Time // the latest, at any member
}

// timesOf are those of the views of a history, by number.
type timesOf []viewTimes

// of returns those of the view of a number.
func (t *timesOf) of(number uint64) *viewTimes {
	i, found := slices.BinarySearchFunc(*t, number, func(v viewTimes, number uint64) int { return cmp.Compare(v.number, number) })
	if !found {
		*t = slices.Insert(*t, i, viewTimes{number: number})
	}
	return &(*t)[i]
}

// settledBeforeViews: what is delivered at whoever goes by a view is no later than the clock
// of any later view of that history: all that is written in that one is later, also by who
// is new there. The time that a member says is settled may be ahead of that once streams
// have ended, for then nobody is taken back.
func settledBeforeViews(c *checker) rule {
	known := map[*branch]*timesOf{}
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		in, number := m.branch, m.view
		if e.Kind == trace.Install {
			in, number = m.coming, e.Number
		} else if e.Time >= clock.Infinity {
			return
		}
		if known[in] == nil {
			known[in] = new(timesOf)
		}
		if v := known[in].of(number); e.Kind == trace.Install {
			v.clock = e.Time
		} else {
			v.settled = max(v.settled, e.Time)
		}
		c.judgeSettled(e, *known[in])
	}
}

func (c *checker) judgeSettled(e *trace.Event, views timesOf) {
	settled, where := clock.Time(0), uint64(0)
	for i := range views {
		v := &views[i]
		if v.clock > 0 && settled > v.clock {
			c.violated(e, "view %d goes on from %d, and %d settled in view %d", v.number, uint64(v.clock), uint64(settled), where)
			return
		}
		if v.settled > settled {
			settled, where = v.settled, v.number
		}
	}
}
