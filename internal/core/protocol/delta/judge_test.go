package delta_test

import (
	"fmt"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/script"
)

// written is a batch as its origin wrote it.
type written struct {
	seq, last, tag uint64
	time           clock.Time
	view           uint64 // in which it was written
}

type place struct {
	time   clock.Time
	origin member.ID
	seq    uint64
	view   uint64 // in which it was written
}

// judge knows what nobody in the storm knows: everything.
type judge struct {
	verdict string // the first violation
	agreed  bool   // somebody saw that all show the same binding

	views   map[uint64]*member.View // that were installed anywhere, by number
	streams [][]written             // of the incarnations that count
	beyond  [][]written             // of each stream, what lay beyond a cut behind which it went on
	order   []place                 // the longest delivered sequence
	states  []stateAt               // the fold over each prefix of it
	places  int
	truth   holdings            // what each incarnation that counts holds, or held and will again
	truthIn map[uint64]holdings // the same in each view, by its number

	aware     []bool         // per member: it knows whose streams are which
	position  []int          // per member: how much of order it delivered
	state     []script.Tally // per member: its fold
	delivery  []clock.Time   // per member: time of the last delivered batch
	horizon   []clock.Time   // per member: up to which nothing may be appended any more
	published []clock.Time   // per member: the own promise, over all incarnations with its data
	known     []clock.Matrix // per member: what it knows of the others in this incarnation
}

// holdings are what incarnations hold.
type holdings map[member.Identity]clock.Vector

func (h holdings) merge(one member.Identity, held clock.Vector, places int) {
	if h[one] == nil {
		h[one] = make(clock.Vector, places)
	}
	h[one].Merge(held)
}

// of returns the mark of a stream at an incarnation.
func (h holdings) of(one member.Identity, stream int) clock.Mark {
	if h[one] == nil {
		return clock.Mark{}
	}
	return h[one][stream]
}

type stateAt struct {
	time  clock.Time
	state script.Tally
}

func newJudge(members int) *judge {
	return &judge{
		views: map[uint64]*member.View{}, streams: make([][]written, members), beyond: make([][]written, members),
		places: members, truth: holdings{}, truthIn: map[uint64]holdings{},
		states: []stateAt{{}}, aware: make([]bool, members), position: make([]int, members), state: make([]script.Tally, members),
		delivery: make([]clock.Time, members), horizon: make([]clock.Time, members), published: make([]clock.Time, members),
		known: make([]clock.Matrix, members),
	}
}

// fault notes the first violation; what follows from it says nothing.
func (j *judge) fault(check, format string, args ...any) {
	if j.verdict == "" {
		j.verdict = check + ": " + fmt.Sprintf(format, args...)
	}
}

// crashed forgets what the member wrote and did not sync: nobody heard of it.
func (j *judge) crashed(n *stormNode) {
	if !n.bound() {
		return
	}
	kept := haveOf(&n.journal.Base, n.id)
	for i := range n.journal.Batches {
		if b := &n.journal.Batches[i]; b.Origin == n.id {
			kept = max(kept, b.Last())
		}
	}
	stream := &j.streams[n.id]
	for k := len(*stream); k > 0 && (*stream)[k-1].last > kept; k-- {
		*stream = (*stream)[:k-1]
	}
}

// begin judges what a new incarnation begins with.
func (j *judge) begin(n *stormNode) {
	base := &n.journal.Base
	j.known[n.id] = clock.NewMatrix(j.places)
	j.delivery[n.id], j.horizon[n.id], j.aware[n.id] = 0, 0, n.bound()
	j.state[n.id] = script.TallyOf(base.State)
	j.position[n.id] = j.state[n.id].Batches()
	if n.life == 1 {
		j.published[n.id] = 0 // what an incarnation without its data promised binds only who heard it
	}
	if !n.bound() || n.life == 1 {
		return
	}
	for stream, mark := range n.reducer.Status().Held {
		if said := min(j.said(n, int(n.id), stream).Have, n.cut(stream)); mark.Have < said {
			j.fault("durable", "member %d comes back with %d entries of stream %d after it said %d", n.id, mark.Have, stream, said)
		}
	}
}

// number returns the number of the view by which a member goes.
func (n *stormNode) number() uint64 {
	if n.view == nil {
		return 1
	}
	return n.view.Number
}

// said returns the most that somebody said of a stream which counts in the view of a
// member: of a stream that went on since then all that is left is what is before the cut,
// and who came back begins anew.
func (j *judge) said(n *stormNode, who, stream int) (most clock.Mark) {
	for number, truth := range j.truthIn {
		mark := truth.of(n.tenant(who), stream)
		if number > n.number() {
			continue
		}
		if number < n.number() {
			if n.view.Places[who].ReturnAfter(number) != nil {
				continue
			}
			if r := n.view.Places[stream].ReturnAfter(number); r != nil {
				mark = clock.Mark{Have: min(mark.Have, r.Cut), Promise: r.Start}
			}
		}
		most = most.Merge(mark)
	}
	return most
}

// installs judges a view that a member takes for the one that counts.
func (j *judge) installs(n *stormNode, v *member.View) {
	if known := j.views[v.Number]; known != nil && !known.Same(v) {
		j.fault("one view", "member %d installs another view %d than was installed before", n.id, v.Number)
	}
	if n.view != nil && v.Number < n.view.Number {
		j.fault("one view", "member %d goes back from view %d to view %d", n.id, n.view.Number, v.Number)
	}
	if j.views[v.Number] == nil {
		j.goOn(v)
	}
	j.views[v.Number], n.view = v, v
	for i, at := range j.order {
		if int(at.origin) >= len(v.Places) || at.view >= v.Number {
			continue
		}
		if p := &v.Places[at.origin]; p.Role == member.Gone && at.seq > p.Base {
			j.fault("taken back", "view %d cuts member %d after %d entries, but %d was delivered, as batch %d", v.Number, at.origin, p.Base, at.seq, i)
		}
	}
	j.known[n.id] = clock.NewMatrix(j.places)
}

// cut returns how many entries a stream has in the view of a member.
func (n *stormNode) cut(stream int) uint64 {
	if n.view != nil && n.view.Places[stream].Role == member.Gone {
		return n.view.Places[stream].Base
	}
	return ^uint64(0)
}

// goOn takes it that streams go on behind a cut in a view that is new: what lay beyond
// is in nobody's order.
func (j *judge) goOn(v *member.View) {
	for place := range v.Places {
		r := v.Places[place].ReturnAfter(v.Number - 1)
		if r == nil {
			continue
		}
		stream := &j.streams[place]
		for k := len(*stream); k > 0 && (*stream)[k-1].last > r.Cut; k-- {
			j.beyond[place] = append(j.beyond[place], (*stream)[k-1])
			*stream = (*stream)[:k-1]
		}
	}
}

// cut returns how many entries of a member are in the order if it was let go.
func (j *judge) cut(stream member.ID) uint64 {
	v := j.newest()
	if v != nil && int(stream) < len(v.Places) && v.Places[stream].Role == member.Gone {
		return v.Places[stream].Base
	}
	return ^uint64(0)
}

// moves returns how often a tenant had another address in one view than in the one
// before.
func (j *judge) moves() (count int) {
	for number, v := range j.views {
		before := j.views[number-1]
		for place := range v.Places {
			p := &v.Places[place]
			if before != nil && place < len(before.Places) && before.Places[place].Identity == p.Identity && before.Places[place].Address != p.Address {
				count++
			}
		}
	}
	return count
}

// newest returns the newest view that was installed anywhere; nil: only the first.
func (j *judge) newest() (newest *member.View) {
	for _, v := range j.views {
		if newest == nil || v.Number > newest.Number {
			newest = v
		}
	}
	return newest
}

// alive finds batches that are used after they were given back.
func (j *judge) alive(n *stormNode, b *protocol.Batch, deed string) {
	if b.Buffer == nil || b.Buffer.Bytes == nil {
		j.fault("ownership", "member %d %s %d/%d, which it gave back", n.id, deed, b.Origin, b.Seq)
	}
}

// appended judges each batch when it is appended.
func (j *judge) appended(n *stormNode, fx *protocol.Effects) {
	for i := range fx.Append {
		b := &fx.Append[i]
		j.alive(n, b, "appends")
		if b.Time <= j.horizon[n.id] {
			j.fault("late", "member %d appends %d/%d at time %d although it held everything up to %d", n.id, b.Origin, b.Seq, b.Time, j.horizon[n.id])
		}
		switch {
		case !j.aware[n.id]: // what it takes it will throw away again
		case b.Origin == n.id && n.bound():
			j.write(n, b)
		default:
			j.compare(n, b)
		}
	}
}

// write notes a batch that its origin wrote.
func (j *judge) write(n *stormNode, b *protocol.Batch) {
	stream := &j.streams[n.id]
	seq, latest := uint64(1), clock.Time(0)
	if k := len(*stream); k > 0 {
		seq, latest = (*stream)[k-1].last+1, (*stream)[k-1].time
	}
	if b.Seq != seq || b.Time <= latest {
		j.fault("stream", "member %d writes %d at time %d after %d at %d", n.id, b.Seq, b.Time, seq-1, latest)
	}
	if b.Time <= j.delivery[n.id] {
		j.fault("causality", "member %d writes %d at time %d after it delivered time %d", n.id, b.Seq, b.Time, j.delivery[n.id])
	}
	if b.Time <= j.published[n.id] {
		j.fault("promise", "member %d writes %d at time %d after it promised %d", n.id, b.Seq, b.Time, j.published[n.id])
	}
	*stream = append(*stream, written{b.Seq, b.Last(), tagOf(b), b.Time, n.number()})
}

// tagOf returns what tells a batch from every other.
func tagOf(b *protocol.Batch) uint64 {
	tag, _ := b.Prepared.(uint64)
	return tag
}

// compare judges a batch that a member got from others.
func (j *judge) compare(n *stormNode, b *protocol.Batch) {
	same := func(w written) bool {
		return w.seq == b.Seq && w.last == b.Last() && w.tag == tagOf(b) && w.time == b.Time
	}
	w, _ := j.find(b.Origin, b.Seq)
	before := func(w written) bool { return w.view <= n.number() && same(w) }
	if !same(w) && (j.wentOn(n, b.Origin) || !slices.ContainsFunc(j.beyond[b.Origin], before)) {
		j.fault("content", "member %d appends %d/%d-%d at time %d, tag %d; its origin wrote %+v", n.id, b.Origin, b.Seq, b.Last(), b.Time, tagOf(b), w)
	}
}

// wentOn reports whether a member goes by the view in which a stream went on last.
func (j *judge) wentOn(n *stormNode, stream member.ID) bool {
	for number, v := range j.views {
		if number > n.number() && int(stream) < len(v.Places) && v.Places[stream].ReturnAfter(number-1) != nil {
			return false
		}
	}
	return true
}

func (j *judge) find(stream member.ID, seq uint64) (written, bool) {
	low, high := 0, len(j.streams[stream])
	for low < high {
		if mid := (low + high) / 2; j.streams[stream][mid].seq < seq {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(j.streams[stream]) || j.streams[stream][low].seq != seq {
		return written{}, false
	}
	return j.streams[stream][low], true
}

// delivered judges the next batch in the order of a member.
func (j *judge) delivered(n *stormNode, b *protocol.Batch) {
	j.alive(n, b, "delivers")
	w, _ := j.find(b.Origin, b.Seq)
	at, here := j.position[n.id], place{b.Time, b.Origin, b.Seq, w.view}
	switch {
	case at < len(j.order) && j.order[at] != here:
		j.fault("order", "member %d delivers %v at position %d, where another one delivered %v", n.id, here, at, j.order[at])
	case at == len(j.order):
		state := j.states[at].state
		state.Add(b)
		j.order, j.states = append(j.order, here), append(j.states, stateAt{b.Time, state})
	}
	j.compare(n, b)
	j.position[n.id]++
	j.state[n.id].Add(b)
	j.delivery[n.id] = b.Time
}

// reset judges the state that a member begins from instead of its own.
func (j *judge) reset(n *stormNode, snapshot *protocol.Snapshot) {
	state := script.TallyOf(snapshot.State)
	at := state.Batches()
	if at >= len(j.states) || j.states[at].state != state {
		j.fault("snapshot", "member %d starts from a state of %d batches that nobody had", n.id, at)
		return
	}
	for stream, have := range snapshot.Have {
		for _, w := range j.streams[stream] {
			if (w.time <= snapshot.Time) != (w.last <= have) && w.seq <= j.cut(member.ID(stream)) {
				j.fault("snapshot", "member %d starts at time %d with %d entries of stream %d, where %+v was written", n.id, snapshot.Time, have, stream, w)
			}
		}
	}
	j.position[n.id], j.state[n.id] = at, state
	j.horizon[n.id] = max(j.horizon[n.id], snapshot.Time)
}
