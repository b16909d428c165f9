package bench

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// timesOf writes the times file of each member: pairs of sent and delivered.
func timesOf(t *testing.T, members ...[][2]int64) Load {
	t.Helper()
	load := Load{Times: filepath.Join(t.TempDir(), "times")}
	for place, records := range members {
		load.Self = place
		times, err := CreateTimes(load)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			times.Add(r[0], r[1])
		}
		if err := times.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return load
}

func TestLatencyIsThatOfTheLastMember(t *testing.T) {
	load := timesOf(t,
		[][2]int64{{100, 110}, {200, 290}, {300, 310}},
		[][2]int64{{100, 150}, {200, 210}}, // stopped before the third
	)
	latency := newHistogram()
	if err := joinTimes(latency, load, 2); err != nil {
		t.Fatal(err)
	}
	if latency.TotalCount() != 2 || latency.Min() != 50 || latency.Max() != 90 {
		t.Errorf("%d latencies from %d to %d, want 2 from 50 to 90", latency.TotalCount(), latency.Min(), latency.Max())
	}
}

func TestWarmupDoesNotCount(t *testing.T) {
	load := timesOf(t, [][2]int64{{1000, 1900}, {1499, 1900}, {1500, 1510}})
	load.Warmup = 500 * time.Nanosecond
	latency := newHistogram()
	if err := joinTimes(latency, load, 1); err != nil {
		t.Fatal(err)
	}
	if latency.TotalCount() != 1 || latency.Max() != 10 {
		t.Errorf("%d latencies up to %d, want one of 10", latency.TotalCount(), latency.Max())
	}
}

func TestAnotherOrderIsNoticed(t *testing.T) {
	load := timesOf(t, [][2]int64{{1, 5}, {2, 5}}, [][2]int64{{2, 5}, {1, 5}})
	if err := joinTimes(newHistogram(), load, 2); err == nil || !strings.Contains(err.Error(), "different orders") {
		t.Errorf("error %v", err)
	}
}

func TestStampKeepsTheTime(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC).UnixNano()
	payload := make([]byte, 8)
	stamp(payload, now)
	if got := sentAt(payload, now+int64(time.Minute)); got != now {
		t.Errorf("sent at %d, want %d", got, now)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %g, want %g", c.values, got, c.want)
		}
	}
}

func TestSlowestMemberCounts(t *testing.T) {
	round := summarize(Ordered, []Result{
		{Entries: 4e6, Own: 2e6, Seconds: 2, CPU: 1, WireBytes: 16e6, Writes: 3000, RSSPeak: 5 << 20, Copies: 3, Needed: 2},
		{Entries: 2e6, Own: 1e6, Seconds: 2, CPU: 3, WireBytes: 8e6, Writes: 1000, RSSPeak: 9 << 20, Copies: 1, Needed: 2},
	})
	want := Round{Mode: Ordered, PerSecond: 1e6, CPU: 2, PerEntry: 8, PerWrite: 6000, RSSPeak: 9, Copies: 1}
	if round != want {
		t.Errorf("round %+v, want %+v", round, want)
	}
}

func TestReportRelatesMedians(t *testing.T) {
	r := runner{plan: Plan{}.WithDefaults(), latency: newHistogram(), roundTrip: newHistogram(), rounds: []Round{
		{Mode: Limit, PerSecond: 100, CPU: 3},
		{Mode: Ordered, PerSecond: 90, CPU: 1},
		{Mode: Limit, PerSecond: 300, CPU: 3},
		{Mode: Ordered, PerSecond: 250, CPU: 2, RSS: [quarters]float64{1, 2, 3, 4}},
		{Mode: Limit, PerSecond: 200, CPU: 3},
		{Mode: Ordered, PerSecond: 300, CPU: 2},
	}}
	_ = r.latency.RecordValue(3e6)
	_ = r.roundTrip.RecordValue(1e6)
	report := r.report()
	if report.Ratio != 1.25 || report.CPURatio != 1.5 || report.RawRatio != 0 {
		t.Errorf("ratios %g, %g, %g; want 1.25, 1.5, 0", report.Ratio, report.CPURatio, report.RawRatio)
	}
	if report.LatencyP50 < 2.99 || report.LatencyP50 > 3.01 {
		t.Errorf("latency is %g round trips, want 3", report.LatencyP50)
	}
}

func TestConditions(t *testing.T) {
	report := &Report{Ratio: 0.9, Latency: Quantile{P99: 4}, RSS: Memory{Last: 20}}
	for text, want := range map[string]bool{
		"ratio<0.85": false, "ratio<0.9": false, "ratio <= 0.9": true, "ratio>0.85": true, "ratio>=0.9": true, "ratio>0.9": false,
		"latency_ms.p99>3.5": true, "rss_mib.last>64": false, "raw_per_s<1e3": true,
	} {
		condition, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, holds := condition.Holds(report); holds != want {
			t.Errorf("%s holds: %t, want %t", text, holds, want)
		}
	}
}

func TestMistakenConditionsSayWhatThereIs(t *testing.T) {
	for text, want := range map[string]string{
		"ratio=1":         "with <, <=, > or >= in the middle",
		"ratio":           "METRIC<NUMBER",
		"ratio<much":      `"much" is not a number`,
		"ratio<":          `"" is not a number`,
		"ratio<NaN":       `"NaN" is not a number`,
		"ratio>-Inf":      `"-Inf" is not a number`,
		"ratoi<1":         `no metric "ratoi"; there are ordered_per_s, limit_per_s`,
		"latency_ms<1":    "latency_ms.p50, latency_ms.p99, latency_ms.max",
		"payload_bytes>1": `no metric "payload_bytes"`,
	} {
		if _, err := ParseCondition(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", text, err, want)
		}
	}
}
