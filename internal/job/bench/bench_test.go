package bench

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inProcess measures with members in this process instead of processes of
// their own.
func inProcess(t *testing.T, load Load, members int, others map[Mode]Measure) []Result {
	t.Helper()
	c, ended := &crew{}, make(chan error, members)
	for place := range members {
		in, toMember := io.Pipe()
		fromMember, out := io.Pipe()
		go func() {
			ended <- Member(context.Background(), in, out, others)
			_ = out.Close()
			_ = in.Close()
		}()
		h := &process{in: toMember, lines: bufio.NewReader(fromMember), place: place}
		c.members = append(c.members, h)
		addr, err := h.line()
		if err != nil {
			t.Fatal(err)
		}
		load.Addrs = append(load.Addrs, addr)
	}
	results, err := c.measure(load, func() {})
	for _, h := range c.members {
		_ = h.in.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func load(t *testing.T, mode Mode) Load {
	t.Helper()
	return Load{
		Mode: mode, Payload: 8, Duration: 200 * time.Millisecond, Warmup: 10 * time.Millisecond,
		Protocol: "delta", Batch: 1, Tick: 10 * time.Millisecond, Times: filepath.Join(t.TempDir(), "times"),
	}
}

func TestEveryModeMeasuresAtEveryMember(t *testing.T) {
	for _, mode := range []Mode{Limit, Fresh, Raw, Ordered, Trips} {
		t.Run(string(mode), func(t *testing.T) {
			l := load(t, mode)
			all := together(inProcess(t, l, 3, nil))
			for all.Own == 0 && l.Duration < longestTry { // on a busy machine members may get no turn for long
				l.Duration *= 4
				all = together(inProcess(t, l, 3, nil))
			}
			if all.Entries < all.Own || all.Own == 0 || all.WireBytes == 0 || all.Seconds < 0.6 {
				t.Errorf("the members measured nothing: %+v", all)
			}
		})
	}
}

// longestTry is how long a measurement may become for something to be measured.
const longestTry = 10 * time.Second

func together(results []Result) (all Result) {
	for _, r := range results {
		all.Entries, all.Own, all.WireBytes = all.Entries+r.Entries, all.Own+r.Own, all.WireBytes+r.WireBytes
		all.Seconds += r.Seconds
	}
	return all
}

func TestPingTellsRoundTripsOfTheFirstMember(t *testing.T) {
	results := inProcess(t, load(t, Ping), 3, nil)
	if len(results[0].RoundTrip) == 0 || slices.Min(results[0].RoundTrip) <= 0 || len(results[1].RoundTrip) != 0 {
		t.Errorf("round trips: %v, %v", results[0].RoundTrip, results[1].RoundTrip)
	}
}

func TestOrderedMembersDeliverInOneOrderAndTellLatencies(t *testing.T) {
	for _, change := range []func(*Load){
		func(*Load) {},
		func(l *Load) { l.Rate = 500 },
		func(l *Load) { l.Protocol = "lockstep" },
		func(l *Load) { l.Payload = 100 },
		func(l *Load) { l.Payload = 16 << 10 },
	} {
		l := load(t, Ordered)
		l.Warmup = 0
		change(&l)
		results := inProcess(t, l, 3, nil)
		latency := newHistogram()
		if err := joinTimes(latency, l, len(results)); err != nil {
			t.Error(err)
		}
		if latency.TotalCount() == 0 || latency.Max() > int64(time.Minute) {
			t.Errorf("%+v: %d latencies up to %s", l, latency.TotalCount(), time.Duration(latency.Max()))
		}
		for _, r := range results {
			if r.Needed == 0 || r.Copies < r.Needed {
				t.Errorf("%+v: %d copies of %d batches", l, r.Copies, r.Needed)
			}
		}
	}
}

func TestUnknownModeIsAnError(t *testing.T) {
	in, toMember := io.Pipe()
	fromMember, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Member(context.Background(), in, out, nil) }()
	h := &process{in: toMember, lines: bufio.NewReader(fromMember)}
	if _, err := h.line(); err != nil {
		t.Fatal(err)
	}
	_, err := (&crew{members: []*process{h}}).measure(Load{Mode: "guess"}, func() {})
	if err == nil || !strings.Contains(err.Error(), `member 0: bench: unknown mode "guess"`) {
		t.Errorf("error %v", err)
	}
	_ = toMember.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMemberEndsWhenNobodyListens(t *testing.T) {
	in, toMember := io.Pipe()
	fromMember, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Member(context.Background(), in, out, nil) }()
	if _, err := bufio.NewReader(fromMember).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = toMember.Close()
	if err := <-ended; err == nil {
		t.Error("it ended as if it had measured")
	}
}

func TestPlanTellsAllMistakes(t *testing.T) {
	plan := Plan{Members: 1, Payload: 3, Duration: time.Millisecond, Rounds: -1, Rate: -1, Protocol: "chat"}.WithDefaults()
	err := plan.Validate()
	for _, want := range []string{"1 members", "payload of 3", "duration of 1ms", "-1 rounds", "rate of -1", `"chat"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if err := (Plan{}).WithDefaults().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
