package sim

import (
	"slices"
	"time"

	"chatterbox/failure"
	"chatterbox/member"
	"chatterbox/trace"
)

// settleFor is how long before the deadline the links that work must have
// become good, so that everything can be demanded to settle.
const settleFor = 3 * time.Second

// graceLeast is the shortest grace phase after which anything is demanded: what
// was broadcast last must have the time to go round.
const graceLeast = 500 * time.Millisecond

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
		Trace: trace.Version, Protocol: c.Protocol, Seed: c.Seed, Simulated: true, Numbers: true, Journal: s.Journal,
		TickNs: w.shortest(s.Tick), KeepAliveNs: w.shortest(keepAlive(c.Members)),
		LogBytesMax: s.MemoryBytesMax, MessageBytesMax: s.MessageBytesMax, WindowBytesMax: s.WindowBytesMax,
	}
	for _, m := range w.list {
		w.header.Members = append(w.header.Members, m.Name)
	}
	w.header.Healthy = len(w.lines) == 0 && s.DelayMax-s.DelayMin <= s.Tick/4
	if len(w.lines) == 0 {
		w.header.SettleWithinNs = w.settleWithin()
	}
	end := window{c.SendFor + c.GraceFor - settleFor, c.SendFor + c.GraceFor}
	w.header.Alike = c.GraceFor >= graceLeast && w.connected(end) && w.noneComes(end) && w.knewEachOther()
	w.header.Progress = w.header.Alike && w.allRun(end) && w.firstLoss() == never
	if w.header.Progress && w.allWell(w.schedule.Last()) {
		w.healAt = max(w.schedule.Last(), 1)
	}
}

// shortest gives how short a time of the members may be in true time, for
// their clocks may go fast.
func (w *world) shortest(d time.Duration) time.Duration {
	fastest := 1.0
	for _, e := range w.schedule.Members() {
		if e.Action == failure.Clock {
			fastest = max(fastest, e.Speed)
		}
	}
	return time.Duration(float64(d) / fastest)
}

// window is a part of a run.
type window struct{ from, to time.Duration }

// never is a time after all runs.
const never = time.Duration(1<<63 - 1)

// Members that meet for so long know of each other who is who.
const (
	meetFor   = 500 * time.Millisecond
	meetSteps = 100 * time.Millisecond
)

// knewEachOther says whether all members met before the first of them lost its
// data. If they did not, some may take one life for the one that counts and
// some another one, and nothing can be demanded of them.
func (w *world) knewEachOther() bool {
	loss := w.firstLoss()
	if loss == never {
		return true
	}
	for from := time.Duration(0); from+meetFor <= loss; from += meetSteps {
		if meeting := (window{from, from + meetFor}); w.allRun(meeting) && w.connected(meeting) {
			return true
		}
	}
	return false
}

// settleWithin is how long a batch takes to settle at most while nothing
// fails: two delays, and a few turns and ticks of the members between them.
func (w *world) settleWithin() time.Duration {
	s := &w.shape
	return 2*s.DelayMax + 4*s.Wake + 4*s.Tick + 50*time.Millisecond
}

// running tells for each member whether it runs all through a part of the run.
func (w *world) running(during window) []bool {
	running := make([]bool, len(w.nodes))
	since := make([]time.Duration, len(w.nodes))
	for i := range running {
		running[i] = !w.schedule.Absent(member.ID(i))
	}
	for _, e := range w.schedule.Members() {
		if e.At > during.to {
			break
		}
		switch e.Action {
		case failure.Crash, failure.CrashLosingData, failure.Pause:
			running[e.Member] = false
		case failure.Start, failure.Restart, failure.Resume:
			running[e.Member] = true
			since[e.Member] = e.At
		}
	}
	for i := range running {
		running[i] = running[i] && since[i] <= during.from
	}
	return running
}

// noneComes says whether all that run at the end of a part of the run did so all
// through it: what is demanded of the others could be too much for a late one.
func (w *world) noneComes(during window) bool {
	return slices.Equal(w.running(during), w.running(window{during.to, during.to}))
}

func (w *world) allRun(during window) bool { return !slices.Contains(w.running(during), false) }

// firstLoss gives when a member first forgets what it once held.
func (w *world) firstLoss() time.Duration {
	for _, e := range w.schedule.Members() {
		if e.Action == failure.CrashLosingData || e.Action == failure.Crash && !w.shape.Journal {
			return e.At
		}
	}
	return never
}

// connected says whether good links connect all members that run strongly.
func (w *world) connected(during window) bool {
	running := w.running(during)
	first := -1
	for i, runs := range running {
		if runs && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return false
	}
	there := w.reach(first, during, running, func(a, b int) (int, int) { return a, b })
	back := w.reach(first, during, running, func(a, b int) (int, int) { return b, a })
	for i, runs := range running {
		if runs && !(there[i] && back[i]) {
			return false
		}
	}
	return true
}

// reach gives which members good links lead to, in a direction.
func (w *world) reach(first int, during window, running []bool, direct func(a, b int) (int, int)) []bool {
	reached := make([]bool, len(running))
	reached[first] = true
	for waiting := []int{first}; len(waiting) > 0; {
		at := waiting[0]
		waiting = waiting[1:]
		for next := range running {
			a, b := direct(at, next)
			if running[next] && !reached[next] && w.staysGood(member.ID(a), member.ID(b), during) {
				reached[next] = true
				waiting = append(waiting, next)
			}
		}
	}
	return reached
}

// staysGood says whether a link is good all through a part of the run.
func (w *world) staysGood(a, b member.ID, during window) bool {
	for at, more := during.from, true; more && at <= during.to; at, more = w.schedule.Next(at) {
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
