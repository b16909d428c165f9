package trace

import (
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// Journal, Sender and App are what a replica drives. A Recorder stands between
// them and tells what passes.
type (
	// Journal makes durable.
	Journal interface {
		Keep(protocol.Effects)
		Sync() error
	}
	// Sender sends messages.
	Sender interface{ Send(protocol.Envelope) }
	// App takes what is delivered.
	App interface {
		Deliver([]protocol.Batch)
		Reset(*protocol.Snapshot)
	}
)

// Recorder tells the events of one life of one member. It is the replica's
// journal, sender, application and observer, and passes everything on to the
// real ones.
type Recorder struct {
	sink Sink
	now  func() time.Duration

	journal Journal // nil: nothing is durable
	sender  Sender
	app     App

	event     Event // the one being told: reused, since sinks only borrow it
	self      member.ID
	pending   []Event      // appends that are not durable yet
	published clock.Vector // the largest marks that messages said
	trimmed   []uint64
	position  uint64
	closed    bool
}

// NewRecorder makes the recorder of one life of a member of a list of so many
// members. Journal may be nil.
func NewRecorder(sink Sink, now func() time.Duration, self member.ID, members int, journal Journal, sender Sender, app App) *Recorder {
	return &Recorder{
		sink: sink, now: now, self: self, journal: journal, sender: sender, app: app,
		published: make(clock.Vector, members), trimmed: make([]uint64, members),
	}
}

// Start tells that the life begins, with what the journal recovered, if
// anything: the batches of earlier lives are appended once more.
func (r *Recorder) Start(identity member.Identity, life uint64, recovered *protocol.Recovered) {
	e := r.begin(Start)
	e.Identity, e.Life = identity, life
	r.tell()
	if recovered == nil {
		return
	}
	r.regain(&recovered.Base, recovered.Bound)
	if recovered.Base.Time > 0 {
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
	for i := range recovered.Batches {
		b := &recovered.Batches[i]
		bound := int(b.Origin) >= len(recovered.Binding) || recovered.Binding[b.Origin] == 0 || recovered.Binding[b.Origin] == b.Identity
		if bound && b.Seq == have[b.Origin]+1 {
			have[b.Origin] = b.Last()
			r.append(b)
			r.tell()
		}
	}
}

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
	e.Bytes, e.Hash = uint64(b.Size()), HashBytes(b.Bytes)
}

// Observe tells what reached the member.
func (r *Recorder) Observe(event protocol.Event, _ protocol.Effects) {
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
	e := r.begin(Receive)
	e.Peer, e.Identity, e.Session, e.Number = m.From, m.Identity, m.Session, m.Number
	e.Count, e.Bytes = content(m)
	r.tell()
}

// content gives the entries and bytes of a message's batches.
func content(m *protocol.Message) (entries, bytes uint64) {
	for i := range m.Batches {
		entries += uint64(m.Batches[i].Count)
		bytes += uint64(m.Batches[i].Size())
	}
	return entries, bytes
}

// Keep passes on what is to be durable; it is told once it is.
func (r *Recorder) Keep(effects protocol.Effects) {
	if effects.Reset != nil {
		for j := range r.published {
			r.covered(effects.Reset, member.ID(j), effects.Reset.Time)
			r.pending = append(r.pending, r.event)
		}
	}
	for i := range effects.Append {
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
	}
	for i := range r.pending {
		r.event = r.pending[i]
		r.event.At = r.now()
		r.tell()
	}
	r.pending = r.pending[:0]
	return nil
}

// trim tells of each stream how much more of it is forgotten.
func (r *Recorder) trim(stable clock.Time, trimmed []uint64) {
	for j, have := range trimmed {
		if have > r.trimmed[j] {
			r.trimmed[j] = have
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
	e := r.begin(Send)
	e.Peer, e.Session, e.Number = envelope.To, m.Session, m.Number
	e.Count, e.Bytes = content(m)
	r.tell()
	r.push(envelope)
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
	e := r.begin(Publish)
	e.Stream, e.Have, e.Promise = mark.Stream, mark.Have, mark.Promise
	r.tell()
}

// Deliver tells each batch and passes them on.
func (r *Recorder) Deliver(batches []protocol.Batch) {
	for i := range batches {
		b := &batches[i]
		e := r.begin(Deliver)
		e.Stream, e.Identity, e.Seq, e.Count, e.Time = b.Origin, b.Identity, b.Seq, uint64(b.Count), b.Time
		e.Position, e.Hash = r.position, HashBytes(b.Bytes)
		r.position += e.Count
		r.tell()
	}
	r.app.Deliver(batches)
}

// Reset tells the snapshot and passes it on.
func (r *Recorder) Reset(snapshot *protocol.Snapshot) {
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
	e.Time, e.Position, e.State, e.Note = snapshot.Time, r.position, snapshot.State, note
	r.tell()
}

// Sample tells what the status says: of the member, what it holds, and what it
// believes of its peers.
func (r *Recorder) Sample(status *protocol.Status) {
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
			if member.ID(k) != r.self && mark != (clock.Mark{}) {
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
func (r *Recorder) Final(entries uint64, state protocol.Summary, digest uint64, complete bool, text string) {
	e := r.begin(Final)
	e.Position, e.State, e.Hash, e.Complete, e.Note = entries, state, digest, complete, text
	r.tell()
}

func (r *Recorder) begin(kind Kind) *Event {
	r.event = Event{At: r.now(), Kind: kind, Member: r.self}
	return &r.event
}

func (r *Recorder) tell() { r.sink.Tell(&r.event) }
