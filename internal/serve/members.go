package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	"chatterbox"
)

// Membership is who belongs to the cluster, as GET /v1/members says it.
type Membership struct {
	View    uint64   `json:"view"`     // 0 before the members have met
	Quorum  int      `json:"quorum"`   // so many members change the view
	Holders int      `json:"holders"`  // so many must hold an entry before it settles
	MayFail int      `json:"may_fail"` // so many may be gone, and the others can still go on without them
	Members []Member `json:"members"`
	Forced  []Kept   `json:"forced,omitempty"` // if they went on by force in this view: who is no member any more, by name
}

// Kept is how much of an evicted member is in the order. What else it accepted, or
// settled with other ones, may be lost.
type Kept struct {
	Name    string `json:"name"`
	Entries uint64 `json:"entries"`
}

func keptOf(view *chatterbox.View) (kept []Kept) {
	for _, name := range slices.Sorted(maps.Keys(view.Kept)) {
		kept = append(kept, Kept{name, view.Kept[name]})
	}
	return kept
}

// MembershipOf puts who belongs to the cluster into words for JSON, at a moment.
func MembershipOf(status *chatterbox.Status, now time.Time) Membership {
	view := &status.View
	all := StatusOf(status, now)
	return Membership{View: view.Number, Quorum: view.Quorum, Holders: view.Holders, MayFail: mayFail(view), Members: all.inView(), Forced: keptOf(view)}
}

// inView returns those that belong to the cluster, or are about to.
func (s *Status) inView() []Member {
	members := []Member{} // none is [] in JSON
	for _, m := range s.Members {
		if !m.IsEvicted() {
			members = append(members, m)
		}
	}
	return members
}

// mayFail returns how many members may be gone at a time so that the others can
// go on without them.
func mayFail(view *chatterbox.View) int { return len(view.Members) - max(view.Quorum, view.Holders) }

// members answers who belongs to the cluster.
func (s *Server) members(w http.ResponseWriter, _ *http.Request) {
	status := s.node.Status()
	answer(w, http.StatusOK, MembershipOf(&status, time.Now()))
}

// ChangeRequest is the body of POST /v1/members.
type ChangeRequest struct {
	Action  string `json:"action"`            // "evict", "move", "replace", or "leave" or "return", which are asked of the member itself
	Name    string `json:"name"`              // of whom it is about
	Address string `json:"address,omitempty"` // where it has moved to
	// Force evicts without a quorum, when none is left for good, and others with it. What
	// only they had is lost.
	Force bool     `json:"force,omitempty"`
	Also  []string `json:"also,omitempty"` // who else goes by force
}

// change returns what is asked for.
func (r *ChangeRequest) change() chatterbox.Change {
	switch r.Action {
	case "leave":
		return chatterbox.Change{Leave: r.Name}
	case "return":
		return chatterbox.Change{Return: r.Name}
	case "replace":
		return chatterbox.Change{Replace: r.Name}
	case "move":
		return chatterbox.Change{Move: r.Name, Address: r.Address}
	}
	return chatterbox.Change{Evict: r.Name, Address: r.Address, Force: r.Force, AndEvict: r.Also}
}

const (
	// changeBytesMax is how long the body of a change may be, in bytes.
	changeBytesMax = 4 << 10
	// decideWithin is how long an answer waits for the decision: on healthy links
	// that is enough.
	decideWithin = time.Second
	// leaveWithin is the same for a member that leaves, or is replaced: what it accepted
	// must settle first, and once it has left it can be asked no more; or it must catch up.
	leaveWithin = 30 * time.Second
)

// change has the members change. It is taken up when the answer comes, and
// decided if the answer has the new view already; GET /v1/events tells when.
func (s *Server) change(w http.ResponseWriter, r *http.Request) {
	request, err := readChange(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	wait := decideWithin
	if request.Action == "leave" || request.Action == "replace" {
		wait = leaveWithin
	}
	s.log.Warn("a change of the members is asked for", "action", request.Action, "member", request.Name, "also", request.Also, "force", request.Force, "address", request.Address, "from", r.RemoteAddr)
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	view, err := s.node.Change(ctx, request.change())
	switch {
	case gone(r):
	case errors.Is(err, chatterbox.ErrRefused):
		s.log.Warn("a change of the members is refused", "action", request.Action, "member", request.Name, "reason", text(err))
		refuse(w, http.StatusConflict, text(err))
	case errors.Is(err, context.DeadlineExceeded):
		answer(w, http.StatusAccepted, Changed{View: s.node.Status().View.Number})
	case err != nil:
		status, reason := s.whyNot(err)
		refuse(w, status, reason)
	default:
		answer(w, http.StatusAccepted, Changed{View: view.Number, Decided: true})
	}
}

// Changed is the answer to a change.
type Changed struct {
	View    uint64 `json:"view"`    // that counts now
	Decided bool   `json:"decided"` // it is as was asked for
}

// readChange reads what is to be changed.
func readChange(r *http.Request) (ChangeRequest, error) {
	var request ChangeRequest
	body, err := io.ReadAll(io.LimitReader(r.Body, changeBytesMax+1))
	switch {
	case err != nil:
		return request, err
	case len(body) > changeBytesMax:
		return request, fmt.Errorf("a change has at most %d bytes", changeBytesMax)
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return request, fmt.Errorf("write the change as {\"action\":\"evict\",\"name\":\"c\"}: %w", err)
	}
	switch {
	case !slices.Contains([]string{"evict", "leave", "move", "return", "replace"}, request.Action):
		return request, fmt.Errorf("action %q: evict, leave, move, return and replace are what there is", request.Action)
	case request.Name == "":
		return request, errors.New("name the member")
	case request.Action != "evict" && (request.Force || len(request.Also) > 0):
		return request, errors.New("force and also are for evict")
	}
	return request, nil
}

// orphans gives out what this member has of an evicted member's entries that will
// never settle.
func (s *Server) orphans(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if len(r.URL.Query()) != 1 || name == "" {
		refuse(w, http.StatusBadRequest, "name the member that was evicted: name=c, and nothing else")
		return
	}
	if !s.admitReader(w) {
		return
	}
	defer s.readers.Add(-1)
	out := newStream(w, wantsEvents(r.Header))
	defer out.end()
	s.tell(r, s.node.Orphans(r.Context(), name), math.MaxUint64, out)
}
