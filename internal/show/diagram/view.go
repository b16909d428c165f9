package diagram

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// View is what of a run is to be seen: a piece of its time, and the batches
// that are followed in it.
type View struct {
	From, To time.Duration
	// Matters are the batches that the view is about; empty if it is about all
	// of its time.
	Matters []int32
	// Frames matter besides those that the batches give: what the member had
	// heard at last.
	Frames []int32
	Title  string
	Note   string // what is wrong, in words; empty if nothing is

	// Spot is where to look, if Spotted.
	Spotted bool
	At      time.Duration
	Member  member.ID
	Bad     bool // a promise is broken there
}

// marginPart is how much of a view is left free at its ends.
const marginPart = 16

// Whole returns the view of all that happened, without the quiet at the end.
func (r *Run) Whole() View {
	to := time.Duration(0)
	for i := range r.Batches {
		to = max(to, r.Batches[i].ended())
	}
	from := to
	for i := range r.Batches {
		from = min(from, r.Batches[i].written())
	}
	for i := range r.Marks {
		mark := &r.Marks[i]
		if mark.Kind == trace.Fault || mark.Kind == trace.Crash || mark.Kind == trace.Start || mark.Kind == trace.Pause || mark.Kind == trace.Resume || mark.Kind == trace.Install {
			to, from = max(to, mark.At), min(from, mark.At)
		}
	}
	for i := range r.Broken {
		to = max(to, r.Broken[i].At)
	}
	return r.within(View{From: from, To: to, Title: r.verdict()})
}

// within returns the view with its margins.
func (r *Run) within(v View) View {
	margin := max((v.To-v.From)/marginPart, time.Millisecond)
	v.From, v.To = max(v.From-margin, 0), v.To+margin
	return v
}

// verdict returns in a sentence how the run ended.
func (r *Run) verdict() string {
	if len(r.Broken) > 0 {
		return "A promise is broken: " + r.brokenTitle(&r.Broken[0])
	}
	known, complete, same := 0, 0, true
	var first *Final
	for i := range r.Finals {
		f := &r.Finals[i]
		if !f.Known {
			continue
		}
		known++
		if f.Complete {
			complete++
		}
		if first == nil {
			first = f
		}
		same = same && f.Entries == first.Entries && f.Hash == first.Hash
	}
	switch {
	case known == 0:
		return fmt.Sprintf("%s, %s", count(len(r.names()), "member"), count(len(r.Batches), "batch"))
	case complete == len(r.names()) && same:
		return fmt.Sprintf("All %d members end with the same %s in the same order", complete, count(int(first.Entries), "entry"))
	case same && known > 1:
		return fmt.Sprintf("%d of %d members are complete; all that print say the same", complete, len(r.names()))
	}
	return fmt.Sprintf("%d of %d members are complete", complete, len(r.names()))
}

// follow chooses at most so many of the view's batches: those that matter
// always, and of the others one in stride, so that a closer view shows more of
// them and never other ones. It returns how many there are in all.
func (r *Run) follow(v *View, most int) (followed []int32, stride, all int) {
	if len(v.Matters) > 0 {
		return v.Matters, 1, len(v.Matters)
	}
	var inside []int32
	for i := range r.Batches {
		if b := &r.Batches[i]; b.written() <= v.To && (b.ended() >= v.From || b.open()) {
			inside = append(inside, int32(i))
		}
	}
	for stride = 1; ; stride *= 2 {
		followed = followed[:0]
		for _, i := range inside {
			if sampled(i, stride) {
				followed = append(followed, i)
			}
		}
		if len(followed) <= most {
			return followed, stride, len(inside)
		}
	}
}

// sampled reports whether a batch is among those that are kept when one in
// stride is, a power of two. The fractions of multiples of the golden ratio
// spread evenly (Knuth, The Art of Computer Programming, 6.4), and keep no step
// with members that write by turns.
func sampled(batch int32, stride int) bool {
	const golden = 0x9e3779b9
	return uint64(uint32(batch)*golden)*uint64(stride) < 1<<32
}

// lostShown is how many frames with a batch that were lost on a link are
// drawn: the first and the last tell the story.
const lostShown = 2

// stories returns the frames that make the story of batches, in the order in
// which they were sent: those that somebody first had one from, those that let
// one settle, and the first and last lost ones of each link.
func (r *Run) stories(v *View, batches []int32) []int32 {
	chosen := map[int32]bool{}
	followed := map[int32]bool{}
	for _, i := range batches {
		followed[i] = true
		for m := range r.names() {
			for _, by := range []int32{r.Batches[i].brought[m], r.Batches[i].settledBy[m]} {
				if by != nothing {
					chosen[by] = true
				}
			}
		}
	}
	for _, frame := range r.lostWith(followed) {
		chosen[frame] = true
	}
	for _, frame := range v.Frames {
		chosen[frame] = true
	}
	var frames []int32
	for i := range chosen {
		f := &r.Frames[i]
		if f.Sent <= v.To && max(f.Got, f.Sent) >= v.From {
			frames = append(frames, i)
		}
	}
	slices.Sort(frames)
	return frames
}

// lostWith returns the first and the last frame of each link that was lost
// with one of the batches.
func (r *Run) lostWith(followed map[int32]bool) []int32 {
	type story struct {
		batch    int32
		from, to member.ID
	}
	lost := map[story][]int32{}
	for i := range r.Frames {
		f := &r.Frames[i]
		if f.rank != rankLost {
			continue
		}
		for _, batch := range r.carries(f) {
			if !followed[batch] {
				continue
			}
			key := story{batch, f.From, f.To}
			if of := lost[key]; len(of) < lostShown {
				lost[key] = append(of, int32(i))
			} else {
				of[lostShown-1] = int32(i)
			}
		}
	}
	var frames []int32
	for _, of := range lost {
		frames = append(frames, of...)
	}
	slices.Sort(frames)
	return slices.Compact(frames)
}

// byPosition compares batches by their place in the order; those without one
// come last, by time and origin.
func (r *Run) byPosition(x, y int32) int {
	a, b := &r.Batches[x], &r.Batches[y]
	if (a.Position == 0) != (b.Position == 0) {
		return cmp.Compare(b.Position, a.Position)
	}
	return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Seq, b.Seq))
}

// count writes a number with its noun: 1 batch, 2 batches, 1,000 entries.
func count(n int, noun string) string {
	if n != 1 {
		switch {
		case strings.HasSuffix(noun, "ch"):
			noun += "es"
		case strings.HasSuffix(noun, "ry"):
			noun = strings.TrimSuffix(noun, "y") + "ies"
		default:
			noun += "s"
		}
	}
	return grouped(uint64(n)) + " " + noun
}

// grouped writes a number with a comma between thousands.
func grouped(n uint64) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// seconds writes a time as the diagram does: 1.234 s.
func seconds(at time.Duration) string { return fmt.Sprintf("%.3f s", at.Seconds()) }
