package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/history"
	"chatterbox/internal/world/journal"
)

// world is one run.
type world struct {
	config   Config
	shape    Shape
	header   trace.Header
	detours  bool        // some members have only others between them
	list     member.List // the founders
	names    member.List // these, and who joins
	lines    failure.Map
	schedule *failure.Schedule
	healAt   time.Duration // 0: never as a whole

	now       time.Duration
	queue     *queue
	frames    *frames
	nodes     []*node
	newcomers []newcomer
	ways      []way
	acting    member.ID // whose loop has its turn

	orders  map[member.Root]order                  // by where a history was forced to go on last
	anew    int                                    // how often the cluster had begun anew when order was looked at last
	archive func(*journal.Archive) history.Archive // as readers see it: tests break it

	identities *rand.Rand
	load       *rand.Rand
	payloads   *protocol.Pool
	message    protocol.Message // the one being received

	judge    *check.Judge
	hash     trace.Hash
	sink     trace.Sink // nil: nobody else listens
	messages uint64
	found    []check.Violation // besides those of the judge
	ended    bool
	closed   bool // the send phase is over
	settled  time.Duration
}

// Tell tells an event to all who listen.
func (w *world) Tell(e *trace.Event) {
	w.hash.Tell(e)
	w.judge.Tell(e)
	if w.sink != nil {
		w.sink.Tell(e)
	}
}

func (w *world) clock() time.Duration { return w.now }

// broken notes a violation that the trace does not show.
func (w *world) broken(name string, id member.ID, format string, args ...any) {
	w.found = append(w.found, check.Violation{Check: name, At: w.now, Member: id, Text: fmt.Sprintf(format, args...)})
}

// samplesEvery is how often the world looks into its members; in a large
// cluster, where that takes time in proportion to the third power of the
// members, less often.
const samplesEvery = 250 * time.Millisecond

func (w *world) untilSample() time.Duration {
	return samplesEvery * time.Duration(max(1, len(w.nodes)/largeFrom))
}

// run lets everything happen until the deadline.
func (w *world) run() {
	w.tellPhase(check.PhaseSend)
	w.queue.push(event{at: 0, kind: evChange})
	for i, e := range w.schedule.Members() {
		w.queue.push(event{at: e.At, kind: evMember, aux: uint32(i)})
	}
	w.pushBackups()
	w.pushLines()
	for _, n := range w.nodes {
		if !w.schedule.Absent(n.id) {
			n.start()
		}
		w.nextSubmit(n)
	}
	w.queue.push(event{at: w.untilSample(), kind: evSample})
	w.queue.push(event{at: w.config.SendFor, kind: evGrace})
	if w.healAt > 0 {
		w.queue.push(event{at: w.healAt, kind: evHeal})
	}
	w.queue.push(event{at: w.config.SendFor + w.config.GraceFor, kind: evDeadline})
	for !w.ended && w.queue.len() > 0 {
		e := w.queue.pop()
		w.now = e.at
		w.happen(&e)
	}
}

// pushLines schedules the telling of the map's lines.
func (w *world) pushLines() {
	end := w.config.SendFor + w.config.GraceFor
	for i := range w.lines {
		line := &w.lines[i]
		for at := line.At; at <= end; at += line.Every {
			w.queue.push(event{at: at, kind: evFault, aux: uint32(i)})
			if line.Every <= 0 || at+line.Every >= line.Until {
				break
			}
		}
	}
}

func (w *world) happen(e *event) {
	switch e.kind {
	case evTick:
		w.onTick(e)
	case evWake:
		if n := w.nodes[e.to]; e.life == n.life {
			n.turn(false)
		}
	case evFrame:
		w.onFrame(e)
	case evSubmit:
		w.onSubmit(w.nodes[e.to])
	case evChange:
		w.onChange()
	case evDial:
		w.onDial(e)
	case evSilence:
		w.onSilence(e)
	case evMember:
		w.onMember(e.aux)
	case evJoin:
		w.onJoin(e)
	default:
		w.proceed(e)
	}
}

// proceed carries out what belongs to the run as a whole.
func (w *world) proceed(e *event) {
	switch e.kind {
	case evFault:
		w.tellLine(&w.lines[e.aux])
	case evSample:
		w.onSample()
	case evGrace:
		w.onGrace()
	case evClose:
		w.nodes[e.to].close()
	case evHeal:
		w.heal()
	case evBackup:
		w.nodes[e.to].keepCopy(e.aux)
	case evFallBy:
		if n := w.nodes[e.to]; e.life == n.life {
			n.end(n.fall.ending)
		}
	case evStop:
		if n := w.nodes[e.to]; e.life == n.life {
			n.goOnStopping()
		}
	case evRoom:
		if n := w.nodes[e.to]; e.life == n.life {
			n.changeRoom()
		}
	case evDeadline:
		if w.late() {
			w.queue.push(event{at: w.now + lateStep, kind: evDeadline})
			return
		}
		w.finish()
	}
}

// tellLine tells that a line of the map takes effect, and then which of its
// links are spared: the trace says what is, not what was wanted.
func (w *world) tellLine(line *failure.Event) {
	w.Tell(&trace.Event{At: w.now, Kind: trace.Fault, Note: line.String()})
	if line.Arrow == failure.NoLink || line.Action == failure.Heal {
		return
	}
	for i, spared := range w.shape.Spared {
		from, to := member.ID(i/w.config.Members), member.ID(i%w.config.Members)
		if spared && w.schedule.Link(from, to, w.now) != (failure.Link{}) {
			well := failure.Event{
				At: w.now, From: failure.Group{Names: []string{w.names[from].Name}}, Arrow: failure.OneWay,
				To: failure.Group{Names: []string{w.names[to].Name}}, Action: failure.Heal,
			}
			w.Tell(&trace.Event{At: w.now, Kind: trace.Fault, Note: well.String()})
		}
	}
}

// heal tells that all failures are over, once what connections had in the
// queues of slow links has arrived too: before that members act upon old words.
func (w *world) heal() {
	if at := w.drained(); at > w.now {
		w.queue.push(event{at: at, kind: evHeal})
		return
	}
	w.tellPhase(check.PhaseHeal)
}

// tellPhase tells that the run as a whole enters a phase.
func (w *world) tellPhase(phase string) {
	w.Tell(&trace.Event{At: w.now, Kind: trace.Phase, Note: phase})
}

func (w *world) onTick(e *event) {
	n := w.nodes[e.to]
	if e.life != n.life || e.aux != n.ticks {
		return
	}
	n.nextTick(n.pace)
	n.turn(true)
}

// wakeSoon gives the member's loop its turn a little later, so that what comes
// close together is stepped together.
func (w *world) wakeSoon(n *node) {
	if !n.awake && n.running && !n.paused {
		n.awake = true
		w.queue.push(event{at: w.now + w.shape.Wake, kind: evWake, to: uint16(n.id), life: n.life})
	}
}

// nextSubmit schedules the member's next broadcast: a Poisson process.
func (w *world) nextSubmit(n *node) {
	rate := float64(defaultRate)
	if int(n.id) < len(w.shape.Rates) {
		rate = w.shape.Rates[n.id]
	}
	if rate <= 0 {
		return
	}
	wait := time.Duration(w.load.ExpFloat64() / rate * float64(time.Second))
	if at := w.now + wait; at < w.config.SendFor {
		w.queue.push(event{at: at, kind: evSubmit, to: uint16(n.id)})
	}
}

// waitingMax is how many entries the application lets wait for room.
const waitingMax = 1000

func (w *world) onSubmit(n *node) {
	w.nextSubmit(n)
	if n.running && !n.closing && n.waiting < waitingMax {
		n.waiting += 1 + w.load.IntN(w.shape.BatchMax)
		n.fill()
	}
}

// onMember lets one of the schedule's member events happen.
func (w *world) onMember(number uint32) {
	e := w.schedule.Members()[number]
	n := w.nodes[e.Member]
	if w.happensOutside(&e) {
		return
	}
	switch e.Action {
	case failure.Crash, failure.Kill:
		if n.running {
			n.fallSoon(endings(e.Action))
		} else {
			n.end(endings(e.Action))
		}
	case failure.CrashLosingData:
		n.end(dataLost)
	case failure.CrashRestoring:
		n.crashRestoring(number)
	case failure.Stop:
		n.stopAsPlanned(n.disk == nil, stopWithin)
	case failure.Leave:
		n.stopAsPlanned(true, leaveWithin)
	case failure.Start, failure.Restart:
		switch {
		case n.fall.within != 0:
			n.end(n.fall.ending)
		case n.stopping.by > 0:
			n.end(stopped)
		}
		if !n.running {
			n.start()
		}
	case failure.Pause:
		if n.running {
			n.paused = true
			w.Tell(&trace.Event{At: w.now, Kind: trace.Pause, Member: n.id})
		}
	case failure.Resume:
		if n.running && n.paused {
			n.paused, n.awake = false, false
			w.Tell(&trace.Event{At: w.now, Kind: trace.Resume, Member: n.id})
			w.wakeSoon(n)
		}
	case failure.Clock:
		n.setSpeed(e.Speed)
	case failure.Evict:
		n.evict(e.Whom)
	case failure.Force:
		n.force(e.Whom)
	case failure.Return:
		n.comeBack()
	}
}

// closeSpread is how far apart members notice the end of the send phase.
const closeSpread = 20 * time.Millisecond

// onGrace ends the send phase: members close their streams, each when its own
// time comes.
func (w *world) onGrace() {
	w.closed = true
	w.tellPhase(check.PhaseGrace)
	for _, n := range w.nodes {
		w.queue.push(event{at: w.now + time.Duration(w.load.Int64N(int64(closeSpread))), kind: evClose, to: uint16(n.id)})
	}
}

// calmFor is how long a run in which everything is settled goes on, so that
// traffic that does not end is seen.
const calmFor = 1750 * time.Millisecond

// onSample looks into the members. A run in which all is done ends early.
func (w *world) onSample() {
	w.queue.push(event{at: w.now + w.untilSample(), kind: evSample})
	done := w.closed && w.now > w.healAt && w.now > w.schedule.Last()
	for _, n := range w.nodes {
		if n.running && !n.scarce.stalled { // else what it decided is not durable yet
			status := n.reducer.Status()
			n.recorder.Sample(&status)
			done = done && (status.Complete && status.LogBytes+status.Parked == 0 || n.isGone())
		} else {
			done = done && n.isGone()
		}
	}
	for i := range w.newcomers {
		done = done && !w.newcomers[i].asks
	}
	switch {
	case !done:
		w.settled = 0
	case w.settled == 0:
		w.settled = w.now
	case w.now >= w.settled+calmFor:
		w.finish()
	}
}

// isGone reports whether nobody waits for the member: it does not run, and the others
// go on without it by themselves.
func (n *node) isGone() bool { return n.world.shape.EvictAfter > 0 && (!n.running || n.paused) }

// finish ends the run: all members that run say what they hold.
func (w *world) finish() {
	w.ended = true
	w.judgeNewest()
	w.judgeObservers()
	w.judgeParted()
	for _, n := range w.nodes {
		if n.running && !n.paused {
			status := n.reducer.Status()
			n.recorder.Sample(&status)
			w.judgeFindings(n.id, status.Findings)
			if !n.silent() {
				n.tell()
			}
			n.readToTheEnd()
			n.judgeDisk(&status)
		}
	}
	w.tellPhase(check.PhaseEnd)
}
