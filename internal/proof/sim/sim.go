// Package sim imagines a whole cluster in virtual time, from one seed.
//
// [Run] makes the members of a cluster out of the real reducers, the real
// driver, the real journal on a disk that forgets what was not synced, and
// the real wire format: every message is encoded and decoded. What surprises
// is drawn from the seed: the network with its delays, losses, repetitions and
// cuts, crashes and pauses (package failure), the load, and the limits that
// members are given. A [Shape] is all of that besides the failure map. While
// it goes on, the run is told to a trace and judged by package check.
//
// Time is the time of the next event; nothing sleeps. A run is a function of
// its [Config]: it starts no goroutine, reads no clock and depends on no map's
// order, so that one line reproduces it. Many runs at a time are independent
// of each other.
package sim

import (
	"fmt"
	"time"

	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/mutant"
	"chatterbox/internal/proof/trace"
)

// The protocols, as the command line spells them.
const (
	Delta    = "delta"
	Lockstep = "lockstep"
)

// Config says which run it is. Together with the program it is all that a run
// depends on.
type Config struct {
	Protocol string        // Delta or Lockstep
	Seed     uint64        // what is drawn is drawn from it
	Members  int           // default 5
	SendFor  time.Duration // length of the send phase; default 5 s
	GraceFor time.Duration // and of the grace phase after it; default 5 s, and 90 s with Changes or EvictAfter
	Mutant   mutant.Mutant // a broken variant of the protocol; default none
	Flaw     Flaw          // a mistake of what surrounds the protocol; default none
	Changes  bool          // members are let go, which the map has or the seed draws
	// EvictAfter is how long a member may be away until the others go on without it by
	// themselves; default: drawn from the seed with Changes, else for ever.
	EvictAfter time.Duration

	// Map is what goes wrong; nil draws it from the seed. The members are
	// called a, b, c and so on.
	Map failure.Map
	// Shape is everything else; nil draws it from the seed.
	Shape *Shape

	// Sink is told everything besides the judge; nil is nobody.
	Sink trace.Sink
}

func (c Config) withDefaults() Config {
	if c.Protocol == "" {
		c.Protocol = Delta
	}
	if c.Members == 0 {
		c.Members = 5
	}
	if c.SendFor == 0 {
		c.SendFor = 5 * time.Second
	}
	if c.GraceFor == 0 && (c.Changes || c.EvictAfter > 0) {
		c.GraceFor = changesGrace * 3 / 2
	}
	if c.GraceFor == 0 {
		c.GraceFor = 5 * time.Second
	}
	return c
}

// Lasts returns when the run ends in virtual time, unless members are late.
func (c Config) Lasts() time.Duration {
	c = c.withDefaults()
	return c.SendFor + c.GraceFor
}

// Result is what came of a run.
type Result struct {
	Violations []check.Violation // the first ones
	Count      int               // of all violations
	Costs      []check.Cost
	Hash       uint64        // of the trace
	Events     uint64        // of the trace
	Virtual    time.Duration // simulated time
	Entries    uint64        // appended by all members together
	Messages   uint64        // that members sent
	Header     trace.Header  // what the run was and what was demanded of it
	Map        failure.Map   // what went wrong
	Shape      Shape

	config Config
}

// Config returns the run with all that was drawn for it.
func (r *Result) Config() Config {
	c := r.config
	c.Map, c.Shape = r.Map, &r.Shape
	if c.Map == nil {
		c.Map = failure.Map{}
	}
	return c
}

// Failed reports whether a promise was broken.
func (r *Result) Failed() bool { return r.Count > 0 }

// Run runs a cluster from its start to its deadline. The error is about the
// Config; what goes wrong within the run is a violation.
func Run(c Config) (Result, error) { return NewRunner().Run(c) }

// noPanic is the check that nothing in a run panics.
const noPanic = "no-panic"

// guarded runs the world and turns a panic into a violation: an invariant that
// a reducer found broken is a finding like any other.
func (w *world) guarded() (found []check.Violation) {
	defer func() {
		if cause := recover(); cause != nil {
			found = append(found, check.Violation{Check: noPanic, At: w.now, Member: w.acting, Text: fmt.Sprint(cause)})
		}
	}()
	w.run()
	return nil
}
