package trace

import (
	"time"

	"chatterbox/internal/core/member"
)

// Header is the first line of a trace: what the run was, and what may be
// demanded of it. What is not there is not demanded.
type Header struct {
	Trace    int      `json:"trace"`   // Version, or an older one
	Members  []string `json:"members"` // names, in the order of the list
	Protocol string   `json:"protocol"`
	Seed     uint64   `json:"seed,string"`

	// Founders is how many of the members are in the list; those behind them join
	// while it runs. 0: all are.
	Founders int `json:"founders,omitempty"`

	// Simulated says that times are virtual, so that a time is never exceeded
	// because a machine was busy.
	Simulated bool `json:"simulated,omitempty"`
	// Numbers says that the payloads are the seeded numbers of the score
	// workload, so that tuples can be computed again.
	Numbers bool `json:"numbers,omitempty"`
	// Journal says that members keep a journal: what they append outlives a
	// crash that leaves the data.
	Journal bool `json:"journal,omitempty"`
	// Holders is how many members hold what settles, at least.
	Holders int `json:"holders,omitempty"`
	// Earlier says that members may begin with what they kept of an earlier
	// run, which the trace does not show.
	Earlier bool `json:"earlier,omitempty"`
	// Progress says that in the end the links that work connect all members
	// strongly and long enough: everything must be settled everywhere.
	Progress bool `json:"progress,omitempty"`
	// Alike says that in the end the running members are connected: they must
	// print the same, complete or not.
	Alike bool `json:"alike,omitempty"`
	// Stays says that nobody is away from a quorum for so long that the others let go of
	// it by themselves.
	Stays bool `json:"stays,omitempty"`
	// Healthy says that nothing fails in the run at all.
	Healthy bool `json:"healthy,omitempty"`

	TickNs         time.Duration `json:"tick_ns,omitempty"`           // time between two ticks of a member
	SettleWithinNs time.Duration `json:"settle_within_ns,omitempty"`  // a batch must be settled everywhere so soon
	GoesOnWithinNs time.Duration `json:"goes_on_within_ns,omitempty"` // the same once somebody is gone for good
	KeepAliveNs    time.Duration `json:"keep_alive_ns,omitempty"`     // a silent member sends that often

	LogBytesMax     int `json:"log_bytes_max,omitempty"`     // of batches in a member's memory
	MessageBytesMax int `json:"message_bytes_max,omitempty"` // of batches in a message, unless there is one only
	WindowBytesMax  int `json:"window_bytes_max,omitempty"`  // of new batches for a peer that says nothing
}

// protocols are those that a trace can be of.
func protocols() []string { return []string{"delta", "lockstep"} }

// parse reads the header line, all of it.
func (h *Header) parse(line []byte) error {
	seen := map[string]bool{}
	scanner := scanner{line: line}
	err := scanner.object(func(key, v value) error {
		if seen[key.name()] {
			return wrongAt(key.at, "the header has %s twice", key.raw)
		}
		seen[key.name()] = true
		return h.set(key, v)
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"trace", "members", "protocol", "seed"} {
		if !seen[name] {
			return wrongAt(0, "the header has no %q: is this a trace?", name)
		}
	}
	return nil
}

// set takes in one field.
func (h *Header) set(key, v value) (err error) {
	switch key.name() {
	case "trace":
		return h.setVersion(v)
	case "members":
		if h.Members, err = v.strings(); err == nil {
			err = h.checkMembers(v.at)
		}
	case "protocol":
		return h.setProtocol(v)
	case "seed":
		h.Seed, err = v.whole()
	case "simulated":
		h.Simulated, err = v.boolean()
	case "numbers":
		h.Numbers, err = v.boolean()
	case "journal":
		h.Journal, err = v.boolean()
	case "earlier":
		h.Earlier, err = v.boolean()
	case "progress":
		h.Progress, err = v.boolean()
	case "alike":
		h.Alike, err = v.boolean()
	case "stays":
		h.Stays, err = v.boolean()
	case "healthy":
		h.Healthy, err = v.boolean()
	default:
		return h.setLimit(key, v)
	}
	return err
}

// setLimit takes in a time or a size.
func (h *Header) setLimit(key, v value) error {
	n, err := v.whole()
	if err == nil && n > ExactMax {
		err = wrongAt(v.at, "%s is more than %d", v.raw, ExactMax)
	}
	switch key.name() {
	case "tick_ns":
		h.TickNs = time.Duration(n)
	case "settle_within_ns":
		h.SettleWithinNs = time.Duration(n)
	case "goes_on_within_ns":
		h.GoesOnWithinNs = time.Duration(n)
	case "keep_alive_ns":
		h.KeepAliveNs = time.Duration(n)
	case "founders":
		h.Founders = int(n)
	case "holders":
		h.Holders = int(n)
	case "log_bytes_max":
		h.LogBytesMax = int(n)
	case "message_bytes_max":
		h.MessageBytesMax = int(n)
	case "window_bytes_max":
		h.WindowBytesMax = int(n)
	default:
		return wrongAt(key.at, "a header has no %s", key.raw)
	}
	return err
}

func (h *Header) setVersion(v value) error {
	n, err := v.whole()
	if err == nil && n != Version && n != versionWithoutEnd {
		err = wrongAt(v.at, "version %d of the header is neither %d nor %d: is this a trace?", n, versionWithoutEnd, Version)
	}
	h.Trace = int(n)
	return err
}

func (h *Header) setProtocol(v value) (err error) {
	if h.Protocol, err = v.string(); err != nil {
		return err
	}
	for _, known := range protocols() {
		if h.Protocol == known {
			return nil
		}
	}
	return wrongAt(v.at, "the protocol is %q, known are %q", h.Protocol, protocols())
}

func (h *Header) checkMembers(at int) error {
	if n := len(h.Members); n == 0 || n > member.CountMax {
		return wrongAt(at, "the header names %d members; allowed are 1 to %d", n, member.CountMax)
	}
	seen := map[string]bool{}
	for _, name := range h.Members {
		if err := member.CheckName(name); err != nil {
			return &lineError{at, err}
		}
		if seen[name] {
			return wrongAt(at, "two members are called %q", name)
		}
		seen[name] = true
	}
	return nil
}
