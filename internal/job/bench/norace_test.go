//go:build !race

package bench

// raceDetector says that allocations are not those of the code alone.
const raceDetector = false
