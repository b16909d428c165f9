package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/transport"
	"chatterbox/internal/world/wire"
)

// Seat is the place that somebody has who has joined: Self, Members and View are
// what a [Config] needs, and Identity is its own.
type Seat struct {
	Identity member.Identity
	Self     member.ID
	Members  member.List
	View     *member.View
}

// Join asks a member, at its address, to have one taken in that has no place yet. Of
// the configuration counts how connections are made, and what must be the same at all
// members. An error with [transport.ErrJoin] in its chain does not pass by itself.
func Join(ctx context.Context, cfg Config, contact, own member.Member) (*Seat, error) {
	cfg = cfg.withDefaults()
	n := &Node{cfg: cfg}
	n.cfg.Members, n.cfg.Self = member.List{own}, 0
	identity := member.NewIdentity(time.Now().UnixMilli(), cfg.Random())
	seat, err := transport.Join(ctx, n.transportConfig(nil), contact, wire.Join{
		Identity: identity, Name: own.Name, Address: own.Address(), Observes: cfg.Observe,
	})
	if err != nil {
		return nil, err
	}
	place, _ := seat.View.TenantAt(identity) // it was judged
	return &Seat{Identity: identity, Self: place, Members: seat.Founders, View: seat.View}, nil
}

// LearnFrom asks a member, at its address, who belongs to the cluster by now: those
// that this one knows may all have left or moved. An error with [transport.ErrJoin] in
// its chain does not pass by itself.
func (n *Node) LearnFrom(ctx context.Context, contact member.Member) error {
	known, _ := n.views.now()
	own := n.cfg.member(known, n.cfg.Self)
	asker := &Node{cfg: n.cfg}
	asker.cfg.Members, asker.cfg.Self = member.List{own}, 0
	seat, err := transport.Join(ctx, asker.transportConfig(nil), contact, wire.Join{Identity: n.identity, Name: own.Name, Address: own.Address()})
	switch {
	case err != nil:
		return err
	case seat.Founders.Hash() != n.cfg.Members.Hash():
		return fmt.Errorf("%w: the cluster of who was asked began with another list", transport.ErrJoin)
	}
	var broken error
	err = n.inTurn(ctx, func() {
		if broken = n.broken; broken == nil && !n.stalled.Load() {
			// It is nobody's message: of it only the view counts.
			broken = n.driver.Step(protocol.Event{Kind: protocol.Receive, Now: n.now(), Message: &protocol.Message{
				From: member.ID(len(seat.View.Places)), Identity: n.identity, Views: []*member.View{seat.View},
			}})
		}
	})
	n.wakeUp() // what follows leaves with the loop's turn
	return errors.Join(err, broken)
}

// takeIn has somebody taken in who asks for it, and returns the answer; who has a place
// is told who belongs.
func (n *Node) takeIn(ctx context.Context, join wire.Join) *wire.Seat {
	view, _ := n.views.now()
	switch {
	case view == nil:
		return &wire.Seat{Refusal: "the members have not met yet"}
	case isTenant(view, join.Identity):
		return &wire.Seat{Founders: n.cfg.Members, View: view}
	case isFormer(view, join.Identity):
		return &wire.Seat{Refusal: "another one has the place of this member by now", Final: true}
	case n.isOfTheList(view, join.Name):
		return &wire.Seat{Refusal: fmt.Sprintf("the name %q is that of a member of the list: choose another one", join.Name), Final: true}
	}
	change := member.Change{Kind: member.Admit, Identity: join.Identity, Name: join.Name, Address: join.Address, Observes: join.Observes}
	if err := change.Check(view); err != nil && !change.Done(view) {
		return &wire.Seat{Refusal: err.Error(), Final: true}
	} else if err == nil && n.isThere(ctx, view, join.Name) {
		return &wire.Seat{Refusal: fmt.Sprintf("who is called %q is heard: stop it first, or take another name", join.Name)}
	}
	view, err := n.Change(ctx, change)
	switch {
	case errors.Is(err, ErrRefused):
		return &wire.Seat{Refusal: err.Error()}
	case err != nil:
		return &wire.Seat{Refusal: "the members have not decided on it yet"}
	}
	n.cfg.Log.Info("somebody has joined", "member", join.Name, "address", join.Address, "view", view.Number)
	return &wire.Seat{Founders: n.cfg.Members, View: view}
}

func isTenant(view *member.View, identity member.Identity) bool {
	_, is := view.TenantAt(identity)
	return is
}

func isFormer(view *member.View, identity member.Identity) bool {
	_, was := view.FormerAt(identity)
	return was
}

// isThere reports whether who has the place of a name is heard, and so would lose it.
func (n *Node) isThere(ctx context.Context, view *member.View, name string) bool {
	status, err := n.Status(ctx)
	for place := range view.Places {
		if err == nil && view.Places[place].Name == name {
			return place < len(status.Heard) && status.Heard[place] && (place >= len(status.Lost) || !status.Lost[place])
		}
	}
	return false
}

// isOfTheList reports whether a name is what a member of the list is called, who has
// another one in views: its address.
func (n *Node) isOfTheList(view *member.View, name string) bool {
	for place, called := range n.cfg.Members.Called() {
		if called == name && view.Places[place].Name != name {
			return true
		}
	}
	return false
}
