package delta

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// The repair rule: when a stream stands still at a peer, the holder of rank r
// helps after r slots; a request makes a holder the first of all; progress begins
// the count anew. (Floyd and others, SRM, 1995; Leitao and others, Plumtree, 2007.)

// help is what of the streams of others is sent to a peer.
type help struct {
	streams []member.ID // those that are sent
	of      []helping   // per stream; nil as long as nobody looked
}

// helping is how a peer is helped with one stream.
type helping struct {
	until  time.Duration // it is sent until then
	begun  time.Duration // when that last began, or went on, unasked
	fullAt time.Duration // when the peer last lacked nothing that is held here
}

// onPull begins, renews or ends the relaying of a stream to a peer. One that was let go
// asks for its own stream to compare it, and lacks what it says that it lacks.
func (d *Delta) onPull(l *link, m *protocol.Message, p protocol.Pull) {
	if p.Stream == l.peer && !p.Cancel && d.roster.IsGone(l.peer) && d.roster.Owns(l.peer, m.Identity) {
		d.hearDoubt(l, m)
	}
	if !d.roster.Has(p.Stream) || p.Stream == d.cfg.Self && !d.roster.Observes() {
		return
	}
	if p.Cancel {
		l.help.cancel(p.Stream, d.now)
		return
	}
	l.help.relay(p.Stream, d.now, d.now+max(leaseQuiets*d.quiet(l), leaseMin), d.roster.Len())
}

// hearDoubt takes what a peer says it holds of its own stream for all that it holds of it.
func (d *Delta) hearDoubt(l *link, m *protocol.Message) {
	if l.row == nil || len(m.Rows) == 0 || m.Rows[0].Member != l.peer {
		return
	}
	for _, mark := range m.Rows[0].Marks {
		if mark.Stream == l.peer && mark.Have < l.row.mark(l.peer).Have {
			l.row.marks.Set(int(l.peer), mark.Mark)
			d.frontier.changed(l.row, l.peer)
			l.cursor.unsend(l.peer)
		}
	}
}

// repair sends unasked to a peer what stands still at it although this member
// holds more. One that is heard can ask, so more time passes before: its requests
// may go a slow way, or get lost. In large clusters, which do not note which
// marks rise, it is not helped.
func (d *Delta) repair(l *link) {
	if !l.presence.up || l.row == nil {
		return
	}
	heard, wait, slot, more := d.hears(l), standStillMax, slotHeard, time.Duration(0)
	if !heard {
		wait = d.quietRound()
		slot, more = wait, leaseQuiets*wait // it cannot ask, so who helps goes on
	} else if d.roster.Len() >= detailFrom {
		return
	}
	for j := range d.streams {
		stream := member.ID(j)
		if !d.mayRepair(l, stream) {
			continue
		}
		a, rose := &l.help.of[j], l.row.roseAt(j)
		helps := a.until > d.now
		if !heard && helps && rose > a.begun {
			l.help.relay(stream, d.now, d.now+more, d.roster.Len())
			a.begun = d.now
		}
		still := d.now - max(rose, a.fullAt) - wait
		if helps || still < 0 || uint64(still/slot)%uint64(d.roster.Len()) != d.rankAt(l, stream) {
			continue
		}
		l.help.relay(stream, d.now, d.now+slot-still%slot+more, d.roster.Len())
		a.begun = d.now
	}
}

// rankAt returns how many slots this holder lets others go first: another number
// for each of them, at each peer and for each stream.
func (d *Delta) rankAt(l *link, stream member.ID) uint64 {
	return (uint64(d.cfg.Self) + uint64(l.peer)*3 + uint64(stream)) % uint64(d.roster.Len())
}

// mayRepair reports whether a stream may be sent to a peer unasked: somebody
// else's that the peer lacks.
func (d *Delta) mayRepair(l *link, stream member.ID) bool {
	if stream == l.peer && d.boundTo(l) || d.roster.Writes(stream) {
		return false
	}
	a := l.help.at(stream, d.roster.Len())
	l.row.noteRises()
	if !l.presence.awaited(d.now) && d.known(l, stream) < d.frontier.held(stream) {
		return true
	}
	a.fullAt = d.now
	return false
}

// at returns how the peer is helped with a stream; places is how many streams there
// are.
func (h *help) at(stream member.ID, places int) *helping {
	if h.of == nil {
		h.of = make([]helping, places)
	}
	return &h.of[stream]
}

// relay sends a stream to the peer until a time.
func (h *help) relay(stream member.ID, now, until time.Duration, places int) {
	a := h.at(stream, places)
	if a.until <= now {
		h.streams = append(h.streams, stream)
	}
	a.until = max(a.until, until)
}

// lasts returns until when a stream is relayed to the peer.
func (h *help) lasts(stream member.ID) time.Duration {
	if h.of == nil {
		return 0
	}
	return h.of[stream].until
}

// cancel relays a stream no more.
func (h *help) cancel(stream member.ID, now time.Duration) {
	if h.of != nil {
		h.of[stream].until = 0
	}
	h.expire(now)
}

// expire forgets the streams that are relayed no more.
func (h *help) expire(now time.Duration) {
	h.streams = slices.DeleteFunc(h.streams, func(stream member.ID) bool { return h.of[stream].until <= now })
}

// end ends all that is sent: the peer may lack nothing, and can ask.
func (h *help) end(now time.Duration) {
	for stream := range h.of {
		h.of[stream].until, h.of[stream].fullAt = 0, now
	}
	h.expire(now)
}
