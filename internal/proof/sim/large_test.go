package sim_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
)

var largeMembers = flag.Int("members", draw.Of(120, 30), "members of the large cluster; 1000 take minutes and gigabytes")

// TestLargeClusterSettles: many members, in CI more than a hundred, of which a few broadcast
// while two are cut off from all others for a while, keep all promises and
// settle everything. The figures for 1,000 members, in docs/performance.md,
// come from
//
//	go test ./internal/proof/sim -run LargeCluster -members 1000 -v
func TestLargeClusterSettles(t *testing.T) {
	cut, err := failure.Parse(strings.NewReader("1s a,b <-> * cut\n3s * <-> * heal\n"), "cut and healed")
	if err != nil {
		t.Fatal(err)
	}
	rates := make([]float64, *largeMembers)
	for i := range 10 {
		rates[i] = 0.5
	}
	tick := time.Duration(*largeMembers) * time.Millisecond
	shape := steady(2*time.Millisecond, tick, rates...)
	shape.Wake = tick / 20
	d := newDelays(*largeMembers, 0)
	r := mustHold(t, sim.NewRunner(), sim.Config{
		Seed: 1, Members: *largeMembers, SendFor: 5 * time.Second, GraceFor: 15 * time.Second, Map: cut, Shape: shape, Sink: d,
	})
	t.Logf("%d members, %v: %d entries, %d batches settled everywhere, the longest took %v; %d messages, %d events",
		*largeMembers, r.Virtual, r.Entries, d.settled, d.longest, r.Messages, r.Events)
	if d.settled == 0 || uint64(d.settled) != r.Entries {
		t.Errorf("%d of %d entries settled", d.settled, r.Entries)
	}
}
