package scene

import (
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// Link is one direction between two members.
type Link struct {
	Failure failure.Link  // what is imposed on it
	Since   time.Duration // when that changed last, or the connection
	Broken  bool          // the sender's connection is gone
}

// The conditions of a link, in which one hides the next.
const (
	LinkIdle  = "idle"  // one of its members does not run
	LinkCut   = "cut"   // nothing passes
	LinkLossy = "lossy" // some messages are lost, repeated or reordered
	LinkSlow  = "slow"  // messages take longer, or few pass
	LinkGone  = "gone"  // there is no connection, though nothing is imposed
	LinkUp    = "up"
)

// Link returns what is known of a link.
func (s *Scene) Link(from, to member.ID) Link { return s.links[int(from)*len(s.Members)+int(to)] }

// Condition returns in one word how a link is.
func (s *Scene) Condition(from, to member.ID) string {
	link := s.Link(from, to)
	f := link.Failure
	switch {
	case f.Cut:
		return LinkCut
	case s.Members[from].State != Running || s.Members[to].State != Running:
		return LinkIdle
	case f.Drop > 0 || f.Repeat > 0 || f.Reorder > 0:
		return LinkLossy
	case f.DelayMax > 0 || f.BytesPerSecond > 0:
		return LinkSlow
	case link.Broken:
		return LinkGone
	default:
		return LinkUp
	}
}

// fail takes in a line of the failure map. What is no such line changes
// nothing.
func (s *Scene) fail(note string) {
	lines, err := failure.Parse(strings.NewReader(note), "fault")
	if err != nil || len(lines) != 1 || lines[0].Arrow == failure.NoLink {
		return
	}
	if _, _, err := s.present.Happens(&lines[0]); err != nil {
		return
	}
	for i := range s.links {
		from, to := member.ID(i/len(s.Members)), member.ID(i%len(s.Members))
		if now := s.present.Link(from, to); s.links[i].Failure != now {
			s.links[i].Failure, s.links[i].Since = now, s.Now
		}
	}
}

// connect takes in that a connection comes or goes.
func (s *Scene) connect(e *trace.Event) {
	link := &s.links[int(e.Member)*len(s.Members)+int(e.Peer)]
	if broken := e.Kind == trace.Down; link.Broken != broken {
		link.Broken, link.Since = broken, s.Now
	}
}

// Parts returns the members in groups that can hear each other, directly or
// through others: links are cut between them, or members do not run. Each
// member is in one group, and groups come in the order of their first members.
func (s *Scene) Parts() [][]member.ID {
	n := len(s.Members)
	reach := make([]member.Set, n)
	for i := range reach {
		reach[i] = s.reachable(member.ID(i))
	}
	var parts [][]member.ID
	var done member.Set
	for a := range n {
		if done.Has(member.ID(a)) {
			continue
		}
		var part []member.ID
		for b := a; b < n; b++ {
			if reach[a].Has(member.ID(b)) && reach[b].Has(member.ID(a)) {
				part = append(part, member.ID(b))
				done.Add(member.ID(b))
			}
		}
		parts = append(parts, part)
	}
	return parts
}

// reachable returns whom the words of a member can reach.
func (s *Scene) reachable(id member.ID) member.Set {
	var reached member.Set
	reached.Add(id)
	if s.Members[id].State != Running {
		return reached
	}
	queue := []member.ID{id}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		for to := range s.Members {
			if id := member.ID(to); !reached.Has(id) && s.Members[to].State == Running && !s.Link(from, id).Failure.Cut {
				reached.Add(id)
				queue = append(queue, id)
			}
		}
	}
	return reached
}
