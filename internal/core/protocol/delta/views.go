package delta

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
	"chatterbox/internal/core/protocol/synod"
)

// What is here lets members come and go. The synod chooses views; here is what it
// looks at, what is told of it, and what a view means for streams, rows and links
// from when it counts. Nothing that was said in one view is taken in another: at
// its beginning every link begins anew, so nobody ever has to tell what a row or
// a batch of another view was about.

// convene begins to choose the next view, as soon as there is a first one.
func (d *Delta) convene(voted *protocol.VoteRecord) {
	v := d.roster.View()
	if v == nil || d.synod != nil {
		return
	}
	d.frontier.begin(v)
	if !d.cfg.Changes {
		return
	}
	d.synod = synod.New(synod.Config{Self: d.cfg.Identity, View: v, Voted: voted, Now: d.now})
	if d.synod.Wedged() {
		d.wedge(voted)
	}
	d.cutAll()
}

// onChange has this member propose a change. The error says why it cannot be made.
func (d *Delta) onChange(c *member.Change) error {
	switch {
	case !d.cfg.Changes:
		return errors.New("the members of this cluster are those of its list, for as long as it runs")
	case d.synod == nil:
		return errors.New("not all members of the list have met yet, so there is nothing to change: start those that are missing")
	case c.Kind == member.Rejoin:
		return d.askBack()
	case c.Kind == member.Force:
		return d.force(c)
	}
	if err := d.canDecide(); err != nil {
		return err
	}
	if c.Kind == member.Admit && c.Identity == 0 {
		return d.seatWhoIsThere(*c)
	}
	return d.synod.Ask(*c)
}

// seatWhoIsThere has this member propose to seat who is heard at the place of a name, and
// came without data.
func (d *Delta) seatWhoIsThere(c member.Change) error {
	for place := range d.roster.View().Places {
		l := &d.links[place]
		if d.roster.View().Places[place].Name == c.Name && d.hears(l) && !d.roster.Owns(l.peer, l.presence.identity) {
			c.Identity = l.presence.identity
			return d.synod.Ask(c)
		}
	}
	return fmt.Errorf("nobody who could take the place of %s is heard: start it there, with an empty folder", c.Name)
}

// canDecide returns who is missing if too few members are there to decide on a view:
// whoever began a change then would only wait, and settle nothing.
func (d *Delta) canDecide() error {
	v := d.roster.View()
	present, missing := d.present()
	if present < v.Quorum() {
		return fmt.Errorf("%d of the %d members of view %d decide on a change, and %d are heard; missing:%s", v.Quorum(), v.Size(), v.Number, present, missing)
	}
	return nil
}

// present returns how many members are there, and the names of the others.
func (d *Delta) present() (count int, missing string) {
	for place := range d.roster.View().Places {
		id := member.ID(place)
		switch {
		case d.roster.IsGone(id):
		case id == d.cfg.Self || d.isThere(id):
			count++
		default:
			missing += " " + d.roster.View().Places[place].Name
		}
	}
	return count, missing
}

// isThere reports whether a peer is heard, or was of late through others.
func (d *Delta) isThere(peer member.ID) bool {
	r := d.frontier.rows[peer]
	return d.hearsMember(&d.links[peer]) || r != nil && d.now-r.risen < patience
}

// evidence is the reducer as what a synod looks at.
type evidence Delta

// Have implements synod.Log.
func (e *evidence) Have(place member.ID) uint64 { return e.frontier.held(place) }

// Clock implements synod.Log.
func (e *evidence) Clock() clock.Time { return e.clock.Now() }

// Ended implements synod.Log.
func (e *evidence) Ended() bool { return e.closed }

// choose goes on with the choice of the next view.
func (d *Delta) choose() {
	if d.suspicion.self || !d.choosing() {
		return
	}
	voted, decided := d.synod.Step(d.now, (*evidence)(d))
	if voted != nil {
		d.fx.Vote = voted
		d.wedge(voted)
	}
	if decided != nil {
		d.install(decided)
		return
	}
	for j := range d.streams {
		if w := &d.streams[j].want; d.synod.Lacks(member.ID(j)) > d.frontier.held(member.ID(j)) {
			w.waiting, w.missed = true, max(w.missed, 1)
		}
	}
}

// choosing reports whether a choice of the next view is under way, or wanted.
func (d *Delta) choosing() bool {
	return d.synod != nil && (d.synod.Choice() != nil || d.synod.Asks() != nil)
}

// wedge has what this member holds count for no more than its vote says.
func (d *Delta) wedge(voted *protocol.VoteRecord) {
	if d.frontier.mine.spoken == nil {
		d.frontier.mine.spoken = &spoken{have: slices.Clone(voted.Vote.Have), time: voted.Vote.Clock}
		d.frontier.publishMeta()
	}
}

// learnAll takes the views that a message brings. Its sender may have a place that
// this member learns of only by them.
func (d *Delta) learnAll(m *protocol.Message) {
	if m.From == d.cfg.Self || m.Identity == 0 {
		return
	}
	for _, v := range m.Views {
		d.learn(m.From, v)
		if own := d.roster.View(); own != nil && m.View == protocol.TagOf(v) && own.Continues(v) && own.ForcedAfter(v) != nil {
			d.estrange(m.From) // it was told of a force, and stays where it is
		}
	}
}

// meet returns what a message means, but for the views that it brings.
func (d *Delta) meet(l *link, m *protocol.Message) roster.Meeting {
	meeting := d.roster.Meet(m)
	l.report.view = m.View
	l.report.estranged = meeting == roster.Foreign || l.report.estranged && !(d.cfg.Changes && m.View == d.roster.Tag())
	return meeting
}

// learn takes over a view that was decided without this member's knowledge. One
// that cannot be true is of another history, or made up.
func (d *Delta) learn(from member.ID, v *member.View) {
	own := d.roster.View()
	switch {
	case !d.cfg.Changes || v.Number <= 1 && own == nil:
	case own != nil && v.Continues(own) && d.isFork(v):
		d.roster.Fork()
		d.counts.Refused++
		d.estrange(from)
	case own != nil && v.Continues(own) && !d.fits(v), own == nil && !d.isPossible(v):
		d.counts.Refused++
		d.estrange(from)
	case d.isPast(v):
		d.stop()
	case own == nil:
		d.install(v)
	default:
		installed, err := d.synod.Adopt(v)
		if installed {
			d.install(v)
		}
		if err != nil {
			d.estrange(from)
		}
	}
}

// isPast reports whether a view says that this member has come back before, which it
// would have had to know: its data is old.
func (d *Delta) isPast(v *member.View) bool {
	if own := d.roster.View(); int(d.cfg.Self) >= len(v.Places) || own != nil && !v.Continues(own) {
		return false
	}
	p := &v.Places[d.cfg.Self]
	return p.Identity == d.cfg.Identity && len(p.Own()) > 0 && p.Since > d.roster.Tag().Number+1
}

// estrange notes that a peer goes by another history.
func (d *Delta) estrange(peer member.ID) {
	if d.roster.Has(peer) {
		d.roster.Estrange(peer)
		d.links[peer].report.estranged = true
	}
}

// fits reports whether a view can follow that of this member: no place is another
// one's, and nothing that was delivered here is cut off.
func (d *Delta) fits(v *member.View) bool {
	if !d.isPossible(v) {
		return false
	}
	for j := range d.streams {
		p, bound := &v.Places[j], d.roster.Bound(member.ID(j))
		if bound != p.Identity && !p.HadBefore(bound) || cutOf(p, d.roster.Tag().Number) < d.deliveredOf(member.ID(j)) {
			return false
		}
	}
	return true
}

// cutOf returns after how many entries the stream of a place was cut first after a
// view; all that there can be if it was not.
func cutOf(p *member.Place, after uint64) uint64 {
	switch r := p.ReturnAfter(after); {
	case r != nil:
		return r.Cut
	case p.Role == member.Gone:
		return p.Base
	}
	return math.MaxUint64
}

// isPossible reports whether a view is one of a cluster of so many places, or of more
// by now, at a time that a sane clock can show. Who joins is seated before it counts.
func (d *Delta) isPossible(v *member.View) bool {
	if len(v.Places) < d.roster.Len() || v.Size() == 0 || !d.clock.Takes(v.Clock) {
		return false
	}
	return !slices.ContainsFunc(v.Places[d.roster.Len():], func(p member.Place) bool { return p.Role == member.Writer && len(p.Returns) == 0 })
}

// deliveredOf returns how many entries of a stream were delivered.
func (d *Delta) deliveredOf(stream member.ID) uint64 {
	s := &d.streams[stream]
	if next := d.frontier.delivered[stream]; next > s.log.first {
		return s.log.at(next - 1).Last()
	}
	return s.base
}

// onChoice joins in what a peer knows of the choice of the next view, unless that
// cannot be true.
func (d *Delta) onChoice(c *protocol.Choice) {
	if d.synod == nil || c == nil {
		return
	}
	absurd := slices.ContainsFunc(c.Bids, func(b protocol.Bid) bool { return b.View != nil && !d.isPossible(b.View) }) ||
		slices.ContainsFunc(c.Votes, func(v protocol.Vote) bool { return !d.clock.Takes(v.Clock) })
	if absurd {
		d.counts.Refused++
		return
	}
	d.synod.Join(c, d.now)
}

// install makes a view count: streams of who was let go end, nothing is waited for
// that who is no member any more would have to say, and all links begin anew.
func (d *Delta) install(v *member.View) {
	before, was := d.roster.Tag().Number, d.roster.Observes()
	d.fx.View, d.frontier.viewedAt = v, d.now
	d.suspicion.install(d.roster.View(), v, d.now, d.cfg.EvictAfter)
	d.grow(len(v.Places))
	d.roster.Install(v, (*seats)(d))
	if d.synod == nil {
		d.synod = synod.New(synod.Config{Self: d.cfg.Identity, View: v, Now: d.now})
	}
	d.clock.Merge(v.Clock)
	d.reserve()
	d.frontier.begin(v)
	for j := range d.streams {
		if r := v.Places[j].ReturnAfter(before); r != nil {
			d.reopen(member.ID(j), r)
		}
	}
	if !was && d.roster.MayReturn() {
		d.doubt()
	}
	d.cutAll()
	d.takePlace(was)
	if d.suspicion.self {
		d.promiseAhead()
	}
	d.keepBinding()
	d.publishBinding()
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self {
			continue
		}
		d.tieRow(l)
		l.report.forgetRow()
		d.rewind(l)
		l.help.end(d.now)
	}
	for j := range d.streams {
		d.streams[j].want.waiting = true
		d.adoptWaiting(member.ID(j))
	}
	d.pending.urgent = true
}

// grow makes room for places that a view adds, before anybody is seated there.
func (d *Delta) grow(places int) {
	if places <= len(d.links) {
		return
	}
	d.cfg.KeepAlive = max(d.cfg.KeepAlive, keepAliveOf(places))
	d.frontier.grow(places)
	for i := range d.links {
		d.links[i].grow(places)
	}
	for place := len(d.links); place < places; place++ {
		d.streams = append(d.streams, stream{})
		d.links = append(d.links, newLink(member.ID(place), d.cfg))
	}
}

// cutAll ends the streams of who was let go.
func (d *Delta) cutAll() {
	for j := range d.streams {
		if cut, ends := d.roster.Cut(member.ID(j)); ends {
			d.cut(member.ID(j), cut)
		}
	}
}

// cut ends a stream: what lies beyond so many entries is in nobody's order.
func (d *Delta) cut(stream member.ID, entries uint64) {
	d.shorten(stream, entries)
	d.endStream(stream, entries)
}

// shorten forgets what lies beyond so many entries of a stream. What this member
// wrote there it keeps for itself.
func (d *Delta) shorten(stream member.ID, entries uint64) {
	s := &d.streams[stream]
	d.takeOff(stream, entries)
	if d.frontier.delivered[stream] > s.log.end || s.base > entries {
		panic(fmt.Sprintf("delta: a view ends stream %d after %d entries, of which more were delivered here", stream, entries))
	}
	kept := s.ahead[:0]
	for _, b := range s.ahead {
		if b.Last() <= entries {
			kept = append(kept, b)
			continue
		}
		s.aheadSize -= b.Size()
		d.fx.Release = append(d.fx.Release, b)
	}
	clear(s.ahead[len(kept):])
	s.ahead = kept
	d.lower(stream, entries)
}

// takeOff takes the batches beyond so many entries off the log of a stream.
func (d *Delta) takeOff(stream member.ID, entries uint64) {
	s := &d.streams[stream]
	var beyond []protocol.Batch
	for s.log.len() > 0 && s.log.at(s.log.end-1).Last() > entries {
		beyond = append(beyond, d.takeLast(&s.log))
	}
	d.setAside(stream, beyond)
	s.last = d.frontier.base.Time
	if s.log.len() > 0 {
		s.last = s.log.at(s.log.end - 1).Time
	}
}

// lower takes back what any row says of a stream beyond so many entries.
func (d *Delta) lower(stream member.ID, entries uint64) {
	d.frontier.lower(d.frontier.mine, stream, entries)
	for i := range d.links {
		l := &d.links[i]
		for _, r := range []*row{d.frontier.rows[i], l.row} {
			if r != nil {
				d.frontier.lower(r, stream, entries)
			}
		}
	}
	d.streams[stream].want.most = min(d.streams[stream].want.most, entries)
	if int(stream) < len(d.frontier.restored) {
		d.frontier.restored[stream] = min(d.frontier.restored[stream], entries)
	}
}

// endStream closes a stream that is held up to where it was cut.
func (d *Delta) endStream(stream member.ID, entries uint64) {
	if d.frontier.held(stream) == entries {
		d.frontier.raise(stream, clock.Mark{Have: entries, Promise: clock.Infinity})
	}
}

// endCut closes a stream if it is held up to where it was cut by now.
func (d *Delta) endCut(stream member.ID) {
	if cut, ends := d.roster.Cut(stream); ends {
		d.endStream(stream, cut)
	}
}

// tellViews adds to a message the view, for a peer that goes by an older one or
// by another history, and what is known of the next one.
func (d *Delta) tellViews(l *link, m *protocol.Message) {
	if d.isBehind(l) {
		m.Views = append(m.Views, d.roster.View())
	}
	m.Wish = d.wish(l)
	if d.mayTellChoice(l) {
		m.Choice = d.synod.Choice()
		l.report.choice, l.report.choiceAt = d.synod.Version(), d.now
	}
}

// isBehind reports whether a peer is to be told the view: it was not heard to go by
// it, and the first one is told by its binding.
func (d *Delta) isBehind(l *link) bool {
	tag := d.roster.Tag()
	switch {
	case l.report.view == tag || tag.Number == 0:
		return false
	case l.report.estranged:
		return true
	}
	return tag.Number > 1 && (l.row == nil || l.row.view < tag.Number)
}

// tellsChoice reports whether there is something new to tell of the next view.
func (d *Delta) tellsChoice(l *link) bool {
	return d.synod != nil && l.report.choice != d.synod.Version() && d.synod.Choice() != nil
}

// mayTellChoice reports whether a message tells what is known of the next view: if
// there is something new, and now and then, for it may get lost.
func (d *Delta) mayTellChoice(l *link) bool {
	if d.synod == nil || d.synod.Choice() == nil {
		return false
	}
	return l.report.choice != d.synod.Version() || d.now-l.report.choiceAt >= d.cfg.KeepAlive
}
