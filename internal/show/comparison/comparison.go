// Package comparison measures runs by their traces, and sets them side by side:
// protocols against failure maps, each over several seeds.
//
// A [Meter] is a trace.Sink that makes a [Figures] of one run, simulated or
// real. A [Table] collects the figures of many, a [Row] for each protocol and
// map, and writes them for a terminal, as Markdown, as CSV, as JSON and as a
// page with plots. It reads traces only. Begin with meter.go.
package comparison

import (
	"cmp"
	"slices"
	"time"
)

// Table is what came of the runs of a comparison.
type Table struct {
	// Made says how the runs were made, in a sentence; Command is the line that
	// makes them again.
	Made    string
	Command string
	Rows    []*Row
}

// Row is what came of the runs of one protocol under one map.
type Row struct {
	Protocol, Map string
	Runs          []Figures
}

// Add adds the figures of a run to its row, which comes where its first run
// came.
func (t *Table) Add(protocol, failures string, f Figures) {
	for _, row := range t.Rows {
		if row.Protocol == protocol && row.Map == failures {
			row.Runs = append(row.Runs, f)
			return
		}
	}
	t.Rows = append(t.Rows, &Row{Protocol: protocol, Map: failures, Runs: []Figures{f}})
}

// Broken counts the runs in which a promise was broken.
func (t *Table) Broken() int {
	broken := 0
	for _, row := range t.Rows {
		for i := range row.Runs {
			if !row.Runs[i].Agree() {
				broken++
			}
		}
	}
	return broken
}

// maps returns the maps in the order of the rows.
func (t *Table) maps() []string {
	var maps []string
	for _, row := range t.Rows {
		if !slices.Contains(maps, row.Map) {
			maps = append(maps, row.Map)
		}
	}
	return maps
}

// protocols returns the protocols in the order of the rows.
func (t *Table) protocols() []string {
	var protocols []string
	for _, row := range t.Rows {
		if !slices.Contains(protocols, row.Protocol) {
			protocols = append(protocols, row.Protocol)
		}
	}
	return protocols
}

// row returns the row of a protocol and a map; nil if there is none.
func (t *Table) row(protocol, failures string) *Row {
	for _, row := range t.Rows {
		if row.Protocol == protocol && row.Map == failures {
			return row
		}
	}
	return nil
}

// Entries returns the entries that all members wrote in a run, on average.
func (r *Row) Entries() float64 {
	return r.mean(func(f *Figures) float64 { return float64(f.Entries) })
}

// Agreed returns the entries on whose order all members that ran in the end
// agree, on average.
func (r *Row) Agreed() float64 { return r.mean(func(f *Figures) float64 { return float64(f.Agreed) }) }

// Agree counts the runs in which no promise was broken.
func (r *Row) Agree() int { return r.count((*Figures).Agree) }

// Complete counts the runs that ended with every member complete.
func (r *Row) Complete() int { return r.count(func(f *Figures) bool { return f.Complete }) }

// After returns how long after the last change of the failure map all had
// agreed again, in the median and the slowest run. Known is false where the
// map never changes; Never says that a run ended without it.
func (r *Row) After() (median, slowest time.Duration, known, never bool) {
	var times []time.Duration
	for i := range r.Runs {
		switch f := &r.Runs[i]; {
		case !f.Changed:
			return 0, 0, false, false
		case f.After < 0:
			never = true
		default:
			times = append(times, f.After)
		}
	}
	if never || len(times) == 0 {
		return 0, 0, true, true
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)-1], true, false
}

// Latency returns the time within which a share of all entries that settled
// everywhere had done so; 1 is all of them. It is negative if none did.
func (r *Row) Latency(share float64) time.Duration {
	var all []settling
	total := uint64(0)
	for i := range r.Runs {
		all = append(all, r.Runs[i].settled...)
	}
	slices.SortFunc(all, func(x, y settling) int { return cmp.Compare(x.after, y.after) })
	for _, s := range all {
		total += s.entries
	}
	if total == 0 {
		return -1
	}
	wanted, seen := share*float64(total), uint64(0)
	for _, s := range all {
		if seen += s.entries; float64(seen) >= wanted {
			return s.after
		}
	}
	return all[len(all)-1].after
}

// BytesPerEntry returns the bytes of batches that all members sent for each
// entry; heads and marks do not count.
func (r *Row) BytesPerEntry() float64 {
	return r.ratio(func(f *Figures) uint64 { return f.Bytes })
}

// MessagesPerEntry returns the messages that all members sent for each entry,
// those without entries included.
func (r *Row) MessagesPerEntry() float64 {
	return r.ratio(func(f *Figures) uint64 { return f.Messages })
}

func (r *Row) ratio(of func(*Figures) uint64) float64 {
	sum, entries := uint64(0), uint64(0)
	for i := range r.Runs {
		sum, entries = sum+of(&r.Runs[i]), entries+r.Runs[i].Entries
	}
	if entries == 0 {
		return 0
	}
	return float64(sum) / float64(entries)
}

func (r *Row) mean(of func(*Figures) float64) float64 {
	sum := 0.0
	for i := range r.Runs {
		sum += of(&r.Runs[i])
	}
	return sum / float64(len(r.Runs))
}

func (r *Row) count(of func(*Figures) bool) int {
	n := 0
	for i := range r.Runs {
		if of(&r.Runs[i]) {
			n++
		}
	}
	return n
}
