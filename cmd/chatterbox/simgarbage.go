package main

import "runtime/debug"

const (
	// garbagePercent is how much garbage there may be before the collector works, in
	// percent of what is used. Runs make much and use little: with the default the
	// collector, and what it slows down, takes a fifth of the time, of which this saves
	// most, for some 20 MiB on each core.
	garbagePercent = 400
	// garbagePercentByDefault is what the runtime begins with.
	garbagePercentByDefault = 100
)

// collectSeldom sets that, unless the environment has set something else.
func collectSeldom() {
	if before := debug.SetGCPercent(garbagePercent); before != garbagePercentByDefault {
		debug.SetGCPercent(before)
	}
}
