// Package film reduces a run to what a page draws of it, in increments.
//
// A [Film] is a [trace.Sink]: told the events of a run in order of time, it
// makes a [Step] of every forty milliseconds of it. Steps tell only what
// changed: which batches became known, where they are held and settled, which
// frames went from whom to whom, how links and members are, and what all of
// that means in words ([Word], [Headline]). A page that has the steps up to a
// time can draw every moment before it. Start reading at [Film.Tell].
package film

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/scene"
)

// StepEvery is how much of a run a step holds.
const StepEvery = 40 * time.Millisecond

// Film makes steps of a run. Use [New].
type Film struct {
	scene *scene.Scene
	take  func(*Step)
	step  *Step
	until time.Duration // the end of the step

	frames   frames
	told     told
	spans    []openSpan
	spansAll int
	story    story
}

// told is what the steps have told so far of what they tell only when it
// changes.
type told struct {
	members  []Member
	links    []Link
	news     []int64
	parts    [][]member.ID
	headline Headline
	totals   [2]uint64
	placed   map[int]bool // batches whose position is told, of those that are not settled everywhere
}

// New returns a film that gives its steps to take, which may keep them.
func New(header trace.Header, take func(*Step)) *Film {
	n := len(header.Members)
	f := &Film{scene: scene.New(header), take: take, until: StepEvery}
	f.frames.init()
	f.told.members, f.told.links, f.told.news = make([]Member, n), make([]Link, n*n), make([]int64, n*n)
	for i := range f.told.members {
		f.told.members[i].State = "unknown"
	}
	f.told.placed = map[int]bool{}
	f.scene.Witness = witness{f}
	f.begin()
	return f
}

// Scene returns the present, which changes with the next event.
func (f *Film) Scene() *scene.Scene { return f.scene }

// Tell adds the next event of the run. Whatever comes late counts as of now.
func (f *Film) Tell(e *trace.Event) {
	f.Pass(e.At)
	f.scene.Tell(e)
	switch e.Kind {
	case trace.Send, trace.Push, trace.Receive:
		f.frames.tell(e, f.scene)
	case trace.Fault:
		f.step.Faults = append(f.step.Faults, Fault{At: micros(f.scene.Now), Note: e.Note})
		f.openLinkSpan(e.Note)
		f.story.fault(f, e.Note)
	case trace.Start, trace.Crash, trace.Pause, trace.Resume, trace.Reset, trace.Phase:
		f.openMemberSpan(e)
		f.story.event(f, e)
	}
	f.closeSpans()
}

// Pass lets time go on without an event, and takes the steps that end by then.
func (f *Film) Pass(at time.Duration) {
	if at-f.until > pauseMax {
		f.cut()
		f.until = (at - pauseMax) / StepEvery * StepEvery // nothing happened for long
	}
	for at >= f.until {
		f.cut()
	}
}

// pauseMax is how much of a run without any event is made of steps.
const pauseMax = time.Second

// End takes the last step. Nothing may be told afterwards.
func (f *Film) End() {
	f.frames.giveUpAll(f.scene)
	f.story.end(f)
	f.until = max(f.scene.Now, f.until-StepEvery+time.Microsecond)
	f.step.End = true
	f.cut()
}

// cut ends the step and begins the next.
func (f *Film) cut() {
	f.scene.Now = f.until
	f.story.look(f)
	f.step.T = micros(f.until)
	f.frames.cut(f.step, f.scene)
	f.tellMembers()
	f.tellLinks()
	f.tellNews()
	f.tellTotals()
	if headline := f.story.headline(f); headline != f.told.headline {
		f.told.headline = headline
		f.step.Headline = &headline
	}
	f.take(f.step)
	f.until += StepEvery
	f.begin()
}

func (f *Film) begin() { f.step = &Step{First: f.scene.Batches} }

// micros is a time as it stands in steps: microseconds since the start.
func micros(d time.Duration) int64 { return d.Microseconds() }

// witness notes in the step what becomes of batches.
type witness struct{ *Film }

// Born notes a batch that nobody held before.
func (f witness) Born(b *scene.Batch) {
	f.step.Batches = append(f.step.Batches, int64(b.Stream), int64(b.Seq), int64(b.Count), int64(b.Time), micros(b.Born))
}

// Held notes that a member holds it.
func (f witness) Held(b *scene.Batch, id member.ID) {
	f.step.Held = append(f.step.Held, int64(b.Number), int64(id), micros(f.scene.Now))
}

// Settled notes that it is final there, and its position when that is known.
func (f witness) Settled(b *scene.Batch, id member.ID) {
	f.step.Settled = append(f.step.Settled, int64(b.Number), int64(id), micros(f.scene.Now))
	if m := &f.scene.Members[id]; m.SettledKey == b.Key && !f.told.placed[b.Number] {
		if len(f.told.placed) >= placedMax {
			clear(f.told.placed)
		}
		f.told.placed[b.Number] = true
		f.step.Places = append(f.step.Places, int64(b.Number), int64(m.Settled-b.Count))
	}
}

// Lost notes that it will never be final.
func (f witness) Lost(b *scene.Batch) {
	f.step.Lost = append(f.step.Lost, int64(b.Number), -1, micros(f.scene.Now))
}

// Dropped notes that a member that holds it learns of that.
func (f witness) Dropped(b *scene.Batch, id member.ID) {
	f.step.Lost = append(f.step.Lost, int64(b.Number), int64(id), micros(f.scene.Now))
}

// placedMax is how many batches are remembered whose position was told; it may
// be told again.
const placedMax = 1 << 14

// Restarted notes that a member holds nothing yet.
func (f witness) Restarted(id member.ID) {
	f.step.Restarts = append(f.step.Restarts, int64(id), micros(f.scene.Now))
}

func (f *Film) tellMembers() {
	for i := range f.scene.Members {
		now := f.member(member.ID(i))
		if !now.Equal(&f.told.members[i]) {
			f.told.members[i] = now
			f.step.Members = append(f.step.Members, now)
		}
	}
}

// member returns what a member is like now.
func (f *Film) member(id member.ID) Member {
	m := &f.scene.Members[id]
	now := Member{ID: id, State: m.State.String(), Since: micros(m.Since), Held: m.Held(), Settled: m.Settled, Oldest: -1, Out: f.scene.Out(id)}
	if lag := f.scene.Lag(id); lag > 0 {
		now.Oldest = micros(f.scene.Now - lag)
	}
	if f.scene.Late(id) {
		now.Late, now.Waits = true, f.scene.Waits(id)
	}
	return now
}

func (f *Film) tellLinks() {
	n, changed := len(f.scene.Members), false
	for i := range f.told.links {
		from, to := member.ID(i/n), member.ID(i%n)
		if from == to {
			continue
		}
		now := f.link(from, to)
		if before := &f.told.links[i]; now != *before {
			*before = now
			changed = true
			f.step.Links = append(f.step.Links, now)
		}
	}
	if changed || len(f.step.Members) > 0 {
		if parts := f.scene.Parts(); !equalParts(parts, f.told.parts) {
			f.told.parts, f.step.Parts = parts, parts
		}
	}
}

func (f *Film) link(from, to member.ID) Link {
	link := f.scene.Link(from, to)
	return Link{From: from, To: to, State: f.scene.Condition(from, to), Since: micros(link.Since), Label: label(link.Failure)}
}

// freshFor is how old news may be and still count as fresh: younger ones come
// and go with every message.
const freshFor = 60 * time.Millisecond

// tellNews tells how old is what members know of each other. In large clusters
// it is told less often.
func (f *Film) tellNews() {
	n := len(f.scene.Members)
	if n > 16 && f.until%(5*StepEvery) != 0 && !f.step.End {
		return
	}
	for i := range f.told.news {
		id, of := member.ID(i/n), member.ID(i%n)
		since, fresh := f.scene.News(id, of)
		now := micros(since) + 1
		if fresh || f.scene.Now-since < freshFor {
			now = 0
		}
		if now != f.told.news[i] {
			f.told.news[i] = now
			f.step.News = append(f.step.News, int64(id), int64(of), now-1)
		}
	}
}

func (f *Film) tellTotals() {
	totals := [2]uint64{f.scene.Entries(), f.scene.Stable()}
	if totals != f.told.totals {
		f.told.totals = totals
		f.step.Totals = totals[:]
	}
}

// Key returns a step that tells everything as it is now, for those who have
// not seen the steps before. Of batches it tells none: those that become known
// later count on from its First.
func (f *Film) Key() *Step {
	key := &Step{T: micros(f.until - StepEvery), First: f.scene.Batches, Parts: f.told.parts, Totals: f.told.totals[:]}
	headline := f.told.headline
	key.Headline = &headline
	key.Members = slices.Clone(f.told.members)
	n := len(f.scene.Members)
	for i, link := range f.told.links {
		if link.State != "" {
			key.Links = append(key.Links, link)
		}
		if since := f.told.news[i]; since != 0 {
			key.News = append(key.News, int64(i/n), int64(i%n), since-1)
		}
	}
	for _, open := range f.spans {
		key.Opened = append(key.Opened, open.Span)
	}
	return key
}
