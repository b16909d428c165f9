package sim

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// settleFor is how long before the deadline the links that work must have
// become good, so that everything can be demanded to settle. Where some members
// have only others between them, what was broadcast last must have so long too:
// the members find out who passes it on by waiting for one another.
const settleFor = 3 * time.Second

// graceLeast is the shortest grace phase after which anything is demanded where
// good links join all members: what was broadcast last must have the time to
// arrive.
const graceLeast = 500 * time.Millisecond

// changesGrace is the same where members come and go: a change that stands still
// waits longer with each attempt.
const changesGrace = time.Minute

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
		Trace: trace.Version, Protocol: c.Protocol, Seed: c.Seed, Simulated: true, Numbers: !w.oldReturns(), Journal: s.Journal,
		TickNs: w.shortest(s.Tick), KeepAliveNs: w.shortest(keepAlive(c.Members)),
		LogBytesMax: s.MemoryBytesMax, MessageBytesMax: s.MessageBytesMax, WindowBytesMax: s.WindowBytesMax,
	}
	if c.Protocol == Delta {
		w.header.LogBytesMax = s.parkBytes()
		w.header.Holders = s.Holders
	}
	if len(w.newcomers) > 0 {
		w.header.Founders = c.Members
	}
	for _, m := range w.names {
		w.header.Members = append(w.header.Members, m.Name)
	}
	w.header.Healthy = w.nothingFails() && s.DelayMax-s.DelayMin <= s.Tick/4
	if w.nothingFails() {
		w.header.SettleWithinNs = w.settleWithin()
	}
	w.demandOfLettingGo()
	end := window{c.Lasts() - settleFor, c.Lasts()}
	least := settleFor
	if w.meshed(end) {
		least = graceLeast
	}
	if s.Changes {
		least = changesGrace
	}
	w.detours = least == settleFor
	w.header.Alike = c.GraceFor >= least && w.connected(end) && w.noneComes(end) && w.knewEachOther()
	w.header.Progress = w.header.Alike && (w.allRun(end) && w.firstLoss() == never || w.someDie())
	if w.header.Progress && w.allWell(w.schedule.Last()) {
		w.healAt = max(w.schedule.Last(), 1)
	}
}

// oldReturns reports whether somebody comes back with older data: what it was about to
// write when it found out has numbers that were drawn for other entries.
func (w *world) oldReturns() bool {
	var old member.Set
	for _, e := range w.schedule.Members() {
		if e.Action == failure.CrashRestoring {
			old.Add(e.Member)
		} else if e.Action == failure.Return && old.Has(e.Member) {
			return true
		}
	}
	return false
}

// judgeNewest: where members lost their data, or their histories parted, and all who belong to the newest view are
// there in the end, with theirs, all settles that they wrote.
func (w *world) judgeNewest() {
	parted := w.parted()
	if !w.shape.Changes || w.header.Progress && !parted || !w.header.Alike || w.firstLoss() == never && !parted {
		return
	}
	newest := map[member.Root]*member.View{}
	for _, n := range w.nodes {
		if !n.running {
			continue
		}
		if v := n.reducer.Status().View; v != nil && (newest[n.tip] == nil || v.Number > newest[n.tip].Number) {
			newest[n.tip] = v
		}
	}
	for _, n := range w.nodes { // each history once, in the order of its first member
		if v := newest[n.tip]; n.running && v != nil && v.Number > 1 {
			w.judgeComplete(v, n.tip)
			delete(newest, n.tip)
		}
	}
}

// judgeComplete: if all who belong to the newest view of a history are there in the end, they
// are complete. Who goes by another history is not there; but where members let go of who is
// away by themselves, they let go of that one.
func (w *world) judgeComplete(newest *member.View, tip member.Root) {
	for place, n := range w.nodes {
		if p := &newest.Places[place]; p.Role == member.Writer && !(n.running && !n.paused && n.identity == p.Identity && (n.tip == tip || w.shape.EvictAfter > 0)) {
			return
		}
	}
	for place, n := range w.nodes {
		if newest.Places[place].Role != member.Writer {
			continue
		}
		if status := n.reducer.Status(); !status.Complete {
			w.broken("progress", n.id, "is not complete in the end, although all who belong to view %d are there: it goes by view %d, and holds %v up to %d", newest.Number, status.View.Number, status.Held, uint64(status.Horizon))
		}
	}
}

// How much longer a run goes on at most where members that have only others
// between them do not hold the same yet, and in which steps.
const (
	lateMax  = 10 * time.Second
	lateStep = 250 * time.Millisecond
)

// late reports whether members that have only others between them do not print
// the same at the deadline, or after it. How long it takes them to find out who
// passes what on has no bound that is of any use, only a distribution: what is
// demanded is that they come to hold the same, and how late is what the run costs.
func (w *world) late() bool {
	if !w.header.Alike || !w.detours || w.parted() || w.now >= w.config.Lasts()+lateMax {
		return false
	}
	first, some := uint64(0), false
	for _, n := range w.nodes {
		if !n.running || n.paused || n.silent() {
			continue
		}
		hash := n.outcome()[digestWord]
		if some && hash != first {
			return true
		}
		first, some = hash, true
	}
	return false
}

// nothingFails reports whether all goes well: no link, no member, and no disk is
// full.
func (w *world) nothingFails() bool { return len(w.lines) == 0 && !w.shape.Scarce && !w.shape.Changes }

// costs returns what the run cost, unless that was up to full disks.
func (w *world) costs() []check.Cost {
	if w.shape.Scarce {
		return nil
	}
	costs := w.judge.Costs()
	if w.header.Alike && w.detours {
		costs = append(costs, check.Cost{Name: "late", Value: max(0, (w.now - w.config.Lasts()).Seconds())})
	}
	return costs
}

// shortest returns how short a time of the members may be in true time, for
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

// knewEachOther reports whether all members met before the first of them lost its
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

// running returns for each member whether it runs all through a part of the run.
// One that comes back with older data does not: it stops when it finds out.
func (w *world) running(during window) []bool {
	running := make([]bool, len(w.nodes))
	since := make([]time.Duration, len(w.nodes))
	var older member.Set
	for i := range running {
		running[i] = !w.schedule.Absent(member.ID(i))
	}
	for _, e := range w.schedule.Members() {
		if e.At > during.to {
			break
		}
		switch e.Action {
		case failure.Crash, failure.Kill, failure.CrashLosingData, failure.Pause, failure.Stop, failure.Leave:
			running[e.Member] = false
		case failure.CrashRestoring:
			older.Add(e.Member)
		case failure.Start, failure.Restart, failure.Resume, failure.Join, failure.Observe:
			running[e.Member] = true
			since[e.Member] = e.At
		}
	}
	for i := range running {
		running[i] = running[i] && since[i] <= during.from && !older.Has(member.ID(i))
	}
	return running
}

// noneComes reports whether all that run at the end of a part of the run did so all
// through it: what is demanded of the others could be too much for a late one.
func (w *world) noneComes(during window) bool {
	return slices.Equal(w.running(during), w.running(window{during.to, during.to}))
}

func (w *world) allRun(during window) bool { return !slices.Contains(w.running(during), false) }

// firstLoss returns when a member first forgets what it once held.
func (w *world) firstLoss() time.Duration {
	for _, e := range w.schedule.Members() {
		if w.forgets(e.Action) || e.Action == failure.CrashRestoring {
			return e.At
		}
	}
	return never
}

// connected reports whether good links connect all members that run strongly.
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

// meshed reports whether good links join all members that run.
func (w *world) meshed(during window) bool {
	running := w.running(during)
	for i := range w.ways {
		from, to := i/len(w.nodes), i%len(w.nodes)
		if from != to && running[from] && running[to] && !w.staysGood(member.ID(from), member.ID(to), during) {
			return false
		}
	}
	return true
}

// reach returns which members good links lead to, in a direction.
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

// staysGood reports whether a link is good all through a part of the run.
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

// allWell reports whether no link fails any more at a time.
func (w *world) allWell(at time.Duration) bool {
	for i := range w.ways {
		if w.schedule.Link(member.ID(i/len(w.nodes)), member.ID(i%len(w.nodes)), at) != (failure.Link{}) {
			return false
		}
	}
	return true
}
