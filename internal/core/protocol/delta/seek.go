package delta

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// want is what this member lacks of a stream, and whom it asks for that.
type want struct {
	waiting bool          // somebody's promise waits for entries that are missing
	missed  time.Duration // since when somebody is known to have more; 0: nobody has
	came    time.Duration // when something new came
	direct  time.Duration // when something new came from the origin itself
	most    uint64        // entries that anybody was said to hold
	leader  member.ID     // who said so first: the way from there is the best one, whatever the round trip

	active bool // a peer is asked to relay the stream
	from   member.ID
	asked  time.Duration
}

// told remembers who told first that there is more.
func (w *want) told(have uint64, by member.ID) {
	if have > w.most {
		w.most, w.leader = have, by
	}
}

// seek asks one peer to relay a stream that others are known to have more of
// while nothing of it comes; it asks the next one when that does not help, and
// ends the request when the origin itself is back.
func (d *Delta) seek(stream member.ID) {
	w := &d.streams[stream].want
	if !w.waiting && !w.active {
		return
	}
	quiet := d.quietOf(stream)
	if w.active && w.direct > w.asked && w.from != stream {
		d.askFor(stream, w.from, true)
	}
	if !w.waiting {
		w.active = w.active && d.now-max(w.asked, w.came) < leaseQuiets*quiet
		if !w.active || d.now-w.asked < leaseQuiets*quiet/2 || w.came < w.asked {
			return
		}
	}
	still := d.now - max(w.came, w.missed)
	switch {
	case w.active && w.came > w.asked && d.now-w.asked >= leaseQuiets*quiet/2:
		d.askFor(stream, w.from, false)
	case w.active && d.now-max(w.asked, w.came) >= min(rotateQuiets*quiet, patience):
		d.rotate(stream)
	case !w.active && (still >= quiet+min(originQuiets*quiet, originMax) || still >= quiet && d.silent(stream)):
		d.rotate(stream)
	}
}

// quietOf returns the quiet time of a stream: that of the peer that was asked, or
// else of the nearest one that is heard and has more. The origin is one of
// these; when its own way is the slow one, it need not be waited for.
func (d *Delta) quietOf(stream member.ID) time.Duration {
	if w := &d.streams[stream].want; w.active {
		return d.quiet(&d.links[w.from])
	}
	return d.nearest(stream)
}

// nearest returns the shortest quiet time of the peers that can be asked for more
// of a stream; the longest possible if there are none.
func (d *Delta) nearest(stream member.ID) time.Duration {
	quiet := patience * 3 / 2
	for i := range d.links {
		if l := &d.links[i]; d.hasMore(l, stream) {
			quiet = min(quiet, d.quiet(l))
		}
	}
	return quiet
}

// hasMore reports whether a peer can be asked for more of a stream.
func (d *Delta) hasMore(l *link, stream member.ID) bool {
	return l.peer != d.cfg.Self && l.presence.up && d.hears(l) && l.row != nil && l.row.mark(stream).Have > d.frontier.held(stream)
}

// silent reports whether nothing speaks for waiting until the origin itself comes
// back: it was never heard, though there was the time for it, or somebody without
// its data came to its place.
func (d *Delta) silent(origin member.ID) bool {
	l := &d.links[origin]
	never := !l.presence.everHeard && d.now >= d.cfg.FirstContactWait
	return origin == d.cfg.Self || never || l.presence.everHeard && !d.boundTo(l)
}

// rotate asks for a stream who told first that there is more, or, when asking did
// not help, the next one that has more, whoever it is.
func (d *Delta) rotate(stream member.ID) {
	w := &d.streams[stream].want
	before, again := w.from, w.active
	first := w.leader
	if again {
		first = before + 1
	}
	w.active = false
	for i := range d.links {
		l := &d.links[(int(first)+i)%len(d.links)]
		if !d.hasMore(l, stream) {
			continue
		}
		if again && l.peer != before {
			d.askFor(stream, before, true)
		}
		d.askFor(stream, l.peer, false)
		return
	}
}

func (d *Delta) askFor(stream, from member.ID, cancel bool) {
	w := &d.streams[stream].want
	w.from, w.active, w.asked = from, !cancel, d.now
	l := &d.links[from]
	if stream == d.cfg.Self && !cancel && d.roster.Owns(stream, d.cfg.Identity) { // it may have said that it has more of it
		l.report.forgetRow()
	}
	l.pulls = append(l.pulls, protocol.Pull{Stream: stream, Cancel: cancel})
}
