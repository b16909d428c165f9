package sim

import (
	"fmt"

	"chatterbox/protocol"
	"chatterbox/workload"
)

// app is the application of a member: it folds the score.
type app struct{ state protocol.Summary }

// Deliver folds the batches.
func (a *app) Deliver(batches []protocol.Batch) {
	for i := range batches {
		workload.Fold(&a.state, &batches[i])
	}
}

// Reset starts from the state of a snapshot.
func (a *app) Reset(snapshot *protocol.Snapshot) { a.state = snapshot.State }

// digestWord is where the digest of the order stands in the summary.
const digestWord = 5

// tell tells the member's result over all that it holds, settled or not.
func (n *node) tell() {
	state := n.app.state
	if n.world.config.Flaw != LastUncounted {
		for b := range n.reducer.Tentative() {
			workload.Fold(&state, b)
		}
	}
	score, err := workload.FromSummary(state)
	if err != nil {
		n.world.broken("exact-tuple", n.id, "%v", err)
		return
	}
	text := fmt.Sprintf("(%d,%s)", score.Count(), score.Float())
	n.recorder.Final(score.Count(), state, state[digestWord], n.reducer.Status().Complete || n.claims(), text)
}
