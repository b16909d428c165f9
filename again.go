package chatterbox

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

const (
	// askFirst is after how long others are asked again at first, for links may be about
	// to come up.
	askFirst = 50 * time.Millisecond
	// askEvery is after how long they are asked again later.
	askEvery = 2 * time.Second
	// returnWithin is how long a member that was evicted waits for the others to take
	// it back before it looks again whether they can.
	returnWithin = 30 * time.Second
)

// belongsNot is what the log is told of who asks to be one of the members.
const belongsNot = "this member does not belong to the cluster yet, and asks again"

// asking is what others are asked for again and again.
type asking struct {
	ask   func(context.Context) error
	final func(error) bool // there is no use in asking again
	over  <-chan struct{}  // closed when nobody waits for an answer any more; may be nil
	log   *slog.Logger
	waits string // what the log is told
}

// untilGranted asks until the answer is nil or final, or nobody waits for it, and
// returns the last answer. The log has a line for each reason that lasts.
func (a *asking) untilGranted(ctx context.Context) error {
	last, told := "", ""
	for wait := askFirst; ; wait = min(2*wait, askEvery) {
		err := a.ask(ctx)
		switch {
		case err == nil, ctx.Err() != nil, a.final(err):
			return err
		case err.Error() != last: // perhaps only until links are up
			last = err.Error()
		case last != told:
			told = last
			a.log.Warn(a.waits, "reason", last)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-a.over:
		case <-ctx.Done():
		}
		if timer.Stop() {
			return err
		}
	}
}

// comeBack has this member, whenever it is evicted while it runs or was so before, ask
// the others to take it back, until they have or ctx ends.
func (n *Node) comeBack(ctx context.Context) {
	back := asking{over: n.closed, log: n.log, waits: belongsNot, ask: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, returnWithin)
		defer cancel()
		_, err := n.Change(ctx, Change{Return: n.name})
		return err
	}, final: func(err error) bool { return errors.Is(err, ErrClosed) || errors.Is(err, ErrRemoved) }}
	for view, err := range n.Views(ctx) {
		if err != nil {
			return
		}
		if !slices.ContainsFunc(view.Members, func(m Member) bool { return m.Name == n.name }) {
			_ = back.untilGranted(ctx) // the log has why not
		}
	}
}
