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
	"io"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// Violation is a broken promise.
type Violation struct {
	Check  string        // name of the check
	At     time.Duration // when it was seen, since the start of the run
	Member member.ID     // where
	Name   string        // its name; empty where names are not known
	Text   string        // what was seen, with its values
}

// String returns the violation as a line for people.
func (v Violation) String() string {
	who := v.Name
	if who == "" {
		who = fmt.Sprint(v.Member)
	}
	return fmt.Sprintf("%s: member %s at %v: %s", v.Check, who, v.At, v.Text)
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
	olders     [][]rule // those that look at members with older data, too
	checkers   []*checker
	violations []Violation
	notes      []Violation // of checks of cost
	costs      []Cost
}

// Cost is what a run cost in one respect, as a number that is better if it is
// smaller.
type Cost struct {
	Name  string
	Value float64
}

// rule looks at an event before history takes note of it.
type rule func(*trace.Event)

// New makes the judge of a run. Numbers may be nil: tuples are not computed
// again then.
func New(header trace.Header, numbers Numbers) *Judge {
	kinds := len(trace.Kinds()) + 1
	j := &Judge{rules: make([][]rule, kinds), olders: make([][]rule, kinds)}
	j.past.reset(header)
	for _, c := range All() {
		if c.rule == nil || !c.applies(&header) {
			continue
		}
		work := &checker{past: &j.past, judge: j, name: c.Name, cost: c.Cost, numbers: numbers}
		j.checkers = append(j.checkers, work)
		apply := c.rule(work)
		for _, kind := range c.kinds {
			j.rules[kind] = append(j.rules[kind], apply)
			if c.older {
				j.olders[kind] = append(j.olders[kind], apply)
			}
		}
	}
	meter := &checker{past: &j.past, judge: j, cost: true}
	measure := healTime(meter)
	for _, kind := range []trace.Kind{trace.Deliver, trace.Phase} {
		j.rules[kind] = append(j.rules[kind], measure)
	}
	return j
}

// Tell judges an event.
func (j *Judge) Tell(e *trace.Event) {
	if j.past.isOlder(e) {
		for _, apply := range j.olders[e.Kind] {
			apply(e)
		}
		j.past.noteOlder(e)
		return
	}
	if e.Kind == trace.Append {
		j.past.adopt(e)
		j.past.rebind(e)
	}
	for _, apply := range j.rules[e.Kind] {
		apply(e)
	}
	j.past.note(e)
}

// Violations returns the first violations in the order in which they were
// seen, but for those of checks of cost.
func (j *Judge) Violations() []Violation { return j.violations }

// Notes returns the first violations of checks of cost.
func (j *Judge) Notes() []Violation { return j.notes }

// Costs returns what the run cost, once it has ended.
func (j *Judge) Costs() []Cost { return j.costs }

// Count returns the number of violations, but for those of checks of cost.
func (j *Judge) Count() int {
	count := 0
	for _, c := range j.checkers {
		if !c.cost {
			count += c.count
		}
	}
	return count
}

// CountOf returns the number of violations of one check.
func (j *Judge) CountOf(name string) int {
	for _, c := range j.checkers {
		if c.name == name {
			return c.count
		}
	}
	return 0
}

// checker is a check at work: what its rule sees, and where it reports.
type checker struct {
	past    *history
	judge   *Judge
	name    string
	cost    bool // it is a check of cost
	numbers Numbers
	count   int // violations
}

// named is the name of a member, which a violation says in place of its number.
type named string

// Format writes the name, whatever the verb.
func (n named) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, string(n)) }

// violated complains. Members among the arguments are called by their names.
func (c *checker) violated(e *trace.Event, format string, args ...any) {
	c.count++
	if c.count > violationsKept {
		return
	}
	names := c.past.header.Members
	for i, arg := range args {
		if id, ok := arg.(member.ID); ok && int(id) < len(names) {
			args[i] = named(names[id])
		}
	}
	v := Violation{Check: c.name, At: e.At, Member: e.Member, Text: fmt.Sprintf(format, args...)}
	if int(e.Member) < len(names) {
		v.Name = names[e.Member]
	}
	if c.cost {
		c.judge.notes = append(c.judge.notes, v)
	} else {
		c.judge.violations = append(c.judge.violations, v)
	}
}

// costs notes what the run cost in one respect.
func (c *checker) costs(name string, value float64) {
	c.judge.costs = append(c.judge.costs, Cost{name, value})
}

// Anew returns how often all members forgot the cluster, which then began anew:
// what was ordered before binds nobody.
func (j *Judge) Anew() int { return j.past.anew }

// Entries counts the entries that all members appended of their own.
func (j *Judge) Entries() uint64 { return j.past.appended() }
