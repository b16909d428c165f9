package delta

import (
	"slices"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// TestHelp: which streams are relayed to a peer after each event, at its time.
func TestHelp(t *testing.T) {
	const second = time.Second
	var h help
	steps := []struct {
		name    string
		at      time.Duration
		event   func(now time.Duration)
		streams []member.ID
		until   time.Duration // of stream 1
	}{
		{"nothing", second, h.expire, nil, 0},
		{"asked for", second, func(now time.Duration) { h.relay(1, now, now+2*second, 3) }, []member.ID{1}, 3 * second},
		{"asked for again", 2 * second, func(now time.Duration) { h.relay(1, now, now+2*second, 3) }, []member.ID{1}, 4 * second},
		{"a shorter request shortens nothing", 2 * second, func(now time.Duration) { h.relay(1, now, now+1, 3) }, []member.ID{1}, 4 * second},
		{"another one", 3 * second, func(now time.Duration) { h.relay(2, now, now+3*second, 3) }, []member.ID{1, 2}, 4 * second},
		{"the first one ends", 4 * second, h.expire, []member.ID{2}, 4 * second},
		{"and begins again", 5 * second, func(now time.Duration) { h.relay(1, now, now+second, 3) }, []member.ID{2, 1}, 6 * second},
		{"the other is not wanted any more", 5 * second, func(now time.Duration) { h.cancel(2, now) }, []member.ID{1}, 6 * second},
		{"the peer returns", 5 * second, h.end, nil, 0},
	}
	for _, step := range steps {
		step.event(step.at)
		if !slices.Equal(h.streams, step.streams) || h.lasts(1) != step.until {
			t.Errorf("%s: streams %v, the first until %v", step.name, h.streams, h.lasts(1))
		}
	}
}

// TestOneHolderASlot: of four members that hold what a fifth lacks, which is heard
// and does not ask, one helps at a time, and each has its slot.
func TestOneHolderASlot(t *testing.T) {
	const members, peer, origin = 5, 4, 3
	holders := make([]*Delta, members)
	for self := range holders {
		d := New(Config{Self: member.ID(self), Members: members, Identity: member.Identity(10 + self), Datagram: true})
		for place := range members {
			d.bind(member.ID(place), member.Identity(10+place))
		}
		d.frontier.raise(origin, clock.Mark{Have: 7})
		l := &d.links[peer]
		l.presence.identity, l.presence.everHeard, l.presence.met = 10+peer, true, true
		l.row = d.frontier.rowOf(peer, 10+peer, 0)
		holders[self] = d
	}
	helped := map[member.ID]bool{}
	for now := standStillMax; now < standStillMax+members*slotHeard; now += slotHeard / 5 {
		var helping []member.ID
		for self, d := range holders[:peer] {
			l := &d.links[peer]
			d.now, l.presence.heard = now, now
			l.help.expire(now)
			d.repair(l)
			if l.help.lasts(origin) > now && self != origin { // the origin sends without a rank
				helping = append(helping, member.ID(self))
				helped[member.ID(self)] = true
			}
		}
		if len(helping) > 1 {
			t.Errorf("at %v %v help at the same time", now, helping)
		}
	}
	if len(helped) != 3 {
		t.Errorf("only %v ever help", helped)
	}
}
