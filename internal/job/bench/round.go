package bench

import "slices"

// Round is one measurement of one mode, all members together.
type Round struct {
	Number    int               `json:"round"` // from 1
	Mode      Mode              `json:"mode"`
	PerSecond float64           `json:"per_s"`                // entries at the slowest member
	CPU       float64           `json:"cpu_s_per_million"`    // of all members together
	PerEntry  float64           `json:"wire_bytes_per_entry"` // sent per own entry and peer
	PerWrite  float64           `json:"wire_bytes_per_write"` // sent with a system call
	RSSPeak   float64           `json:"rss_peak_mib"`         // of the largest member
	RSS       [quarters]float64 `json:"rss_mib"`              // of the largest member, after each quarter
	Copies    float64           `json:"copies"`               // batches received / needed
	Latency   Quantile          `json:"latency_ms"`           // for Ping, of the round trip
	PageCPU   float64           `json:"page_cpu"`             // cores that a page and who watches it took; for Watched
	CaughtUp  float64           `json:"caught_up_ms"`         // from the return of a stopped member until all had delivered what was broadcast before
}

func summarize(mode Mode, results []Result) Round {
	round := Round{Mode: mode}
	var own, bytes, writes, copies, needed uint64
	entries, cpu := 0.0, 0.0
	for i := range results {
		result := &results[i]
		if perSecond := over(float64(result.Entries), result.Seconds); i == 0 || perSecond < round.PerSecond {
			round.PerSecond, entries = perSecond, float64(result.Entries)
		}
		for quarter, rss := range result.RSS {
			round.RSS[quarter] = max(round.RSS[quarter], inMiB(rss))
		}
		round.RSSPeak = max(round.RSSPeak, inMiB(result.RSSPeak))
		cpu += result.CPU
		own += result.Own
		bytes += result.WireBytes
		writes += result.Writes
		copies += result.Copies
		needed += result.Needed
	}
	round.CPU = over(cpu*1e6, entries)
	round.PerEntry = over(float64(bytes), float64(own)*float64(len(results)-1))
	round.PerWrite = over(float64(bytes), float64(writes))
	round.Copies = over(float64(copies), float64(needed))
	return round
}

func inMiB(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// over divides; what cannot be divided is 0, for it was not measured.
func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// median returns the middle of some values, 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}
