package sim

import (
	"time"

	"chatterbox/failure"
	"chatterbox/member"
	"chatterbox/trace"
)

// settleFor is how long before the deadline the links that work must have
// become good, so that everything can be demanded to settle.
const settleFor = 3 * time.Second

// A link is good enough to rely on while it loses no more than this.
const (
	goodDrop  = 0.2
	goodDelay = 100 * time.Millisecond
	goodRate  = 100_000 // bytes a second
)

// demand writes the header: what the run is, and what must come of it.
func (w *world) demand() {
	c, s := &w.config, &w.shape
	w.header = trace.Header{
		Trace: trace.Version, Protocol: c.Protocol, Seed: c.Seed, Numbers: true, Journal: s.Journal,
		TickNs: s.Tick, KeepAliveNs: keepAlive(c.Members),
		LogBytesMax: s.MemoryBytesMax, MessageBytesMax: s.MessageBytesMax, WindowBytesMax: s.WindowBytesMax,
	}
	for _, m := range w.list {
		w.header.Members = append(w.header.Members, m.Name)
	}
	w.header.Healthy = len(w.lines) == 0
	if w.header.Healthy {
		w.header.SettleWithinNs = w.settleWithin()
	}
	from := c.SendFor + c.GraceFor - settleFor
	w.header.Alike = w.connected(from)
	w.header.Progress = w.header.Alike && w.allRun(from) && !w.losesData()
	if w.header.Progress && w.allWell(w.schedule.Last()) {
		w.healAt = max(w.schedule.Last(), 1)
	}
}

// settleWithin is how long a batch takes to settle at most while nothing
// fails: two delays, and a few turns and ticks of the members between them.
func (w *world) settleWithin() time.Duration {
	s := &w.shape
	return 2*s.DelayMax + 4*s.Wake + 4*s.Tick + 50*time.Millisecond
}

// running tells for each member whether it runs from a time on to the end.
func (w *world) running(from time.Duration) []bool {
	running := make([]bool, len(w.nodes))
	for i := range running {
		running[i] = !w.schedule.Absent(member.ID(i))
	}
	since := make([]time.Duration, len(w.nodes))
	for _, e := range w.schedule.Members() {
		switch e.Action {
		case failure.Crash, failure.CrashLosingData, failure.Pause:
			running[e.Member] = false
		case failure.Start, failure.Restart, failure.Resume:
			running[e.Member] = true
			since[e.Member] = e.At
		}
	}
	for i := range running {
		running[i] = running[i] && since[i] <= from
	}
	return running
}

func (w *world) allRun(from time.Duration) bool {
	for _, runs := range w.running(from) {
		if !runs {
			return false
		}
	}
	return true
}

// losesData says whether any member forgets what it once held.
func (w *world) losesData() bool {
	for _, e := range w.schedule.Members() {
		if e.Action == failure.CrashLosingData || e.Action == failure.Crash && !w.shape.Journal {
			return true
		}
	}
	return false
}

// connected says whether from a time on good links connect all members that
// run strongly.
func (w *world) connected(from time.Duration) bool {
	running := w.running(from)
	first := -1
	for i, runs := range running {
		if runs && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return false
	}
	there := w.reach(first, from, running, func(a, b int) (int, int) { return a, b })
	back := w.reach(first, from, running, func(a, b int) (int, int) { return b, a })
	for i, runs := range running {
		if runs && !(there[i] && back[i]) {
			return false
		}
	}
	return true
}

// reach gives which members good links lead to, in a direction.
func (w *world) reach(first int, from time.Duration, running []bool, direct func(a, b int) (int, int)) []bool {
	reached := make([]bool, len(running))
	reached[first] = true
	for todo := []int{first}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		for next := range running {
			a, b := direct(at, next)
			if running[next] && !reached[next] && w.staysGood(member.ID(a), member.ID(b), from) {
				reached[next] = true
				todo = append(todo, next)
			}
		}
	}
	return reached
}

// staysGood says whether a link is good from a time on.
func (w *world) staysGood(a, b member.ID, from time.Duration) bool {
	for at, more := from, true; more; at, more = w.schedule.Next(at) {
		l := w.link(a, b, at)
		slow := l.BytesPerSecond > 0 && l.BytesPerSecond < goodRate
		if l.Cut || l.Drop > goodDrop || l.DelayMax > goodDelay || slow {
			return false
		}
	}
	return true
}

// allWell says whether no link fails any more at a time.
func (w *world) allWell(at time.Duration) bool {
	for i := range w.ways {
		if w.schedule.Link(member.ID(i/len(w.nodes)), member.ID(i%len(w.nodes)), at) != (failure.Link{}) {
			return false
		}
	}
	return true
}
