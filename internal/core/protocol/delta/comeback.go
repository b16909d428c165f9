package delta

import (
	"errors"
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// What is here lets a member come back that was let go. It goes on with the stream
// of its place where that was cut. What it had written beyond the cut is in nobody's
// order: those are its orphans. It writes them again first, each under the number
// that it had, so an orphan is written again if and only if its number is the next
// one: once, in order, whenever the member crashes, and however often it goes.
//
// What it had written up to the cut is in the order of all as the others hold it. They may
// hold other entries under these numbers if the data here is older than what was lost, so
// what had not settled here is set aside too, and the others are asked for it: an orphan
// that is not what comes under its number shows that the data is old, and stops the member.
//
// A member that came without data is seated at its place first, in the stead of who was
// let go from it, and then comes back in the same way: it has no orphans, and those of
// who had the place before are in nobody's order for ever.

// comeback is what a member that was let go, or has come back, has to do.
type comeback struct {
	wanted  bool             // it asks to be a member again
	orphans []protocol.Batch // own batches beyond what the stream has, or is known to have, by number, without gaps
	closing bool             // the own stream is to end behind them
	whole   uint64           // own entry with which all of them are written again; its folder keeps them until that is forgotten
}

// askBack has this member ask the others to take it back, or first to seat it if it
// came without data.
func (d *Delta) askBack() error {
	change := d.comeback()
	switch {
	case d.cfg.Observe && d.roster.Observes():
		return errors.New("this member only reads: started without --observe it becomes one that counts")
	case change == nil && d.roster.Observes():
		return errors.New("the place of this member is another one's by now, so it cannot come back: start it with an empty folder")
	case change == nil:
		return errors.New("only who was let go, or has no data, comes back")
	case d.closed, d.own.back.closing:
		return errors.New("this member has ended its stream, so there is nothing to come back for")
	}
	if err := change.Check(d.roster.View()); err != nil && change.Kind == member.Rejoin {
		return err
	}
	d.own.back.wanted = true
	return nil
}

// comeback returns what brings this member closer to being one again, nil if nothing
// does.
func (d *Delta) comeback() *member.Change {
	switch {
	case d.roster.MayReturn():
		return &member.Change{Kind: member.Rejoin, Identity: d.cfg.Identity}
	case d.roster.MaySeat():
		return &member.Change{Kind: member.Admit, Identity: d.cfg.Identity, Name: d.roster.View().Places[d.cfg.Self].Name}
	}
	return nil
}

// askTurn is how long one member after the other is asked.
const askTurn = time.Second

// wish returns what a peer is asked for, nil if nothing is: one member at a time, so
// that not all of them propose the same.
func (d *Delta) wish(l *link) *member.Change {
	if !d.own.back.wanted || d.isEnding() || d.own.back.closing || l.report.view != d.roster.Tag() || !d.boundTo(l) || d.synod.Wedged() {
		return nil
	}
	if cut, ends := d.roster.Cut(d.cfg.Self); ends && d.frontier.held(d.cfg.Self) < cut {
		return nil // first it hears what others hold of its own stream
	}
	turn := int(d.now/askTurn) % d.roster.Size()
	for j := range d.streams {
		switch {
		case d.roster.IsGone(member.ID(j)):
		case turn == 0 && member.ID(j) == l.peer:
			return d.comeback()
		default:
			turn--
		}
	}
	return nil
}

// onWish proposes what a peer asks for: to be seated at its place, once nobody counts
// there, or to be taken back.
func (d *Delta) onWish(l *link, m *protocol.Message) {
	c := m.Wish
	if c == nil || c.Identity != m.Identity || m.Identity != l.presence.identity || d.synod == nil || d.roster.Observes() || d.choosing() {
		return
	}
	if c.Check(d.roster.View()) != nil || d.canDecide() != nil {
		return
	}
	if c.Kind == member.Admit && c.Name == d.roster.View().Places[l.peer].Name || c.Kind == member.Rejoin && d.mayTakeBack(l) {
		_ = d.synod.Ask(*c) // it was checked
	}
}

// mayTakeBack reports whether a peer can be taken back now: it holds about as much as
// was delivered here, for while a change is decided nothing settles until it holds what
// the others do, and no stream has ended.
func (d *Delta) mayTakeBack(l *link) bool {
	if d.suspicion.isBarred(l.peer, d.now) || d.closed || l.row == nil {
		return false
	}
	for j, r := range d.frontier.rows {
		if r != nil && r.time(member.ID(j)) >= clock.Infinity || d.known(l, member.ID(j)) < d.deliveredOf(member.ID(j)) {
			return false
		}
	}
	return true
}

// reopen opens a stream again whose origin came back: it goes on behind its cut, at a
// time that lies behind all that settled. What is stable among the others is not so
// with who came, which holds what they built the view upon, and may lack the rest.
func (d *Delta) reopen(stream member.ID, r *member.Return) {
	d.shorten(stream, r.Cut)
	d.frontier.reopen(d.frontier.mine, stream, r.Start)
	for i := range d.links {
		for _, row := range []*row{d.frontier.rows[i], d.links[i].row} {
			if row != nil {
				d.frontier.reopen(row, stream, r.Start)
			}
		}
	}
	d.frontier.rows[stream], d.links[stream].row = nil, nil
	d.frontier.stable = d.frontier.base.Time
}

// takePlace begins, or ends, to write, if this member came back or was let go.
func (d *Delta) takePlace(observed bool) {
	d.wantPlace()
	switch observes := d.roster.Observes(); {
	case observes && !observed:
		d.own.room = 0
	case observed && !observes:
		s := &d.streams[d.cfg.Self]
		d.own.back.wanted = false
		d.tellTrimmed() // its folder forgot nothing, and may be full
		d.frontier.rows[d.cfg.Self] = d.frontier.mine
		d.own.appended = d.own.trimmed
		for number := s.log.first; number < s.log.end; number++ {
			d.own.appended += s.log.at(number).Size()
		}
		for i := range d.links {
			d.links[i].confirmed = confirmation{number: s.log.first, bytes: d.own.trimmed}
			d.links[i].report.promise = 0
		}
		if d.own.back.closing && len(d.own.back.orphans) == 0 {
			d.close()
		}
	}
}

// wantPlace has this member ask to come once it is seated, unless it wants to read only.
func (d *Delta) wantPlace() {
	v := d.roster.View()
	if v != nil && !d.cfg.Observe && d.roster.MayReturn() && v.Places[d.cfg.Self].IsSeated() && !d.closed {
		d.own.back.wanted = true
	}
}

// setAside keeps what this member wrote beyond a cut, and gives the rest back: the
// batches that were taken out of a stream, last ones first.
func (d *Delta) setAside(stream member.ID, batches []protocol.Batch) {
	if stream != d.cfg.Self || !d.roster.Owns(stream, d.cfg.Identity) {
		for i := range batches {
			d.giveBack(&batches[i])
		}
		return
	}
	slices.Reverse(batches)
	for i := range batches {
		batches[i] = d.asOrphan(batches[i])
	}
	d.own.back.orphans = append(batches, d.own.back.orphans...)
}

// doubt takes all that this member, which was let go, wrote and that had not settled here
// for no more than it is: what it takes to be its own.
func (d *Delta) doubt() {
	s, own, settled := &d.streams[d.cfg.Self], d.deliveredOf(d.cfg.Self), max(d.frontier.settled, d.frontier.assured)
	for number := d.frontier.delivered[d.cfg.Self]; number < s.log.end && s.log.at(number).Time <= settled; number++ {
		own = s.log.at(number).Last() // it had settled before this start
	}
	d.takeOff(d.cfg.Self, own)
	d.frontier.mine.marks.Set(int(d.cfg.Self), clock.Mark{Have: own, Promise: settled})
	d.frontier.changed(d.frontier.mine, d.cfg.Self)
}

// trust takes what this member wrote and a snapshot stands for, for what the others held:
// they have forgotten it, so it cannot be compared, but it is no later than the snapshot.
func (d *Delta) trust(snapshot *protocol.Snapshot, from *link) {
	for d.compares(d.cfg.Self) {
		b := d.own.back.orphans[0]
		switch cut, ends := d.roster.Cut(d.cfg.Self); {
		case !ends || b.Last() > min(cut, snapshot.Have[d.cfg.Self]):
			return
		case b.Time > snapshot.Time:
			d.stop()
			return
		}
		d.own.back.orphans = d.own.back.orphans[1:]
		d.hold(&b)
		d.own.parked += int(b.Parked)
		d.fx.Append = d.fx.Append[:len(d.fx.Append)-1] // it is in the journal
		d.goOn(d.cfg.Self, from)
	}
}

// compares reports whether a stream is the own one, with something to compare with what
// others hold of it. The stream of a place that is another one's by now, or that was before
// this member took it for its own, is not.
func (d *Delta) compares(stream member.ID) bool {
	return stream == d.cfg.Self && len(d.own.back.orphans) > 0 && d.roster.Owns(stream, d.cfg.Identity)
}

// isAsWritten reports whether a batch that comes of the own stream is what this member wrote
// there, as far as it did.
func (d *Delta) isAsWritten(b *protocol.Batch) bool {
	return !d.compares(b.Origin) || d.own.back.orphans[0].Equal(b)
}

// giveBack releases a batch that may be parked.
func (d *Delta) giveBack(b *protocol.Batch) {
	if b.Parked == 0 {
		d.release(b)
	}
}

// asOrphan returns a batch as it is kept for later: with a journal that has the bytes.
func (d *Delta) asOrphan(b protocol.Batch) protocol.Batch {
	if d.cfg.Durable && b.Parked == 0 {
		d.release(&b)
		b = b.Park()
	}
	if b.Parked > 0 && !d.cfg.KeepPrepared {
		b.Prepared = nil // it is made anew with the bytes
	}
	return b
}

// keepOrphan keeps a batch that a restart finds beyond what the stream of its place
// has, if this member wrote it and has that place. What it wrote twice has the same entries.
func (d *Delta) keepOrphan(b *protocol.Batch) {
	next := d.frontier.held(b.Origin) + 1
	if n := len(d.own.back.orphans); n > 0 {
		next = d.own.back.orphans[n-1].Last() + 1
	}
	if !d.roster.Owns(d.cfg.Self, d.cfg.Identity) || !d.roster.WroteHere(b) || b.Seq != next {
		d.fx.Release = append(d.fx.Release, *b)
		return
	}
	d.own.back.orphans = append(d.own.back.orphans, d.asOrphan(*b))
}

// forgetOrphans forgets those that the own stream has by now. What a state stands for
// cannot be compared, but it is no later than the state.
func (d *Delta) forgetOrphans() {
	for d.compares(d.cfg.Self) && d.own.back.orphans[0].Last() <= d.frontier.held(d.cfg.Self) {
		if b := &d.own.back.orphans[0]; b.Last() <= d.frontier.base.Have[d.cfg.Self] && b.Time > d.frontier.base.Time {
			d.stop()
		}
		d.popOrphan()
	}
}

func (d *Delta) popOrphan() {
	d.own.back.whole = d.own.back.orphans[0].Last()
	d.giveBack(&d.own.back.orphans[0])
	d.own.back.orphans = d.own.back.orphans[1:]
}

// writeAgain has the driver submit what is to be written again, as far as there is
// room for it.
func (d *Delta) writeAgain() {
	if d.roster.Observes() || d.isEnding() {
		return
	}
	room := d.own.room
	for _, b := range d.own.back.orphans {
		if room <= 0 || len(d.fx.Orphans) > 0 && b.Size() > room {
			return
		}
		room -= b.Size()
		d.fx.Orphans = append(d.fx.Orphans, b)
	}
}

// takeOrphan reports whether a batch that is submitted is the next one to be written
// again; then it is not kept for that any more.
func (d *Delta) takeOrphan(b *protocol.Batch) bool {
	if d.roster.Observes() || d.isEnding() || len(d.own.back.orphans) == 0 || d.own.back.orphans[0].Seq != b.Seq || b.Seq != d.frontier.held(d.cfg.Self)+1 {
		return false
	}
	d.popOrphan()
	return true
}
