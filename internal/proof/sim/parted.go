package sim

import (
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// apart reports whether two members that run go by histories of which one was forced to go
// on without the other one.
func (w *world) apart(a, b member.ID) bool {
	return w.nodes[a].tip != w.nodes[b].tip
}

// parted reports whether any members that run go by different histories.
func (w *world) parted() bool {
	one := slices.IndexFunc(w.nodes, func(n *node) bool { return n.running })
	return slices.ContainsFunc(w.nodes, func(n *node) bool { return n.running && n.tip != w.nodes[one].tip })
}

// partedSaySo is the check that histories do not part in silence.
const partedSaySo = "parted-say-so"

// judgeParted: where members that go by different histories hear each other in the end,
// both say so, or the one that was left out says that it is apart.
func (w *world) judgeParted() {
	end := window{w.config.Lasts() - settleFor, w.config.Lasts()}
	runs := w.running(end)
	for a := range w.nodes {
		for b := range a {
			x, y := member.ID(a), member.ID(b)
			if !runs[a] || !runs[b] || !w.nodes[a].listens() || !w.nodes[b].listens() || !w.apart(x, y) {
				continue
			}
			if w.staysGood(x, y, end) && w.staysGood(y, x, end) {
				w.judgeApart(x, y)
				w.judgeApart(y, x)
			}
		}
	}
}

func (w *world) judgeApart(id, other member.ID) {
	status := w.nodes[id].reducer.Status()
	if slices.Contains(status.Findings, protocol.Finding{Kind: protocol.OtherHistory, Member: other}) {
		return
	}
	w.broken(partedSaySo, id, "hears %s, which goes by view %d of another history than its own view %d, and does not say so",
		w.names[other].Name, w.nodes[other].reducer.Status().View.Number, status.View.Number)
}
