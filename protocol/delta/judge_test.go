package delta_test

import (
	"fmt"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/script"
)

// written is a batch as its origin wrote it.
type written struct {
	seq, last, tag uint64
	time           clock.Time
}

type place struct {
	time   clock.Time
	origin member.ID
	seq    uint64
}

// judge knows what nobody in the storm knows: everything.
type judge struct {
	verdict string // the first violation
	agreed  bool   // somebody saw that all show the same binding

	streams [][]written    // of the lives that count
	order   []place        // the longest delivered sequence
	states  []stateAt      // the fold over each prefix of it
	truth   []clock.Vector // what each life that counts holds, or held and will again

	aware     []bool             // per member: it knows whose streams are which
	position  []int              // per member: how much of order it delivered
	state     []protocol.Summary // per member: its fold
	delivery  []clock.Time       // per member: time of the last delivered batch
	horizon   []clock.Time       // per member: up to which nothing may be appended any more
	published []clock.Time       // per member: the own promise, over all lives with its data
	known     []clock.Matrix     // per member: what it knows of the others in this life
}

type stateAt struct {
	time  clock.Time
	state protocol.Summary
}

func newJudge(members int) *judge {
	return &judge{
		streams: make([][]written, members), truth: clock.NewMatrix(members),
		states: []stateAt{{}}, aware: make([]bool, members), position: make([]int, members), state: make([]protocol.Summary, members),
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
	kept := uint64(0)
	if len(n.journal.Base.Have) > 0 {
		kept = n.journal.Base.Have[n.id]
	}
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

// begin judges what a new life begins with.
func (j *judge) begin(n *stormNode) {
	base := &n.journal.Base
	j.known[n.id] = clock.NewMatrix(len(j.truth))
	j.delivery[n.id], j.horizon[n.id], j.aware[n.id] = 0, 0, n.bound()
	j.position[n.id], j.state[n.id] = int(base.State[0]), base.State
	if !n.bound() || n.life == 1 {
		return
	}
	held := n.reducer.Status().Held
	for stream, mark := range held {
		if mark.Have < j.truth[n.id][stream].Have {
			j.fault("durable", "member %d comes back with %d entries of stream %d after it said %d", n.id, mark.Have, stream, j.truth[n.id][stream].Have)
		}
	}
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
	*stream = append(*stream, written{b.Seq, b.Last(), b.Summary[0], b.Time})
}

// compare judges a batch that a member got from others.
func (j *judge) compare(n *stormNode, b *protocol.Batch) {
	w, ok := j.find(b.Origin, b.Seq)
	if !ok || w.last != b.Last() || w.tag != b.Summary[0] || w.time != b.Time {
		j.fault("content", "member %d appends %d/%d-%d at time %d, tag %d; its origin wrote %+v", n.id, b.Origin, b.Seq, b.Last(), b.Time, b.Summary[0], w)
	}
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
	at, here := j.position[n.id], place{b.Time, b.Origin, b.Seq}
	switch {
	case at < len(j.order) && j.order[at] != here:
		j.fault("order", "member %d delivers %v at position %d, where another one delivered %v", n.id, here, at, j.order[at])
	case at == len(j.order):
		state := j.states[at].state
		script.Fold(&state, b)
		j.order, j.states = append(j.order, here), append(j.states, stateAt{b.Time, state})
	}
	j.compare(n, b)
	j.position[n.id]++
	script.Fold(&j.state[n.id], b)
	j.delivery[n.id] = b.Time
}

// reset judges the state that a member begins from instead of its own.
func (j *judge) reset(n *stormNode, snapshot *protocol.Snapshot) {
	at := int(snapshot.State[0])
	if at >= len(j.states) || j.states[at].state != snapshot.State {
		j.fault("snapshot", "member %d starts from a state of %d batches that nobody had", n.id, at)
		return
	}
	for stream, have := range snapshot.Have {
		for _, w := range j.streams[stream] {
			if (w.time <= snapshot.Time) != (w.last <= have) {
				j.fault("snapshot", "member %d starts at time %d with %d entries of stream %d, where %+v was written", n.id, snapshot.Time, have, stream, w)
			}
		}
	}
	j.position[n.id], j.state[n.id] = at, snapshot.State
	j.horizon[n.id] = max(j.horizon[n.id], snapshot.Time)
}
