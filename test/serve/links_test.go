//go:build linux

package serve_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox/internal/netns"
	"chatterbox/test/program"
)

func TestAcceptedEntriesSurviveCuts(t *testing.T) {
	program.OnlyAmongAll(t)
	apart(t, "cuts", cutSome)
}

// Members are killed while links are cut, so that a start finds some peers only.
func TestAcceptedEntriesSurviveCutsAndKills(t *testing.T) {
	apart(t, "cuts and kills", func(ctx context.Context, h *house, net *netns.Net, chance *rand.Rand) (deeds int) {
		kills := make(chan int)
		other := rand.New(rand.NewPCG(chance.Uint64(), 1))
		go func() { kills <- killSome(ctx, h, other) }()
		cuts := cutSome(ctx, h, net, chance)
		return cuts + <-kills
	})
}

// apart runs members in network namespaces of their own through an ordeal.
func apart(t *testing.T, what string, through func(ctx context.Context, h *house, net *netns.Net, chance *rand.Rand) int) {
	t.Helper()
	h, net := newHouseApart(t)
	h.survive(what, func(ctx context.Context, h *house, chance *rand.Rand) int { return through(ctx, h, net, chance) })
	if dropped, err := net.Dropped(t.Context()); err != nil || dropped == 0 {
		t.Errorf("%d packets were dropped, %v: this proves nothing", dropped, err)
	}
}

// newHouseApart makes a cluster in network namespaces of the members' own, in which
// the kernel drops packets between them.
func newHouseApart(t *testing.T) (*house, *netns.Net) {
	t.Helper()
	if err := netns.Available(); err != nil {
		t.Skipf("links between network namespaces: %v", err)
	}
	if err := netns.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	net, err := netns.New(t.Context(), members)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	h := newHouse(t, func(places *[housed]place) {
		for i := range members {
			host := net.Host(i)
			places[i].peer, places[i].web, places[i].flags = host.Address+":3000", "127.0.0.1:8000", []string{"--insecure"}
			places[i].command, places[i].dial = host.Command, host.Dial
		}
	})
	return h, net
}

// TestWhoIsCutOffIsEvictedAndNoticesLater cuts c off while clients write to all
// members, and has the others go on without it. Both sides take entries. Once links
// heal c learns of it and comes back by itself: what it had accepted alone settles,
// once, and what was read at a position anywhere stays there.
func TestWhoIsCutOffIsEvictedAndNoticesLater(t *testing.T) {
	program.OnlyAmongAll(t)
	h, net := newHouseApart(t)
	h.meet()
	ctx, stop := context.WithCancel(t.Context())
	var clients, followers sync.WaitGroup
	defer followers.Wait()
	defer clients.Wait()
	defer stop()
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	for w := range writers {
		clients.Go(func() {
			for n := 0; h.write(writing, w%members, fmt.Sprintf("writer %d entry %d", w, n)); n++ {
			}
		})
	}
	for i := range members {
		followers.Go(func() { h.follow(ctx, i) })
	}
	h.until("something has settled", func() bool { return h.settled(0) > 20 })
	impose := func(part int) {
		lost := func(from, to int) int { return part * (from/2 ^ to/2) }
		if err := net.Impose(ctx, lost); err != nil {
			t.Error(err)
		}
	}
	impose(100)
	h.until("c is missed", func() bool { _, text := h.get(0, "/readyz"); return strings.Contains(text, "evict c") })
	waits := h.settled(0)
	answer, err := h.clients[1].Post(h.url(1, "/v1/members"), "application/json", strings.NewReader(`{"action":"evict","name":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	h.until("settling goes on", func() bool { return h.settled(0) > waits+20 && h.settled(1) > waits+20 })
	impose(0)
	h.until("c is back", func() bool { return h.goesBy(2, 3) && h.ready(2) })
	alone := h.settled(0)
	h.until("settling goes on", func() bool { return h.settled(0) > alone+20 })
	stopWriting()
	clients.Wait()
	h.until("all has settled", func() bool { return h.allSettled(0, 1, 2) })
	stop()
	followers.Wait()
	_, log := h.get(0, "/v1/entries")
	h.judge(t, entriesOf(log))
}

// cutSome breaks links: a direction, a pair, all of a member, or a part of what
// goes over each.
func cutSome(ctx context.Context, h *house, net *netns.Net, chance *rand.Rand) (cuts int) {
	impose := func(lost func(from, to int) int) {
		if err := net.Impose(ctx, lost); err != nil {
			h.t.Error(err)
		}
	}
	for end := time.Now().Add(*ordealFor); time.Now().Before(end); cuts++ {
		one, other, kind := chance.IntN(members), 0, chance.IntN(4)
		other = (one + 1 + chance.IntN(members-1)) % members
		impose(func(from, to int) int {
			broken := [...]bool{
				from == one && to == other,
				min(from, to) == min(one, other) && max(from, to) == max(one, other),
				from == one || to == one,
			}
			switch {
			case kind == len(broken):
				return 30
			case broken[kind]:
				return 100
			}
			return 0
		})
		length := 100 + chance.IntN(900)
		if chance.IntN(5) == 0 {
			length += 2000 // long enough for peers to hang up
		}
		pause(ctx, time.Duration(length)*time.Millisecond)
		impose(func(int, int) int { return 0 })
		pause(ctx, time.Duration(100+chance.IntN(500))*time.Millisecond)
	}
	return cuts
}
