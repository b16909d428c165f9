package sim

import (
	"math/rand/v2"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/failure"
)

// way is the network from one member to another.
type way struct {
	rng  *rand.Rand
	free time.Duration // when the rate lets the next message leave
	last time.Duration // when the last message of a connection arrives

	// Connections only: datagrams have none.
	up       bool
	number   uint32        // of the connection; messages of older ones still arrive until cutoff
	cutoff   time.Duration // what is left of the older ones arrives before that
	reliable bool
	dialing  bool
	cutSince time.Duration // 0: not cut
	stuck    []int32       // frames that wait for the end of a cut
}

// Times of connections, near those of package transport.
const (
	silenceMax = 1500 * time.Millisecond // a connection without a sign of life is given up
	redialMax  = 250 * time.Millisecond  // between two attempts to connect
	queueTime  = time.Second             // what would wait longer for a slow link is lost, and a connection with it
	zombieMin  = 500 * time.Millisecond  // how late a message comes that nobody expects any more
	zombieMax  = 4 * time.Second
)

func (w *world) way(from, to member.ID) *way { return &w.ways[int(from)*len(w.nodes)+int(to)] }

// transmit gives a message to the network.
func (w *world) transmit(from member.ID, envelope protocol.Envelope) {
	w.messages++
	v := w.way(from, envelope.To)
	link := w.link(from, envelope.To, w.now)
	if w.shape.Streams {
		w.stream(from, envelope, v, link)
		return
	}
	fate := link.Fate(v.rng)
	zombie := w.shape.Zombies > 0 && v.rng.Float64() < w.shape.Zombies && !link.Cut
	if fate.Copies == 0 && !zombie {
		return
	}
	copies := fate.Copies
	if zombie {
		copies++
	}
	frame := w.frames.add(envelope.Message, copies)
	for _, delay := range fate.Delays[:fate.Copies] {
		if link.BytesPerSecond > 0 && v.free > w.now+queueTime {
			w.frames.done(frame) // what finds the queue full takes nothing of the rate
			continue
		}
		w.arrive(w.depart(v, link, frame)+delay+w.delay(v), from, envelope.To, frame, 0)
	}
	if zombie {
		w.arrive(w.now+zombieMin+time.Duration(v.rng.Int64N(int64(zombieMax-zombieMin))), from, envelope.To, frame, 0)
	}
}

// stream gives a message to a connection: it keeps the order, and while the
// link is cut messages wait for the heal or for the end of the connection.
func (w *world) stream(from member.ID, envelope protocol.Envelope, v *way, link failure.Link) {
	if !v.up {
		return
	}
	if link.Cut {
		v.stuck = append(v.stuck, w.frames.add(envelope.Message, 1))
		return
	}
	fate := link.Fate(v.rng)
	if fate.Copies == 0 {
		return
	}
	frame := w.frames.add(envelope.Message, fate.Copies)
	if link.BytesPerSecond > 0 && v.free > w.now+queueTime {
		w.hangUp(from, envelope.To, v, 0)
	}
	for _, delay := range fate.Delays[:fate.Copies] {
		at := w.depart(v, link, frame) + delay + w.delay(v)
		if link.Reorder == 0 {
			at = max(at, v.last)
			v.last = at
		}
		w.arrive(at, from, envelope.To, frame, v.number)
	}
}

// drained returns when all has arrived that is under way over connections and takes
// longer than it would if it were sent now; a time that is past if nothing does.
func (w *world) drained() (at time.Duration) {
	for i := range w.ways {
		if v := &w.ways[i]; v.up && v.last > w.now+w.shape.DelayMax {
			at = max(at, v.last)
		}
	}
	return at
}

// keepsAll reports whether a connection over the link loses and reorders nothing.
func keepsAll(link failure.Link) bool { return !link.Cut && link.Drop == 0 && link.Reorder == 0 }

func (w *world) delay(v *way) time.Duration {
	if w.shape.DelayMax == w.shape.DelayMin {
		return w.shape.DelayMin
	}
	return w.shape.DelayMin + time.Duration(v.rng.Int64N(int64(w.shape.DelayMax-w.shape.DelayMin)))
}

// depart returns when the last byte of a frame leaves at the link's rate.
func (w *world) depart(v *way, link failure.Link, frame int32) time.Duration {
	if link.BytesPerSecond <= 0 {
		v.free = w.now
		return w.now
	}
	took := time.Duration(float64(w.frames.all[frame].length) / float64(link.BytesPerSecond) * float64(time.Second))
	v.free = max(v.free, w.now) + took
	return v.free
}

// arrive schedules the arrival of a copy of a frame. Over a connection it is
// for the present life of the receiver only.
func (w *world) arrive(at time.Duration, from, to member.ID, frame int32, connection uint32) {
	w.queue.push(event{at: at, kind: evFrame, to: uint16(to), from: uint16(from), frame: frame, aux: connection, life: w.nodes[to].life})
}

// onFrame hands a frame to its receiver, if there still is one.
func (w *world) onFrame(e *event) {
	n := w.nodes[e.to]
	if v := w.way(member.ID(e.from), n.id); w.shape.Streams && (e.life != n.life || e.aux != v.number && e.at > v.cutoff) {
		w.frames.done(e.frame)
		return
	}
	if !n.running || len(n.inbox) >= inboxMax && !w.shape.Streams {
		w.frames.done(e.frame)
		return
	}
	n.inbox = append(n.inbox, item{kind: protocol.Receive, peer: member.ID(e.from), frame: e.frame})
	w.wakeSoon(n)
}

// onChange looks after connections when links change: a cut one gives up after
// a silence, a healed one sends what waited, and one that begins or ceases to
// lose messages begins anew.
func (w *world) onChange() {
	if next, ok := w.schedule.Next(w.now); ok {
		w.queue.push(event{at: next, kind: evChange})
	}
	for i := range w.ways {
		from, to := member.ID(i/len(w.nodes)), member.ID(i%len(w.nodes))
		v, link := &w.ways[i], w.link(from, to, w.now)
		switch {
		case !v.up:
		case link.Cut && v.cutSince == 0:
			v.cutSince = max(w.now, 1)
			w.queue.push(event{at: w.now + silenceMax, kind: evSilence, from: uint16(from), to: uint16(to), aux: v.number})
		case !link.Cut && v.cutSince != 0:
			w.release(from, to, v)
		}
		if v.up && !link.Cut && keepsAll(link) != v.reliable {
			w.hangUp(from, to, v, 0)
		}
	}
}

// release sends what waited for the end of a cut.
func (w *world) release(from, to member.ID, v *way) {
	v.cutSince = 0
	for _, frame := range v.stuck {
		v.last = max(v.last, w.now+w.delay(v))
		w.arrive(v.last, from, to, frame, v.number)
	}
	v.stuck = v.stuck[:0]
}

func (w *world) onSilence(e *event) {
	from, to := member.ID(e.from), member.ID(e.to)
	if v := w.way(from, to); v.up && v.number == e.aux && v.cutSince != 0 && w.now >= v.cutSince+silenceMax {
		w.hangUp(from, to, v, 0)
	}
}

// hangUp ends a connection and begins to dial another one. Messages that are
// under way may still arrive for a while.
func (w *world) hangUp(from, to member.ID, v *way, linger time.Duration) {
	if !v.up {
		return
	}
	v.up, v.cutSince = false, 0
	v.cutoff = w.now + linger
	if linger == 0 && w.shape.DelayMax > 0 {
		v.cutoff += time.Duration(v.rng.Int64N(int64(w.shape.DelayMax)))
	}
	for _, frame := range v.stuck {
		w.frames.done(frame)
	}
	v.stuck = v.stuck[:0]
	n := w.nodes[from]
	if n.running {
		n.inbox = append(n.inbox, item{kind: protocol.Down, peer: to})
		w.wakeSoon(n)
		w.dial(from, to, v)
	}
}

// dial tries to connect after a while.
func (w *world) dial(from, to member.ID, v *way) {
	if v.dialing {
		return
	}
	v.dialing = true
	w.queue.push(event{
		at: w.now + time.Duration(v.rng.Int64N(int64(redialMax))), kind: evDial, from: uint16(from), to: uint16(to), life: w.nodes[from].life,
	})
}

func (w *world) onDial(e *event) {
	from, to := member.ID(e.from), member.ID(e.to)
	n, v := w.nodes[from], w.way(from, to)
	v.dialing = false
	if !n.running || v.up || int(to) >= n.places { // an earlier life may have known of more
		return
	}
	link := w.link(from, to, w.now)
	if peer := w.nodes[to]; link.Cut || !peer.running || peer.paused || n.paused {
		w.dial(from, to, v)
		return
	}
	v.up, v.reliable, v.cutSince, v.last, v.free = true, keepsAll(link), 0, 0, 0
	v.number++
	n.inbox = append(n.inbox, item{kind: protocol.Up, peer: to, reliable: v.reliable})
	w.wakeSoon(n)
}
