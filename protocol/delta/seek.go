package delta

import (
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
)

const (
	rotateQuiets   = 2 // without progress for so many, somebody else is asked
	patienceQuiets = 4 // so much longer an origin that was heard is waited for: it may be slow, or its link come up next

	patienceMax = 500 * time.Millisecond // but not longer than that: the nearest holder may be far

	trialMin = 500 * time.Millisecond // so long whoever was asked may show how fast the stream comes
	trialMax = time.Second
)

// pull is this member's request that a peer relay a stream to it.
type pull struct {
	from   member.ID
	active bool
	asked  time.Duration
	had    uint64     // entries held then
	tried  member.Set // who was asked since nothing came from elsewhere
	vain   uint       // how many of them in a row did not help
}

// seek asks one peer to relay a stream that others are known to have more of
// while nothing of it comes; it asks another one when that does not help, and
// ends the lease when the origin itself is back.
func (d *Delta) seek(stream member.ID) {
	s := &d.streams[stream]
	p := &s.pull
	if !s.waiting && !p.active {
		return
	}
	quiet := d.quietOf(stream)
	if p.active && s.direct > p.asked && p.from != stream {
		d.askFor(stream, p.from, true)
		p.active = false
	}
	if !s.waiting {
		p.active = p.active && d.now-max(p.asked, s.came) < leaseQuiets*quiet
		if !p.active || d.now-p.asked < leaseQuiets*quiet/2 || s.came < p.asked {
			return
		}
	}
	still := d.now - max(s.came, s.missed)
	switch {
	case p.active && d.lags(stream, quiet):
		d.rotate(stream)
	case p.active && s.came > p.asked && d.now-p.asked >= leaseQuiets*quiet/2:
		d.askFor(stream, p.from, false)
	case p.active && d.now-max(p.asked, s.came) >= min(rotateQuiets*quiet<<min(p.vain, 10), timeoutMax):
		d.rotate(stream)
	case !p.active && (still >= quiet+min(patienceQuiets*quiet, patienceMax) || still >= quiet && d.silent(stream)):
		d.rotate(stream)
	}
}

// lags says whether the peer that was asked for a stream had time enough to show
// what it can do, and needs as much again: somebody else may do better.
func (d *Delta) lags(stream member.ID, quiet time.Duration) bool {
	s := &d.streams[stream]
	have := d.mine.mark(stream).Have
	trial := max(trialMin, min(rotateQuiets*quiet, trialMax))
	return d.now-s.pull.asked >= trial && s.most-have > have-s.pull.had
}

// quiet gives D1 for the way to one peer: how long nothing must come of it
// before others step in. A slow way to somebody else does not count: it would
// make all detours as slow.
func (d *Delta) quiet(l *link) time.Duration {
	if l.srtt == 0 {
		return unmeasuredTicks * d.cfg.Tick
	}
	return d.stretch(l)
}

// stretch gives the longer of two ticks and one and a half round trips: how often
// a peer is told the same kind of news at most.
func (d *Delta) stretch(l *link) time.Duration {
	return max(2*d.cfg.Tick, min(l.srtt, timeoutMax)*3/2)
}

// quietOf gives the quiet time of a stream: that of the peer that was asked, or
// else of the nearest one that is heard and has more. The origin is one of
// these; when its own way is the slow one, it need not be waited for.
func (d *Delta) quietOf(stream member.ID) time.Duration {
	if p := &d.streams[stream].pull; p.active {
		return d.quiet(&d.links[p.from])
	}
	return d.nearest(stream)
}

// nearest gives the shortest quiet time of the peers that can be asked for more
// of a stream; the longest possible if there are none.
func (d *Delta) nearest(stream member.ID) time.Duration {
	quiet := timeoutMax * 3 / 2
	for i := range d.links {
		if l := &d.links[i]; d.hasMore(l, stream) {
			quiet = min(quiet, d.quiet(l))
		}
	}
	return quiet
}

// hasMore says whether a peer can be asked for more of a stream.
func (d *Delta) hasMore(l *link, stream member.ID) bool {
	return l.peer != d.cfg.Self && l.up && d.hears(l) && l.row != nil && l.row.mark(stream).Have > d.mine.mark(stream).Have
}

// silent says whether nothing speaks for waiting until the origin itself comes
// back: it was never heard, though there was the time for it, or somebody without
// its data came to its place.
func (d *Delta) silent(origin member.ID) bool {
	l := &d.links[origin]
	never := !l.everHeard && d.now >= d.cfg.FirstContactWait
	return origin == d.cfg.Self || never || l.everHeard && !d.boundTo(l)
}

// rotate asks somebody else for a stream than before. Each time that this does
// not help, the next one gets twice the time: a way that was not measured may be a
// slow one.
func (d *Delta) rotate(stream member.ID) {
	p := &d.streams[stream].pull
	if !p.active {
		p.tried, p.vain = p.tried[:0], 0
	}
	l := d.candidate(stream)
	if l == nil && len(p.tried) > 0 {
		p.tried = p.tried[:0]
		l = d.candidate(stream)
	}
	before := *p
	p.active = false
	if l == nil {
		return
	}
	if before.active && before.from != l.peer {
		d.askFor(stream, before.from, true)
	}
	d.askFor(stream, l.peer, false)
	p.tried.Add(l.peer)
	if before.active {
		p.vain = before.vain + 1
	}
}

// candidate gives a peer to be asked for a stream that was not asked yet: who
// first told that there is more, else the nearest ones, else any; nil if there
// is none.
func (d *Delta) candidate(stream member.ID) (best *link) {
	s := &d.streams[stream]
	nearest := d.nearest(stream)
	first := (uint64(d.cfg.Self) + uint64(stream)) % uint64(d.cfg.Members)
	for i := range uint64(d.cfg.Members) {
		l := &d.links[(first+i)%uint64(d.cfg.Members)]
		switch {
		case s.pull.tried.Has(l.peer) || !d.hasMore(l, stream):
		case l.peer == s.leader:
			return l
		case best == nil || d.quiet(l) <= nearest && d.quiet(best) > nearest:
			best = l
		}
	}
	return best
}

func (d *Delta) askFor(stream, from member.ID, cancel bool) {
	p := &d.streams[stream].pull
	p.from, p.active, p.asked, p.had, p.vain = from, !cancel, d.now, d.mine.mark(stream).Have, 0
	l := &d.links[from]
	l.pulls = append(l.pulls, protocol.Pull{Stream: stream, Cancel: cancel})
}
