package chatterbox

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// returnWithin is how long a member that was evicted waits for the others to take
	// it back before it looks again whether they can.
	returnWithin = 30 * time.Second
	// returnEvery is how often it asks while they cannot; at first more often, for links
	// may be about to come up.
	returnEvery = 2 * time.Second
	returnFirst = 50 * time.Millisecond
)

// comeBack has this member, whenever it is evicted while it runs or was so before, ask
// the others to take it back, until they have or ctx ends.
func (n *Node) comeBack(ctx context.Context) {
	for view, err := range n.Views(ctx) {
		if err != nil {
			return
		}
		if !slices.ContainsFunc(view.Members, func(m Member) bool { return m.Name == n.name }) {
			n.askBack(ctx)
		}
	}
}

// askBack asks until this member is one again.
func (n *Node) askBack(ctx context.Context) {
	last, told := "", ""
	for wait := returnFirst; ; wait = min(2*wait, returnEvery) {
		within, cancel := context.WithTimeout(ctx, returnWithin)
		_, err := n.Change(within, Change{Return: n.name})
		cancel()
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, ErrClosed), errors.Is(err, ErrRemoved):
			return
		case err.Error() != last: // perhaps only until links are up
			last = err.Error()
		case last != told: // one line for each reason
			told = last
			n.log.Warn("this member does not belong to the cluster yet, and asks again", "reason", last)
		}
		select {
		case <-time.After(wait):
		case <-n.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}
