//go:build unix

// Package serve_test runs members that stay, as real processes, lets them go
// through what happens to machines, and looks at what is left of their promises:
// whoever was answered finds the entry in the one order, once, and what was read
// at a position stays there.
package serve_test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"chatterbox/test/program"
)

func TestAcceptedEntriesSurviveKills(t *testing.T) { newHouse(t).survive("kills", killSome) }

// killSome kills members, one at a time, and starts them again.
func killSome(ctx context.Context, h *house, chance *rand.Rand) (kills int) {
	for end := time.Now().Add(*ordealFor); time.Now().Before(end); kills++ {
		pause(ctx, time.Duration(100+chance.IntN(600))*time.Millisecond)
		victim := chance.IntN(members)
		h.kill(victim)
		pause(ctx, time.Duration(chance.IntN(300))*time.Millisecond)
		h.start(victim)
	}
	return kills
}

func TestAcceptedEntriesSurvivePauses(t *testing.T) {
	program.OnlyAmongAll(t)
	newHouse(t).survive("pauses", pauseSome)
}

// pauseSome lets members stand still, one or two at a time. Some are killed
// before they go on.
func pauseSome(ctx context.Context, h *house, chance *rand.Rand) (pauses int) {
	for end := time.Now().Add(*ordealFor); time.Now().Before(end); pauses++ {
		pause(ctx, time.Duration(50+chance.IntN(400))*time.Millisecond)
		victims := chance.Perm(members)[:1+chance.IntN(2)]
		for _, victim := range victims {
			h.signal(victim, syscall.SIGSTOP)
			pause(ctx, time.Duration(chance.IntN(100))*time.Millisecond)
		}
		length := 50 + chance.IntN(500)
		if chance.IntN(5) == 0 {
			length += 2000 // long enough for peers to hang up
		}
		pause(ctx, time.Duration(length)*time.Millisecond)
		for _, victim := range victims {
			if chance.IntN(5) == 0 {
				h.kill(victim)
				h.start(victim)
				continue
			}
			h.signal(victim, syscall.SIGCONT)
		}
	}
	return pauses
}
