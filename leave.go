package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/world/node"
)

// leaving is what goes on once this member was asked to leave. It has a goroutine
// of its own, for it goes on when who asked waits no longer.
type leaving struct {
	mu    sync.Mutex // guards below
	under *departure // the last one; nil: there was none
	ends  bool       // this member leaves because it is closed
}

// close notes that this member leaves because it is closed.
func (l *leaving) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = true
}

// departure is one attempt to leave.
type departure struct {
	ended chan struct{} // closed when the rest is set
	view  View
	err   error
}

// farewellMax is how long a member that has left tells others what it accepted:
// all of it has settled by then.
const farewellMax = time.Second

// leave lets what this member accepted settle, has the others go on without it,
// and ends it.
func (n *Node) leave(ctx context.Context, v *member.View) (View, error) {
	change := member.Change{Kind: member.Evict, Identity: n.inner.Identity()}
	if err := n.inner.May(ctx, v, change); err != nil {
		return View{}, n.whyNoChange(ctx, err)
	}
	d := n.depart()
	select {
	case <-d.ended:
		return d.view, d.err
	case <-ctx.Done():
		return View{}, n.whyNoChange(ctx, context.Cause(ctx))
	}
}

// depart begins to leave, unless that is under way.
func (n *Node) depart() *departure {
	n.leaving.mu.Lock()
	defer n.leaving.mu.Unlock()
	if d := n.leaving.under; d != nil {
		select {
		case <-d.ended: // in vain
		default:
			return d
		}
	}
	d := &departure{ended: make(chan struct{})}
	n.leaving.under = d
	go func() {
		defer close(d.ended)
		d.view, d.err = n.goForGood()
	}()
	return d
}

// isLeaving reports whether this member was asked to leave.
func (n *Node) isLeaving() bool {
	n.leaving.mu.Lock()
	defer n.leaving.mu.Unlock()
	return n.leaving.under != nil || n.leaving.ends
}

func (n *Node) goForGood() (View, error) {
	ctx := context.Background() // all that is waited for ends with the node
	if last := n.inner.PrepareToLeave(); last > 0 {
		if err := n.inner.Accepted(ctx, last); err != nil {
			return View{}, n.whyNoChange(ctx, err)
		}
	}
	v, err := n.goWhenSettled(ctx)
	if err != nil {
		return View{}, n.whyNoChange(ctx, err)
	}
	farewell, cancel := context.WithTimeout(ctx, farewellMax)
	defer cancel()
	return n.viewOf(v), n.end(farewell, ErrRemoved)
}

// goWhenSettled has the others go on without this member once all that it accepted has
// settled.
func (n *Node) goWhenSettled(ctx context.Context) (*member.View, error) {
	if last := n.inner.OwnEntries(); last > 0 {
		if _, err := n.Position(ctx, n.id(last)); err != nil && !errors.Is(err, ErrCompacted) {
			return nil, err
		}
	}
	n.log.Info("this member leaves the cluster: all that it accepted has settled")
	return n.inner.Leave(ctx)
}

// whyNoChange translates why the members have not changed.
func (n *Node) whyNoChange(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, node.ErrRefused):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case n.isClosed():
		return n.err
	case ctx.Err() != nil:
		return fmt.Errorf("chatterbox: the change is not decided, %s: %w", n.silent(), context.Cause(ctx))
	}
	return fmt.Errorf("chatterbox: the change is not decided: %w", err)
}
