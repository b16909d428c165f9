package serve

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"chatterbox"
)

const (
	// returnWithin is how long a member that was evicted waits for the others to take
	// it back before it looks again whether they can.
	returnWithin = 30 * time.Second
	// returnEvery is how often it asks while they cannot.
	returnEvery = 2 * time.Second
)

// Return has a member, whenever it is evicted while it runs or was so before, ask the
// others to take it back, until they have or it ends: whoever is to stay away leaves,
// or is stopped.
func Return(ctx context.Context, n *chatterbox.Node, name string, log *slog.Logger) {
	for view, err := range n.Views(ctx) {
		if err != nil {
			return
		}
		if !belongs(view, name) {
			comeBack(ctx, n, name, log)
		}
	}
}

func belongs(view chatterbox.View, name string) bool {
	return slices.ContainsFunc(view.Members, func(m chatterbox.Member) bool { return m.Name == name })
}

// comeBack asks until the member is one again.
func comeBack(ctx context.Context, n *chatterbox.Node, name string, log *slog.Logger) {
	last := ""
	for {
		within, cancel := context.WithTimeout(ctx, returnWithin)
		_, err := n.Change(within, chatterbox.Change{Return: name})
		cancel()
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, chatterbox.ErrClosed), errors.Is(err, chatterbox.ErrRemoved):
			return
		case err.Error() != last: // one line for each reason
			last = err.Error()
			log.Warn("this member was evicted, and cannot come back yet", "reason", last)
		}
		select {
		case <-time.After(returnEvery):
		case <-n.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}
