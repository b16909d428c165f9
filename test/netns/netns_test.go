//go:build linux

// Package netns_test runs clusters of real processes in network namespaces,
// each member on an address of its own, and breaks their links with nftables.
package netns_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/netns"
	"chatterbox/internal/proof/failure"
	"chatterbox/test/program"
)

const (
	sendFor = 3 * time.Second
	waitFor = 5 * time.Second
	// lateMax is how much later than its deadline a tuple may be read here:
	// the time in which a process starts on a busy machine.
	lateMax = 500 * time.Millisecond
	// stuckAfter ends a run that does not end by itself.
	stuckAfter = sendFor + 2*waitFor + 10*time.Second
	// clustersAtOnce bounds how many clusters run side by side.
	clustersAtOnce = 4
	// peakBytesMax is what a member may take of memory.
	peakBytesMax = 300 << 20
)

// TestMain lets more clusters run at once than there are processors: most of
// the time they wait.
func TestMain(m *testing.M) {
	actAsNameserver()
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(clustersAtOnce)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// binary builds the program for a test, which is skipped where namespaces
// cannot be had.
func binary(t *testing.T) string {
	t.Helper()
	if err := netns.Available(); err != nil {
		t.Skipf("real processes in network namespaces: %v", err)
	}
	if err := netns.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	return program.Build(t)
}

// scenario is a claim about a map.
type scenario struct {
	claim    string
	breaks   failure.Map
	complete bool // every member holds everything in the end
}

// scenarios returns all that can be imposed on namespaces: the clean run, and
// the maps that come with the program.
func scenarios(t *testing.T) []scenario {
	t.Helper()
	all := []scenario{{claim: "clean-run-agrees", complete: true}}
	for _, shipment := range failure.Shipped() {
		if !imposable(shipment.Map()) || shipment.Durable {
			t.Logf("not here: %s", shipment.Name)
			continue
		}
		all = append(all, scenario{claim: shipment.Name, breaks: shipment.Map(), complete: shipment.Complete})
	}
	return all
}

func TestDeltaHolds(t *testing.T) {
	path := binary(t)
	for _, s := range scenarios(t) {
		t.Run(s.claim, func(t *testing.T) {
			t.Parallel()
			s.holdsForDelta(t, newCrew(t, path, s.breaks, phases("--rate=10000")...))
		})
	}
}

// At full speed what cannot be drained in the grace phase must not be sent, so
// it is here that a slow link or a late heal could cost somebody his
// completeness. One cluster at a time, for each takes all there is.
func TestDeltaHoldsAtFullSpeed(t *testing.T) {
	path := binary(t)
	hard := regexp.MustCompile(`^(clean-run|halves-cut|minority|slow-host|a-fifth|paused|heal-two-seconds)`)
	for _, s := range scenarios(t) {
		if hard.MatchString(s.claim) {
			t.Run(s.claim, func(t *testing.T) { s.holdsForDelta(t, newCrew(t, path, s.breaks, phases()...)) })
		}
	}
}

// holdsForDelta demands one tuple of all that can reach each other, and that
// all are complete if they can be.
func (s *scenario) holdsForDelta(t *testing.T, c *crew) {
	t.Helper()
	ended := play(t, c)
	for i, e := range ended {
		switch {
		case e == nil:
		case s.complete:
			e.check(t, ended[firstAlive(ended)], 0)
		default:
			e.check(t, ended[c.prospect.First(member.ID(i))], 2)
			e.namesMissing(t, c, member.ID(i))
		}
	}
}

func TestLockstepHolds(t *testing.T) {
	path := binary(t)
	for _, s := range scenarios(t) {
		t.Run(s.claim, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, path, s.breaks, phases("--protocol=lockstep", "--rate=1000")...)
			ended := play(t, c)
			first := ended[firstAlive(ended)]
			for i, e := range ended {
				switch {
				case e == nil:
				case c.prospect.Meshed():
					e.check(t, first, 0)
				default:
					e.checkApart(t, c, ended[c.prospect.First(member.ID(i))])
				}
			}
		})
	}
}

// The entries of a member that dies count as far as anybody held them: here
// only one peer hears it before it dies in the middle of its sending, and
// passes on what it heard.
func TestDeadMembersEntriesLiveOn(t *testing.T) {
	const own = 30000 // entries that everybody writes who lives for 1.5 s
	c := newCrew(t, binary(t), parse(t, "0s e <-> b,c,d cut\n1s e crash"), phases("--rate=20000", fmt.Sprintf("--messages=%d", own))...)
	ended := play(t, c)
	for i, e := range ended {
		if e == nil {
			continue
		}
		e.check(t, ended[0], 2)
		e.namesMissing(t, c, member.ID(i))
		if dead := e.Count - 4*own; dead <= 0 || dead >= own {
			t.Errorf("%s counts %d entries of the dead member, want some of %d", e.name, dead, own)
		}
	}
}

// A member that is absent costs memory and, in the end, back-pressure, but
// neither without bound, even at full speed.
func TestAbsentMemberCostsBoundedMemory(t *testing.T) {
	c := newCrew(t, binary(t), parse(t, "0s e crash"), phases()...)
	for i, e := range play(t, c) {
		if e != nil {
			e.namesMissing(t, c, member.ID(i))
			t.Logf("%s: %d entries, %d MiB", e.name, e.Count, e.PeakBytes>>20)
		}
	}
}

func phases(more ...string) []string {
	return append([]string{"--send-for=" + sendFor.String(), "--wait-for=" + waitFor.String()}, more...)
}

func parse(t *testing.T, text string) failure.Map {
	t.Helper()
	m, err := failure.Parse(strings.NewReader(text), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ending is how a member that lived to its end ended.
type ending struct {
	netns.Result
	program.Tuple
	name string
}

// play runs a crew and checks what holds in every run: who was not killed
// prints one line in time, within its memory, and what was to be broken broke.
// Where nothing broke, since the rules came seconds late, a run proves nothing, and
// there is another one. It gives nil for those that did not live to the end.
func play(t *testing.T, c *crew) []*ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runsMax*stuckAfter)
	defer cancel()
	for run := 1; ; run++ {
		endings := playOnce(ctx, t, c)
		dropped, err := c.net.Dropped(ctx)
		switch {
		case err != nil:
			t.Fatal(err)
		case c.breaksLinks() == (dropped > 0):
			return endings
		case run == runsMax || dropped > 0:
			t.Errorf("%d packets were dropped", dropped)
			return endings
		}
		t.Log("not a packet was dropped: once more")
	}
}

// runsMax is how many runs in which nothing breaks are too many.
const runsMax = 3

func playOnce(ctx context.Context, t *testing.T, c *crew) []*ending {
	t.Helper()
	results, err := c.run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	endings := make([]*ending, len(results))
	for i, result := range results {
		if result != nil && c.prospect.Lives(member.ID(i)) {
			endings[i] = read(t, c, member.ID(i), *result)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return endings
}

// read checks one member's output. The deadline is the cluster's: who starts
// late ends with the others.
func read(t *testing.T, c *crew, id member.ID, result netns.Result) *ending {
	t.Helper()
	e := &ending{Result: result, name: c.list[id].Name}
	tuple, err := program.ReadTuple(result.Stdout)
	if err != nil {
		t.Errorf("%s ended with status %d after %s: %v; stderr:\n%s", e.name, result.Status, result.Elapsed, err, result.Stderr)
		return e
	}
	if e.Tuple = tuple; e.Count == 0 {
		t.Errorf("%s counts no entries", e.name)
	}
	if late := c.printed(id, result) - sendFor - waitFor; late > lateMax {
		t.Errorf("%s printed %s after the deadline", e.name, late)
	}
	if result.PeakBytes > peakBytesMax {
		t.Errorf("%s took %d MiB of memory, want at most %d", e.name, result.PeakBytes>>20, peakBytesMax>>20)
	}
	t.Logf("%-8s %s after %s, status %d, at most %d MiB", e.name, e.Text, c.printed(id, result).Round(time.Millisecond), e.Status, result.PeakBytes>>20)
	return e
}

// check demands the same tuple as another's, and an exit status.
func (e *ending) check(t *testing.T, other *ending, status int) {
	t.Helper()
	if e.Text != other.Text {
		t.Errorf("%s prints %s, %s prints %s", e.name, e.Text, other.name, other.Text)
	}
	if e.Status != status {
		t.Errorf("%s ended with status %d, want %d; stderr:\n%s", e.name, e.Status, status, e.Stderr)
	}
}

// checkApart demands what lockstep promises where it cannot end: at most one
// batch of each origin, here one entry, is held by one and not by the other.
func (e *ending) checkApart(t *testing.T, c *crew, other *ending) {
	t.Helper()
	if apart := max(e.Count, other.Count) - min(e.Count, other.Count); apart > len(c.list) {
		t.Errorf("%s counts %d entries, %s %d", e.name, e.Count, other.name, other.Count)
	}
	if e.Status != 0 && e.Status != 2 {
		t.Errorf("%s ended with status %d, want 0 or 2; stderr:\n%s", e.name, e.Status, e.Stderr)
	}
}

// namesMissing demands that stderr names everybody whose entries cannot all be
// here: those out of reach, and those who lost their life.
func (e *ending) namesMissing(t *testing.T, c *crew, id member.ID) {
	t.Helper()
	component := c.prospect.Component(id)
	for i, m := range c.list {
		missing := !component.Has(member.ID(i)) || c.prospect.Dies(member.ID(i))
		named := regexp.MustCompile(`\b` + m.Name + `\b`).MatchString(e.Stderr)
		if missing && !named {
			t.Errorf("%s does not say that %s is missing; stderr:\n%s", e.name, m.Name, e.Stderr)
		}
	}
}

func firstAlive(endings []*ending) int {
	for i, e := range endings {
		if e != nil {
			return i
		}
	}
	return 0
}
