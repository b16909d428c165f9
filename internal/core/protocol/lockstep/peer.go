package lockstep

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// peer is another member as it is seen from here.
type peer struct {
	bound    view // the incarnation that is bound to the place
	observer view // a later incarnation without the data: it is served, and counts for nothing
	// observed says that the observer was heard last, so that it is the one to talk to.
	observed bool
	link     link
}

// latest returns the view of the incarnation that was heard last.
func (p *peer) latest() *view {
	if p.observed {
		return &p.observer
	}
	return &p.bound
}

// view is what one incarnation of a peer said of itself.
type view struct {
	identity member.Identity
	session  uint64
	marks    clock.Vector // nil: never heard
	horizon  clock.Time
	hash     uint64 // of its binding
	stable   clock.Time
	version  uint64        // of the newest row
	hears    member.Set    // whom it hears directly, by that row
	seen     time.Duration // of an observer: when it was heard, or others last told news of it
}

// life counts the starts of the identity.
func (v *view) life() uint64 { return v.session >> 32 }

// outlived reports whether a message is of an earlier session of the same incarnation.
func (v *view) outlived(m *protocol.Message) bool {
	return v.identity == m.Identity && m.Session < v.session
}

// begin begins anew with another incarnation, or another start of the same one,
// and reports whether it is one. What the same one holds was durable when it told
// so; what others had promised it does not know any more.
func (v *view) begin(identity member.Identity, session uint64, streams int) bool {
	switch {
	case identity != v.identity || v.marks == nil:
		*v = view{identity: identity, marks: make(clock.Vector, streams)}
	case session>>32 != v.life():
		*v = view{identity: identity, marks: v.marks, hash: v.hash, version: v.version}
		for stream := range v.marks {
			v.marks[stream].Promise = 0
		}
	default:
		return false
	}
	v.session = session >> 32 << 32
	return true
}

// row returns the row of another member as far as it is known here.
func (v *view) row(id member.ID) protocol.Row {
	return protocol.Row{Member: id, Identity: v.identity, Version: v.version, Binding: v.hash, Hears: v.hears, Marks: marked(nil, v.marks)}
}

// marked adds to the marks of a row those that say something.
func marked(row []protocol.StreamMark, marks clock.Vector) []protocol.StreamMark {
	for stream, mark := range marks {
		if mark != (clock.Mark{}) {
			row = append(row, protocol.StreamMark{Stream: member.ID(stream), Mark: mark})
		}
	}
	return row
}

// link is the way to a peer, and what was said on it.
type link struct {
	up, reliable bool
	made         uint64 // links so far, the low half of the session
	numbers      uint64 // messages that asked for an answer

	told   uint64        // version of the own row that was sent last
	reply  bool          // the peer asked
	due    bool          // a tick found that something must be said
	retry  backoff       // of the next attempt to bring the peer up to date
	rows   backoff       // of telling it all rows of others again
	repeat time.Duration // when batches of others may go again
	passed []uint64      // the last entry of each stream that was passed on

	flight  flight
	asking  bool // something was asked, or the link is down, and nothing heard since
	askedAt time.Duration

	reminds bool     // another start was heard: it is told what it is known to hold
	doubted bool     // others speak of another incarnation than the one that was heard last
	direct  bool     // the peer itself was heard, not only others about it
	relayed []uint64 // versions of rows of others that it was told: of those who count, then of observers
	draft   draft    `state:"scratch"`
}

// flight is the own batch that was sent last on a link.
type flight struct {
	last   uint64 // its last entry
	sentAt time.Duration
}

// draft is the message that is sent next, and memory for it.
type draft struct {
	message protocol.Message
	rows    []protocol.Row
}

// backoff is when to try again, and how often that was tried.
type backoff struct {
	at    time.Duration
	tries uint
}

const (
	// triesMax bounds the doubling of the pause between attempts.
	triesMax = 8
	// repeatMax is the longest pause between attempts on a reliable link, where
	// only a peer that lost its memory needs one at all.
	repeatMax = 2 * time.Second
	// silentAfter is how long a peer may owe an answer and still count as heard.
	silentAfter = 500 * time.Millisecond
)

// tried plans the next attempt: twice as late each time.
func (b *backoff) tried(now, first, longest time.Duration) {
	b.at = now + max(first, min(first<<b.tries, longest))
	b.tries = min(b.tries+1, triesMax)
}

// pause returns how long what was passed on may take to show at first. Over
// datagrams the batch in flight goes with every second tick anyhow.
func (l *Lockstep) pause(k *link) time.Duration {
	if k.reliable {
		return silentAfter / 4
	}
	return 2 * l.config.Tick
}

// onUp starts anew on a fresh link: what was on its way is lost.
func (l *Lockstep) onUp(k *link, reliable bool) {
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
	k.ask(l.now)
}

// ask lets silence count from now on, unless it does already.
func (k *link) ask(now time.Duration) {
	if !k.asking {
		k.asking, k.askedAt = true, now
	}
}

// startAnew forgets what was said, for the other side may not have heard it.
func (k *link) startAnew() {
	k.flight.last, k.told, k.relayed, k.passed = 0, 0, nil, nil
	k.retry, k.rows = backoff{}, backoff{}
}

// heard reports whether a peer itself was heard, and owes no answer for long.
func (l *Lockstep) heard(p *peer) bool {
	return p.link.direct && (!p.link.asking || l.now-p.link.askedAt < silentAfter)
}

// all reports whether something is so of every other member.
func (l *Lockstep) all(is func(id member.ID, p *peer) bool) bool {
	for i := range l.peers {
		if id := member.ID(i); id != l.config.Self && !is(id, &l.peers[i]) {
			return false
		}
	}
	return true
}
