// Package check judges: it reads a trace, event by event, and says which
// promises of the protocols were broken.
//
// A [Check] is one promise with a name. A [Judge] is a trace.Sink that applies
// all of them while a run goes on, or to a trace read from a file, and keeps
// each [Violation]. It knows what happened at all members, which no member
// does: that is why it can tell whether a promise was true. It needs memory in
// proportion to the batches of the run and works without looking back, so that
// millions of runs can be judged.
package check

import (
	"fmt"
	"time"

	"chatterbox/member"
	"chatterbox/trace"
)

// Violation is a broken promise.
type Violation struct {
	Check  string        // name of the check
	At     time.Duration // when it was seen, since the start of the run
	Member member.ID     // where
	Text   string        // what was seen, with its values
}

// String gives the violation as a line for people.
func (v Violation) String() string {
	return fmt.Sprintf("%s: member %d at %v: %s", v.Check, v.Member, v.At, v.Text)
}

// Numbers gives the number k that an entry of the score workload carries.
type Numbers func(origin member.ID, seq uint64) uint64

// violationsKept is how many violations of each check a judge keeps; all are
// counted.
const violationsKept = 4

// Judge applies all checks to a run.
type Judge struct {
	past       history
	rules      [][]rule // by kind of event
	courts     []*court
	violations []Violation
}

// rule looks at an event before history takes note of it.
type rule func(*trace.Event)

// New makes the judge of a run. Numbers may be nil: tuples are not computed
// again then.
func New(header trace.Header, numbers Numbers) *Judge {
	j := &Judge{rules: make([][]rule, len(trace.Kinds())+1)}
	j.past.reset(header)
	for _, c := range All() {
		if c.rule == nil || !c.applies(&header) {
			continue
		}
		court := &court{past: &j.past, judge: j, name: c.Name, numbers: numbers}
		j.courts = append(j.courts, court)
		apply := c.rule(court)
		for _, kind := range c.kinds {
			j.rules[kind] = append(j.rules[kind], apply)
		}
	}
	return j
}

// Tell judges an event.
func (j *Judge) Tell(e *trace.Event) {
	if e.Kind == trace.Append {
		j.past.rebind(e)
	}
	for _, apply := range j.rules[e.Kind] {
		apply(e)
	}
	j.past.note(e)
}

// Violations gives the first violations in the order in which they were seen.
func (j *Judge) Violations() []Violation { return j.violations }

// Count gives the number of violations.
func (j *Judge) Count() int {
	count := 0
	for _, c := range j.courts {
		count += c.count
	}
	return count
}

// CountOf gives the number of violations of one check.
func (j *Judge) CountOf(name string) int {
	for _, c := range j.courts {
		if c.name == name {
			return c.count
		}
	}
	return 0
}

// court is what a rule sees and where it complains.
type court struct {
	past    *history
	judge   *Judge
	name    string
	numbers Numbers
	count   int // violations
}

func (c *court) violated(e *trace.Event, format string, args ...any) {
	c.count++
	if c.count <= violationsKept {
		c.judge.violations = append(c.judge.violations, Violation{
			Check: c.name, At: e.At, Member: e.Member, Text: fmt.Sprintf(format, args...),
		})
	}
}

// Entries counts the entries that all members appended of their own.
func (j *Judge) Entries() uint64 { return j.past.appended() }
