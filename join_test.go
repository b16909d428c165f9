package chatterbox_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/keys"
	"chatterbox/test/program"
)

// loopback returns members of these names at addresses of this machine that are theirs until
// the test ends.
func loopback(tb testing.TB, names ...string) []chatterbox.Member {
	tb.Helper()
	var members []chatterbox.Member
	for i, port := range program.Ports(tb, len(names)) {
		members = append(members, chatterbox.Member{Name: names[i], Address: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	return members
}

// opened opens a node for as long as the test lasts.
func opened(t *testing.T, cfg chatterbox.Config) *chatterbox.Node {
	t.Helper()
	n, err := chatterbox.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, n) })
	return n
}

func closed(t *testing.T, n *chatterbox.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Error(err)
	}
}

// becomesMember has a member that has joined be one that writes.
func becomesMember(t *testing.T, n *chatterbox.Node, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := n.Change(ctx, chatterbox.Change{Return: name})
		switch {
		case err == nil:
			return
		case !errors.Is(err, chatterbox.ErrRefused): // else nobody is heard yet
			t.Fatal(err)
		}
		<-again.C
	}
}

// TestMembersJoinARunningCluster grows a cluster of one to three, over real sockets, and
// starts who joined again with nothing but its folder.
func TestMembersJoinARunningCluster(t *testing.T) {
	all := loopback(t, "a", "b", "c")
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	nodes := []*chatterbox.Node{opened(t, chatterbox.Config{Name: "a", Members: all[:1], Dir: dirs[0]})}
	for i := range 20 {
		broadcast(t, nodes[0], fmt.Sprint("before ", i))
	}
	for i := 1; i < 3; i++ {
		cfg := chatterbox.Config{Name: all[i].Name, Join: all[i-1].Address, Address: all[i].Address, Dir: dirs[i]}
		n := opened(t, cfg)
		if err := n.Status().Writable; err != nil && !strings.Contains(err.Error(), "joined") {
			t.Errorf("%s does not write: %v", cfg.Name, err)
		}
		becomesMember(t, n, cfg.Name)
		nodes = append(nodes, n)
		for _, n := range nodes {
			broadcast(t, n, "with "+cfg.Name+" by "+n.Status().Name)
		}
	}
	closed(t, nodes[2])
	nodes[2] = opened(t, chatterbox.Config{Name: "c", Dir: dirs[2]})
	last := broadcast(t, nodes[2], "again")
	at, err := nodes[0].Position(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	want := texts(t, nodes[0], at)
	if len(want) != 20+2+3+1 {
		t.Errorf("%d entries have settled", len(want))
	}
	for _, n := range nodes[1:] {
		if _, err := n.Position(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		got := texts(t, n, at) // what all had forgotten by then, a snapshot stands for
		if n := len(want) - len(got); n < 0 || len(got) < 4 || !slices.Equal(got, want[n:]) {
			t.Errorf("read %q, a reads %q", got, want)
		}
	}
	status := nodes[1].Status()
	if status.View.Quorum != 2 || len(status.View.Members) != 3 || len(status.Members) != 3 || status.Members[2].Joining || status.Members[2].Entries != 2 {
		t.Errorf("b shows %+v", status)
	}
}

// texts returns what a node reads up to a position.
func texts(t *testing.T, n *chatterbox.Node, to chatterbox.Position) (all []string) {
	t.Helper()
	for e, err := range n.Entries(t.Context(), n.Status().Oldest-1) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, string(e.Payload)); e.Position >= to {
			break
		}
	}
	return all
}

// TestWhoCannotJoinIsToldWhy, once and for all.
func TestWhoCannotJoinIsToldWhy(t *testing.T) {
	all := loopback(t, "a", "b")
	a := opened(t, chatterbox.Config{Name: "a", Members: all[:1], Volatile: true, Cluster: "one"})
	broadcast(t, a, "there")
	for want, change := range map[string]func(*chatterbox.Config){
		"which is a member":             func(cfg *chatterbox.Config) { cfg.Name = "a" },
		"is that of a too":              func(cfg *chatterbox.Config) { cfg.Address = all[0].Address },
		"this is cluster":               func(cfg *chatterbox.Config) { cfg.Cluster = "two" },
		"where peers dial this member:": func(cfg *chatterbox.Config) { cfg.Address = "" },
		"exclude each other":            func(cfg *chatterbox.Config) { cfg.Members = all },
	} {
		cfg := chatterbox.Config{Name: "b", Join: all[0].Address, Address: all[1].Address, Volatile: true, Cluster: "one"}
		change(&cfg)
		if _, err := chatterbox.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("waited long enough"))
	cfg := chatterbox.Config{Name: "b", Join: "127.0.0.1:1", Address: all[1].Address, Volatile: true}
	if _, err := chatterbox.Open(ctx, cfg); err == nil || !strings.Contains(err.Error(), "waited long enough") {
		t.Errorf("error is %v", err)
	}
	if _, err := chatterbox.Open(t.Context(), chatterbox.Config{Name: "b", Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not that of a member that has joined") {
		t.Errorf("error is %v", err)
	}
	if got := a.Status().View.Number; got != 1 {
		t.Errorf("view %d counts, although nobody joined", got)
	}
}

// TestWhoJoinsShowsACertificateForItsName: it is taken in under no other one, and takes
// no answer of who is not the member that it says it is.
func TestWhoJoinsShowsACertificateForItsName(t *testing.T) {
	folder, others := t.TempDir(), t.TempDir()
	for _, at := range []string{folder, others} {
		if _, err := keys.Make(keys.Config{Folder: at, Members: member.List{{Name: "a"}, {Name: "b"}, {Name: "c"}}, ValidFor: time.Hour, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	load := func(folder, name string) *tls.Config {
		config, err := keys.Load(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	all := loopback(t, "a", "b", "c")
	a := opened(t, chatterbox.Config{Name: "a", Members: all[:1], Volatile: true, TLS: load(folder, "a")})
	for want, config := range map[string]*tls.Config{
		"not one of member b": load(folder, "c"),
		"another authority":   load(others, "b"),
		"the other does not":  nil,
	} {
		cfg := chatterbox.Config{Name: "b", Join: all[0].Address, Address: all[1].Address, Volatile: true, TLS: config}
		if _, err := chatterbox.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	b := opened(t, chatterbox.Config{Name: "b", Join: all[0].Address, Address: all[1].Address, Volatile: true, TLS: load(folder, "b")})
	becomesMember(t, b, "b")
	if _, err := a.Position(t.Context(), broadcast(t, b, "by b")); err != nil {
		t.Error(err)
	}
}

// TestWhoObservesReadsAndIsNoMember: it has all, in order, with the positions that the
// others have; writes nothing; changes nobody's mind about whom to wait for; and comes
// to be a member only once it is opened without Observe.
func TestWhoObservesReadsAndIsNoMember(t *testing.T) {
	all := loopback(t, "a", "o")
	a := opened(t, chatterbox.Config{Name: "a", Members: all[:1], Dir: t.TempDir()})
	dir := t.TempDir()
	cfg := chatterbox.Config{Name: "o", Join: all[0].Address, Address: all[1].Address, Dir: dir, Observe: true}
	o := opened(t, cfg)
	last := broadcast(t, a, "one")
	if at, err := o.Position(t.Context(), last); err != nil || at != 1 {
		t.Fatalf("at %d: %v", at, err)
	}
	if got := texts(t, o, 1); !slices.Equal(got, []string{"one"}) {
		t.Errorf("the observer reads %q", got)
	}
	if _, err := o.Broadcast(t.Context(), []byte("no")); !errors.Is(err, chatterbox.ErrReadOnly) || !strings.Contains(err.Error(), "only reads") {
		t.Errorf("an observer writes: %v", err)
	}
	if _, err := o.Change(t.Context(), chatterbox.Change{Return: "o"}); !errors.Is(err, chatterbox.ErrRefused) || !strings.Contains(err.Error(), "without --observe") {
		t.Errorf("an observer becomes a member: %v", err)
	}
	for _, n := range []*chatterbox.Node{a, o} {
		status := n.Status()
		if m := status.Members[1]; len(status.View.Members) != 1 || !m.Observing || m.Joining || m.Evicted || m.Counts() || !status.Members[0].Counts() {
			t.Errorf("%s shows %+v", status.Name, status)
		}
	}
	closed(t, o)
	last = broadcast(t, a, "two")
	if at, err := a.Position(t.Context(), last); err != nil || at != 2 {
		t.Fatalf("what is written while the observer is gone is at %d: %v", at, err)
	}
	cfg.Observe, cfg.Join, cfg.Address = false, "", ""
	o = opened(t, cfg)
	becomesMember(t, o, "o")
	last = broadcast(t, o, "three")
	if at, err := a.Position(t.Context(), last); err != nil || at != 3 {
		t.Fatalf("at %d: %v", at, err)
	}
	closed(t, o)
	cfg.Observe = true
	if _, err := chatterbox.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "have it leave first") {
		t.Errorf("a member observes: %v", err)
	}
}

// TestWhoHasJoinedAndKnowsNobodyAnyMore is told by Join who is there, and goes on with what
// its folder has; a founder with an empty folder, or of another cluster, is not.
func TestWhoHasJoinedAndKnowsNobodyAnyMore(t *testing.T) {
	all := loopback(t, "a", "b", "c", "d", "x")
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nodes := []*chatterbox.Node{opened(t, chatterbox.Config{Name: "a", Members: all[:1], Dir: dirs[0]})}
	joins := func(i, by int) {
		nodes = append(nodes, opened(t, chatterbox.Config{Name: all[i].Name, Join: all[by].Address, Address: all[i].Address, Dir: dirs[i]}))
		becomesMember(t, nodes[i], all[i].Name)
	}
	changes := func(at int, change chatterbox.Change) {
		if _, err := nodes[at].Change(ctx, change); err != nil {
			t.Fatal(err)
		}
	}
	joins(1, 0)
	joins(2, 0)
	broadcast(t, nodes[1], "b was there")
	closed(t, nodes[1])
	changes(0, chatterbox.Change{Evict: "b"})
	joins(3, 2)
	changes(0, chatterbox.Change{Leave: "a"})
	changes(2, chatterbox.Change{Leave: "c"})
	b, d := opened(t, chatterbox.Config{Name: "b", Dir: dirs[1]}), nodes[3]
	alone := broadcast(t, b, "alone")
	if s := b.Status(); s.Ready == nil || !strings.Contains(s.Ready.Error(), "if they have left or moved, start this one with --join HOST:PORT") {
		t.Errorf("it is ready: %v", s.Ready)
	}
	short, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	_ = b.Close(short) // nobody else holds what it took
	b = opened(t, chatterbox.Config{Name: "b", Join: all[3].Address, Address: all[1].Address, Dir: dirs[1]})
	for len(d.Status().View.Members) < 2 {
		<-time.After(10 * time.Millisecond)
	}
	becomesMember(t, b, "b")
	for _, n := range []*chatterbox.Node{b, d} {
		if _, err := n.Position(ctx, alone); err != nil {
			t.Errorf("at %s: %v", n.Status().Name, err)
		}
	}
	if _, err := chatterbox.Open(ctx, chatterbox.Config{Name: "x", Members: all[4:], Join: all[3].Address, Dir: dirs[4]}); err == nil || !strings.Contains(err.Error(), "is empty: a founder has Join only") {
		t.Errorf("error is %v", err)
	}
	closed(t, opened(t, chatterbox.Config{Name: "x", Members: all[4:], Dir: dirs[4]}))
	var said told
	x := opened(t, chatterbox.Config{Name: "x", Members: all[4:], Join: all[3].Address, Dir: dirs[4], Log: slog.New(slog.NewTextHandler(&said, nil))})
	for !strings.Contains(said.since(), "this member is not told who belongs to the cluster by now") {
		<-time.After(10 * time.Millisecond)
	}
	broadcast(t, x, "by itself")
	if s := x.Status(); len(s.Members) != 1 || s.View.Number != 1 {
		t.Errorf("it goes by %+v", s.View)
	}
}
