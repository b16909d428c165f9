package serve

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"chatterbox"
)

// Status is how a member is, as GET /v1/status says it. Times are in seconds.
type Status struct {
	Name      string              `json:"name"`
	Ready     bool                `json:"ready"`
	Reason    string              `json:"reason,omitempty"` // why it is not ready
	Writable  bool                `json:"writable"`
	WhyNot    string              `json:"why_not_writable,omitempty"`
	Oldest    chatterbox.Position `json:"oldest"`
	Settled   chatterbox.Position `json:"settled"`
	Stable    chatterbox.Position `json:"stable"`
	Tentative int                 `json:"tentative"`
	Accepted  uint64              `json:"accepted"` // own entries
	HeldUpBy  []Culprit           `json:"held_up_by"`
	View      uint64              `json:"view"`
	Members   []Member            `json:"members"`
	Bytes     Bytes               `json:"bytes"`
	Mended    uint64              `json:"mended"`           // damaged pieces of the folder that were put back
	Damage    string              `json:"damage,omitempty"` // what could not be
}

// Culprit is a member that settling waits for.
type Culprit struct {
	Name    string  `json:"name"`
	Since   float64 `json:"since_s"`
	Command string  `json:"command"` // what ends it
}

// Member is what a member knows of one, itself included.
type Member struct {
	Name    string              `json:"name"`
	Address string              `json:"address"`
	Place   int                 `json:"place"`
	Role    string              `json:"role"`
	Heard   *float64            `json:"heard_s"` // ago; null: never
	Settled chatterbox.Position `json:"settled"`
	Lag     uint64              `json:"lag"`               // entries that are settled here and not there
	Entries uint64              `json:"entries"`           // of its own, among those that have settled here
	Stopped bool                `json:"stopped,omitempty"` // as planned, with its folder
	Trouble string              `json:"trouble,omitempty"`
}

// The roles besides that of a member.
const (
	evicted = "evicted" // the others have gone on without it
	learner = "learner" // it has joined, and does not count yet
	// observer has joined only to read.
	observer = "observer"
)

// IsEvicted reports whether the others have gone on without it.
func (m *Member) IsEvicted() bool { return m.Role == evicted }

// Counts reports whether it is a member of the view: others read only, or are gone.
func (m *Member) Counts() bool { return m.Role != learner && m.Role != observer && m.Role != evicted }

// Bytes is what entries take.
type Bytes struct {
	Memory int64 `json:"memory"`
	Disk   int64 `json:"disk"`
}

// StatusOf puts the status of a node into words for JSON, at a moment.
func StatusOf(status *chatterbox.Status, now time.Time) Status {
	out := Status{
		Name: status.Name, Ready: status.Ready == nil, Reason: text(status.Ready),
		Writable: status.Writable == nil, WhyNot: text(status.Writable),
		Oldest: status.Oldest, Settled: status.Settled, Stable: status.Stable,
		Tentative: status.Tentative, Accepted: status.Accepted.Seq,
		HeldUpBy: []Culprit{}, View: status.View.Number, Members: []Member{}, Bytes: Bytes{Memory: status.MemoryBytes, Disk: status.DiskBytes},
		Mended: status.Mended, Damage: text(status.Damage),
	}
	for i := range status.Members {
		m := &status.Members[i]
		out.Members = append(out.Members, memberOf(m, i, status.Settled, now))
		if !m.HoldsUpSince.IsZero() {
			out.HeldUpBy = append(out.HeldUpBy, Culprit{
				Name: m.Name, Since: now.Sub(m.HoldsUpSince).Seconds(),
				Command: whatEnds(status, m, now),
			})
		}
	}
	return out
}

// whatEnds returns what ends that settling waits for a member.
func whatEnds(status *chatterbox.Status, m *chatterbox.MemberStatus, now time.Time) string {
	why := ", or mend its network"
	if m.Stopped {
		why = ", it was stopped as planned"
	}
	text := fmt.Sprintf("start %s again with its own folder%s: chatterbox serve, at %s", m.Name, why, m.Address)
	there := 0
	for i := range status.Members {
		other := &status.Members[i]
		if other.Counts() && other.Name != m.Name && (other.Name == status.Name || now.Sub(other.Heard) < silentAfter) {
			there++
		}
	}
	switch {
	case there == 1 && status.View.Quorum > 1:
		text += "; if all that it knows have left or moved, start this member with --join HOST:PORT besides, where members dial any that is there"
	case status.View.Number == 0 || there < status.View.Quorum:
	case status.EvictAfter > 0:
		text += fmt.Sprintf("; once it has been away for %s the others go on without it by themselves, or at once: chatterbox members evict %s --http ADDR", status.EvictAfter, m.Name)
	default:
		text += fmt.Sprintf("; if it does not come back, go on without it: chatterbox members evict %s --http ADDR", m.Name)
	}
	return text
}

func memberOf(m *chatterbox.MemberStatus, place int, settled chatterbox.Position, now time.Time) Member {
	out := Member{Name: m.Name, Address: m.Address, Place: place, Role: "member", Settled: m.Settled, Entries: m.Entries, Stopped: m.Stopped, Trouble: m.Trouble}
	switch {
	case m.Evicted:
		out.Role = evicted
	case m.Joining:
		out.Role = learner
	case m.Observing:
		out.Role = observer
	}
	if !m.Heard.IsZero() {
		ago := max(now.Sub(m.Heard), 0).Seconds()
		out.Heard = &ago
	}
	if m.Settled < settled {
		out.Lag = uint64(settled - m.Settled)
	}
	return out
}

// text is what an error says; "" for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "chatterbox: ")
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	status := s.node.Status()
	answer(w, http.StatusOK, StatusOf(&status, time.Now()))
}

// healthz answers as long as the node runs: who restarts it needs no more.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	if err := s.node.Err(); err != nil {
		http.Error(w, text(err), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "alive")
}

// readyz answers whether requests should come here: once members have met, while
// this one writes, and unless an entry is damaged here for good. A peer that holds settling up is named, and makes
// nobody else unready: then no member would be left to read from.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	status := s.node.Status()
	if why := whyUnready(&status); why != "" {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not ready: "+why, http.StatusServiceUnavailable)
		return
	}
	if status.Ready != nil {
		fmt.Fprintf(w, "ready; nothing settles: %s\n", text(status.Ready))
		for _, who := range StatusOf(&status, time.Now()).HeldUpBy {
			fmt.Fprintf(w, "settling waits for %s since %.1f s: %s\n", who.Name, who.Since, who.Command)
		}
		return
	}
	fmt.Fprintln(w, "ready")
}

// whyUnready returns why a member does not do what it is there for: to write, or, of one
// that only reads, to have what the others hold. It is "" if it does.
func whyUnready(status *chatterbox.Status) string {
	observes := slices.ContainsFunc(status.Members, func(m chatterbox.MemberStatus) bool { return m.Name == status.Name && m.Observing })
	switch {
	case !observes && status.Writable != nil:
		return text(status.Writable)
	case observes && errors.Is(status.Ready, chatterbox.ErrBehind):
		return text(status.Ready)
	}
	return text(status.Damage)
}
