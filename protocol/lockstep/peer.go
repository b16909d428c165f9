package lockstep

import (
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// peer is another member as it is seen from here.
type peer struct {
	bound view // the life that is bound to the place
	guest view // a later life without the data: it is served, and counts for nothing
	// visited says that the guest was heard last, so that it is the one to talk to.
	visited bool
	link    link
}

// latest gives the view of the life that was heard last.
func (p *peer) latest() *view {
	if p.visited {
		return &p.guest
	}
	return &p.bound
}

// view is what one life of a peer said of itself.
type view struct {
	identity member.Identity
	session  uint64
	marks    clock.Vector // nil: never heard
	horizon  clock.Time
	hash     uint64 // of its binding
	stable   clock.Time
	version  uint64        // of the newest row
	hears    member.Set    // whom it hears directly, by that row
	seen     time.Duration // of a guest: when it was heard, or others last told news of it
}

// life counts the starts of the identity; what an earlier one said is void.
func (v *view) life() uint64 { return v.session >> 32 }

// outlived says whether a message is of an earlier session of the same life.
func (v *view) outlived(m *protocol.Message) bool {
	return v.identity == m.Identity && m.Session < v.session
}

// link is the way to a peer, and what was said on it.
type link struct {
	up, reliable bool
	made         uint64 // links so far, the low half of the session
	numbers      uint64 // messages that asked for an answer

	sent  uint64 // last own entry that was sent on this link
	told  uint64 // version of the own row that was sent last
	reply bool   // the peer asked
	due   bool   // a tick found that something must be said
	again bool   // a tick found that an answer is overdue
	after afterwards

	timing   bool // the batch sent last was sent once: its acknowledgement can be timed
	sentAt   time.Duration
	trip     roundTrip
	asking   bool // something was asked, or the link is down, and nothing heard since
	askedAt  time.Duration
	toldHave uint64 // a mutant's memory of its acknowledgements
	toldEnd  bool   // a mutant's memory of its end
	anyAck   uint64 // a mutant's idea of what the peer acknowledged

	doubted bool // others speak of another life than the one that was heard last
	direct  bool // the peer itself was heard, not only others about it
	// relayed are the versions of the others' rows that were passed on.
	relayed []uint64
	guests  []uint64 // the same of the rows of guests

	message protocol.Message
	rows    []protocol.Row
}

// afterwards says when to try again, and how often it was tried.
type afterwards struct {
	retry, relay, rows time.Duration
	tries, rowTries    uint
}

func newPeers(config Config) []peer {
	peers := make([]peer, config.Members)
	for id := range peers {
		peers[id].link.up = config.Datagram && member.ID(id) != config.Self
	}
	return peers
}

// triesMax bounds the doubling of the pause between attempts.
const triesMax = 8

// repeatMax is the longest pause between attempts on a reliable link, where
// only a peer that lost its memory needs one at all.
const repeatMax = 2 * time.Second

// pause gives how long to wait for an answer before the next attempt.
func (k *link) pause(config *Config) time.Duration {
	longest := config.KeepAlive
	if k.reliable {
		longest = repeatMax
	}
	return k.doubled(config, k.after.tries, longest)
}

func (k *link) doubled(config *Config, tries uint, longest time.Duration) time.Duration {
	first := max(2*config.Tick, k.trip.timeout())
	return max(first, min(first<<min(tries, triesMax), longest))
}

// roundTrip estimates the time to an answer (RFC 6298). The zero value knows
// nothing and waits for no longer than the floor.
type roundTrip struct{ smooth, deviation time.Duration }

func (r *roundTrip) sample(d time.Duration) {
	if r.smooth == 0 {
		r.smooth, r.deviation = d, d/2
		return
	}
	r.deviation += (max(r.smooth-d, d-r.smooth) - r.deviation) / 4
	r.smooth += (d - r.smooth) / 8
}

// timeout is bounded: one answer of a peer that was paused would otherwise cost
// all patience for the rest of a run.
func (r *roundTrip) timeout() time.Duration { return min(r.smooth+4*r.deviation, repeatMax) }

// onUp starts anew on a fresh link: what was on its way is lost.
func (l *Lockstep) onUp(id member.ID, reliable bool) {
	k := &l.peers[id].link
	k.up, k.reliable, k.asking = true, reliable, false
	k.made++
	k.numbers = 0
	k.startAnew()
	k.due = true
}

// onDown lets silence count from now on: over a link that is down nobody can be
// asked, so nothing else would show that the peer is not heard any more.
func (l *Lockstep) onDown(k *link) {
	k.up = false
	if !k.asking {
		k.asking, k.askedAt = true, l.now
	}
}

// startAnew forgets what was said, for the other side may not have heard it.
func (k *link) startAnew() {
	k.sent, k.told, k.timing, k.relayed, k.guests = 0, 0, false, nil, nil
	k.after = afterwards{relay: k.after.relay}
}

// answered times the round trip and notes that the peer hears us.
func (l *Lockstep) answered(k *link, v *view) {
	k.asking, k.askedAt, k.doubted = !k.up, l.now, false
	if v.marks[l.config.Self].Have > 0 {
		k.anyAck = k.sent
	}
	if k.timing && k.sent > 0 && v.marks[l.config.Self].Have >= k.sent {
		k.timing = false
		k.trip.sample(l.now - k.sentAt)
	}
}

// silentAfter is how long a peer may owe an answer and still count as heard.
const silentAfter = 500 * time.Millisecond

func (l *Lockstep) heard(p *peer) bool {
	return p.link.direct && (!p.link.asking || l.now-p.link.askedAt < silentAfter)
}

// reachable says whether every other member can be expected to answer.
func (l *Lockstep) reachable() bool {
	for id := range l.peers {
		p := &l.peers[id]
		if member.ID(id) != l.config.Self && !(p.link.up && l.heard(p)) {
			return false
		}
	}
	return true
}
