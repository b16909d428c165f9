package check

import (
	"slices"

	"chatterbox/internal/proof/trace"
)

// Check is one promise with a name.
type Check struct {
	Number  int    // in docs/protocols.md
	Name    string // as violations name it
	Promise string // what must hold, in one sentence
	// Catches names the kind of mistake that the check is for.
	Catches string
	// Cost says that it is about how soon and how often. That is judged by its
	// distribution over many runs ([Judge.Costs]): in a single one it is noted,
	// and breaks nothing.
	Cost bool

	kinds   []trace.Kind
	older   bool // it looks at members with older data, too
	applies func(*trace.Header) bool
	rule    func(*checker) rule // nil: judged by whoever runs, not by the trace alone
}

// FromTrace reports whether the trace alone shows violations; others are found by
// whoever runs.
func (c *Check) FromTrace() bool { return c.rule != nil }

// Named returns the check of a name.
func Named(name string) (Check, bool) {
	for _, c := range All() {
		if c.Name == name {
			return c, true
		}
	}
	return Check{}, false
}

// All returns all checks by number. Those that a trace alone cannot show are
// judged by the simulator and by tests.
func All() []Check {
	all := slices.Concat(stepChecks(), endChecks(), viewChecks())
	for i := range all {
		all[i].Number = i + 1
	}
	return all
}

func always(*trace.Header) bool          { return true }
func withNumbers(h *trace.Header) bool   { return h.Numbers }
func withTick(h *trace.Header) bool      { return h.TickNs > 0 }
func underDelta(h *trace.Header) bool    { return h.Protocol != Lockstep }
func underLockstep(h *trace.Header) bool { return h.Protocol == Lockstep }
func simulated(h *trace.Header) bool     { return h.Simulated }
func withHolders(h *trace.Header) bool   { return h.Holders > 1 }
func inTime(h *trace.Header) bool        { return h.SettleWithinNs > 0 }
func staying(h *trace.Header) bool       { return h.Stays }
func goingOn(h *trace.Header) bool       { return h.GoesOnWithinNs > 0 }

// Lockstep is the protocol that some checks are for.
const Lockstep = "lockstep"

func stepChecks() []Check {
	return []Check{
		{
			Name: "agreement", Promise: "The settled sequences of any two members of one history, restarts included, are one a prefix of the other.",
			Catches: "bad promise, tie order", kinds: []trace.Kind{trace.Install, trace.Deliver}, older: true, applies: always, rule: agreement,
		},
		{
			Name: "append-only", Promise: "A member's deliveries follow each other without a gap, in rising order, and never go back.",
			Catches: "late entry, clock reset", kinds: []trace.Kind{trace.Start, trace.Crash, trace.Reset, trace.Deliver}, applies: always, rule: appendOnly,
		},
		{
			Name: "nothing-late", Promise: "Nothing is appended at or below a time that the member promised for that stream, or before what it delivered.",
			Catches: "promise without prefix", kinds: []trace.Kind{trace.Start, trace.Append, trace.Deliver}, applies: always, rule: nothingLate,
		},
		{
			Name: "one-content", Promise: "One identity and sequence number stand for one batch, at all members and after restarts.",
			Catches: "amnesia, reuse", kinds: []trace.Kind{trace.Append, trace.Deliver}, applies: always, rule: oneContent,
		},
		{
			Name: "contiguous", Promise: "Each stream is appended without gap or repetition, with strictly rising times.",
			Catches: "reorder, double append", kinds: []trace.Kind{trace.Append}, applies: always, rule: contiguous,
		},
		{
			Name: "durable-first", Promise: "A crash right now lowers nothing that a message said the member holds or promises.",
			Catches: "acknowledged before durable", kinds: []trace.Kind{trace.Start, trace.Recover, trace.Publish, trace.Send, trace.Receive, trace.Sample}, applies: always, rule: durableFirst,
		},
		{
			Name: "below-truth", Promise: "What a member believes of a peer never exceeds what the peer holds and said, and never becomes less.",
			Catches: "sent used as known, stale merge", kinds: []trace.Kind{trace.Start, trace.Install, trace.Believe}, applies: always, rule: belowTruth,
		},
		{
			Name: "true-promises", Promise: "No batch with a promised time exists outside the entries that the promise names, ever.",
			Catches: "false promise", kinds: []trace.Kind{trace.Start, trace.Publish, trace.Append, trace.Opens}, applies: always, rule: truePromises,
		},
		{
			Name: "trimmed-is-held", Promise: "What one member forgets, every member holds durably.",
			Catches: "minimum over a partial set", kinds: []trace.Kind{trace.Trim}, applies: always, rule: trimmedIsHeld,
		},
		{
			Name: "causality", Promise: "What a member broadcasts comes after all that it held.",
			Catches: "clock merge forgotten", kinds: []trace.Kind{trace.Append}, applies: always, rule: causality,
		},
		{
			Name: "exact-tuple", Promise: "A member's tuple equals what integers without limit give over the entries it holds.",
			Catches: "overflow, index shift", kinds: []trace.Kind{trace.Final}, applies: withNumbers, rule: exactTuple,
		},
		{
			Name: "within-limits", Promise: "Batches in memory, and what is on its way to a peer that is gone, stay within their limits.",
			Catches: "no back-pressure", kinds: []trace.Kind{trace.Start, trace.Append, trace.Push, trace.Sample}, applies: always, rule: withinLimits,
		},
		{
			Name: "no-early-resend", Promise: "Nothing is sent again to the same peer within a tick, unless link or peer began anew.",
			Cost: true, Catches: "tick storm", kinds: []trace.Kind{trace.Start, trace.Recover, trace.Up, trace.Down, trace.Receive, trace.Push, trace.Phase}, applies: withTick, rule: noEarlyResend,
		},
		{
			Name: "few-copies", Promise: "Members send at most 1.05 copies of each entry needed in a healthy mesh, and 2 after a heal.",
			Cost: true, Catches: "relay storm", kinds: []trace.Kind{trace.Start, trace.Send, trace.Receive, trace.Push, trace.Append, trace.Phase}, applies: underDelta, rule: fewCopies,
		},
		{
			Name: "zombies-ignored", Promise: "Messages of an older session of a life change nothing.",
			Catches: "zombie", kinds: []trace.Kind{trace.Start, trace.Receive, trace.Append, trace.Send}, applies: always, rule: zombiesIgnored,
		},
		{
			Name: "old-data-stops", Promise: "A member that comes back with fewer of its own entries than its peers hold stops when they meet, unless it was let go, and no other one stops.",
			Catches: "numbers given out again", kinds: []trace.Kind{trace.Start, trace.Recover, trace.Ends, trace.Opens, trace.Append, trace.Receive, trace.Crash, trace.Phase},
			older: true, applies: always, rule: oldDataStops,
		},
	}
}

func endChecks() []Check {
	return []Check{
		{
			Name: "progress", Promise: "Where the links that work connect all members, everything settles everywhere though the rest stays broken.",
			Catches: "livelock", kinds: []trace.Kind{trace.Phase}, applies: always, rule: progress,
		},
		{
			Name: "exactly-once", Promise: "What is delivered was broadcast, once; and where all is connected in the end, all that was broadcast is delivered everywhere.",
			Catches: "loss, invention", kinds: []trace.Kind{trace.Append, trace.Deliver, trace.Phase}, applies: always, rule: exactlyOnce,
		},
		{
			Name: "same-text", Promise: "All complete members print the same text, and all connected ones do.",
			Catches: "disagreement in the end", kinds: []trace.Kind{trace.Final}, applies: always, rule: sameText,
		},
		{
			Name: "quiet-end", Promise: "After the last settling traffic falls to keep-alives.",
			Cost: true, Catches: "acknowledgement loops", kinds: []trace.Kind{trace.Deliver, trace.Append, trace.Start, trace.Fault, trace.Resume, trace.Send, trace.Phase}, applies: underDelta, rule: quietEnd,
		},
		{
			Name: "one-apart", Promise: "Under lockstep committed sets differ by at most one batch of each origin, and what is committed every member holds.",
			Catches: "commit too early", kinds: []trace.Kind{trace.Append, trace.Deliver, trace.Publish}, applies: underLockstep, rule: oneApart,
		},
		{
			Name: "same-hash", Promise: "One seed gives one trace.",
			Catches: "hidden nondeterminism", applies: always,
		},
		{
			Name: "recovers-acknowledged", Promise: "A crash at any sync, or a torn last record, recovers a prefix with all that was acknowledged.",
			Catches: "damage taken for truth, acknowledged data lost", applies: always,
		},
		{
			Name: "settles-in-time", Promise: "While nothing fails a batch settles everywhere within a bounded time, during the send phase too.",
			Cost: true, Catches: "idle members that keep their time to themselves", kinds: []trace.Kind{trace.Deliver, trace.Phase}, applies: inTime, rule: settlesInTime,
		},
		{
			Name: "prints-in-time", Promise: "At the deadline every member that runs has printed its result, whatever became of the others.",
			Catches: "waiting for the dead", kinds: []trace.Kind{trace.Phase}, applies: simulated, rule: printsInTime,
		},
		{
			Name: "one-position", Promise: "A position stands for one entry for ever: at all members, after restarts, from memory and from disk; what is not kept any more is refused.",
			Catches: "index cut off elsewhere than the log", applies: always,
		},
		{
			Name: "readers-see-all", Promise: "A reader sees every position once, in order, also across restarts; what goes before it could read it, it is told of.",
			Catches: "gap between memory and disk", applies: always,
		},
		{
			Name: "logs-empty", Promise: "Once everything is settled everywhere, and all had the time to say so, nobody keeps batches in memory.",
			Catches: "idle promise stuck", kinds: []trace.Kind{trace.Deliver, trace.Append, trace.Start, trace.Fault, trace.Resume, trace.Phase}, applies: underDelta, rule: logsEmpty,
		},
		{
			Name: "held-by-enough", Promise: "What settles, so many members hold durably as must: any majority has one of them.",
			Catches: "settled by what one disk can lose", kinds: []trace.Kind{trace.Deliver}, applies: withHolders, rule: heldByEnough,
		},
	}
}

// viewChecks are about members that come and go.
func viewChecks() []Check {
	return []Check{
		{
			Name: "one-view", Promise: "One number stands for one view, at all members, and none goes back to an older one.",
			Catches: "two quorums, forgotten vote", kinds: []trace.Kind{trace.Start, trace.Install}, applies: underDelta, rule: oneView,
		},
		{
			Name: "nothing-taken-back", Promise: "No view ends a stream before what anybody delivered of it, and all views end it at the same entry.",
			Catches: "base of a minority, wedge forgotten", kinds: []trace.Kind{trace.Install, trace.Deliver, trace.Ends}, applies: underDelta, rule: nothingTakenBack,
		},
		{
			Name: "votes-remembered", Promise: "What a member says it promised and accepted of the next view never becomes less, across restarts either.",
			Catches: "vote told before it is durable", kinds: []trace.Kind{trace.Vote}, applies: underDelta, rule: votesRemembered,
		},
		{
			Name: "goes-on", Promise: "Where some are gone for good, and a quorum is well, the others let go of them by themselves and settle on within that time and a second.",
			Catches: "nobody suspected", kinds: []trace.Kind{trace.Deliver, trace.Phase}, applies: goingOn, rule: goesOn,
		},
		{
			Name: "stays", Promise: "Nobody is let go by the others themselves who was with a quorum, or away from it for less than they wait.",
			Catches: "suspected by a minority", kinds: []trace.Kind{trace.Install}, applies: staying, rule: stays,
		},
		{
			Name: "readers-count-nowhere", Promise: "Who was let go, has just joined or only reads adds nothing to the order.",
			Catches: "entries beyond a cut", kinds: []trace.Kind{trace.Start, trace.Install, trace.Ends, trace.Append}, applies: underDelta, rule: readersCountNowhere,
		},
		{
			Name: "settled-before-views", Promise: "What settles in a view is no later than the clock of any later view of its history, from which all that is written in that goes on.",
			Catches: "newcomer's clock, clock of a minority", kinds: []trace.Kind{trace.Install, trace.Deliver}, applies: underDelta, rule: settledBeforeViews,
		},
		{
			Name: "histories-never-mix", Promise: "Where some went on by force without others, nobody takes what was written in another history than its own.",
			Catches: "two contents of one history", kinds: []trace.Kind{trace.Append, trace.Deliver}, applies: underDelta, rule: neverMixed,
		},
		{
			Name: "force-keeps", Promise: "Who goes on by force holds all that is said to be kept.",
			Catches: "base that nobody holds", kinds: []trace.Kind{trace.Start, trace.Install, trace.Ends, trace.Deliver, trace.Publish, trace.Send, trace.Sample}, applies: underDelta, rule: keptByForce,
		},
		{
			Name: "parted-say-so", Promise: "Where two members go by histories that have parted, and hear each other, both say so.",
			Catches: "a silent fork", applies: underDelta,
		},
	}
}
