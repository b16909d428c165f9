package delta

import (
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

const (
	windowBytesFirst = 64 << 10               // in flight to a peer that was not measured yet; it doubles with each round trip
	windowBytesMin   = 16 << 10               // in flight to the slowest peer
	windowBytesNear  = 512 << 10              // more than that only where distance, not queueing, makes a round trip long
	windowBytesAll   = 2560 << 10             // nor more than that to all peers together: so much each of them may have to take at once
	roundTripCalm    = 200 * time.Millisecond // more than that over the shortest round trip means that queues fill: the window halves
	timeoutMax       = 2 * time.Second        // longest time between two attempts at a silent peer
	pastLivesMax     = 16                     // lives of a peer that are told from new ones
	standStillMax    = time.Second            // a life that only others speak of may be gone when its row does not rise for so long
	heardKeepAlives  = 3                      // a peer that misses so many keep-alives is not heard any more
	unmeasuredTicks  = 10                     // so long an answer may take over a way that was not measured yet
)

// link is the way to one peer and what is known about it: its present life,
// what was sent, and what of it has arrived.
type link struct {
	peer     member.ID
	up       bool
	reliable bool // nothing is lost as long as the link is up

	identity  member.Identity   // the life that is heard; 0: nobody was
	past      []member.Identity // lives that were heard before: what comes from them is late
	row       *row              // what that life holds: the one in Delta.rows, or a reader's own
	before    *row              // of the reader that was heard before, or nil: a late message may pass for another life for a while
	heard     time.Duration
	heardFrom time.Duration // since when it is heard, if it is
	back      time.Duration // when it was heard again after a long silence
	everHeard bool
	recalls   bool // it was heard again after a silence, and what it missed did not go again yet
	bindings  bool // the peer knows the agreed binding
	met       bool // the peer answered this life, so its row is known in full

	older      clock.Time    // what was there before the link, or waited behind that: the peer may have got it from others
	askedUntil time.Duration // so long its word on that is waited for, unless it met this life
	heldUntil  time.Duration // so long even then

	session   uint64 // of the peer
	received  ranges // numbers received in it
	owed      bool   // an acknowledgement is due
	owedSize  int    // bytes received since the last acknowledgement
	expectant bool   // the peer cannot deliver an own batch before it hears that somebody holds it

	outSession   uint64
	flights      queue[flight] // numbered as the messages are
	largestAcked uint64
	inFlight     int // bytes
	window       int // bytes
	windowedAt   time.Duration
	blocked      bool // the window kept something from being sent
	srtt, rttvar time.Duration
	shortest     time.Duration // shortest round trip of this session
	drained      time.Duration // when what the last round trip waited in queues has drained, if nothing more is sent
	detour       time.Duration // how long a sign of arrival takes through others
	backoff      uint
	progressed   time.Duration // last acknowledgement, or sending after none was outstanding
	lost         []span

	own      horizon         // of the own stream: what was sent or is known to be held
	sent     []horizon       // per other stream; nil as long as none is relayed
	lease    []time.Duration // per stream: until when it is relayed to the peer; nil likewise
	leased   []member.ID     // the streams with a lease
	pushes   uint            // pushes without an answer
	pushedAt []time.Duration // per stream: when it was last pushed, or need not be; nil as long as nothing is
	fullAt   []time.Duration // per stream: when the peer last lacked nothing that is held here; nil likewise

	told              clock.Time // the own promise in the last message
	rowSent, rowAcked uint64     // the change counter that the peer was told, and acknowledged
	relayed           []uint64   // the same for relayed rows; nil as long as nothing is relayed
	relayedAt         time.Duration
	guestsAt          time.Duration // when rows of lives that only read were relayed
	relayedNext       int           // the place to begin with when not all rows fitted
	pulls             []protocol.Pull
	spoke             time.Duration // when anything was sent
	stableAcked       bool          // the peer answered to that all is stable for ever
	endTold           time.Duration // when it was last told that and asked to answer; 0: never
	snapshotAt        time.Duration

	confirmed confirmation
}

// span is a range of entries of one stream.
type span struct {
	stream      member.ID
	first, last uint64
}

// flight is a numbered message that is not acknowledged yet.
type flight struct {
	sentAt  time.Duration
	session uint64 // of the peer at that time
	size    int
	stamp   uint64 // change counter of the row in it
	relays  bool
	stable  bool // it told that all is stable for ever
	done    bool // nothing is waited for: acknowledged, overtaken or lost
	acked   bool // acknowledged
	spans   []span
}

// newLink begins with a session that no other life has: what a late message
// acknowledges of an earlier one must not be taken for what this one sent.
func newLink(peer member.ID, cfg Config) link {
	return link{
		peer: peer, up: cfg.Datagram && peer != cfg.Self, outSession: cfg.Life<<32 | uint64(cfg.Identity)&(1<<31-1), window: min(windowBytesFirst, cfg.WindowBytesMax),
		flights: queue[flight]{first: 1, end: 1},
	}
}

// onUp begins a new session: what was in flight is lost.
func (d *Delta) onUp(l *link, reliable bool) {
	l.up, l.reliable = true, reliable
	l.outSession++
	l.flights.restart(1)
	l.largestAcked = 0
	l.window = min(l.window, windowBytesFirst, d.cfg.WindowBytesMax)
	l.srtt = 0
	l.bindings = false
	d.rewind(l)
	d.endPushes(l) // what is known of it may be old: it will tell
	for stream := range l.fullAt {
		l.fullAt[stream] = d.now
	}
	l.rowSent = l.rowAcked
	l.spoke = d.now - d.cfg.KeepAlive // say who we are with the next flush
	d.urgent = true
	d.ask(l)
}

// ask lets what is there already wait until the peer answers, for it may have
// all of that, from an earlier life or from others. It may not be able to
// answer, so the wait has an end.
func (d *Delta) ask(l *link) {
	l.met, l.askedUntil = false, d.now+d.cfg.FirstContactWait
	d.holdBack(l, 0)
}

// holdBack lets what is there already wait for a while: what left just now goes
// to the place of the peer, so whatever life is there may tell that it has it.
func (d *Delta) holdBack(l *link, wait time.Duration) {
	l.heldUntil = d.now + wait
	for j := range d.streams {
		l.older = max(l.older, d.streams[j].last)
	}
}

// asks says whether the peer's answer is waited for.
func (d *Delta) asks(l *link) bool {
	return !l.met && d.now < l.askedUntil || d.now < l.heldUntil
}

func (d *Delta) onDown(l *link) {
	l.up = false
	l.flights.restart(l.flights.end)
	l.inFlight = 0
	l.lost = l.lost[:0]
}

// rewind forgets what was sent: only what the peer is known to hold counts.
func (d *Delta) rewind(l *link) {
	if d.mutant == mutant.NoRewind {
		return
	}
	l.flights.restart(l.flights.end)
	l.inFlight, l.backoff = 0, 0
	l.lost = l.lost[:0]
	l.unsendAll()
	clear(l.relayed)
	l.progressed = d.now
}

// startOver is a rewind for another life, which may get what left just now.
func (d *Delta) startOver(l *link) {
	d.rewind(l)
	d.holdBack(l, max(l.srtt, 2*d.cfg.Tick))
}

// forget starts anew with another life of the peer.
func (d *Delta) forget(l *link, identity member.Identity) {
	known := l.identity != 0
	if known {
		l.past = append(l.past[max(0, len(l.past)+1-pastLivesMax):], l.identity)
	}
	l.identity = identity
	l.session, l.received = 0, l.received[:0]
	l.rowSent, l.rowAcked = 0, 0
	l.bindings, l.stableAcked = false, false
	l.snapshotAt = 0
	if known {
		d.startOver(l)
	}
	d.tieRow(l)
}

// tieRow points the link at the row of the life it speaks with.
func (d *Delta) tieRow(l *link) {
	switch {
	case l.identity == 0 || d.binding[l.peer] == 0: // the place is about to be bound
		l.row = nil
	case l.identity == d.binding[l.peer]:
		if d.rows[l.peer] == nil {
			d.rows[l.peer] = newRow(d.cfg.Members, l.identity, d.now)
		}
		d.turnTo(l, d.rows[l.peer])
	case l.row != nil && l.row.identity == l.identity:
	case l.before != nil && l.before.identity == l.identity:
		d.turnTo(l, l.before)
	default:
		d.turnTo(l, newRow(d.cfg.Members, l.identity, d.now))
	}
}

// turnTo goes on with another row, and keeps the one of a reader: what it told
// it does not tell again, should it turn out to be the present life.
func (d *Delta) turnTo(l *link, r *row) {
	if l.row != nil && l.row != r && l.row != d.rows[l.peer] {
		l.before = l.row
	}
	l.row = r
}

// boundTo says that the peer's present life is the one that counts.
func (d *Delta) boundTo(l *link) bool { return l.identity == d.binding[l.peer] }

// hears says whether the peer was heard directly of late. Over a way with long
// queues it may take longer.
func (d *Delta) hears(l *link) bool {
	return l.everHeard && d.now-l.heard <= d.silenceMax(l)
}

// silenceMax is how long a peer that is heard may be silent.
func (d *Delta) silenceMax(l *link) time.Duration {
	return max(heardKeepAlives*d.cfg.KeepAlive, min(2*l.srtt, timeoutMax))
}

// known gives how many entries of a stream the peer is known to hold.
func (d *Delta) known(l *link, stream member.ID) uint64 {
	have := uint64(0)
	if l.row != nil {
		have = l.row.mark(stream).Have
	}
	if d.agreed && d.boundTo(l) {
		have = max(have, d.streams[stream].base) // trimmed means held by all
	}
	return have
}

// onAck takes the peer's acknowledgement of numbered messages.
func (d *Delta) onAck(l *link, ack protocol.Ack) {
	if ack.Session != l.outSession {
		return
	}
	acked := 0
	for _, r := range ack.Ranges {
		for number := max(r.First, l.flights.first); number <= r.Last && number < l.flights.end; number++ {
			acked += d.arrived(l, number)
		}
	}
	l.popDone()
	if acked > 0 {
		l.backoff, l.progressed = 0, d.now
	}
	d.judgeLoss(l)
}

// arrived marks a flight as acknowledged and gives 1 if it was not before.
func (d *Delta) arrived(l *link, number uint64) int {
	f := l.flights.at(number)
	if f.acked {
		return 0
	}
	if !f.done {
		l.inFlight -= f.size
	}
	f.done, f.acked = true, true
	l.rowAcked = max(l.rowAcked, f.stamp)
	l.stableAcked = l.stableAcked || f.stable
	if number > l.largestAcked {
		l.largestAcked = number
		counts := d.cfg.Datagram || f.session == l.session // otherwise the peer had to connect first
		if counts && f.sentAt >= d.wokeAt {
			d.measure(l, d.now-f.sentAt, f.size)
		}
	}
	return 1
}

// measure takes a round trip time (RFC 6298) and adapts the window: it grows
// while it is what limits, and halves when queues on the way make it slow. A
// large window needs a long way: bytes that wait in queues only leave the
// caches (compare TCP Vegas, Brakmo and Peterson 1995).
func (d *Delta) measure(l *link, sample time.Duration, size int) {
	if l.srtt == 0 {
		l.srtt, l.rttvar, l.shortest = sample, sample/2, sample
	} else {
		l.rttvar += ((l.srtt - sample).Abs() - l.rttvar) / 4
		l.srtt += (sample - l.srtt) / 8
		l.shortest = min(l.shortest, sample)
	}
	l.drained = d.now + sample - l.shortest
	most, calm := d.cfg.WindowBytesMax, max(roundTripCalm, 2*d.cfg.Pace)
	if l.srtt > 2*l.shortest {
		most = min(most, windowBytesNear, d.shareOfAll())
	}
	switch {
	case sample-l.shortest > calm && d.now-l.windowedAt > sample:
		l.window, l.windowedAt = max(windowBytesMin, l.window/2), d.now
	case l.window > most && d.now-l.windowedAt > sample:
		l.window, l.windowedAt = max(most, l.window/2), d.now
	case sample-l.shortest <= calm/2 && l.blocked && l.window < most:
		l.window = min(l.window+size, most)
		l.blocked = false
	}
}

// shareOfAll gives the bytes to one peer that go together with as many to each
// other one.
func (d *Delta) shareOfAll() int { return max(windowBytesFirst, windowBytesAll/d.cfg.Members) }

func (l *link) popDone() {
	for l.flights.len() > 0 && l.flights.at(l.flights.first).done {
		l.flights.pop()
	}
}
