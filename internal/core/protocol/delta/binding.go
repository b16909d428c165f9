package delta

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// onBinding takes over what the sender has bound.
func (d *Delta) onBinding(l *link, m *protocol.Message) {
	d.bind(m.From, m.Identity)
	if d.roster.Agreed() || len(m.Binding) != d.roster.Len() {
		l.report.bindings = l.report.bindings || m.View.Number != 0
	} else {
		d.joinBinding(l, m)
	}
	if m.View.Number != 0 && l.row != nil {
		d.freshObserver(l)
		l.row.knows = true
	}
}

// joinBinding adds to the own binding what the sender's has.
func (d *Delta) joinBinding(l *link, m *protocol.Message) {
	changed, agreed := d.roster.Learn(m, (*seats)(d))
	if changed || agreed {
		d.publishBinding()
	}
	if agreed {
		l.report.bindings = true
		d.roster.Trust()
		d.settleBinding()
		d.frontier.retell()
	}
}

// bind ties a place to an identity if nothing is tied to it yet.
func (d *Delta) bind(place member.ID, identity member.Identity) {
	if !d.roster.Bind(place, identity) {
		return
	}
	d.publishBinding()
	if place != d.cfg.Self {
		d.tieRow(&d.links[place])
	}
}

// seats is the reducer as what keeps the streams, rows and links of those who
// count.
type seats Delta

// Resign gives up the own stream: the place belongs to an earlier incarnation,
// whose data this one does not have.
func (s *seats) Resign() {
	d := (*Delta)(s)
	d.counts.Dropped += d.frontier.held(d.cfg.Self)
	d.discard(d.cfg.Self)
	d.frontier.rows[d.cfg.Self] = nil
}

// Vacate forgets a stream that nobody counts, and what was told of it.
func (s *seats) Vacate(place member.ID) {
	(*Delta)(s).discard(place)
	s.frontier.rows[place], s.links[place].row = nil, nil
}

// Seat points the link at the row of who counts.
func (s *seats) Seat(place member.ID) { (*Delta)(s).tieRow(&s.links[place]) }

// agree settles the binding once the rows of all members show the same one.
func (d *Delta) agree() {
	if !d.roster.Agreed() && d.roster.Agree(d.shown) {
		d.settleBinding()
	}
}

// shown returns the hash of the binding that the member at a place showed.
func (d *Delta) shown(place member.ID) uint64 {
	if r := d.frontier.rows[place]; r != nil {
		return r.binding
	}
	return 0
}

// settleBinding takes the facts that waited until it was certain whose streams
// they are about. What observers said before they knew may be about others.
func (d *Delta) settleBinding() {
	d.convene(nil)
	for i := range d.links {
		d.freshObserver(&d.links[i])
	}
	for j := range d.streams {
		d.streams[j].want.waiting = true
		d.adoptWaiting(member.ID(j))
	}
}

// publishBinding shows with the next message, and has made durable before it,
// what is bound now.
func (d *Delta) publishBinding() {
	d.frontier.mine.binding = d.roster.Hash()
	d.frontier.publishMeta()
}

// discard forgets a stream that nobody else counts.
func (d *Delta) discard(place member.ID) {
	s := &d.streams[place]
	for s.log.len() > 0 {
		if b := d.takeFirst(&s.log); b.Parked == 0 {
			d.fx.Release = append(d.fx.Release, b)
		}
	}
	d.fx.Release = append(d.fx.Release, s.ahead...)
	d.streams[place] = stream{}
	d.frontier.delivered[place] = 0
	d.frontier.mine.marks.Set(int(place), clock.Mark{})
	d.frontier.changed(d.frontier.mine, place)
	for i := range d.links {
		d.links[i].cursor.unsend(place)
		for _, r := range []*row{d.links[i].row, d.frontier.rows[i]} {
			if r != nil {
				r.marks.Set(int(place), clock.Mark{})
			}
		}
	}
}
