package cluster

import "time"

// momentTries is how often both clocks are read to find out how far they are
// apart.
const momentTries = 32

// Moment returns the moment that the wall clock shows as so many nanoseconds
// since 1970, on the monotonic clock of this process. All processes of a
// cluster count their times from one such moment. A process may be stopped
// between reading one clock and the other, and then takes the moment for later
// than it was; so it is the earliest of some readings.
func Moment(unixNano int64) time.Time {
	return moment(unixNano, func() (wall, steady time.Time) {
		now := time.Now()
		return now.Round(0), now
	})
}

func moment(unixNano int64, read func() (wall, steady time.Time)) time.Time {
	var earliest time.Time
	for range momentTries {
		wall, steady := read()
		candidate := steady.Add(time.Unix(0, unixNano).Sub(wall))
		if earliest.IsZero() || candidate.Before(earliest) {
			earliest = candidate
		}
	}
	return earliest
}

// Begin returns a moment to begin a cluster at: now.
func Begin() time.Time { return Moment(time.Now().UnixNano()) }
