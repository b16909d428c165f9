package trace

import "time"

// Header is the first line of a trace: what the run was, and what may be
// demanded of it. What is not there is not demanded.
type Header struct {
	Trace    int      `json:"trace"`   // Version
	Members  []string `json:"members"` // names, in the order of the list
	Protocol string   `json:"protocol"`
	Seed     uint64   `json:"seed"`

	// Simulated says that times are virtual, so that a time is never exceeded
	// because a machine was busy.
	Simulated bool `json:"simulated,omitempty"`
	// Numbers says that the payloads are the seeded numbers of the score
	// workload, so that tuples can be computed again.
	Numbers bool `json:"numbers,omitempty"`
	// Journal says that members keep a journal: what they append outlives a
	// crash that leaves the data.
	Journal bool `json:"journal,omitempty"`
	// Progress says that in the end the links that work connect all members
	// strongly and long enough: everything must be settled everywhere.
	Progress bool `json:"progress,omitempty"`
	// Alike says that in the end the running members are connected: they must
	// print the same, complete or not.
	Alike bool `json:"alike,omitempty"`
	// Healthy says that nothing fails in the run at all.
	Healthy bool `json:"healthy,omitempty"`

	TickNs         time.Duration `json:"tick_ns,omitempty"`          // time between two ticks of a member
	SettleWithinNs time.Duration `json:"settle_within_ns,omitempty"` // a batch must be settled everywhere so soon
	KeepAliveNs    time.Duration `json:"keep_alive_ns,omitempty"`    // a silent member sends that often

	LogBytesMax     int `json:"log_bytes_max,omitempty"`     // of batches in a member's memory
	MessageBytesMax int `json:"message_bytes_max,omitempty"` // of batches in a message, unless there is one only
	WindowBytesMax  int `json:"window_bytes_max,omitempty"`  // of new batches for a peer that says nothing
}
