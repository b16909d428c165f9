package cluster

import (
	"fmt"
	"time"

	"chatterbox/internal/job"
	"chatterbox/internal/proof/failure"
)

// The exit statuses of a member's process, and what is added to a signal.
const (
	exitOK      = 0
	exitPartial = 2
	exitFailed  = 3
	exitSignal  = 128
)

// Member is how a run ended for one member.
type Member struct {
	Name    string
	Outcome *job.Outcome // nil if it never printed its tuple
	Exit    int          // of its last process; 128 and the signal if one ended it; -1 if it never started
	Broken  string       // what the failure map did to it for good, empty if nothing
	Amnesic bool         // its last process began without the data of an earlier one
	// Printed and Ended say when the tuple was there and when the process was
	// gone, since the start of that process.
	Printed, Ended time.Duration
	// Errors are the last lines that it wrote to stderr.
	Errors []string
}

// Fate returns in a few words why there is no tuple.
func (m *Member) Fate() string {
	switch {
	case m.Broken != "":
		return m.Broken
	case m.Exit > exitSignal:
		return fmt.Sprintf("killed by signal %d", m.Exit-exitSignal)
	}
	return fmt.Sprintf("failed, exit status %d", m.Exit)
}

// Report is how a run ended.
type Report struct {
	Members []Member
	Elapsed time.Duration // until the last tuple was there
	// TraceLost says from where on the trace is missing, and why; it is empty
	// if the trace is whole, or if nobody wanted one.
	TraceLost string

	schedule *failure.Schedule // of what went wrong; nil: nothing is known
}

// Verdict is what a run has shown.
type Verdict uint8

// The verdicts, from good to bad.
const (
	Agree    Verdict = iota // all members are complete and print the same
	Partial                 // something is missing somewhere
	Failed                  // a member failed although nothing was done to it
	Disagree                // members that are complete print different tuples
)

// String returns the verdict in one word; the bad one is loud.
func (v Verdict) String() string {
	return [...]string{"agree", "partial", "failed", "DISAGREE"}[v]
}

// Verdict judges the run.
func (r *Report) Verdict() Verdict {
	verdict := Agree
	var complete *job.Outcome
	for _, m := range r.Members {
		verdict = max(verdict, m.verdict())
		if m.Outcome == nil || !m.Outcome.Complete {
			continue
		}
		if complete == nil {
			complete = m.Outcome
		} else if !same(complete, m.Outcome) {
			return Disagree
		}
	}
	return verdict
}

func (m *Member) verdict() Verdict {
	switch {
	case m.Outcome != nil && m.Outcome.Complete && m.Exit == exitOK:
		return Agree
	case m.Outcome != nil && !m.Outcome.Complete && m.Exit == exitPartial, m.Broken != "":
		return Partial
	}
	return Failed
}

// Same reports whether all members that printed a tuple printed the same one.
func (r *Report) Same() bool {
	var first *job.Outcome
	for _, m := range r.Members {
		switch {
		case m.Outcome == nil:
		case first == nil:
			first = m.Outcome
		case !same(first, m.Outcome):
			return false
		}
	}
	return first != nil
}

// same compares tuples, and the order in which they were summed up.
func same(a, b *job.Outcome) bool {
	return a.Count == b.Count && a.Exact == b.Exact && a.Digest == b.Digest
}

// Agreed returns the entries that every member that printed has: the smallest
// count.
func (r *Report) Agreed() uint64 {
	var agreed uint64
	first := true
	for _, m := range r.Members {
		if m.Outcome != nil && (first || m.Outcome.Count < agreed) {
			agreed, first = m.Outcome.Count, false
		}
	}
	return agreed
}

// Rate returns the agreed entries a second of the whole run.
func (r *Report) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Agreed()) / r.Elapsed.Seconds()
}

// Describe returns in a sentence what the verdict rests on.
func (r *Report) Describe() string {
	switch r.Verdict() {
	case Agree:
		return fmt.Sprintf("all %d members hold the same %d entries in the same order", len(r.Members), r.Agreed())
	case Partial:
		if r.Same() {
			return "something is missing, but all tuples are the same"
		}
		return "something is missing, and so the tuples differ"
	case Failed:
		return "a member failed by itself: see its message above"
	default:
		return "members that are complete print different tuples: this must never happen"
	}
}
