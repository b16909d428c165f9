package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/node"
)

// Status is the state of a member at one instant.
type Status struct {
	// Name is this member's.
	Name string
	// Ready is nil if entries can settle at present; otherwise it says why not.
	Ready error
	// Writable is nil if this member accepts payloads; otherwise it says why
	// not.
	Writable error
	// Oldest is the first position that can be read; Settled the last one;
	// every member of the view holds all up to Stable. Oldest is Settled+1 if nothing can
	// be read.
	Oldest, Settled, Stable Position
	// Snapshot is the position of this member's snapshot; 0 if it has none.
	Snapshot Position
	// Tentative is how many entries are held and not settled.
	Tentative int
	// Accepted is the last entry that this member accepted.
	Accepted ID
	// View is who belongs to the cluster.
	View View
	// EvictAfter is that of [Config]: after so long the others go on without a member;
	// 0 is never.
	EvictAfter time.Duration
	// Members are those of the view, this one included, and those that were
	// evicted from it, in the order of their places.
	Members []MemberStatus
	// MemoryBytes and DiskBytes are what entries occupy here, in bytes.
	MemoryBytes, DiskBytes int64
	// Refused is how many connections were refused since the start: of
	// strangers, and of members whose keys, list or cluster do not fit. The log
	// has the reasons.
	Refused uint64
	// Mended is how many pieces of the folder were damaged since the start, or at
	// it, and were put back: look at the disk.
	Mended uint64
	// Damage is nil unless a reader met an entry that is damaged on disk and that
	// no peer could give back; then it says which, and why not.
	Damage error
}

// MemberStatus is what this member knows of one member, itself included.
type MemberStatus struct {
	Member
	// Evicted reports whether the others have gone on without it.
	Evicted bool
	// Joining reports whether it has a place and does not count yet: it gets what
	// the others hold, and then asks to be a member.
	Joining bool
	// Observing reports whether it has joined only to read, and does not count.
	Observing bool
	// Heard is when this member was last heard directly, by a clock here. Zero:
	// never since the start.
	Heard time.Time
	// Stopped reports whether it is not heard because it was stopped as planned, with its
	// folder: what the others write settles without it, as long as enough of them are
	// there to hold it. Who was stopped as planned itself meanwhile does not know.
	Stopped bool
	// HoldsUpSince is since when settling has waited for this member: it could
	// still have an entry that comes earlier than one that is held here, or it is not
	// heard, and those that are heard are too few to hold what settles. Zero:
	// settling does not wait for it, or for less than 375 ms.
	HoldsUpSince time.Time
	// Settled is the last position that has settled there, as far as is known
	// here; never above Status.Settled.
	Settled Position
	// Holds is what it is known to hold of each member's entries, in the order
	// of Status.Members; nil if that is not known.
	Holds []Holding
	// Entries is how many of its entries are among those that have settled here.
	Entries uint64
	// Trouble says, for people, why there is no connection to it: "nobody listens
	// at the address", or why nothing that it says is taken. Empty if there is no
	// trouble, or no connection was tried yet.
	Trouble string
	// Meta is what it published last by SetMeta.
	Meta []byte
}

// Counts reports whether it is a member of the view: others read only, or are gone.
func (m *MemberStatus) Counts() bool { return !m.Evicted && !m.Joining && !m.Observing }

// A Holding is how much a member holds of the entries of one origin.
type Holding struct {
	// Seq is the last entry that it holds with all before it, of the origin's
	// present life.
	Seq uint64
	// Lamport is the logical time up to which it lacks none: the origin has
	// promised that no other one will have such a time or an earlier one. It is
	// the largest number once the origin writes nothing more.
	Lamport uint64
}

// watch is what is noted of peers when the node is sampled.
type watch struct {
	mu      sync.Mutex // guards below
	heard   []time.Time
	settled time.Time // when something settled last
	last    protocol.Status
	level   level
}

// grow makes room for so many members.
func (w *watch) grow(members int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heard) < members {
		w.heard = append(w.heard, time.Time{})
	}
}

// sample notes who is heard.
func (w *watch) sample(status *protocol.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for i, heard := range status.Heard {
		if heard && i < len(w.heard) {
			w.heard[i] = now
		}
	}
	if status.Settled > max(w.last.Settled, status.Assured) {
		w.settled = now
	}
	w.level.sample(status, now)
	w.last = *status
}

// holdUpMin is how long an entry must wait before somebody is said to hold it
// up: shorter waits come and go all the time.
const holdUpMin = 375 * time.Millisecond

// silent reports whether a member is not heard, neither directly nor, as far as
// that shows, through others: something settles all the same.
func (w *watch) silent(id int) bool {
	heard := id < len(w.last.Heard) && w.last.Heard[id]
	return !heard && !w.settled.After(w.heard[id].Add(holdUpMin))
}

// Status returns the present state of the member; after Close, its last one.
func (n *Node) Status() Status {
	status, err := n.inner.Status(context.Background())
	if err == nil {
		n.watch.sample(&status)
	}
	n.watch.mu.Lock()
	defer n.watch.mu.Unlock()
	status = n.watch.last
	extent := n.history.Extent()
	s := Status{
		Name: n.name, Oldest: Position(extent.Oldest), Settled: Position(extent.Settled),
		Stable: Position(min(sum(status.Trimmed), extent.Settled)), Snapshot: n.snapshots.position(),
		Tentative: int(max(held(&status), extent.Settled) - extent.Settled), MemoryBytes: int64(status.LogBytes) + extent.Bytes,
		DiskBytes: n.inner.DiskBytes(),
	}
	s.Refused = n.inner.Refused()
	s.Mended, s.Damage = n.mender.state()
	s.Mended += uint64(n.inner.Mended())
	view, _ := n.inner.View()
	s.View, s.EvictAfter = n.viewOf(view), n.evictAfter
	if accepted := n.inner.OwnEntries(); accepted > 0 {
		s.Accepted = n.id(accepted)
	}
	s.Ready, s.Writable = n.ready(&status), n.writable(&status)
	first, waits := n.history.Waiting()
	if s.Ready == nil && status.Wedged && waits >= holdUpMin {
		s.Ready = errors.New("chatterbox: settling waits until the members have decided on a change of themselves")
	}
	for i, m := range n.list() {
		s.Members = append(s.Members, n.memberStatus(member.ID(i), &s, &status))
		s.Members[i].Member = Member{Name: m.Name, Address: n.addressIn(view, member.ID(i))}
		if i < len(extent.Have) {
			s.Members[i].Entries = extent.Have[i]
		}
		s.Members[i].Joining = isJoining(view, member.ID(i))
		s.Members[i].Observing = isObserving(view, member.ID(i))
		s.Members[i].Evicted = isGone(view, member.ID(i)) && !s.Members[i].Joining && !s.Members[i].Observing
		s.Members[i].Stopped = i < len(status.Away) && status.Away[i]
		if waits >= holdUpMin && waitsFor(&status, view, member.ID(i), first) {
			s.Members[i].HoldsUpSince = time.Now().Add(-waits)
			if s.Ready == nil {
				s.Ready = errors.New("chatterbox: settling waits for " + m.Name)
			}
		}
	}
	for _, peer := range n.inner.Traffic() {
		if int(peer.Peer) < len(s.Members) {
			s.Members[peer.Peer].Trouble = peer.Trouble
		}
	}
	n.tellStopped(&s)
	for _, found := range status.Findings {
		apart := found.Kind == protocol.Forked || found.Kind == protocol.OtherHistory || found.Kind == protocol.NeverMet // it may be heard all the same
		if m := &s.Members[found.Member]; m.Trouble == "" && (apart || !status.Heard[found.Member]) {
			m.Trouble = found.Text(n.called)
		}
	}
	return s
}

func (n *Node) memberStatus(id member.ID, s *Status, status *protocol.Status) MemberStatus {
	out := MemberStatus{Heard: n.watch.heard[id], Meta: n.meta.of(id)}
	switch {
	case id == n.self:
		out.Settled, out.Holds = s.Settled, holdings(status.Held)
	case int(id) < len(status.Known) && status.Known[id] != nil:
		out.Settled = min(s.Settled, Position(n.history.UpTo(status.Known[id].Horizon())))
		out.Holds = holdings(status.Known[id])
	}
	return out
}

func holdings(marks clock.Vector) []Holding {
	all := make([]Holding, len(marks))
	for i, mark := range marks {
		all[i] = Holding{Seq: mark.Have, Lamport: uint64(mark.Promise)}
		if mark.Closed() {
			all[i].Lamport = math.MaxUint64
		}
	}
	return all
}

func sum(counts []uint64) (total uint64) {
	for _, count := range counts {
		total += count
	}
	return total
}

// held returns how many entries are held, of all streams.
func held(status *protocol.Status) (total uint64) {
	for _, mark := range status.Held {
		total += mark.Have
	}
	return total
}

// ready returns why nothing can settle just now.
func (n *Node) ready(status *protocol.Status) error {
	if n.isClosed() {
		return n.err
	}
	if err := n.inner.Err(); err != nil {
		return err
	}
	if stalled := n.inner.Stalled(); stalled != nil {
		return fmt.Errorf("%w: %w", ErrFull, stalled)
	}
	if forked := (protocol.Finding{Kind: protocol.Forked, Member: n.self}); slices.Contains(status.Findings, forked) {
		return errors.New("chatterbox: " + forked.Text(n.called))
	}
	if !status.Agreed {
		return errors.New("chatterbox: the members have not met: " + n.silentNow(status))
	}
	view := status.View
	if isJoining(view, n.self) || n.observes(view) && !n.watch.isLevel() {
		return fmt.Errorf("%w: %s", ErrBehind, n.howFar(status))
	}
	few := tooFew(status, view)
	silent := func(id int) bool {
		away := !few && id < len(status.Away) && status.Away[id]
		return !isGone(view, member.ID(id)) && !away && n.watch.silent(id)
	}
	switch text := n.unheard(silent); {
	case text == everybodyHeard:
		return nil
	case few:
		return fmt.Errorf("chatterbox: %s, and %d members must hold an entry before it settles%s", text, view.Holders(), moved(status))
	default:
		return errors.New("chatterbox: " + text)
	}
}

// observes reports whether this member only reads, as it was started to.
func (n *Node) observes(v *member.View) bool { return n.observe && isGone(v, n.self) }

// mostHeld returns how many entries the peer is known to hold that holds most, and
// reports whether that is known of any.
func mostHeld(status *protocol.Status) (most uint64, known bool) {
	for _, marks := range status.Known {
		all := uint64(0)
		for _, mark := range marks {
			all += mark.Have
		}
		most, known = max(most, all), known || marks != nil
	}
	return most, known
}

// level is what tells whether a member keeps up with the others.
type level struct {
	aim     uint64    // entries that one of them held when it was set
	reached time.Time // when as many were held here last
	aimed   bool
}

// levelFor is how old what a member has may be if it keeps up.
const levelFor = time.Second

// sample sets another aim whenever one is reached.
func (l *level) sample(status *protocol.Status, now time.Time) {
	most, known := mostHeld(status)
	switch {
	case !known || !hearsAny(status):
		return
	case l.aimed && held(status) < l.aim:
		return
	case l.aimed:
		l.reached = now
	}
	l.aim, l.aimed = most, true
}

// hearsAny reports whether a member hears another one.
func hearsAny(status *protocol.Status) bool {
	heard := 0
	for _, is := range status.Heard {
		if is {
			heard++
		}
	}
	return heard > 1 // it hears itself
}

// isLevel reports whether this member has what the others held a moment ago. The
// caller has watch.mu.
func (w *watch) isLevel() bool { return time.Since(w.level.reached) < levelFor }

// howFar returns what a member that has joined still waits for. The caller has
// watch.mu.
func (n *Node) howFar(status *protocol.Status) string {
	most, _ := mostHeld(status)
	own := held(status)
	if most > own || n.observe {
		return fmt.Sprintf("this member has joined, and gets what the others hold: it has %d of %d entries", own, max(own, most))
	}
	return fmt.Sprintf("this member has joined, has all %d entries that the others hold, and waits to be a member", own)
}

// writable returns why no payload is taken just now.
func (n *Node) writable(status *protocol.Status) error {
	view, _ := n.inner.View()
	if n.observes(view) && !n.isClosed() {
		return fmt.Errorf("%w: %w", ErrReadOnly, node.ErrObserves)
	}
	if isJoining(view, n.self) && !n.isClosed() {
		return fmt.Errorf("%w: %s", ErrReadOnly, n.howFar(status))
	}
	if n.neverMet(status) != "" && !n.isClosed() {
		return errors.New("chatterbox: the members have not met: " + n.silentNow(status))
	}
	if refusal := n.inner.Refuses(); refusal != nil {
		return n.whyEnded()
	}
	if stalled := n.inner.Stalled(); stalled != nil {
		return fmt.Errorf("%w: %w", ErrFull, stalled)
	}
	if !status.Agreed {
		return errors.New("chatterbox: the members have not met: " + n.silentNow(status))
	}
	switch {
	case n.history.Full() != nil:
		return errors.New("chatterbox: " + n.inner.WhyNoRoom())
	case n.inner.DiskIsFull():
		return errors.New("chatterbox: " + n.whyDiskIsFull(status))
	}
	return nil
}

// whyDiskIsFull returns what fills the folder: what somebody lacks, or what is kept
// to be read again. The caller has watch.mu.
func (n *Node) whyDiskIsFull(status *protocol.Status) string {
	var lacking []string
	view, _ := n.inner.View()
	for i, m := range n.list() {
		if member.ID(i) == n.self || isGone(view, member.ID(i)) || i >= len(status.Known) || n.holdsAll(status, i) {
			continue
		}
		since := "is behind"
		switch heard := n.watch.heard[i]; {
		case !n.watch.silent(i):
		case heard.IsZero():
			since = "was never heard of"
		default:
			since = "was not heard of since " + heard.Format(time.DateTime)
		}
		lacking = append(lacking, m.Name+" "+since)
	}
	if len(lacking) == 0 {
		return "the folder has reached MaxDisk with what is kept to be read again: Compact it, or set Retain.Bytes"
	}
	return strings.Join(lacking, ", ") + "; the folder has reached MaxDisk with what is lacked there"
}

// holdsAll reports whether a member is known to hold all that is held here.
func (n *Node) holdsAll(status *protocol.Status, id int) bool {
	for stream, mark := range status.Held {
		if stream >= len(status.Known[id]) || status.Known[id][stream].Have < mark.Have {
			return false
		}
	}
	return true
}

// whyNoRoom returns what a payload waits for that finds no room.
func (n *Node) whyNoRoom() string {
	if n.history.Full() == nil && n.inner.DiskIsFull() {
		n.watch.mu.Lock()
		defer n.watch.mu.Unlock()
		return n.whyDiskIsFull(&n.watch.last)
	}
	return n.inner.WhyNoRoom()
}

// silent names the members that are not heard, or says what no waiting mends.
func (n *Node) silent() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := n.inner.Status(ctx)
	if err != nil {
		return "the node does not answer"
	}
	return n.silentNow(&status)
}

const everybodyHeard = "all members are heard"

func (n *Node) silentNow(status *protocol.Status) string {
	if never := n.neverMet(status); never != "" {
		return never
	}
	view, _ := n.inner.View()
	return n.unheard(func(id int) bool {
		return !isGone(view, member.ID(id)) && (id >= len(status.Heard) || !status.Heard[id])
	})
}

// neverMet returns why the members can't meet any more, if that is so.
func (n *Node) neverMet(status *protocol.Status) string {
	for _, found := range status.Findings {
		if found.Kind == protocol.NeverMet || found.Kind == protocol.OtherBinding {
			return found.Text(n.called)
		}
	}
	return ""
}

// unheard names the members that are silent.
func (n *Node) unheard(silent func(id int) bool) string {
	var names []string
	for i, m := range n.list() {
		if silent(i) {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return everybodyHeard
	}
	return strings.Join(names, ", ") + " not heard"
}
