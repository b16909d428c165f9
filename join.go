package chatterbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/transport"
)

// foundersFile is where the folder of a member that has joined keeps the list with
// which the cluster began.
const foundersFile = "founders.json"

// seat returns the place of a member that has joined, as its folder knows it, or as
// the cluster gives it one now; nil for one of the list.
func (c *Config) seat(ctx context.Context) (*node.Seat, error) {
	known, err := c.seatOfFolder()
	switch {
	case err != nil:
		return nil, fmt.Errorf("chatterbox: %w", err)
	case known != nil || len(c.Members) > 0:
		return known, nil
	case c.Join == "":
		return nil, fmt.Errorf("chatterbox: Members are missing, and the folder %s is not that of a member that has joined", c.Dir)
	}
	seat, err := c.join(ctx)
	if err == nil && c.Dir != "" {
		err = keepFounders(c.Dir, seat.Members)
	}
	if err != nil {
		return nil, fmt.Errorf("chatterbox: join by %s: %w", c.Join, err)
	}
	return seat, nil
}

// seatOfFolder returns the place that is in the folder; nil if there is none, or one
// of the list.
func (c *Config) seatOfFolder() (*node.Seat, error) {
	if c.Dir == "" || c.Join == "" && len(c.Members) > 0 {
		return nil, nil
	}
	founder := len(c.Members) > 0
	files, err := journal.ReadOnly(c.Dir)
	var owner *journal.Owner
	if err == nil {
		owner, err = journal.OwnerOf(files)
	}
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case owner == nil && founder:
		return nil, fmt.Errorf("the folder %s is empty: a founder has Join only to go on with its own folder", c.Dir)
	case owner == nil, founder && int(owner.Self) < owner.Members:
		return nil, nil
	case int(owner.Self) < owner.Members:
		return nil, fmt.Errorf("the folder %s is that of a member of the list, which has no need to join: give it the list of Members", c.Dir)
	case owner.View == nil || int(owner.Self) >= len(owner.View.Places):
		return nil, fmt.Errorf("the folder %s does not say who its member is: give this one an empty folder", c.Dir)
	case owner.View.Places[owner.Self].Name != c.Name:
		return nil, fmt.Errorf("the folder %s is that of %s: this is %s", c.Dir, owner.View.Places[owner.Self].Name, c.Name)
	}
	if c.Observe && owner.View.Places[owner.Self].Role == member.Writer {
		return nil, fmt.Errorf("the folder %s is that of a member that counts: start it without Observe, and if it is to read only, have it leave first", c.Dir)
	}
	list, err := member.ReadList(filepath.Join(c.Dir, foundersFile))
	if err != nil {
		return nil, err
	}
	return &node.Seat{Identity: owner.Identity, Self: owner.Self, Members: list, View: owner.View}, nil
}

// join asks the member that is named until this one has a place, or cannot get one.
func (c *Config) join(ctx context.Context) (*node.Seat, error) {
	host, port, err := splitAddress(c.Join)
	if err != nil {
		return nil, err
	}
	ownHost, ownPort, err := splitAddress(c.Address)
	if err != nil {
		return nil, err
	}
	cfg := node.Config{Cluster: c.Cluster, TLS: c.TLS, Insecure: c.Insecure, Changes: true, Observe: c.Observe, Log: c.Log}
	node.Alteration(ctx)(&cfg)
	contact, own := member.Member{Name: c.Join, Host: host, Port: port}, member.Member{Name: c.Name, Host: ownHost, Port: ownPort}
	var seat *node.Seat
	in := asking{log: c.Log.With("by", c.Join), waits: belongsNot, ask: func(ctx context.Context) (err error) {
		seat, err = node.Join(ctx, cfg, contact, own)
		return err
	}, final: func(err error) bool { return errors.Is(err, transport.ErrJoin) }}
	if err := in.untilGranted(ctx); err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w; at last: %w", context.Cause(ctx), err)
	} else if err != nil {
		return nil, err
	}
	return seat, nil
}

// findOthers asks a member who belongs to the cluster by now, for this one may know
// nobody any more who is there; what it accepted meanwhile it has in its folder.
func (n *Node) findOthers(ctx context.Context, by string) {
	host, port, err := splitAddress(by)
	if err != nil {
		return // it was checked
	}
	contact := member.Member{Name: by, Host: host, Port: port}
	who := asking{over: n.closed, log: n.log.With("by", by), waits: "nobody says who belongs to the cluster by now", ask: func(ctx context.Context) error {
		return n.inner.LearnFrom(ctx, contact)
	}, final: func(err error) bool { return errors.Is(err, transport.ErrJoin) }}
	if err := who.untilGranted(ctx); errors.Is(err, transport.ErrJoin) {
		n.log.Error("this member is not told who belongs to the cluster by now", "by", by, "reason", err)
	}
}

// keepFounders keeps the list with which the cluster began, before anything else is in
// the folder.
func keepFounders(dir string, list member.List) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, foundersFile)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// membersOf returns the members by place as users call them, those of the list first.
func membersOf(founders member.List, v *member.View) member.List {
	list := slices.Clone(founders)
	for place, name := range founders.Called() {
		list[place].Name = name
	}
	if v == nil {
		return list
	}
	for place := len(list); place < len(v.Places); place++ {
		list = append(list, v.Places[place].Member())
	}
	return list
}

// list returns all members that are known by their places.
func (n *Node) list() member.List { return *n.members.Load() }

// called returns what a member is called.
func (n *Node) called(place member.ID) string {
	if list := n.list(); int(place) < len(list) {
		return list[place].Name
	}
	return fmt.Sprint("number ", int(place)+1) // of whom no view told yet
}
