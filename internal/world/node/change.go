package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// ErrRefused says that a change of the members cannot be made. Nothing was begun.
var ErrRefused = errors.New("node: change refused")

// views is who belongs to the cluster, for those who wait for changes of that.
type views struct {
	mu      sync.Mutex // guards below
	view    *member.View
	changed chan struct{} // closed at the next one; nil: nobody waits
}

// set publishes a view that is newer than the last one.
func (v *views) set(view *member.View) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.view != nil && view.Number <= v.view.Number {
		return
	}
	v.view = view
	if v.changed != nil {
		close(v.changed)
		v.changed = nil
	}
}

// now returns the newest view, nil before the members have met, and what is
// closed when there is a newer one.
func (v *views) now() (view *member.View, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changed == nil {
		v.changed = make(chan struct{})
	}
	return v.view, v.changed
}

// View returns who belongs to the cluster, nil before the members have met, and
// a channel that is closed when that has changed.
func (n *Node) View() (view *member.View, changed <-chan struct{}) { return n.views.now() }

// installed takes up a view that was decided, the first time that it is kept.
func (n *Node) installed(v *member.View) {
	known, _ := n.views.now()
	if known != nil && v.Number <= known.Number {
		return
	}
	for _, s := range v.Strikes {
		if known == nil || s.Count > known.StrikesOf(s.Name) {
			n.cfg.Log.Warn("a member was away for too long: the others go on without it", "member", s.Name)
		}
	}
	n.cfg.Log.Info("the members have changed", "view", v.Number, "members", names(v), "quorum", v.Quorum(), "holders", v.Holders())
	n.publish(v)
}

// publish tells who belongs to the cluster from now on.
func (n *Node) publish(v *member.View) {
	if n.cfg.Installed != nil {
		n.cfg.Installed(v)
	}
	n.views.set(v)
	n.readdress(v)
}

// readdress has members dialed where they are by now, and those who have joined.
func (n *Node) readdress(v *member.View) {
	if n.transport == nil {
		return
	}
	for i := range v.Places {
		id, m := member.ID(i), v.Places[i].Member()
		switch {
		case i >= n.transport.Known():
			n.transport.Add(n.cfg.member(v, id))
		case id != n.cfg.Self && m.Port > 0:
			n.transport.Move(id, m.Host, m.Port)
		}
	}
}

// nameOf returns what people call a member.
func (n *Node) nameOf(place member.ID) string {
	v, _ := n.views.now()
	return n.cfg.member(v, place).Name
}

// names returns the names of the members of a view.
func names(v *member.View) (all []string) {
	for i := range v.Places {
		if v.Places[i].Role == member.Writer {
			all = append(all, v.Places[i].Name)
		}
	}
	return all
}

// Rejoin has the others take this member back, which was let go and has its data, or
// came without any and is seated first; and waits until they have.
func (n *Node) Rejoin(ctx context.Context) (*member.View, error) {
	view, err := n.Change(ctx, member.Change{Kind: member.Rejoin, Identity: n.identity})
	for err == nil {
		reopened := n.outbox.reopened()
		if !n.outbox.isSuspended() {
			break
		}
		select {
		case <-reopened:
		case <-n.done:
			err = n.err
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	return view, err
}

// Leave has the others go on without this member, and waits until as many of them
// know it as decide on the next view: until then they may need this one.
func (n *Node) Leave(ctx context.Context) (*member.View, error) {
	view, err := n.Change(ctx, member.Change{Kind: member.Evict, Identity: n.identity})
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(knownEvery)
	defer ticker.Stop()
	for {
		status, err := n.Status(ctx)
		if err != nil || knownBy(view, status.Views) >= view.Quorum() {
			return view, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("node: the change is not known to enough members: %w", context.Cause(ctx))
		}
	}
}

// knownEvery is how often it is looked who knows a view.
const knownEvery = 20 * time.Millisecond

// knownBy returns how many members of a view were heard to go by it, or a later
// one.
func knownBy(view *member.View, heard []uint64) (count int) {
	for i := range view.Places {
		if view.Places[i].Role == member.Writer && i < len(heard) && heard[i] >= view.Number {
			count++
		}
	}
	return count
}

// Change asks for a change of the members, and waits until a view is as it wants
// it. The error wraps ErrRefused; after any other one the change may still come.
func (n *Node) Change(ctx context.Context, change member.Change) (*member.View, error) {
	asked := false
	first, _ := n.views.now()
	for {
		view, changed := n.views.now()
		switch {
		case view == nil:
			return nil, fmt.Errorf("%w: the members have not met yet", ErrRefused)
		case change.Done(view):
			return view, nil
		case asked && change.Kind == member.Force && view.Continues(first) && view.ForcedAfter(first) != nil:
			return view, nil // somebody is back already
		case change.Kind != member.Rejoin && !view.Has(n.identity):
			return nil, fmt.Errorf("%w: this member does not belong to the cluster any more; ask one of %s", ErrRefused, strings.Join(names(view), ", "))
		}
		if err := change.Check(view); err != nil && !(change.Kind == member.Rejoin && n.maySeat(view)) {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if !asked {
			if err := n.ask(ctx, view, change); err != nil {
				return nil, err
			}
			asked = true
		}
		select {
		case <-changed:
		case <-n.done:
			return nil, n.err
		case <-ctx.Done():
			return nil, fmt.Errorf("node: the change is not decided: %w", context.Cause(ctx))
		}
	}
}

// maySeat reports whether this member came without data, and was never in a view.
func (n *Node) maySeat(view *member.View) bool {
	_, has := view.TenantAt(n.identity)
	_, had := view.FormerAt(n.identity)
	return !has && !had
}

// replaceEvery is how often it is looked whether somebody can be seated.
const replaceEvery = 200 * time.Millisecond

// Replace has who came without data to a place, or comes there yet, be seated in the stead
// of who has it, which is let go first if it counts; and waits until that has caught up
// and counts. The error is as that of Change.
func (n *Node) Replace(ctx context.Context, place member.ID) (*member.View, error) {
	ticker := time.NewTicker(replaceEvery)
	defer ticker.Stop()
	first, _ := n.views.now()
	for {
		view, changed := n.views.now()
		p := &view.Places[place]
		switch {
		case p.Role == member.Writer && (p.Identity != first.Places[place].Identity || first.Places[place].IsSeated()):
			return view, nil
		case p.Role == member.Writer:
			if err := n.letGo(ctx, place, p); err != nil {
				return nil, err
			}
			continue
		case !p.IsSeated():
			_ = n.ask(ctx, view, member.Change{Kind: member.Admit, Name: p.Name}) // as soon as somebody is there
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-n.done:
			return nil, n.err
		case <-ctx.Done():
			return nil, fmt.Errorf("node: %s was evicted, and nobody has its place yet: %w", p.Name, context.Cause(ctx))
		}
	}
}

// letGo has the others go on without who counts at a place, unless it is heard and so
// has its data.
func (n *Node) letGo(ctx context.Context, place member.ID, p *member.Place) error {
	status, err := n.Status(ctx)
	if err != nil {
		return err
	}
	if status.Heard[place] && !(int(place) < len(status.Lost) && status.Lost[place]) {
		return fmt.Errorf("%w: %s is heard, and has its data: stop it first", ErrRefused, p.Name)
	}
	_, err = n.Change(ctx, member.Change{Kind: member.Evict, Identity: p.Identity})
	return err
}

// Orphans calls visit for each batch that the folder has of who was let go from a
// place beyond its cut, until it returns false.
func (n *Node) Orphans(view *member.View, origin member.ID, visit func(protocol.Batch) bool) error {
	if n.journal == nil {
		return nil
	}
	return n.journal.Orphans(view, origin, visit)
}

// missing returns who is not heard if those who are do not decide on a change: to
// begin it would stop settling for nothing.
func missing(view *member.View, heard []bool, self member.ID) error {
	var here, silent []string
	for i := range view.Places {
		p := &view.Places[i]
		switch {
		case p.Role != member.Writer:
		case member.ID(i) == self || i < len(heard) && heard[i]:
			here = append(here, p.Name)
		default:
			silent = append(silent, p.Name)
		}
	}
	if len(here) >= view.Quorum() {
		return nil
	}
	heardOf := "none is heard"
	if len(here) > 0 {
		heardOf = "here is only " + strings.Join(here, ", ")
	}
	return fmt.Errorf("%d of %d members decide on a change, %s; not heard: %s", view.Quorum(), view.Size(), heardOf, strings.Join(silent, ", "))
}

// May returns why a change of a view cannot be decided as things are; nil if it can.
func (n *Node) May(ctx context.Context, view *member.View, change member.Change) error {
	status, err := n.Status(ctx)
	if err != nil {
		return err
	}
	if err = change.Check(view); err == nil {
		err = missing(view, status.Heard, n.cfg.Self)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// ask has the reducer take up a change.
func (n *Node) ask(ctx context.Context, view *member.View, change member.Change) error {
	var refused, broken error
	err := n.inTurn(ctx, func() {
		if broken = n.broken; broken == nil && n.stalled.Load() {
			broken = fmt.Errorf("%w: %w", ErrRefused, n.Stalled())
		}
		if broken == nil && change.Kind != member.Force {
			refused = missing(view, n.reducer.Status().Heard, n.cfg.Self)
		}
		if broken == nil && refused == nil {
			refused, broken = n.driver.Change(n.now(), change)
		}
	})
	n.wakeUp() // what follows leaves with the loop's turn
	switch err = errors.Join(err, broken); {
	case err != nil:
		return err
	case refused != nil:
		return fmt.Errorf("%w: %w", ErrRefused, refused)
	}
	return nil
}
