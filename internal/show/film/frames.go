package film

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/scene"
)

// frames follows messages from their senders to their receivers.
type frames struct {
	flying map[flight][]*frame // sent and not received, the oldest first
	queue  []*frame            // the same, by the time of sending; received ones too
	last   *frame              // what was sent last, which pushes are about
	ready  []*frame            // known to have arrived, or not to
	sent   int
}

// flight is what a message has in common with no other one, but for those
// without entries, which are not numbered.
type flight struct {
	from, to        member.ID
	session, number uint64
}

type frame struct {
	flight
	carries int64
	stream  member.ID
	at, end time.Duration // end: when it arrived, 0: it has not
	doubt   bool          // when it was sent there was a reason why it may not arrive
}

const (
	// lostAfter is how long a message may take, besides what is imposed on its
	// link, before it counts as one that does not arrive.
	lostAfter = 400 * time.Millisecond
	// framesMax is how many frames of a step are drawn. Those with entries come
	// first; what is left out is counted.
	framesMax = 160
	// flyingMax is how many messages are followed at a time.
	flyingMax = 1 << 14
)

func (f *frames) init() { f.flying = map[flight][]*frame{} }

func (f *frames) tell(e *trace.Event, s *scene.Scene) {
	switch e.Kind {
	case trace.Send:
		f.sent++
		f.last = nil
		if len(f.queue) >= flyingMax {
			return
		}
		f.last = &frame{
			flight:  flight{e.Member, e.Peer, e.Session, e.Number},
			carries: CarriesMarks, stream: e.Member, at: s.Now, doubt: doubtful(s, e.Member, e.Peer),
		}
		f.flying[f.last.flight] = append(f.flying[f.last.flight], f.last)
		f.queue = append(f.queue, f.last)
	case trace.Push:
		if f.last == nil || f.last.from != e.Member || f.last.to != e.Peer || f.last.carries == CarriesOther {
			return
		}
		f.last.carries, f.last.stream = CarriesOwn, e.Stream
		if e.Stream != e.Member {
			f.last.carries = CarriesOther
		}
	case trace.Receive:
		key := flight{e.Peer, e.Member, e.Session, e.Number}
		waiting := f.flying[key]
		if len(waiting) == 0 {
			return
		}
		waiting[0].end = max(s.Now, waiting[0].at+1)
		f.ready = append(f.ready, waiting[0])
		f.remove(key)
	}
}

// remove takes the first frame of a flight out.
func (f *frames) remove(key flight) {
	if rest := f.flying[key][1:]; len(rest) > 0 {
		f.flying[key] = rest
	} else {
		delete(f.flying, key)
	}
}

// cut puts the frames into the step whose fate is known by now.
func (f *frames) cut(step *Step, s *scene.Scene) {
	for len(f.queue) > 0 {
		first := f.queue[0]
		if first.end == 0 && s.Now < first.at+lostAfter+s.Link(first.from, first.to).Failure.DelayMax {
			break
		}
		f.queue = f.queue[1:]
		f.giveUp(first, s)
	}
	for _, entries := range []bool{true, false} {
		for _, r := range f.ready {
			if (r.carries != CarriesMarks) != entries || len(step.Frames) >= 6*framesMax {
				continue
			}
			end := int64(-1)
			if r.end != 0 {
				end = micros(r.end)
			}
			step.Frames = append(step.Frames, int64(r.from), int64(r.to), r.carries, int64(r.stream), micros(r.at), end)
		}
	}
	step.Sent, f.sent = f.sent, 0
	f.ready = f.ready[:0]
}

// doubtful reports whether there is a reason why messages may not arrive.
func doubtful(s *scene.Scene, from, to member.ID) bool {
	switch s.Condition(from, to) {
	case scene.LinkCut, scene.LinkLossy, scene.LinkIdle, scene.LinkGone:
		return true
	}
	return false
}

// giveUp decides that a frame does not arrive, unless it has. Without a reason
// for that it is left out: in a trace that was thinned its arrival is missing.
func (f *frames) giveUp(lost *frame, s *scene.Scene) {
	if lost.end != 0 {
		return
	}
	f.remove(lost.flight)
	if lost.doubt || doubtful(s, lost.from, lost.to) {
		f.ready = append(f.ready, lost)
	}
}

func (f *frames) giveUpAll(s *scene.Scene) {
	for _, waiting := range f.queue {
		if waiting.end == 0 {
			f.giveUp(waiting, s)
		}
	}
	f.queue = nil
}
