// Package bench measures how fast a cluster orders entries, beside what the
// machine can carry at all.
//
// A [Plan] says what to measure. [Run] starts one process a member and puts
// the same [Load] on them in several rounds, one measurement after the other:
// Limit, Fresh and Raw (the same bytes through the same sockets without a protocol),
// Ordered (chatterbox itself), Watched (the same with a dashboard), Ping (a raw round trip at the same pace) and,
// for lockstep, Trips. A process is a [Member]: it is told what to do on stdin
// and answers on stdout, a JSON line each. [Report] is what came of it; a
// [Condition] is demanded of it.
//
// Other systems are measured in the same way: a [Measure] of their own is
// given to Member, and its mode to Run.
package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Mode is what a round measures.
type Mode string

// The modes.
const (
	Limit   Mode = "limit"   // frames to all others, decoded and appended; no order, no acknowledgement
	Fresh   Mode = "fresh"   // as Limit, but each member draws the numbers of every frame, as whoever writes must
	Raw     Mode = "raw"     // frames to all others, read and discarded
	Ordered Mode = "ordered" // chatterbox: from Broadcast to ordered delivery
	Watched Mode = "watched" // as Ordered, while a dashboard shows it and somebody watches that
	Ping    Mode = "ping"    // a raw TCP ping-pong between two of the processes at the same pace
	Trips   Mode = "trips"   // one entry of each member at a time, and its raw round trip to all peers
)

const (
	membersMax       = 64
	payloadMin       = 8        // bytes: the time of sending must fit
	payloadMax       = 64 << 10 // bytes
	durationMin      = 100 * time.Millisecond
	roundsMax        = 100
	frameBytes       = 64 << 10  // of a frame of limit and raw, and of a read
	frameHeaderBytes = 8         // length and entry size
	logBytes         = 128 << 20 // limit appends to rings of so much memory at each member, longer than any cache,
	logBytesOfAll    = 1 << 30   // and so much at all of them
	pageBytes        = 4 << 10
)

// Plan is what to measure. The zero value of a field takes its default.
type Plan struct {
	Members  int           // default 3
	Payload  int           // bytes of an entry, default 8
	Duration time.Duration // of each measurement, default 3 s
	Warmup   time.Duration // before each measurement, default 500 ms, and no longer than that
	Rounds   int           // default 3; medians are reported
	Rate     float64       // entries per second of all members together; 0: as many as possible
	Protocol string        // default delta
	Batch    int           // entries of a batch in lockstep, default 1
	Tick     time.Duration // default 10 ms
	Memory   int           // bytes of batches a member may hold, default as in the node
	Modes    []Mode        // default all; Trips for lockstep only, Watched if Watch says so
	Watch    bool          // measure Watched too
	StopFor  time.Duration // how long the last member stands still in each measurement of Ordered; 0: not at all
	Profiles string        // folder for a CPU profile of each member and mode; "" for none
	Folder   string        // for delivery times; default one that is gone after the run
}

// WithDefaults fills in what is not given.
func (p Plan) WithDefaults() Plan {
	set(&p.Members, 3)
	set(&p.Payload, payloadMin)
	set(&p.Duration, 3*time.Second)
	set(&p.Warmup, min(500*time.Millisecond, p.Duration))
	set(&p.Rounds, 3)
	set(&p.Protocol, "delta")
	set(&p.Batch, 1)
	set(&p.Tick, 10*time.Millisecond)
	if len(p.Modes) == 0 {
		p.Modes = []Mode{Limit, Fresh, Raw, Ordered, Ping}
		if p.Watch {
			p.Modes = []Mode{Limit, Fresh, Raw, Ordered, Watched, Ping}
		}
		if p.Protocol == "lockstep" {
			p.Modes = append(p.Modes, Trips)
		}
	}
	return p
}

// modesOf returns the modes of a round in their order, which is the reverse in
// every second one: none always has the same one before it.
func (p *Plan) modesOf(round int) []Mode {
	modes := slices.Clone(p.Modes)
	if round%2 == 0 {
		slices.Reverse(modes)
	}
	return modes
}

func set[T comparable](field *T, byDefault T) {
	var zero T
	if *field == zero {
		*field = byDefault
	}
}

// Validate returns all that is wrong with the plan.
func (p Plan) Validate() error {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	check(p.Members >= 2 && p.Members <= membersMax, "bench: %d members: allowed are 2 to %d", p.Members, membersMax)
	check(p.Payload >= payloadMin && p.Payload <= payloadMax, "bench: payload of %d bytes: allowed are %d to %d", p.Payload, payloadMin, payloadMax)
	check(p.Duration >= durationMin, "bench: duration of %s: allowed is %s and more", p.Duration, durationMin)
	check(p.StopFor >= 0 && p.StopFor <= p.Duration/4*3, "bench: a member stopped for %s: three quarters of the measurement, %s, are allowed", p.StopFor, p.Duration/4*3)
	check(p.Warmup >= 0, "bench: warm-up of %s: must not be negative", p.Warmup)
	check(p.Rounds >= 1 && p.Rounds <= roundsMax, "bench: %d rounds: allowed are 1 to %d", p.Rounds, roundsMax)
	check(p.Rate >= 0, "bench: rate of %g: must not be negative", p.Rate)
	check(p.Protocol == "delta" || p.Protocol == "lockstep", "bench: protocol %q: allowed are delta and lockstep", p.Protocol)
	return errors.Join(wrong...)
}

// Load is what one process does in one measurement.
type Load struct {
	Mode     Mode          `json:"mode"`
	Self     int           `json:"self"`
	Addrs    []string      `json:"addrs"` // of all members, by their place
	Payload  int           `json:"payload"`
	Duration time.Duration `json:"duration"`
	Warmup   time.Duration `json:"warmup"`
	Rate     float64       `json:"rate"` // entries per second of all members together
	Protocol string        `json:"protocol"`
	Batch    int           `json:"batch"`
	Tick     time.Duration `json:"tick"`
	Memory   int           `json:"memory"`
	Times    string        `json:"times"`    // file for the delivery times of entries
	Profiles string        `json:"profiles"` // folder for CPU profiles
	Events   string        `json:"events"`   // address that wants the events; "" for nobody
	Epoch    int64         `json:"epoch"`    // from when on their times count, in nanoseconds since 1970
}

// Result is what one process measured.
type Result struct {
	Entries   uint64           `json:"entries"` // appended or delivered here during the measurement
	Own       uint64           `json:"own"`     // of these, its own
	Seconds   float64          `json:"seconds"` // how long it measured
	CPU       float64          `json:"cpu"`     // seconds of processor time during the measurement
	WireBytes uint64           `json:"wire_bytes"`
	Writes    uint64           `json:"writes"`
	RSS       [quarters]uint64 `json:"rss"`        // resident memory in bytes after each quarter of the measurement
	RSSPeak   uint64           `json:"rss_peak"`   // the most since the start of the process
	Copies    uint64           `json:"copies"`     // batches received
	Needed    uint64           `json:"needed"`     // of these, such as were not held yet
	RoundTrip []float64        `json:"round_trip"` // ms, of Ping
	Error     string           `json:"error"`
}

// quarters is how often memory is looked at in a measurement.
const quarters = 4
