package trace_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/journal"
)

// narrow is a sink that has room at times, and wants one message of four.
type narrow struct {
	trace.Log
	full    bool
	omitted trace.Omitted
}

func (n *narrow) IsFull() bool             { return n.full }
func (n *narrow) Wants(number uint64) bool { return number%4 == 0 }
func (n *narrow) Omit(o trace.Omitted) {
	n.omitted.Events += o.Events
	n.omitted.Unseen += o.Unseen
	n.omitted.Frames += o.Frames
}

// last is what the last events of each kind say.
type last struct {
	held      [3]uint64
	said      [3]clock.Mark
	delivered uint64
}

func lastOf(events []trace.Event) (l last, seen uint64) {
	for i := range events {
		switch e := &events[i]; e.Kind {
		case trace.Append:
			l.held[e.Stream] = e.Seq + e.Count - 1
			seen++
		case trace.Publish:
			l.said[e.Stream] = clock.Mark{Have: e.Have, Promise: e.Promise}
		case trace.Deliver:
			l.delivered = e.Position + e.Count
		case trace.Send, trace.Receive:
			seen++
		}
	}
	return l, seen
}

// TestWhatIsLeftOutIsMadeUpFor has two recorders tell the same, one of them to who has
// no room at times: whenever the state is looked at the last events say the same, what was durable
// is held, and each event was told or is counted.
func TestWhatIsLeftOutIsMadeUpFor(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var all, few narrow
		recorders := []*trace.Recorder{trace.NewRecorder(&all, 1, 3), trace.NewRecorder(&few, 1, 3).Light(&few)}
		for _, r := range recorders {
			parts := driver.Config{Journal: &stage{}, Sender: &stage{}, App: &stage{}}
			r.Begin(func() time.Duration { return time.Second }, journal.Life{}, &parts)
		}
		var have, given [3]uint64
		for step := range uint64(400) {
			few.full = few.full != (rng.IntN(8) == 0)
			origin := member.ID(rng.IntN(3))
			message := &protocol.Message{From: origin, Identity: 9, Number: rng.Uint64N(100) + 1}
			var do func(r *trace.Recorder)
			switch rng.IntN(6) {
			case 0, 1:
				b := protocol.Batch{Origin: origin, Identity: 9, Seq: have[origin] + 1, Time: clock.Time(step), Count: 1 + rng.Uint32N(5)}
				have[origin] = b.Last()
				do = func(r *trace.Recorder) { r.Keep(protocol.Effects{Append: []protocol.Batch{b}}) }
			case 2:
				do = func(r *trace.Recorder) { _ = r.Sync() }
			case 3:
				message.Rows = []protocol.Row{{Member: 1, Identity: 9, Marks: []protocol.StreamMark{{Stream: origin, Mark: clock.Mark{Have: step, Promise: clock.Time(step)}}}}}
				do = func(r *trace.Recorder) { r.Send(protocol.Envelope{To: 2, Message: message}) }
			case 4:
				do = func(r *trace.Recorder) {
					r.Observe(protocol.Event{Kind: protocol.Receive, Message: message}, protocol.Effects{})
				}
			case 5:
				b := protocol.Batch{Origin: origin, Identity: 9, Seq: given[origin] + 1, Time: clock.Time(step), Count: 1}
				given[origin]++
				do = func(r *trace.Recorder) { r.Deliver([]protocol.Batch{b}) }
			}
			for _, r := range recorders {
				do(r)
			}
			if step%40 < 39 {
				continue
			}
			for _, r := range recorders {
				_ = r.Sync()
				r.Sample(&protocol.Status{Self: 1})
			}
			a, seen := lastOf(all.Events)
			b, some := lastOf(few.Events)
			if a != b {
				t.Fatalf("seed %d, step %d: the last say %+v, with less room %+v", seed, step, a, b)
			}
			if n := uint64(len(few.Events)); n+few.omitted.Events != uint64(len(all.Events)) || some+few.omitted.Unseen != seen || few.omitted.Frames == 0 {
				t.Fatalf("seed %d, step %d: %d events, %d of batches and messages, and %+v left out, of %d, %d", seed, step, n, some, few.omitted, len(all.Events), seen)
			}
		}
	}
}
