package check

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// history is what the checks remember in common: everything that members hold
// and said, and the order as far as anybody was told it.
type history struct {
	header  trace.Header
	members []witness
	streams []stream
	counted []member.Identity                   // of each place the life whose entries were delivered; 0: none yet
	former  []member.Identity                   // the same of the cluster that all forgot
	anew    int                                 // how often all forgot, and the cluster began anew
	founded *branch                             // the history of the founders
	newest  *branch                             // the one that was forced last; that of the founders if none was
	roots   map[member.Identity]member.Identity // of the identities under which who came, or came back, writes: that of the first who wrote the stream
	pens    map[member.Identity]member.Identity // of the same ones: that of who writes
	heirs   map[member.Identity]member.Identity // of who goes on with the stream of another one: that of the first who wrote it
	tenants []member.Identity                   // of each place who came, or came back, last; 0: nobody did

	newcomers member.Set // who is no member before it joins

	healedAt time.Duration // the last time that something was disturbed or healed
	endedAt  time.Duration // the last time that a member ended or stood still
	ended    bool          // the send phase is over
}

// witness is one member as its own events show it.
type witness struct {
	running    bool
	paused     bool
	older      bool // it has an older copy of its data: what it says and does counts for nothing
	out        bool // it is older, and has learned that it was let go
	informed   bool // its life, or the data it keeps, knows of the cluster so far
	opening    bool // nothing happened in this life yet but taking up the journal
	identity   member.Identity
	identities int // that the place had so far
	starts     int // of lives, with and without data
	startedAt  time.Duration

	writers   []member.Identity // of each stream, whose entries are held; 0: none yet
	held      []uint64          // entries of each stream held by the life with this data
	doubted   uint64            // how many at the end of the own stream others have yet to confirm; see doubts
	covered   []uint64          // of them, those that a snapshot stands for
	ever      []uint64          // the most of each stream that any life held
	kept      []uint64          // the same, as far as the stream was not cut before that by now
	branch    *branch           // the history that it goes by
	coming    *branch           // that of the view that is told next
	told      uint64            // the number of the view that the life with this data told last
	toldIn    *branch           // the history of that
	before    uint64            // the same of the one before
	returns   []int             // how often the writer of each stream had come back by then
	past      []pastLife        // whose data was lost
	last      []clock.Time      // time of the last batch held of each stream
	published clock.Vector      // the largest marks that messages said in this life with its data
	spoken    clock.Vector      // the same of all lives
	latest    clock.Time        // the largest time of all batches held
	position  uint64            // entries delivered
	showed    uint64            // the most that it delivered with its data, in this life or an earlier one
	showedIn  *branch           // in which history
	view      uint64            // the number of the view by which it goes; 0: the first one, or none
	size      int               // members of that view; 0: all
	gone      member.Set        // who was let go by then
	final     *trace.Event      // nil: no result yet
	sample    trace.Event       // the last look into the member
}

// pastLife is what a life held whose data was lost.
type pastLife struct {
	identity member.Identity
	held     []uint64
	informed bool
}

// stream is what an origin appended. Another life with other data begins anew.
type stream struct {
	batches  []batch
	near     int             // the index that was found last
	identity member.Identity // of the first one who wrote it
	tenant   member.Identity // of who went on with it last; 0: nobody did
	older    []stream        // of lives whose data was lost
	cuts     []cutOff        // when it came back after it was let go, or another one came
}

// batch is one batch as its origin appended it.
type batch struct {
	seq, count uint64
	time       clock.Time
	bytes      uint64
	hash       uint64
	at         time.Duration
	pen        member.Identity // under which it was written
	branch     *branch         // the history that its origin went by
}

// placed is a batch with its place in the order.
type placed struct {
	stream   member.ID
	identity member.Identity
	position uint64
	batch
}

func (b *batch) end() uint64 { return b.seq + b.count }

func (h *history) reset(header trace.Header) {
	n := len(header.Members)
	*h = history{roots: map[member.Identity]member.Identity{}, pens: map[member.Identity]member.Identity{}, heirs: map[member.Identity]member.Identity{}, tenants: make([]member.Identity, n), header: header, members: make([]witness, n), streams: make([]stream, n), counted: make([]member.Identity, n), former: make([]member.Identity, n)}
	h.founded = newBranch(nil, n)
	h.newest = h.founded
	for i := range h.members {
		if header.Founders > 0 && i >= header.Founders {
			h.newcomers.Add(member.ID(i))
		}
	}
	for i := range h.members {
		h.members[i] = witness{
			gone: slices.Clone(h.newcomers), branch: h.founded, coming: h.founded, toldIn: h.founded,
			held: make([]uint64, n), covered: make([]uint64, n), ever: make([]uint64, n), kept: make([]uint64, n), returns: make([]int, n), last: make([]clock.Time, n), writers: make([]member.Identity, n),
			published: make(clock.Vector, n), spoken: make(clock.Vector, n),
		}
	}
}

// note takes an event into the history, after all rules have seen it.
func (h *history) note(e *trace.Event) {
	m := &h.members[e.Member]
	m.opening = m.opening && (e.Kind == trace.Append || e.Kind == trace.Recover || e.Kind == trace.Reset)
	switch e.Kind {
	case trace.Start:
		h.noteStart(m, e)
	case trace.Recover:
		m.regain(e)
	case trace.Append:
		h.noteAppend(m, e)
	case trace.Publish:
		mark := clock.Mark{Have: e.Have, Promise: e.Promise}
		m.published[e.Stream] = m.published[e.Stream].Merge(mark)
		m.spoken[e.Stream] = m.spoken[e.Stream].Merge(mark)
	case trace.Deliver:
		h.noteDeliver(m, e)
	case trace.Reset:
		m.position = e.Position
	case trace.Receive:
		m.informed = m.informed || h.wasInformed(e.Peer, e.Identity)
	case trace.Crash:
		m.running, m.paused = false, false
		h.healedAt, h.endedAt = e.At, e.At
		if e.Note == DataOlder {
			m.older = true
			m.showed, m.showedIn = 0, nil // it does not know of that
			h.loseUntold(e.Member)
		}
		if e.Note == DataLost {
			m.retire()
			h.forget()
		}
	case trace.Sample:
		m.sample = *e
	case trace.Forced:
		h.noteForced(m, e)
	case trace.Install:
		h.noteBranch(m)
		m.branch.views[e.Number] = e.Hash
		m.view, m.size, m.gone = e.Number, int(e.Count), slices.Clone(h.newcomers)
		m.before, m.told, m.toldIn = m.told, e.Number, m.branch
		clear(m.returns)
	case trace.Ends:
		m.branch.end(e.Stream, e.Have, m.view)
		m.end(e.Stream, e.Have)
	case trace.Opens:
		h.noteOpens(m, e)
	case trace.Believe:
		switch {
		case e.Peer != e.Member:
		case m.doubts(e.Stream, e.Member):
			m.doubted = m.held[e.Stream] - min(e.Have, m.held[e.Stream])
		case e.Have < m.held[e.Stream]:
			m.discard(e.Stream, e.Have)
		}
	case trace.Final:
		final := *e
		m.final = &final
	case trace.Fault, trace.Resume, trace.Pause:
		m.paused = e.Kind == trace.Pause || e.Kind == trace.Fault && m.paused
		h.healedAt = e.At
		if e.Kind == trace.Pause {
			h.endedAt = e.At
		}
	case trace.Phase:
		h.ended = h.ended || e.Note != PhaseSend
		h.healedAt = e.At
	}
}

// forget begins anew when nobody knows of the cluster so far: those who came
// back meanwhile, and heard nothing of it, owe nothing to it.
func (h *history) forget() {
	if h.anyInformed() {
		return
	}
	for i := range h.members {
		h.members[i].informed = h.members[i].running
	}
	h.founded = newBranch(nil, len(h.members))
	h.newest = h.founded
	for i := range h.members {
		h.members[i].branch, h.members[i].coming, h.members[i].toldIn = h.founded, h.founded, h.founded
	}
	h.anew++
	copy(h.former, h.counted)
	clear(h.counted)
}

func (h *history) anyInformed() bool {
	return slices.ContainsFunc(h.members, func(m witness) bool { return m.informed })
}

// wasInformed reports whether the life of a member that sent a message knew of the
// cluster so far.
func (h *history) wasInformed(place member.ID, identity member.Identity) bool {
	m := &h.members[place]
	for i := range m.past {
		if m.past[i].identity == identity {
			return m.past[i].informed
		}
	}
	return m.identity == identity && m.informed
}

// noteStart: a life that begins with nothing knows of the cluster once it heard
// of it, unless it is the first one of its place, or there is nobody to hear of
// it from.
func (h *history) noteStart(m *witness, e *trace.Event) {
	if m.identity != e.Identity {
		m.retire()
		m.toldIn = h.founded
		m.informed = m.identities == 0 || !h.anyInformed()
	}
	m.start(e)
	m.gone = slices.Clone(h.newcomers)
	m.branch, m.coming = h.founded, h.founded
}

// Notes of trace.Crash events.
const (
	DataKept  = trace.DataKept               // what was durable is left
	DataLost  = trace.DataLost               // nothing is left
	DataOlder = "restoring older data"       // what is left is an older copy
	DataOld   = "stops, for its data is old" // of its own accord
)

// The notes of trace.Phase events.
const (
	PhaseSend  = "send"
	PhaseGrace = "grace"
	PhaseHeal  = "heal"
	PhaseEnd   = "end"
)

// retire keeps what a life held and knew whose data was lost.
func (m *witness) retire() {
	if n := len(m.past); m.identities == 0 || n > 0 && m.past[n-1].identity == m.identity {
		return
	}
	m.past = append(m.past, pastLife{m.identity, slices.Clone(m.held), m.informed})
	m.informed = false
}

func (m *witness) start(e *trace.Event) {
	m.running, m.opening, m.startedAt = true, true, e.At
	m.starts++
	if m.identity != e.Identity {
		m.identities++
		clear(m.published)
		m.told, m.before = 0, 0
		m.showed, m.showedIn = 0, nil
	}
	m.identity = e.Identity
	clear(m.held)
	clear(m.covered)
	clear(m.last)
	clear(m.writers)
	if e.Life == 1 {
		m.writers[e.Member] = e.Identity // a later life may be a reader
	}
	m.latest, m.position, m.final = 0, 0, nil
	m.view, m.size, m.gone = 0, 0, nil
}

func (m *witness) regain(e *trace.Event) {
	m.disown(e)
	if !m.opening {
		m.published[e.Stream] = clock.Mark{} // what was said before may have been about another life
	}
	if e.Have > 0 && e.Have >= m.held[e.Stream] {
		m.writers[e.Stream], m.last[e.Stream] = 0, 0 // it stands for all that was held, of whichever life
	}
	m.covered[e.Stream] = e.Have
	m.held[e.Stream] = max(m.held[e.Stream], e.Have)
	m.ever[e.Stream] = max(m.ever[e.Stream], e.Have)
	m.kept[e.Stream] = max(m.kept[e.Stream], e.Have)
	m.last[e.Stream] = max(m.last[e.Stream], e.Promise)
	m.latest = max(m.latest, e.Promise)
}

// disown forgets a member's own stream, since its place turns out to be that of
// an earlier life: only such members need snapshots of others, besides those that
// were let go.
func (m *witness) disown(e *trace.Event) {
	if e.Stream == e.Member && m.writers[e.Stream] == m.identity && !m.gone.Has(e.Member) {
		m.discard(e.Stream, 0)
	}
}

// endless is more entries than any stream has.
const endless = ^uint64(0)

// end forgets what lies beyond where a stream was cut.
func (m *witness) end(stream member.ID, have uint64) {
	m.gone.Add(stream)
	m.held[stream] = min(m.held[stream], have)
	m.kept[stream] = min(m.kept[stream], have)
	m.published[stream].Have = min(m.published[stream].Have, have)
}

// discard forgets the end of a stream of a life of its origin that turns out
// not to count. Before the first delivery members may do that.
func (m *witness) discard(stream member.ID, have uint64) {
	m.writers[stream], m.held[stream], m.last[stream], m.published[stream] = 0, have, 0, clock.Mark{}
}

// adopt takes what a member brings with it for what its origin appended in an
// earlier run, where there was one: this trace does not show it.
func (h *history) adopt(e *trace.Event) {
	if h.header.Earlier && h.members[e.Member].opening && e.Stream != e.Member {
		h.streams[e.Stream].add(e, h.root(e.Identity), h.members[e.Member].branch)
	}
}

// rebind forgets a stream whose entries turn out to be of another life of its
// origin than the one that counts, or that begins anew before anything settled.
func (h *history) rebind(e *trace.Event) {
	m, writer := &h.members[e.Member], h.root(e.Identity)
	before := m.writers[e.Stream]
	m.writers[e.Stream] = writer
	early := m.position == 0 && !h.isOwn(e)
	switch {
	case before != 0 && before != writer, early && e.Seq == 1 && m.held[e.Stream] > 0:
		m.discard(e.Stream, m.covered[e.Stream])
		m.writers[e.Stream] = writer
	case early && before == 0 && h.members[e.Stream].identities > 1:
		m.published[e.Stream] = clock.Mark{} // that was about another life
	}
}

func (h *history) noteAppend(m *witness, e *trace.Event) {
	if h.isOwn(e) {
		h.streams[e.Stream].add(e, h.root(e.Identity), m.branch)
	}
	last := e.Seq + e.Count - 1
	m.kept[e.Stream] = max(m.kept[e.Stream], last)
	m.held[e.Stream] = max(m.held[e.Stream], last)
	m.ever[e.Stream] = max(m.ever[e.Stream], last)
	m.last[e.Stream] = max(m.last[e.Stream], e.Time)
	m.latest = max(m.latest, e.Time)
}

// add takes what the origin appended, and passes over what a restart appends
// once more.
func (s *stream) add(e *trace.Event, root member.Identity, in *branch) {
	s.turnTo(root)
	if e.Seq <= s.length() {
		return
	}
	s.batches = append(s.batches, batch{seq: e.Seq, count: e.Count, time: e.Time, bytes: e.Bytes, hash: e.Hash, at: e.At, pen: e.Identity, branch: in})
}

func (h *history) noteDeliver(m *witness, e *trace.Event) {
	h.counted[e.Stream] = h.root(e.Identity)
	if i, found := m.branch.find(e.Position); !found {
		m.branch.order = slices.Insert(m.branch.order, i, placed{
			stream: e.Stream, identity: e.Identity, position: e.Position,
			batch: batch{seq: e.Seq, count: e.Count, time: e.Time, hash: e.Hash, at: e.At, pen: e.Identity},
		})
	}
	m.position = e.Position + e.Count
	if m.position > m.showed || !m.branch.isWithin(m.showedIn) {
		m.showed, m.showedIn = m.position, m.branch
	}
}

// after returns the index of the first batch that is not within the first have
// entries.
func (s *stream) after(have uint64) int {
	switch n := len(s.batches); {
	case s.near < n && s.batches[s.near].seq == have+1:
		return s.near // several rules look at one event
	case n == 0 || s.batches[n-1].seq <= have:
		return n
	}
	s.near = sort.Search(len(s.batches), func(i int) bool { return s.batches[i].seq > have })
	return s.near
}

// heldBy returns how much of a stream the life holds, or held, that counts at a
// place: the one whose own entries others hold. Where that cannot be told it is
// the most that any life held. Cuts of other histories than one do not matter.
func (h *history) heldBy(place int, stream member.ID, in *branch) uint64 {
	m := &h.members[place]
	counts := cmp.Or(h.tenants[place], h.counted[place])
	if m.older || !in.isWithin(m.toldIn) { // what it holds is not followed, or was cut in another history
		return m.ever[stream]
	}
	if m.identities <= 1 {
		kept := m.kept[stream]
		for i := range h.streams[stream].cuts {
			if c := &h.streams[stream].cuts[i]; in.isWithin(c.branch) && !c.isKnownTo(m) { // what it holds beyond is what was written before
				kept = min(kept, c.entries)
			}
		}
		return kept
	}
	if counts == 0 {
		return m.ever[stream]
	}
	for i := range m.past {
		if m.past[i].identity == counts {
			return m.past[i].held[stream]
		}
	}
	return m.held[stream]
}

// heldOf returns the stream as the life of its origin wrote it whose entries a
// member holds. What a snapshot stands for may be of a cluster that all forgot
// while it was under way.
func (h *history) heldOf(m *witness, origin int) *stream {
	s := &h.streams[origin]
	for _, identity := range []member.Identity{m.writers[origin], h.counted[origin], h.former[origin]} {
		if known := s.of(identity); known != nil && identity != 0 {
			return known.asKnownTo(m)
		}
	}
	longest := s
	for i := range s.older {
		if s.older[i].length() > longest.length() {
			longest = &s.older[i]
		}
	}
	return longest
}

// of returns the stream as a life of its origin wrote it, nil if it wrote nothing.
func (s *stream) of(identity member.Identity) *stream {
	if s.identity == identity {
		return s
	}
	for i := range s.older {
		if s.older[i].identity == identity {
			return &s.older[i]
		}
	}
	return nil
}

// find returns the batch that begins at seq.
func (s *stream) find(seq uint64) *batch {
	if i := s.after(seq - 1); i < len(s.batches) && s.batches[i].seq == seq {
		return &s.batches[i]
	}
	return nil
}

// length returns the entries of the stream; nil has none.
func (s *stream) length() uint64 {
	if s == nil || len(s.batches) == 0 {
		return 0
	}
	return s.batches[len(s.batches)-1].end() - 1
}
