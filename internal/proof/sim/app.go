package sim

import (
	"fmt"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/workload"
)

// app is the application of a member: it folds the score, and keeps the log to
// be read again.
type app struct {
	n     *node
	state workload.Summary
}

// Deliver folds the batches.
func (a *app) Deliver(batches []protocol.Batch) {
	for i := range batches {
		workload.Fold(&a.state, &batches[i])
	}
	a.n.settle(batches)
}

// Reset starts from the state of a snapshot.
func (a *app) Reset(snapshot *protocol.Snapshot) {
	a.state = workload.SummaryOf(snapshot.State)
	if a.n.history != nil {
		a.n.history.Begin(snapshot.Have)
	}
}

// digestWord is where the digest of the order stands in the summary.
const digestWord = 5

// tell tells the member's result over all that it holds, settled or not.
func (n *node) tell() {
	state := n.outcome()
	score, err := workload.FromSummary(state)
	if err != nil {
		n.world.broken("exact-tuple", n.id, "%v", err)
		return
	}
	text := fmt.Sprintf("(%d,%s)", score.Count(), score.Float())
	n.recorder.Final(score.Count(), state, state[digestWord], n.reducer.Status().Complete || n.claims(), text)
}

// outcome returns what all that is held comes to, delivered or not.
func (n *node) outcome() workload.Summary {
	state := n.app.state
	if n.world.config.Flaw != LastUncounted {
		for b := range n.reducer.Tentative() {
			workload.Fold(&state, b)
		}
	}
	return state
}
