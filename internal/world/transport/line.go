package transport

import (
	"math/rand/v2"
	"slices"
	"time"

	"chatterbox/internal/world/fault"
)

// line is a link that fails as it is told: frames enter it and leave it when
// their time has come, or never. Times are those of the transport.
type line struct {
	rng     *rand.Rand
	waiting []held        // by the time when they are due; equal times as they came
	free    time.Duration // when the rate allows the next frame to depart
	last    time.Duration // when the last frame that must keep the order is due
}

// held is a frame that waits for its time.
type held struct {
	due   time.Duration
	frame []byte
}

// enter draws a frame's fate and gives how many copies of it now wait. The
// line keeps the frame.
func (l *line) enter(now time.Duration, link fault.Link, frame []byte) (copies int) {
	fate := link.Fate(l.rng)
	for _, delay := range fate.Delays[:fate.Copies] {
		due := l.depart(now, link.BytesPerSecond, len(frame)) + delay
		if link.Reorder == 0 {
			due = max(due, l.last)
			l.last = due
		}
		l.hold(due, frame)
	}
	return fate.Copies
}

// depart returns when the last byte of a frame leaves at the link's rate, after
// all that left before it.
func (l *line) depart(now time.Duration, bytesPerSecond int64, bytes int) time.Duration {
	if bytesPerSecond <= 0 {
		return now
	}
	took := time.Duration(float64(bytes) / float64(bytesPerSecond) * float64(time.Second))
	l.free = max(l.free, now) + took
	return l.free
}

func (l *line) hold(due time.Duration, frame []byte) {
	i := len(l.waiting)
	for i > 0 && l.waiting[i-1].due > due {
		i--
	}
	l.waiting = slices.Insert(l.waiting, i, held{due, frame})
}

// leave returns the next frame that is due, or nil.
func (l *line) leave(now time.Duration) []byte {
	if len(l.waiting) == 0 || l.waiting[0].due > now {
		return nil
	}
	frame := l.waiting[0].frame
	l.waiting[0].frame = nil
	l.waiting = l.waiting[1:]
	return frame
}

// next returns when the next frame is due, if one waits.
func (l *line) next() (due time.Duration, ok bool) {
	if len(l.waiting) == 0 {
		return 0, false
	}
	return l.waiting[0].due, true
}

// keepsAll reports whether all messages of a link arrive, in order, as long as it
// is up.
func keepsAll(link fault.Link) bool {
	return !link.Cut && link.Drop == 0 && link.Reorder == 0
}
