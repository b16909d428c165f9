package bench

import "github.com/HdrHistogram/hdrhistogram-go"

// Report is what a run came to: medians over its rounds, quantiles over all of
// them. Its JSON form is the object that `chatterbox bench --json` prints.
type Report struct {
	OrderedPerSecond float64  `json:"ordered_per_s"` // entries delivered in order at the slowest member
	LimitPerSecond   float64  `json:"limit_per_s"`
	RawPerSecond     float64  `json:"raw_per_s"`
	Ratio            float64  `json:"ratio"`     // ordered / limit
	RawRatio         float64  `json:"raw_ratio"` // ordered / raw
	Latency          Quantile `json:"latency_ms"`
	RoundTrip        Quantile `json:"rtt_ms"`
	LatencyP50       float64  `json:"latency_p50_rtt"`      // p50 of latency / p50 of the round trip
	LatencyP99       float64  `json:"latency_p99_rtt"`      // p99 of latency / p50 of the round trip
	WireBytes        float64  `json:"wire_bytes_per_entry"` // sent per entry and peer
	CPU              float64  `json:"cpu_s_per_million"`    // of all members together
	LimitCPU         float64  `json:"limit_cpu_s_per_million"`
	RSSPeak          float64  `json:"rss_peak_mib"` // of the largest member

	Members  int     `json:"members"`
	Payload  int     `json:"payload_bytes"`
	Rate     float64 `json:"rate_per_s"`
	Protocol string  `json:"protocol"`
	Rounds   []Round `json:"rounds"`
}

// Quantile is how long something took, in milliseconds.
type Quantile struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
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

func (r *runner) report() Report {
	perSecond := func(round Round) float64 { return round.PerSecond }
	perMillion := func(round Round) float64 { return over(round.CPU*1e6, round.entries) }
	report := Report{
		OrderedPerSecond: r.median(Ordered, perSecond),
		LimitPerSecond:   r.median(Limit, perSecond),
		RawPerSecond:     r.median(Raw, perSecond),
		Latency:          quantile(r.samples.latency),
		RoundTrip:        quantile(r.samples.roundTrip),
		WireBytes:        r.median(Ordered, func(round Round) float64 { return round.PerEntry }),
		CPU:              r.median(Ordered, perMillion),
		LimitCPU:         r.median(Limit, perMillion),
		RSSPeak:          r.median(Ordered, func(round Round) float64 { return round.RSSMiB }),
		Members:          r.plan.Members, Payload: r.plan.Payload, Rate: r.plan.Rate, Protocol: r.plan.Protocol, Rounds: r.rounds,
	}
	report.Ratio = over(report.OrderedPerSecond, report.LimitPerSecond)
	report.RawRatio = over(report.OrderedPerSecond, report.RawPerSecond)
	report.LatencyP50 = over(report.Latency.P50, report.RoundTrip.P50)
	report.LatencyP99 = over(report.Latency.P99, report.RoundTrip.P50)
	return report
}

func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
