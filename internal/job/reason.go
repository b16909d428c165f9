package job

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/internal/core/protocol"
)

const (
	// reasonsMax is how many members are told of one by one; of more, those that
	// are missing for the same reason share a line.
	reasonsMax = 10
	// namedMax is how many members such a line names.
	namedMax = 5
)

// reason is why a member's stream is not complete here.
type reason struct {
	name    string
	self    bool
	what    string        // begins with "was", "is" or the like, where many can have it
	silent  time.Duration // not heard for so long; 0: what says it all
	counted bool          // entries is of interest
	entries uint64        // of it that are held
	trouble string        // with the connection to it; empty: none is known
}

// troubles returns what keeps the connection to each member from being made.
func (r *run) troubles() []string {
	troubles := make([]string, len(r.cfg.Node.Members))
	for _, peer := range r.node.Traffic() {
		troubles[peer.Peer] = peer.Trouble
	}
	return troubles
}

// reason returns what is known of a member whose stream is not complete here.
func (r *run) reason(id int, status *protocol.Status, trouble string) reason {
	found := reason{name: r.cfg.Node.Members[id].Name, self: id == int(r.cfg.Node.Self), trouble: trouble}
	if id >= len(status.Held) {
		found.what = "is not known, the node did not answer"
		return found
	}
	found.entries = status.Held[id].Have
	switch {
	case found.self && status.Reader:
		found.what = "came back without its data, so its earlier stream has no end"
	case found.self && r.own.Load() > found.entries:
		found.what = "own entries still wait for room, for peers do not take theirs, so its stream has no end yet"
	case found.self:
		found.what = "its own stream could not be closed in time"
	case status.Heard[id]:
		found.what, found.counted = "is heard, but the stream has not arrived in full", true
	case r.heard[id] == 0 && found.entries == 0:
		found.what = "was never heard of"
	case r.heard[id] == 0:
		found.what, found.counted = "was never heard directly", true
	default:
		found.what, found.counted, found.silent = "is silent", true, r.phases.now()-r.heard[id]
	}
	return found
}

// tell writes reasons for people, a line each.
func tell(reasons []reason) []string {
	if len(reasons) <= reasonsMax {
		lines := make([]string, len(reasons))
		for i := range reasons {
			lines[i] = reasons[i].line()
		}
		return lines
	}
	var lines []string
	groups := make(map[string][]reason)
	for _, r := range reasons {
		groups[r.kind()] = append(groups[r.kind()], r)
	}
	for _, r := range reasons { // in the order of the members
		if group := groups[r.kind()]; group != nil {
			lines = append(lines, together(group))
			delete(groups, r.kind())
		}
	}
	return lines
}

// kind is the same for members that can share a line.
func (r *reason) kind() string { return fmt.Sprint(r.self, r.what, "\x00", r.trouble) }

// line returns what is told of one member.
func (r *reason) line() string {
	text := r.name
	if r.self {
		text += " (this member)"
	}
	if text += ": "; r.silent > 0 {
		text += fmt.Sprintf("silent for %.1fs", r.silent.Seconds())
	} else {
		text += r.what
	}
	if r.counted {
		text += fmt.Sprintf("; %d entries of it are held", r.entries)
	}
	return text + r.because()
}

// because adds the trouble with the connection.
func (r *reason) because() string {
	if r.trouble == "" {
		return ""
	}
	return "; " + r.trouble
}

// together returns what is told of several members that are missing for the same
// reason.
func together(group []reason) string {
	if len(group) == 1 {
		return group[0].line()
	}
	var names []string
	entries := uint64(0)
	for i := range group {
		if i < namedMax {
			names = append(names, group[i].name)
		}
		entries += group[i].entries
	}
	last := names[len(names)-1]
	if more := len(group) - len(names); more > 0 {
		last = fmt.Sprintf("%d more", more)
	} else {
		names = names[:len(names)-1]
	}
	text := strings.Join(names, ", ") + " and " + last + ": " + plural(group[0].what)
	if group[0].counted {
		text += fmt.Sprintf("; %d entries of them are held", entries)
	}
	return text + group[0].because()
}

// plural makes what is said of one fit for many.
func plural(what string) string {
	for one, many := range map[string]string{"was ": "were ", "is ": "are "} {
		if rest, ok := strings.CutPrefix(what, one); ok {
			return many + rest
		}
	}
	return what
}
