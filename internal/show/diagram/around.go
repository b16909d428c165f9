package diagram

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
)

// AnyViolation asks [Run.Around] for the first broken promise.
const AnyViolation = "violation"

// Around returns the view of the few events that matter around a place in the
// run, which is one of
//
//   - a position in the order, from 1: 120
//   - an entry: c/7
//   - a time with its unit: 1.5s
//   - a broken promise: the name of a check, or violation for the first of all
//
// The error says what there is when the run has no such place.
func (r *Run) Around(place string) (View, error) {
	if position, err := strconv.ParseUint(place, 10, 64); err == nil {
		return r.aroundPosition(position)
	}
	if at, err := time.ParseDuration(place); err == nil {
		return r.aroundTime(at)
	}
	if slash := strings.LastIndexByte(place, '/'); slash >= 0 {
		return r.aroundEntry(place[:slash], place[slash+1:])
	}
	return r.aroundBroken(place)
}

// CheckPlace returns what is wrong with a place whatever the run is; nil if it may
// be one.
func CheckPlace(place string) error {
	_, number := strconv.ParseUint(place, 10, 64)
	_, duration := time.ParseDuration(place)
	_, known := check.Named(place)
	if number == nil || duration == nil || known || place == AnyViolation || strings.Contains(place, "/") {
		return nil
	}
	return fmt.Errorf("%q is no position (120), entry (c/7), time (1.5s), %s, or name of a check (%s)", place, AnyViolation, strings.Join(checkNames(), ", "))
}

func checkNames() []string {
	var names []string
	for _, c := range check.All() {
		names = append(names, c.Name)
	}
	return names
}

func (r *Run) aroundPosition(position uint64) (View, error) {
	last := uint64(0)
	for i := range r.Batches {
		b := &r.Batches[i]
		if b.Position == 0 {
			continue
		}
		if position >= b.Position && position < b.Position+b.Count {
			return r.aroundBatch(int32(i), fmt.Sprintf("Position %s: %s", grouped(position), r.label(b))), nil
		}
		last = max(last, b.Position+b.Count-1)
	}
	if last == 0 {
		return View{}, fmt.Errorf("position %d: nothing is settled in this run", position)
	}
	return View{}, fmt.Errorf("position %d: the run has the positions 1 to %d", position, last)
}

func (r *Run) aroundEntry(name, number string) (View, error) {
	stream := slices.Index(r.names(), name)
	if stream < 0 {
		return View{}, fmt.Errorf("entry %s/%s: no member is called %q; there are %s", name, number, name, r.someNames())
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return View{}, fmt.Errorf("entry %s/%s: %q is no sequence number", name, number, number)
	}
	last := uint64(0)
	for i := range r.Batches {
		b := &r.Batches[i]
		if b.Stream != member.ID(stream) {
			continue
		}
		if seq >= b.Seq && seq < b.Seq+b.Count {
			return r.aroundBatch(int32(i), "Entry "+r.label(b)), nil
		}
		last = max(last, b.Seq+b.Count-1)
	}
	return View{}, fmt.Errorf("entry %s/%s: %s wrote the entries 1 to %d", name, number, name, last)
}

// namesListed is how many members an error names.
const namesListed = 16

func (r *Run) someNames() string {
	names := r.names()
	if len(names) > namesListed {
		return strings.Join(names[:namesListed], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// neighbours is how many batches before and after one in the order matter for
// it.
const neighbours = 4

// aroundBatch shows a batch from when it was written until it settled, with
// its neighbours in the order.
func (r *Run) aroundBatch(at int32, title string) View {
	b := &r.Batches[at]
	order := make([]int32, len(r.Batches))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, r.byPosition)
	place := slices.Index(order, at)
	near := order[max(place-neighbours, 0):min(place+neighbours+1, len(order))]
	v := View{
		From: b.written(), To: max(b.ended(), b.written()), Title: title, Matters: slices.Sorted(slices.Values(near)),
		Spotted: true, At: b.written(), Member: b.Stream,
	}
	if b.open() {
		v.To = r.Whole().To
	}
	return r.within(v)
}

// aroundTime shows all that happened shortly before and after a time.
func (r *Run) aroundTime(at time.Duration) (View, error) {
	if at < 0 || at > r.End {
		return View{}, fmt.Errorf("time %v: the run ends at %v", at, r.End)
	}
	const least, frames = 100 * time.Millisecond, 4
	reach := max(least, frames*r.slowest)
	return View{From: max(at-reach, 0), To: at + reach, Title: "Around " + seconds(at)}, nil
}

// aroundBroken shows what led to a broken promise.
func (r *Run) aroundBroken(name string) (View, error) {
	if _, ok := check.Named(name); !ok && name != AnyViolation {
		return View{}, CheckPlace(name)
	}
	for i := range r.Broken {
		if name == AnyViolation || r.Broken[i].Check == name {
			return r.aroundViolation(&r.Broken[i]), nil
		}
	}
	if len(r.Broken) > 0 {
		return View{}, fmt.Errorf("%s is not broken in this run, but %s is", name, r.Broken[0].Check)
	}
	if name == AnyViolation {
		return View{}, fmt.Errorf("no promise is broken in this run; give a position (1), an entry (c/7) or a time (1.5s)")
	}
	return View{}, fmt.Errorf("%s is not broken in this run, nor is any other promise", name)
}

// brokenTitle returns which promise is broken, where and when.
func (r *Run) brokenTitle(broken *Broken) string {
	return fmt.Sprintf("%s at %s, %s", broken.Check, r.names()[broken.Member], seconds(broken.At))
}

// aroundViolation follows the batch that broke the promise, what stood in its
// place elsewhere and just before it, and what the member had heard at last.
func (r *Run) aroundViolation(broken *Broken) View {
	v := View{
		From: broken.At, To: broken.At, Title: "Broken: " + r.brokenTitle(broken), Note: broken.Text,
		Spotted: true, At: broken.At, Member: broken.Member, Bad: true,
	}
	matters := map[int32]bool{}
	if broken.Batch != nothing {
		matters[broken.Batch] = true
	}
	r.before(broken, matters)
	if broken.Batch == nothing {
		r.waiting(broken, matters)
	}
	for i := range matters {
		v.Matters = append(v.Matters, i)
		v.From = min(v.From, r.Batches[i].written())
	}
	slices.Sort(v.Matters)
	v.Frames = r.heardAtLast(broken.Member, broken.At)
	for _, i := range v.Frames {
		v.From = min(v.From, r.Frames[i].Sent)
	}
	return r.within(v)
}

// settledBefore is how many batches settled just before a violation matter.
const settledBefore = 3

// before adds what the member settled at last before a violation, and what
// others have in its places.
func (r *Run) before(broken *Broken, matters map[int32]bool) {
	own := r.orders[broken.Member]
	end := len(own)
	for end > 0 && r.Batches[own[end-1].batch].Settled[broken.Member] > broken.At {
		end--
	}
	for _, mine := range own[max(end-settledBefore, 0):end] {
		matters[mine.batch] = true
		for m, order := range r.orders {
			if m == int(broken.Member) {
				continue
			}
			k, found := slices.BinarySearchFunc(order, mine.first, func(d delivery, first uint64) int { return int(d.first) - int(first) })
			if found && order[k].batch != mine.batch && r.Batches[order[k].batch].written() <= broken.At {
				matters[order[k].batch] = true
			}
		}
	}
}

// waiting adds the first batches that wait to be settled at the member: what
// does not go on is seen there.
func (r *Run) waiting(broken *Broken, matters map[int32]bool) {
	found := 0
	for i := range r.Batches {
		b := &r.Batches[i]
		if b.Settled[broken.Member] < 0 && b.written() <= broken.At {
			matters[int32(i)] = true
			if found++; found == settledBefore {
				return
			}
		}
	}
}

// heardAtLast returns the last frame of each peer that a member had received
// at a time: the tips of what it could know.
func (r *Run) heardAtLast(who member.ID, at time.Duration) []int32 {
	last := map[member.ID]int32{}
	for i := range r.Frames {
		f := &r.Frames[i]
		if f.To != who || f.Got < 0 || f.Got > at {
			continue
		}
		if before, ok := last[f.From]; !ok || r.Frames[before].Got <= f.Got {
			last[f.From] = int32(i)
		}
	}
	var frames []int32
	for _, i := range last {
		frames = append(frames, i)
	}
	slices.Sort(frames)
	return frames
}

// clean makes text of a trace fit to be shown: without what is not text, and
// no longer than so many characters.
func clean(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError || c >= 0x80 && c < 0xa0 || c >= 0x2028 && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == 0xfffe || c == 0xffff {
			return '\ufffd'
		}
		return c
	}, text)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
