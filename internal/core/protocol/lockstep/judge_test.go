package lockstep_test

import (
	"fmt"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/script"
)

// judge watches all members and knows everything.
type judge struct {
	faults  []string
	written map[place]fact    // by its origin
	ever    [][]uint64        // member, stream: most entries held by the incarnation that is bound
	bound   []member.Identity // the first incarnation of each place that took part
	order   []fact            // the longest delivered sequence
	place   []int             // how far in order each member is; -1: unknown, since it began at a snapshot
	folded  []script.Tally    // the application's state at each member
	latest  []clock.Time      // newest time held
	last    [][]place         // member, stream: the last entry appended in this incarnation
}

type place struct {
	identity member.Identity
	seq      uint64
}

type fact struct {
	origin member.ID
	place
	time clock.Time
	text string
}

func newJudge(members int) judge {
	j := judge{
		written: make(map[place]fact), bound: make([]member.Identity, members), place: make([]int, members),
		folded: make([]script.Tally, members), latest: make([]clock.Time, members),
	}
	for range members {
		j.ever = append(j.ever, make([]uint64, members))
		j.last = append(j.last, make([]place, members))
	}
	return j
}

func (j *judge) fault(format string, args ...any) {
	if len(j.faults) < 5 {
		j.faults = append(j.faults, fmt.Sprintf(format, args...))
	}
}

func factOf(b *protocol.Batch) fact {
	return fact{b.Origin, place{b.Identity, b.Seq}, b.Time, string(b.Bytes)}
}

// begin notes a start. The application starts at the journal's base.
func (j *judge) begin(node *netNode) {
	if j.bound[node.id] == 0 {
		j.bound[node.id] = node.identity
	}
	j.folded[node.id] = script.TallyOf(node.journal.Base.State)
	j.place[node.id] = j.folded[node.id].Batches()
	j.latest[node.id] = 0
	clear(j.last[node.id])
	for id, have := range node.journal.Base.Have {
		j.last[node.id][id].seq = have
	}
	for i := range node.journal.Batches {
		b := &node.journal.Batches[i]
		j.last[node.id][b.Origin] = place{b.Identity, b.Last()}
		j.latest[node.id] = max(j.latest[node.id], b.Time)
	}
}

// look judges the effects of one step.
func (j *judge) look(node *netNode, e *protocol.Effects) {
	if e.Reset != nil {
		j.folded[node.id] = script.TallyOf(e.Reset.State)
		j.place[node.id] = j.folded[node.id].Batches()
		for id, have := range e.Reset.Have {
			if last := &j.last[node.id][id]; have >= last.seq {
				*last = place{seq: have}
			}
		}
	}
	for i := range e.Append {
		j.appended(node, &e.Append[i])
	}
	for i := range e.Deliver {
		j.delivered(node, &e.Deliver[i])
	}
}

// appended: contiguous, of one content, own ones later than all that was held.
func (j *judge) appended(node *netNode, b *protocol.Batch) {
	f, own := factOf(b), b.Origin == node.id && b.Identity == node.identity
	last := &j.last[node.id][b.Origin]
	if last.identity != b.Identity && last.identity != 0 {
		*last = place{} // given up for the incarnation that counts
	}
	if b.Seq != last.seq+1 {
		j.fault("%d appends %v after %d entries", node.id, f, last.seq)
	}
	*last = place{b.Identity, b.Last()}
	known, ok := j.written[f.place]
	switch {
	case ok && known != f || !ok && !own:
		j.fault("%d appends %v, its origin wrote %v", node.id, f, known)
	case own && b.Time <= j.latest[node.id]:
		j.fault("%d appends its own %v after it held time %d", node.id, f, j.latest[node.id])
	}
	j.written[f.place] = f
	j.latest[node.id] = max(j.latest[node.id], b.Time)
}

// delivered: the same sequence for all.
func (j *judge) delivered(node *netNode, b *protocol.Batch) {
	at, f := j.place[node.id], factOf(b)
	j.folded[node.id].Add(b)
	j.place[node.id]++
	switch {
	case at > len(j.order):
		j.fault("%d delivers %v at place %d, nobody delivered so much", node.id, f, at)
	case at == len(j.order):
		j.order = append(j.order, f)
	case j.order[at] != f:
		j.fault("%d delivers %v at place %d, another member %v", node.id, f, at, j.order[at])
	}
}

// compare looks at all members at once: what is committed is held by the incarnation
// bound to each place, and committed sets differ by at most one batch.
func (j *judge) compare(n *net) {
	for _, node := range n.nodes {
		if node.reducer != nil && node.identity == j.bound[node.id] {
			for id, mark := range node.status.Held {
				j.ever[node.id][id] = max(j.ever[node.id][id], mark.Have)
			}
		}
	}
	for id := range n.nodes {
		j.compareStream(n, id)
	}
}

func (j *judge) compareStream(n *net, id int) {
	low, high := ^uint64(0), uint64(0)
	for _, node := range n.nodes {
		if node.reducer == nil || node.status.Reader || !node.status.Agreed {
			continue
		}
		committed := node.committed[id]
		low, high = min(low, committed), max(high, committed)
	}
	if low < high && high-low > uint64(max(1, n.batch)) {
		j.fault("of stream %d one member committed %d entries, another %d", id, low, high)
	}
	for k := range n.nodes {
		if j.ever[k][id] < high {
			j.fault("of stream %d somebody committed %d entries, member %d holds %d", id, high, k, j.ever[k][id])
		}
	}
}

// judgeSending demands that where nothing fails, delivery keeps up with the
// sending, an idle member or not.
func (n *net) judgeSending() {
	if n.drop > 0 || n.cuts || n.restarts || n.oneWayRing || n.killed {
		return
	}
	for id, place := range n.judge.place {
		if place < len(n.judge.written)/2 {
			n.judge.fault("%d delivered %d of %d batches by the end of the send phase", id, place, len(n.judge.written))
		}
	}
}

// judgeEnd demands that all are complete and silent, or where that cannot be
// that all who run would print the same.
func (n *net) judgeEnd() {
	whole := !n.unhealed && !n.killed
	for _, node := range n.nodes {
		whole = whole && node.identity == n.judge.bound[node.id]
	}
	for _, node := range n.nodes {
		if whole {
			n.judgeComplete(node)
		}
		if mine, first := n.tuple(node), n.tuple(n.nodes[0]); node.reducer != nil && !n.unhealed && mine != first {
			n.judge.fault("%d ends with %v, member 0 with %v", node.id, mine, first)
		}
	}
	if quiet := n.now - n.lastSay; whole && !n.oneWayRing && quiet < quietFor {
		n.judge.fault("somebody still talked %v before the end", quiet)
	}
}

// quietFor is how long before the end complete members must have fallen silent.
const quietFor = 500 * time.Millisecond

// tuple folds all that a member holds, delivered or not.
func (n *net) tuple(node *netNode) script.Tally {
	state := n.judge.folded[node.id]
	if node.reducer == nil {
		return state
	}
	for b := range node.reducer.Tentative() {
		state.Add(b)
	}
	return state
}

func (n *net) judgeComplete(node *netNode) {
	s := node.reducer.Status()
	switch {
	case !s.Complete:
		n.judge.fault("%d is not complete: %+v", node.id, s)
	case !s.Done && !n.oneWayRing:
		n.judge.fault("%d does not know that all are complete: %+v", node.id, s)
	case len(node.owned) != 0:
		n.judge.fault("%d still owns %d batches", node.id, len(node.owned))
	case n.judge.place[node.id] != len(n.judge.order) || len(n.judge.order) != len(n.judge.written):
		n.judge.fault("%d delivered %d batches, %d were written", node.id, n.judge.place[node.id], len(n.judge.written))
	}
}
