package workload

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

func TestEarlierPhasesCount(t *testing.T) {
	p := NewPhases(0, 3*time.Second, time.Second)
	if p.Adopt(time.Second, 5*time.Second, 6*time.Second) {
		t.Fatalf("later ends were adopted: %v", p)
	}
	if !p.Adopt(time.Second, time.Second, 6*time.Second) || p != (Phases{2 * time.Second, 4 * time.Second}) {
		t.Fatalf("phases are %v", p)
	}
	if send, grace := p.Left(3 * time.Second); send != 0 || grace != time.Second {
		t.Fatalf("left are %v and %v", send, grace)
	}
}

func TestStopEndsTheSendPhaseOnly(t *testing.T) {
	p := NewPhases(0, 3*time.Second, time.Second)
	p.Stop(time.Second)
	p.Stop(2 * time.Second)
	if p != (Phases{time.Second, 4 * time.Second}) {
		t.Fatalf("phases are %v", p)
	}
}

// TestPhasesOfAllMembersMeet lets members that start at different times tell
// each other what is left, in any order: all end with the earliest ends.
func TestPhasesOfAllMembersMeet(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		durations := rapid.Int64Range(0, int64(time.Hour))
		members := make([]Phases, 3)
		earliest := Phases{math.MaxInt64, math.MaxInt64}
		for i := range members {
			start := time.Duration(durations.Draw(t, "start"))
			send, grace := time.Duration(durations.Draw(t, "send")), time.Duration(durations.Draw(t, "grace"))
			members[i] = NewPhases(start, send, grace)
			earliest.SendEnd = min(earliest.SendEnd, members[i].SendEnd)
			earliest.GraceEnd = min(earliest.GraceEnd, members[i].GraceEnd)
		}
		for range 2 {
			for i := range members {
				send, grace := members[i].Left(0)
				members[(i+1)%len(members)].Adopt(0, send, grace)
			}
		}
		for i, p := range members {
			if p != earliest {
				t.Fatalf("member %d has %v, the earliest are %v", i, p, earliest)
			}
		}
	})
}

func TestWhatIsLeftForEverDoesNotOverflow(t *testing.T) {
	p := NewPhases(0, time.Second, time.Second)
	if p.Adopt(time.Hour, math.MaxInt64, math.MaxInt64) || p.Adopt(0, time.Minute, time.Minute) {
		t.Fatalf("phases are %v", p)
	}
}
