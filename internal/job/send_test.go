package job

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

func TestRateAllowsWhatTheTimeHasEarned(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		rate := rapid.Uint64Range(1, 1_000_000_000).Draw(t, "rate")
		now := time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "now"))
		written := rapid.Uint64Range(0, 1<<40).Draw(t, "written")
		earned := uint64(math.Floor(float64(rate) * now.Seconds()))
		allowed := due(rate, now, written)
		if total := written + allowed; total > max(earned, written)+1 || total+1 < earned {
			t.Fatalf("%d written and %d allowed, %d earned", written, allowed, earned)
		}
	})
}

func TestWhoWaitsUntilDueMayWrite(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		rate := rapid.Uint64Range(1, 1_000_000_000).Draw(t, "rate")
		now := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "now"))
		written := rapid.Uint64Range(0, due(rate, now, 0)+1000).Draw(t, "written")
		wait := untilDue(rate, now, written)
		if wait == 0 {
			if due(rate, now, written) == 0 {
				t.Fatal("nothing is due, and nothing to wait for")
			}
			return
		}
		if wait < pauseMin {
			t.Fatalf("a pause of %v is a busy loop", wait)
		}
		if due(rate, now+wait, written) == 0 {
			t.Fatalf("after %v still nothing is due", wait)
		}
	})
}

func TestWithoutARateEverythingIsDue(t *testing.T) {
	if due(0, 0, 1<<40) < 1<<40 || untilDue(0, 0, 1<<40) != 0 {
		t.Fatal("held up without a rate")
	}
}

func TestMarginGrowsWithCostAndLag(t *testing.T) {
	var m margin
	const grace = 10 * time.Second
	if got := m.length(grace); got != marginMax {
		t.Errorf("without a measurement %v, want %v", got, marginMax)
	}
	m.observeCost(300 * time.Millisecond)
	if got, want := m.length(grace), marginMax+marginFactor*300*time.Millisecond; got != want {
		t.Errorf("after a cost of 300 ms %v, want %v", got, want)
	}
	start := time.Unix(0, 0)
	m.observeLag(start)
	m.observeLag(start.Add(ProgressEvery + 200*time.Millisecond))
	if got, want := m.length(grace), marginMax+marginFactor*500*time.Millisecond; got != want {
		t.Errorf("and a lag of 200 ms %v, want %v", got, want)
	}
	m.observeCost(time.Hour)
	if got := m.length(grace); got != grace/marginShare {
		t.Errorf("at most a share of the grace phase, not %v", got)
	}
	if got := m.length(0); got != marginMin {
		t.Errorf("without a grace phase %v, want %v", got, marginMin)
	}
}
