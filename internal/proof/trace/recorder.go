package trace

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/journal"
)

// Recorder tells the events of one life of one member. It is the driver's
// journal, sender, application and observer, and passes everything on to the
// real ones.
type Recorder struct {
	sink Sink
	now  func() time.Duration

	journal  driver.Journal // nil: nothing is durable
	sender   driver.Sender
	app      driver.App
	observer driver.Observer // nil: nobody else looks

	event     Event // the one being told: reused, since sinks only borrow it
	self      member.ID
	pending   []Event      // appends that are not durable yet
	published clock.Vector // the largest marks that messages said
	trimmed   []uint64
	position  uint64
	view      uint64    // the number of the one that was told last
	voted     [3]uint64 // view, promised and accepted, as it was last told
	closed    bool
	light     *light        // nil: all is told
	at        time.Duration // of the last event, if light
}

// NewRecorder returns the recorder of one life of a member of a list of so many
// members.
func NewRecorder(sink Sink, self member.ID, members int) *Recorder {
	return &Recorder{sink: sink, self: self, published: make(clock.Vector, members), trimmed: make([]uint64, members)}
}

// Light lets the recorder leave the hashes of contents at 0, take the time of what
// follows from an event for that of the event, and leave out what its sink has no room
// for, and returns it. Hashing every byte twice costs a busy member a third of its speed,
// reading the clock for all that it tells some 3 %, and telling what nobody will
// see as much again; who only watches needs none of that.
func (r *Recorder) Light(sink Thinned) *Recorder {
	r.light = newLight(sink, len(r.published))
	return r
}

func (r *Recorder) hash(b *protocol.Batch) uint64 {
	if r.light != nil {
		return 0
	}
	return HashBytes(b.Bytes)
}

// Begin puts the recorder between a driver that is about to be made and its
// world, and tells that the life begins, with what the journal recovered, if
// anything: the batches of earlier lives are appended once more.
func (r *Recorder) Begin(now func() time.Duration, life journal.Life, parts *driver.Config) {
	r.now, r.journal, r.sender, r.app, r.observer = now, parts.Journal, parts.Sender, parts.App, parts.Observer
	parts.Journal, parts.Sender, parts.App, parts.Observer = r, r, r, r
	r.start(life.Identity, life.Count, life.Recovered)
}

func (r *Recorder) start(identity member.Identity, life uint64, recovered *protocol.Recovered) {
	e := r.begin(Start)
	e.Identity, e.Life = identity, life
	r.tell()
	if recovered == nil {
		return
	}
	r.regain(&recovered.Base, recovered.Bound)
	if recovered.View != nil {
		r.install(recovered.View, r.tell)
	}
	if base := &recovered.Base; base.Time > 0 || slices.ContainsFunc(base.Have, func(have uint64) bool { return have > 0 }) { // it may have some entries of time 1 only
		copy(r.trimmed, recovered.Base.Have)
		r.reset(&recovered.Base, ResetOwn)
	}
	r.appendAgain(recovered)
}

// appendAgain tells the batches that a journal gave back, but for those of
// lives that turned out not to count.
func (r *Recorder) appendAgain(recovered *protocol.Recovered) {
	have := make([]uint64, len(r.published))
	copy(have, recovered.Base.Have)
	for b := range recovered.All() {
		if recovered.Counts(&b) && b.Seq == have[b.Origin]+1 {
			have[b.Origin] = b.Last()
			r.append(&b)
			r.tell()
		}
	}
}

// install tells that a view counts from now on, and which streams ended with it.
func (r *Recorder) install(v *member.View, tell func()) {
	for _, root := range v.Roots[1:] {
		e := r.begin(Forced)
		e.Number, e.Hash, e.Time = root.Number, root.Hash, root.Clock
		tell()
	}
	e := r.begin(Install)
	e.Number, e.Hash, e.Count, e.Time = v.Number, v.Lineage, uint64(v.Size()), v.Clock
	tell()
	for place := range v.Places {
		r.opens(member.ID(place), &v.Places[place], tell)
		if p := &v.Places[place]; p.Role == member.Gone {
			e := r.begin(Ends)
			e.Stream, e.Identity, e.Have = member.ID(place), p.WriterAfter(len(p.Returns)), p.Base
			tell()
			r.published[place].Have = min(r.published[place].Have, p.Base)
		}
	}
	r.view = v.Number
}

// opens tells how a stream goes on whose writer came back, or another one in its stead.
func (r *Recorder) opens(place member.ID, p *member.Place, tell func()) {
	for i := range p.Returns {
		back := &p.Returns[i]
		e := r.begin(Opens)
		e.Stream, e.Identity, e.Number, e.Hash = place, p.PenAfter(i+1), back.Since, uint64(p.WriterAfter(i+1))
		e.Have, e.Promise = back.Cut, back.Start
		if first := p.WriterAfter(0); first != p.WriterAfter(i+1) {
			e.Session = uint64(first)
		}
		tell()
	}
	if back := p.ReturnAfter(r.view); back != nil {
		said := &r.published[place]
		*said = clock.Mark{Have: min(said.Have, back.Cut), Promise: min(said.Promise, back.Start)}
	}
}

// vote tells what the member says for the first time of its vote for the next
// view.
func (r *Recorder) vote(m *protocol.Message) {
	if m.Choice == nil {
		return
	}
	for i := range m.Choice.Votes {
		v := &m.Choice.Votes[i]
		if v.Identity != m.Identity {
			continue
		}
		e := r.begin(Vote)
		e.Number, e.Session, e.Seq = m.Choice.Number, ballot(v.Promised), ballot(v.Accepted)
		if said := [3]uint64{e.Number, e.Session, e.Seq}; said != r.voted {
			r.voted = said
			r.tell()
		}
	}
}

// ballot returns a ballot as one number, in their order.
func ballot(b protocol.Ballot) uint64 { return b.Round<<16 | uint64(b.Place) }

// regain tells what the member holds without appending it.
func (r *Recorder) regain(base *protocol.Snapshot, bound clock.Time) {
	for j := range r.published {
		r.covered(base, member.ID(j), bound)
		r.tell()
	}
}

// covered begins the event of what a snapshot stands for.
func (r *Recorder) covered(base *protocol.Snapshot, stream member.ID, bound clock.Time) {
	e := r.begin(Recover)
	e.Stream, e.Time = stream, bound
	if int(stream) < len(base.Have) && base.Have[stream] > 0 {
		e.Have, e.Promise = base.Have[stream], base.Time
	}
}

// append begins the event of a batch that is held from now on.
func (r *Recorder) append(b *protocol.Batch) {
	e := r.begin(Append)
	e.Stream, e.Identity, e.Seq, e.Count, e.Time = b.Origin, b.Identity, b.Seq, uint64(b.Count), b.Time
	e.Bytes, e.Hash = uint64(b.Size()), r.hash(b)
}

// Observe tells what reached the member.
func (r *Recorder) Observe(event protocol.Event, effects protocol.Effects) {
	if r.observer != nil {
		r.observer.Observe(event, effects)
	}
	r.at = event.Now
	switch event.Kind {
	case protocol.Receive:
		r.receive(event.Message)
	case protocol.Up:
		r.begin(Up).Peer = event.Peer
		r.tell()
	case protocol.Down:
		r.begin(Down).Peer = event.Peer
		r.tell()
	case protocol.Close:
		if !r.closed {
			r.closed = true
			r.begin(Close)
			r.tell()
		}
	}
}

func (r *Recorder) receive(m *protocol.Message) {
	if r.light.omitsFrame(m) {
		return
	}
	e := r.begin(Receive)
	e.Peer, e.Identity, e.Session, e.Number = m.From, m.Identity, m.Session, m.Number
	e.Count, e.Bytes = content(m)
	r.tell()
}

// content returns the entries and bytes of a message's batches.
func content(m *protocol.Message) (entries, bytes uint64) {
	for i := range m.Batches {
		entries += uint64(m.Batches[i].Count)
		bytes += uint64(m.Batches[i].Size())
	}
	return entries, bytes
}

// Keep passes on what is to be durable; it is told once it is.
func (r *Recorder) Keep(effects protocol.Effects) {
	if effects.View != nil || effects.Reset != nil {
		r.makeUp()
	}
	if effects.View != nil {
		r.install(effects.View, func() { r.pending = append(r.pending, r.event) })
	}
	if effects.Reset != nil {
		for j := range r.published {
			r.covered(effects.Reset, member.ID(j), effects.Reset.Time)
			r.pending = append(r.pending, r.event)
		}
	}
	for i := range effects.Append {
		if r.light.omitsAppend(&effects.Append[i]) {
			continue
		}
		r.append(&effects.Append[i])
		r.pending = append(r.pending, r.event)
	}
	if effects.Base != nil {
		r.trim(effects.Base.Time, effects.Base.Have)
	}
	if r.journal != nil {
		r.journal.Keep(effects)
	}
}

// Sync makes durable and then tells what was appended.
func (r *Recorder) Sync() error {
	if r.journal != nil {
		if err := r.journal.Sync(); err != nil {
			return err
		}
		r.at = 0 // it may have taken long
	}
	r.light.synced()
	if len(r.pending) == 0 {
		return nil
	}
	for i, at := 0, r.time(); i < len(r.pending); i++ {
		r.pending[i].At = at
		r.sink.Tell(&r.pending[i])
	}
	r.pending = r.pending[:0]
	return nil
}

// Load passes on that a parked batch is wanted.
func (r *Recorder) Load(b *protocol.Batch) error {
	if r.journal == nil {
		return errNoJournal
	}
	return r.journal.Load(b)
}

var errNoJournal = errors.New("trace: there is no journal to load from")

// IsFull passes on whether the journal has reached a limit.
func (r *Recorder) IsFull() bool { return r.journal != nil && r.journal.IsFull() }

// Order passes on what is delivered next.
func (r *Recorder) Order(batches []protocol.Batch) {
	if r.journal != nil {
		r.journal.Order(batches)
	}
}

// Restore passes on what the order begins with from now on.
func (r *Recorder) Restore(snapshot *protocol.Snapshot) {
	if r.journal != nil {
		r.journal.Restore(snapshot)
	}
}

// trim tells of each stream how much more of it is forgotten.
func (r *Recorder) trim(stable clock.Time, trimmed []uint64) {
	for j, have := range trimmed {
		if have > r.trimmed[j] {
			r.trimmed[j] = have
			if r.light.omits() {
				continue
			}
			e := r.begin(Trim)
			e.Stream, e.Time, e.Have = member.ID(j), stable, have
			r.tell()
		}
	}
}

// Send tells of a message what it carries and what it says for the first time.
func (r *Recorder) Send(envelope protocol.Envelope) {
	m := envelope.Message
	r.publish(m)
	r.vote(m)
	if !r.light.omitsFrame(m) {
		e := r.begin(Send)
		e.Peer, e.Session, e.Number = envelope.To, m.Session, m.Number
		e.Count, e.Bytes = content(m)
		r.tell()
		r.push(envelope)
	}
	r.sender.Send(envelope)
}

// push tells the batches of a message, neighbours of one stream together.
func (r *Recorder) push(envelope protocol.Envelope) {
	batches := envelope.Message.Batches
	for i := 0; i < len(batches); {
		b := &batches[i]
		e := r.begin(Push)
		e.Peer, e.Stream, e.Seq = envelope.To, b.Origin, b.Seq
		for ; i < len(batches) && batches[i].Origin == e.Stream && batches[i].Seq == e.Seq+e.Count; i++ {
			e.Count += uint64(batches[i].Count)
			e.Bytes += uint64(batches[i].Size())
		}
		r.tell()
	}
}

// publish tells each mark of the own row that is new.
func (r *Recorder) publish(m *protocol.Message) {
	for i := range m.Rows {
		row := &m.Rows[i]
		if row.Member != r.self || row.Identity != m.Identity {
			continue
		}
		for _, mark := range row.Marks {
			r.publishMark(mark)
		}
	}
}

func (r *Recorder) publishMark(mark protocol.StreamMark) {
	said := &r.published[mark.Stream]
	if joined := said.Merge(mark.Mark); joined == *said {
		return
	}
	*said = said.Merge(mark.Mark)
	if !r.light.omitsMark(mark.Stream) {
		r.said(mark.Stream, mark.Mark)
	}
}

func (r *Recorder) said(stream member.ID, mark clock.Mark) {
	e := r.begin(Publish)
	e.Stream, e.Have, e.Promise = stream, mark.Have, mark.Promise
	r.tell()
}

// Deliver tells each batch and passes them on.
func (r *Recorder) Deliver(batches []protocol.Batch) {
	for i := range batches {
		b := &batches[i]
		if !r.light.omitsDelivery(b, r.position) {
			r.deliver(b)
		}
		r.position += uint64(b.Count)
	}
	r.app.Deliver(batches)
}

func (r *Recorder) deliver(b *protocol.Batch) {
	e := r.begin(Deliver)
	e.Stream, e.Identity, e.Seq, e.Count, e.Time = b.Origin, b.Identity, b.Seq, uint64(b.Count), b.Time
	e.Position, e.Hash = r.position, r.hash(b)
	r.tell()
}

// Reset tells the snapshot and passes it on.
func (r *Recorder) Reset(snapshot *protocol.Snapshot) {
	r.makeUp()
	r.reset(snapshot, ResetPeer)
	r.app.Reset(snapshot)
}

// The notes of Reset events.
const (
	ResetOwn  = "of its own journal"
	ResetPeer = "of a peer"
)

func (r *Recorder) reset(snapshot *protocol.Snapshot, note string) {
	r.position = 0
	for _, have := range snapshot.Have {
		r.position += have
	}
	e := r.begin(Reset)
	e.Time, e.Position, e.State, e.Note = snapshot.Time, r.position, wordsOf(snapshot.State), note
	r.tell()
}

// wordsOf returns a state as numbers, little endian, as far as it goes.
func wordsOf(state []byte) (words [6]uint64) {
	for i := range words {
		if len(state) >= 8*(i+1) {
			words[i] = binary.LittleEndian.Uint64(state[8*i:])
		}
	}
	return words
}

// Sample tells what the status says: of the member, what it holds, and what it
// believes of its peers.
func (r *Recorder) Sample(status *protocol.Status) {
	r.makeUp()
	e := r.begin(Sample)
	e.Time, e.Promise, e.Bytes, e.Complete = status.Settled, status.Stable, uint64(status.LogBytes), status.Complete
	if int(r.self) < len(status.Held) {
		e.Have = status.Held[r.self].Have
	}
	r.tell()
	r.trim(status.Stable, status.Trimmed)
	for j, mark := range status.Held {
		r.believe(r.self, member.ID(j), mark)
	}
	for k, known := range status.Known {
		for j, mark := range known {
			if member.ID(k) != r.self && mark != (clock.Mark{}) && !r.light.omits() {
				r.believe(member.ID(k), member.ID(j), mark)
			}
		}
	}
}

func (r *Recorder) believe(peer, stream member.ID, mark clock.Mark) {
	e := r.begin(Believe)
	e.Peer, e.Stream, e.Have, e.Promise = peer, stream, mark.Have, mark.Promise
	r.tell()
}

// Final tells the result of the member: the state over all that it holds, its
// digest, the text that it prints, and whether it is complete.
func (r *Recorder) Final(entries uint64, state [6]uint64, digest uint64, complete bool, text string) {
	r.makeUp()
	e := r.begin(Final)
	e.Position, e.State, e.Hash, e.Complete, e.Note = entries, state, digest, complete, text
	r.tell()
}

func (r *Recorder) begin(kind Kind) *Event {
	r.event = Event{At: r.time(), Kind: kind, Member: r.self}
	return &r.event
}

// time returns when that happens which is told now.
func (r *Recorder) time() time.Duration {
	if r.light == nil {
		return r.now()
	}
	if r.at == 0 {
		r.at = r.now()
	}
	return r.at
}

func (r *Recorder) tell() { r.sink.Tell(&r.event) }
