package bench

import "github.com/HdrHistogram/hdrhistogram-go"

// Report is what a run came to: medians over its rounds, quantiles over all of
// them. Its JSON form is the object that `chatterbox bench --json` prints; a
// figure that was not measured is 0.
type Report struct {
	OrderedPerSecond float64  `json:"ordered_per_s"` // entries delivered in order at the slowest member
	LimitPerSecond   float64  `json:"limit_per_s"`
	FreshPerSecond   float64  `json:"fresh_per_s"`
	RawPerSecond     float64  `json:"raw_per_s"`
	TripsPerSecond   float64  `json:"trips_per_s"`   // entries of one in flight at each member; for lockstep
	WatchedPerSecond float64  `json:"watched_per_s"` // ordered while a dashboard shows it
	Ratio            float64  `json:"ratio"`         // ordered / limit
	FreshRatio       float64  `json:"fresh_ratio"`   // ordered / fresh
	RawRatio         float64  `json:"raw_ratio"`     // ordered / raw
	TripsRatio       float64  `json:"trips_ratio"`   // ordered / trips
	WatchedRatio     float64  `json:"watched_ratio"` // watched / ordered, the median of those of the rounds
	Latency          Quantile `json:"latency_ms"`    // from Broadcast to ordered delivery at all members
	RoundTrip        Quantile `json:"rtt_ms"`
	LatencyP50       float64  `json:"latency_p50_rtt"`      // p50 of latency / p50 of the round trip
	LatencyP99       float64  `json:"latency_p99_rtt"`      // p99 of latency / p50 of the round trip
	WireBytes        float64  `json:"wire_bytes_per_entry"` // sent per entry and peer
	PerWrite         float64  `json:"wire_bytes_per_write"` // sent with a system call
	Copies           float64  `json:"copies"`               // batches received / needed
	CPU              float64  `json:"cpu_s_per_million"`    // of all members together, per million entries of the log
	LimitCPU         float64  `json:"limit_cpu_s_per_million"`
	WatchedCPU       float64  `json:"watched_cpu_s_per_million"`
	WatchedCPURatio  float64  `json:"watched_cpu_ratio"` // watched / ordered: what telling the events costs members
	PageCPU          float64  `json:"page_cpu"`          // cores that a dashboard and who watches it take besides
	CPURatio         float64  `json:"cpu_ratio"`         // limit / ordered: how many times the work of limit fits in
	CaughtUp         float64  `json:"caught_up_ms"`      // from the return of a stopped member until all had delivered what was broadcast before; 0: none was
	RSSPeak          float64  `json:"rss_peak_mib"`      // of the largest member
	RSS              Memory   `json:"rss_mib"`

	Members  int     `json:"members"`
	Payload  int     `json:"payload_bytes"`
	Rate     float64 `json:"rate_per_s"`
	Protocol string  `json:"protocol"`
	Duration float64 `json:"duration_s"` // of each measurement
	Rounds   []Round `json:"rounds"`
}

// Quantile is how long something took, in milliseconds.
type Quantile struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Memory is the resident memory of the largest member after each quarter of
// the measurement, in MiB: it shows whether memory is flat over time.
type Memory struct {
	First  float64 `json:"first"`
	Second float64 `json:"second"`
	Third  float64 `json:"third"`
	Last   float64 `json:"last"`
}

func quantile(h *hdrhistogram.Histogram) Quantile {
	const msPerNs = 1e-6
	if h.TotalCount() == 0 {
		return Quantile{}
	}
	return Quantile{
		P50: float64(h.ValueAtQuantile(50)) * msPerNs,
		P99: float64(h.ValueAtQuantile(99)) * msPerNs,
		Max: float64(h.Max()) * msPerNs,
	}
}

// Median returns the middle of a figure over the rounds of a mode; 0 without
// rounds.
func (r *Report) Median(mode Mode, of func(Round) float64) float64 {
	var values []float64
	for i := range r.Rounds {
		if r.Rounds[i].Mode == mode {
			values = append(values, of(r.Rounds[i]))
		}
	}
	return median(values)
}

func (r *runner) report() Report {
	report := Report{
		Latency: quantile(r.latency), RoundTrip: quantile(r.roundTrip),
		Members: r.plan.Members, Payload: r.plan.Payload, Rate: r.plan.Rate, Protocol: r.plan.Protocol,
		Duration: r.plan.Duration.Seconds(), Rounds: r.rounds,
	}
	perSecond := func(round Round) float64 { return round.PerSecond }
	cpu := func(round Round) float64 { return round.CPU }
	rss := func(quarter int) float64 {
		return report.Median(Ordered, func(round Round) float64 { return round.RSS[quarter] })
	}
	report.OrderedPerSecond = report.Median(Ordered, perSecond)
	report.LimitPerSecond = report.Median(Limit, perSecond)
	report.FreshPerSecond = report.Median(Fresh, perSecond)
	report.RawPerSecond = report.Median(Raw, perSecond)
	report.TripsPerSecond = report.Median(Trips, perSecond)
	report.WatchedPerSecond = report.Median(Watched, perSecond)
	report.WatchedRatio = report.watchedRatio()
	report.CPU, report.LimitCPU, report.WatchedCPU = report.Median(Ordered, cpu), report.Median(Limit, cpu), report.Median(Watched, cpu)
	report.PageCPU = report.Median(Watched, func(round Round) float64 { return round.PageCPU })
	report.WireBytes = report.Median(Ordered, func(round Round) float64 { return round.PerEntry })
	report.PerWrite = report.Median(Ordered, func(round Round) float64 { return round.PerWrite })
	report.CaughtUp = report.Median(Ordered, func(round Round) float64 { return round.CaughtUp })
	report.Copies = report.Median(Ordered, func(round Round) float64 { return round.Copies })
	report.RSSPeak = report.Median(Ordered, func(round Round) float64 { return round.RSSPeak })
	report.RSS = Memory{rss(0), rss(1), rss(2), rss(3)}
	report.relate()
	return report
}

// watchedRatio returns the median of what is left of the throughput of each
// round while a dashboard shows it: what drifts from round to round drops out.
func (r *Report) watchedRatio() float64 {
	ordered := map[int]float64{}
	var ratios []float64
	for i := range r.Rounds {
		switch round := &r.Rounds[i]; round.Mode {
		case Ordered:
			ordered[round.Number] = round.PerSecond
		case Watched:
			ratios = append(ratios, over(round.PerSecond, ordered[round.Number]))
		}
	}
	return median(ratios)
}

// relate fills in what is a ratio of two other figures.
func (r *Report) relate() {
	r.Ratio = over(r.OrderedPerSecond, r.LimitPerSecond)
	r.FreshRatio = over(r.OrderedPerSecond, r.FreshPerSecond)
	r.RawRatio = over(r.OrderedPerSecond, r.RawPerSecond)
	r.TripsRatio = over(r.OrderedPerSecond, r.TripsPerSecond)
	r.CPURatio = over(r.LimitCPU, r.CPU)
	r.WatchedCPURatio = over(r.WatchedCPU, r.CPU)
	r.LatencyP50 = over(r.Latency.P50, r.RoundTrip.P50)
	r.LatencyP99 = over(r.Latency.P99, r.RoundTrip.P50)
}
