package maelstrom

import "time"

// act does all that is due, and answers.
func (n *Node) act() {
	c := n.cluster
	if c == nil {
		return
	}
	const most = 4 // a round may make the next one due, but not for ever
	for range most {
		if !n.actOnce() {
			break
		}
	}
	n.answer()
}

// actOnce does one thing that is due, and reports whether there was one.
func (n *Node) actOnce() bool {
	c := n.cluster
	if !c.greeted {
		return false
	}
	values := n.straightAt() <= n.now
	switch {
	case values:
		n.round()
		if n.rides() {
			n.hand(riding)
		} else {
			n.straight()
		}
	case !c.offices():
		if n.calmAt() > n.now {
			return false
		}
		n.round()
		n.straight()
	case n.vainAt() <= n.now:
		n.replace()
	case c.gathers():
		if n.leaveAt() > n.now {
			return false
		}
		n.leave()
	case n.handAt() <= n.now:
		straight, hasty := c.pace.urgent != never && n.goesStraight(), n.hasty()
		n.round()
		switch {
		case straight: // values that wait for that do not take the long way
			n.straight()
		case hasty:
			n.hand(urgent)
		default:
			n.hand(calm)
		}
	default:
		return false
	}
	return true
}

// dueAt returns when the next thing is to be done.
func (n *Node) dueAt() time.Duration {
	c := n.cluster
	due := never
	for _, w := range c.waiting {
		wait := answerMax
		if c.entries.byKey[w.key] == nil {
			wait = n.cfg.patience()
		}
		due = min(due, w.message.asked+wait)
	}
	if len(c.entries.hidden) > 0 && !n.cfg.Strict {
		due = min(due, c.entries.hidden[0].since+n.cfg.patience())
	}
	if len(c.readers) > 0 {
		due = min(due, c.readers[0].asked+n.kindWait())
	}
	if !c.greeted {
		return due
	}
	due = min(due, n.straightAt())
	switch {
	case !c.offices():
		return min(due, n.calmAt())
	case c.gathers():
		return min(due, n.leaveAt())
	}
	return min(due, n.vainAt(), n.handAt())
}

// straightAt returns when values go straight to all.
func (n *Node) straightAt() time.Duration {
	c := n.cluster
	since := never
	if n.goesStraight() {
		since = c.pace.urgent
	}
	if !c.offices() {
		since = min(since, c.pace.brisk)
	}
	if since == never || len(c.names) == 1 {
		return since
	}
	return since + n.cfg.Tick
}

// rides reports whether the office is about to go round, so that values go with
// it.
func (n *Node) rides() bool {
	c := n.cluster
	passed := n.now - c.post.since
	return c.offices() && !c.gathers() && passed >= n.cfg.ticks(rideFromTicks) && passed < n.cfg.ticks(rideUntilTicks)
}

// calmAt returns when a round is due though nothing is urgent: some time after
// the last one, as long as the protocol has something to say, else when the
// others want a sign of life.
func (n *Node) calmAt() time.Duration {
	c := n.cluster
	pause := c.pace.pause
	if c.fresh {
		pause = n.cfg.pause()
	}
	at := c.pace.last + n.cfg.ticks(float64(pause))
	return max(at, c.reducer.Next())
}

// hasty reports whether this member has something to say that the office should
// not wait with.
func (n *Node) hasty() bool {
	p := &n.cluster.pace
	return p.brisk != never || p.urgent != never && !n.goesStraight()
}

// handAt returns when letters go to the office.
func (n *Node) handAt() time.Duration {
	c, p := n.cluster, &n.cluster.post
	calm := n.calmAt()
	if half := c.pace.last + (calm-c.pace.last)/2; p.since > c.pace.last && half <= p.since+n.gathering() {
		calm = max(p.since, half) // all others speak now: whoever will have to before long does, too
	}
	if !n.hasty() {
		return calm
	}
	lull := p.since + n.lull()
	switch {
	case len(p.handed) > 0 && p.hasty:
		return max(lull, p.handedAt+n.lull())
	case n.now <= p.since+n.gathering():
		return n.now
	}
	return lull
}

func (n *Node) gathering() time.Duration { return n.cfg.ticks(gatherTicks) }

// lull returns how long a busy turn takes at most.
func (n *Node) lull() time.Duration {
	return max(n.cfg.ticks(lullTicks), n.cluster.post.length*3/2)
}

// vainAt returns when the office is taken for gone.
func (n *Node) vainAt() time.Duration {
	p := &n.cluster.post
	if len(p.handed) == 0 {
		return never
	}
	wait := n.lull() + n.cfg.ticks(vainTicks)
	if !p.hasty {
		wait += n.cfg.ticks(float64(n.cfg.pause()))
	}
	return p.handedAt + wait
}

// leaveAt returns when this member, as the office, takes the letters round.
func (n *Node) leaveAt() time.Duration {
	p := &n.cluster.post
	least, calmly := p.since+max(p.wait, n.cfg.ticks(officeTicks)), p.since+n.cfg.ticks(float64(n.cfg.pause()))
	at := max(calmly, min(n.calmAt(), p.calm))
	if p.urgent != never {
		at = min(at, p.urgent+n.gathering())
	} else if n.hasty() {
		at = least
	}
	return max(least, at)
}
