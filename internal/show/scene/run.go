package scene

import (
	"errors"
	"io"
	"sort"
	"time"

	"chatterbox/internal/proof/trace"
)

// Run keeps the events of a run, and gives its scene at any time.
type Run struct {
	Header trace.Header
	Events []trace.Event

	last *Scene
	keys []*Scene // before every so many events
	each int      // events
}

const (
	// keyEachMin is how many events lie between two scenes that are kept.
	keyEachMin = 1 << 12
	// keysMax is how many scenes are kept; then every other one is dropped.
	keysMax = 256
)

// NewRun returns a run without events.
func NewRun(header trace.Header) *Run {
	return &Run{Header: header, last: New(header), each: keyEachMin}
}

// Read reads the rest of a trace.
func Read(reader *trace.Reader) (*Run, error) {
	run := NewRun(reader.Header())
	var event trace.Event
	for {
		switch err := reader.Next(&event); {
		case err == nil:
			run.Tell(&event)
		case errors.Is(err, io.EOF):
			return run, nil
		default:
			return run, err
		}
	}
}

// Tell adds the next event.
func (r *Run) Tell(e *trace.Event) {
	if len(r.Events)%r.each == 0 {
		r.keys = append(r.keys, r.last.Clone())
		if len(r.keys) == keysMax {
			r.thinKeys()
		}
	}
	r.Events = append(r.Events, *e)
	r.last.Tell(e)
}

func (r *Run) thinKeys() {
	kept := r.keys[:0]
	for i := 0; i < len(r.keys); i += 2 {
		kept = append(kept, r.keys[i])
	}
	r.keys, r.each = kept, 2*r.each
}

// End returns the time of the last event.
func (r *Run) End() time.Duration { return r.last.Now }

// At returns the scene once all events up to a time have happened. The caller
// may tell it the following ones.
func (r *Run) At(at time.Duration) *Scene {
	return r.After(sort.Search(len(r.Events), func(i int) bool { return r.Events[i].At > at }))
}

// After returns the scene after so many events.
func (r *Run) After(events int) *Scene {
	if len(r.keys) == 0 {
		return r.last.Clone()
	}
	key := min(events/r.each, len(r.keys)-1)
	scene := r.keys[key].Clone()
	for i := key * r.each; i < events; i++ {
		scene.Tell(&r.Events[i])
	}
	return scene
}
