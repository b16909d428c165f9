//go:build race

package transport

// raceDetector says that allocations are not those of the code alone.
const raceDetector = true
