package delta

import (
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
)

// onReceive takes in a message: who speaks, what is known to all, what others
// hold, then the batches, and last what concerns only this link.
func (d *Delta) onReceive(m *protocol.Message) {
	d.learnAll(m) // first: places may come with them
	if d.roster.IsNobodys(m) {
		d.counts.Refuse(m, &d.fx)
		return
	}
	l := &d.links[m.From]
	meeting := d.meet(l, m)
	if meeting == roster.Foreign || d.roster.IsLastWord(m) || meeting == roster.Same && d.isOutdated(l, m) || !d.greet(l, m) {
		d.counts.Refuse(m, &d.fx)
		return
	}
	if meeting != roster.Same {
		d.fx.Release = append(d.fx.Release, m.Batches...)
		return
	}
	d.onBinding(l, m)
	if d.roster.IsOutdone(m, d.said) {
		d.stop()
		d.counts.Refuse(m, &d.fx)
		return
	}
	d.onStable(l, m)
	for i := range m.Rows {
		d.onRow(l, &m.Rows[i], m.View.Number != 0)
	}
	d.onChoice(m.Choice)
	d.onWish(l, m)
	if m.Snapshot != nil {
		d.onSnapshot(m.Snapshot, l)
	}
	complete := true
	for i := range m.Batches {
		complete = d.onBatch(&m.Batches[i], l) && complete
		l.acks.bytes += m.Batches[i].Size()
	}
	d.onAck(l, m.Ack)
	d.overtaken(l)
	l.cursor.popDone()
	for _, pull := range m.Pulls {
		d.onPull(l, m, pull)
	}
	if m.Number > 0 && complete {
		isNew := l.acks.received.add(m.Number)
		l.acks.due = l.acks.due || isNew || !d.idle() // once all is stable a late copy can wait for the next sign of life
	}
}

// greet finds out which incarnation of the peer speaks, and reports whether to
// listen.
func (d *Delta) greet(l *link, m *protocol.Message) bool {
	h := l.presence.hear(m.Identity, m.Session, m.Ack.Session, d.now, d.silenceMax(l))
	if h.another {
		d.startAnew(l, h.known)
	}
	l.report.reminds = l.report.reminds || h.outdated
	if h.late {
		return false
	}
	if h.restarted { // what it kept beyond a gap was acknowledged, but is not durable
		l.help.end(d.now)
		d.rewind(l)
		l.report.forgetRow()
	}
	if h.reopened {
		l.acks.received = l.acks.received[:0]
		if !d.cfg.Datagram {
			l.report.spoke = d.now - d.cfg.KeepAlive // it waits for an answer
		}
	}
	if h.returned {
		d.onReturn(l)
	}
	d.contact = d.contact || l.presence.met && (d.cfg.Recovered == nil || d.metAll())
	return true
}

// onReturn tries at once what a peer that is heard again may have missed, but for
// what left just now. What is sent to it unasked ends: it may lack nothing, and can
// ask. A reliable link needs none of that: its loss is a new session.
func (d *Delta) onReturn(l *link) {
	l.cursor.backoff, l.confirmed.since, l.cursor.progressed = 0, 0, d.now
	l.help.end(d.now)
	if !l.presence.reliable {
		d.loseBefore(l, d.now-d.oneTrip(l)+1, l.cursor.flights.end)
	}
}
