package failure

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"chatterbox/internal/core/member"
)

// Kind is a kind of failure that a random map may have.
type Kind uint8

// The kinds of failures.
const (
	Partitions Kind = iota + 1 // one isolated, halves, bridge, ring, star, majority ring, any links
	Flaps                      // partitions that come and go regularly
	OneWayCuts                 // one direction of a link, or all to or from one member
	Losses                     // messages are lost
	Repeats                    // messages arrive twice
	Reorders                   // messages overtake each other
	Delays                     // messages take longer, with and without jitter
	Rates                      // few bytes a second pass
	Crashes                    // members crash and restart with what was durable
	Amnesias                   // members crash and restart without their data
	Olds                       // members crash and restart with an older copy of their data; not among [Kinds]
	Pauses                     // members stand still
	LateStarts                 // members are absent at first
	Drifts                     // clocks run fast or slow
	Changes                    // members are told to have others let go; not among [Kinds]
)

// Kinds lists all kinds of failures but Olds, which [RandomOld] has, for members
// that hear nobody cannot find out that their data is old; and Changes, which are
// no failures.
func Kinds() []Kind {
	return []Kind{
		Partitions, Flaps, OneWayCuts, Losses, Repeats, Reorders, Delays, Rates,
		Crashes, Amnesias, Pauses, LateStarts, Drifts,
	}
}

// ofLinks reports whether the kind needs two members.
func (k Kind) ofLinks() bool { return k <= Rates }

// Random draws a map for a number of members, called by member.Letter, with
// failures during length. It draws first which of the kinds, by default of all,
// the map has at all: runs with few kinds reach states that the mixture of all
// would bury (Groce et al., Swarm Testing, 2012). Most failures end within
// length, some never do.
func Random(rng *rand.Rand, members int, length time.Duration, kinds ...Kind) Map {
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	d := drawer{rng: rng, members: members, length: length}
	if members < 2 {
		kinds = slices.DeleteFunc(slices.Clone(kinds), Kind.ofLinks)
	}
	for _, kind := range d.some(kinds) {
		for range 1 + rng.IntN(3) {
			d.draw(kind)
		}
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// Kills draws for each crash of a map whether only the process ends, so that
// what was written and not synced stays readable. After half of those the
// machine fails soon, while the process does not run or when it runs again, or
// the process is killed once more; then it starts again.
func Kills(rng *rand.Rand, m Map) Map {
	var drawn Map
	for _, e := range m {
		if e.Action == Crash && rng.IntN(2) == 0 {
			e.Action = Kill
			if rng.IntN(2) == 0 {
				again, restart := e, e
				again.Action = pick(rng, Crash, Crash, Kill)
				again.At += time.Duration(1+rng.IntN(int(killedAgainIn.Milliseconds()))) * time.Millisecond
				restart.Action = Restart
				restart.At = again.At + time.Duration(rng.IntN(int(killedAgainIn.Milliseconds())))*time.Millisecond
				drawn = append(drawn, again, restart)
			}
		}
		drawn = append(drawn, e)
	}
	slices.SortStableFunc(drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return drawn
}

// killedAgainIn is how soon after a kill another end comes, and after that a
// start.
const killedAgainIn = 300 * time.Millisecond

// drawer draws one map.
type drawer struct {
	rng     *rand.Rand
	members int
	length  time.Duration
	drawn   Map
}

// some chooses one kind in a quarter of all draws, otherwise each one by the
// toss of a coin.
func (d *drawer) some(kinds []Kind) []Kind {
	if len(kinds) == 0 {
		return nil
	}
	var chosen []Kind
	if d.rng.IntN(4) > 0 {
		for _, kind := range kinds {
			if d.rng.IntN(2) == 0 {
				chosen = append(chosen, kind)
			}
		}
	}
	if len(chosen) == 0 {
		chosen = append(chosen, kinds[d.rng.IntN(len(kinds))])
	}
	return chosen
}

func (d *drawer) draw(kind Kind) {
	switch kind {
	case Partitions:
		d.partition()
	case Flaps:
		d.flap()
	case OneWayCuts:
		d.onLink(d.oneWay(), Event{Action: Cut})
	case Losses:
		d.onLink(d.links(), Event{Action: Drop, Percent: pick[float64](d.rng, 1, 5, 20, 50, 90)})
	case Repeats:
		d.onLink(d.links(), Event{Action: Repeat, Percent: pick[float64](d.rng, 1, 10, 50, 100)})
	case Reorders:
		d.onLink(d.links(), Event{Action: Reorder, Percent: pick[float64](d.rng, 1, 10, 50, 100)})
	case Delays:
		low := pick[time.Duration](d.rng, 0, 1, 10, 50, 200) * time.Millisecond
		jitter := pick[time.Duration](d.rng, 0, 1, 20, 300) * time.Millisecond
		d.onLink(d.links(), Event{Action: Delay, DelayMin: low, DelayMax: low + jitter})
	case Rates:
		d.onLink(d.links(), Event{Action: Rate, BytesPerSecond: pick[int64](d.rng, 5_000, 50_000, 625_000, 12_500_000)})
	default:
		d.drawForMember(kind)
	}
}

func (d *drawer) drawForMember(kind Kind) {
	switch kind {
	case Crashes:
		d.onMember(Event{Action: Crash}, Event{Action: Restart})
	case Amnesias:
		d.onMember(Event{Action: CrashLosingData}, Event{Action: Restart})
	case Olds:
		d.old()
	case Pauses:
		d.onMember(Event{Action: Pause}, Event{Action: Resume})
	case LateStarts:
		begin, _, _ := d.span()
		d.add(Event{At: begin, From: d.anyone(), Action: Start})
	case Drifts:
		speed := pick[float64](d.rng, 25, 50, 80, 99, 101, 125, 200, 400)
		d.onMember(Event{Action: Clock, Percent: speed}, Event{Action: Clock, Percent: 100})
	case Changes:
		d.change()
	}
}

// change has somebody told to let somebody go, or two be told so at about the same
// time: mostly of the same one, who mostly is another one.
func (d *drawer) change() {
	begin, _, _ := d.span()
	whom := d.rng.IntN(d.members)
	for range 1 + d.rng.IntN(2) {
		d.add(Event{At: begin, From: d.anyone(), Action: Evict, Whom: member.Letter(member.ID(whom))})
		begin += time.Duration(d.rng.Int64N(int64(tellsWithin/time.Millisecond))) * time.Millisecond
		if d.rng.IntN(4) == 0 {
			whom = d.rng.IntN(d.members)
		}
	}
}

// comeBack has somebody told to come back, once or twice: mostly who was to go, and
// mostly after that.
func (d *drawer) comeBack(m Map) {
	for _, e := range m {
		if e.Action != Evict || d.rng.IntN(4) == 0 {
			continue
		}
		for range 1 + d.rng.IntN(2) {
			left := max(d.length-e.At, time.Millisecond)
			at := e.At + time.Duration(d.rng.Int64N(left.Milliseconds()+1))*time.Millisecond
			d.add(Event{At: at, From: d.group(placeOf(e.Whom)), Action: Return})
		}
	}
	if d.rng.IntN(4) == 0 {
		begin, _, _ := d.span()
		d.add(Event{At: begin, From: d.anyone(), Action: Return})
	}
}

// replace has somebody lose its data in half of all draws, once or twice, and mostly has
// the others let go of whoever did.
func (d *drawer) replace(m Map) {
	if d.rng.IntN(2) == 0 {
		for range 1 + d.rng.IntN(2) {
			d.draw(Amnesias)
		}
	}
	for _, e := range slices.Concat(m, d.drawn) {
		if e.Action != CrashLosingData || len(e.From.Names) != 1 || d.rng.IntN(4) == 0 {
			continue
		}
		left := max(d.length-e.At, time.Millisecond)
		at := e.At + time.Duration(d.rng.Int64N(left.Milliseconds()/2+1))*time.Millisecond
		for range 1 + d.rng.IntN(2) {
			d.add(Event{At: at, From: d.anyone(), Action: Evict, Whom: e.From.Names[0]})
		}
	}
}

// placeOf returns the place of a letter; -1 if it is none.
func placeOf(letter string) int {
	for place := range member.CountMax {
		if member.Letter(member.ID(place)) == letter {
			return place
		}
	}
	return -1
}

// tellsWithin is how long after one member another one is told about the same.
const tellsWithin = 300 * time.Millisecond

func (d *drawer) add(events ...Event) { d.drawn = append(d.drawn, events...) }

// onLink lets a failure come, and mostly heal.
func (d *drawer) onLink(links, failure Event) {
	begin, end, ends := d.span()
	failure.At, failure.From, failure.Arrow, failure.To = begin, links.From, links.Arrow, links.To
	d.add(failure)
	if ends {
		links.At, links.Action, links.Only = end, Heal, failure.Action
		d.add(links)
	}
}

// onMember lets something come to a member, and mostly go again.
func (d *drawer) onMember(come, goes Event) {
	begin, end, ends := d.span()
	who := d.anyone()
	come.At, come.From = begin, who
	goes.At, goes.From = end, who
	d.add(come)
	if ends {
		d.add(goes)
	}
}

// span draws when a failure begins and ends, in whole milliseconds from 1ms
// on; one in eight never ends.
func (d *drawer) span() (begin, end time.Duration, ends bool) {
	last := max(d.length.Milliseconds(), 2)
	first := 1 + d.rng.Int64N(last-1)
	second := first + 1 + d.rng.Int64N(last-first)
	return time.Duration(first) * time.Millisecond, time.Duration(second) * time.Millisecond, d.rng.IntN(8) > 0
}

func (d *drawer) group(places ...int) Group {
	var g Group
	for _, place := range places {
		g.Names = append(g.Names, member.Letter(member.ID(place)))
	}
	return g
}

func (d *drawer) except(places ...int) Group {
	g := d.group(places...)
	g.All = true
	return g
}

func (d *drawer) anyone() Group { return d.group(d.rng.IntN(d.members)) }

// two draws different places.
func (d *drawer) two() (a, b int) {
	a = d.rng.IntN(d.members)
	b = (a + 1 + d.rng.IntN(d.members-1)) % d.members
	return a, b
}

func pick[T any](rng *rand.Rand, among ...T) T { return among[rng.IntN(len(among))] }

// RandomOld draws a map in which one member comes back with an older copy of its
// data, besides failures in which members hear each other and remember. For a
// member alone there is none: it has no peer that could notice.
func RandomOld(rng *rand.Rand, members int, length time.Duration) Map {
	if members == 1 {
		return nil
	}
	others := []Kind{Repeats, Reorders, Delays, Drifts}
	d := drawer{rng: rng, members: members, length: length}
	for _, kind := range d.some(others) {
		d.draw(kind)
	}
	d.draw(Olds)
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// old lets a member come back with a copy of its data that is up to as old as
// the run.
func (d *drawer) old() {
	begin, end, _ := d.span()
	who := d.anyone()
	age := time.Duration(1+d.rng.Int64N(max(begin.Milliseconds(), 1))) * time.Millisecond
	d.add(Event{At: begin, From: who, Action: CrashRestoring, Age: age}, Event{At: end, From: who, Action: Restart})
}

// RandomOldOfWhoWent draws a map in which one is evicted after a crash, and starts with
// an older copy of its data, maybe from before an earlier start, and maybe cut off, so
// that it writes before it hears anybody; then it may be told to come back. Little else
// fails.
func RandomOldOfWhoWent(rng *rand.Rand, members int, length time.Duration) Map {
	d := drawer{rng: rng, members: members, length: length}
	for _, kind := range d.some([]Kind{Repeats, Reorders, Delays, Drifts}) {
		d.draw(kind)
	}
	who := rng.IntN(members)
	begin, end, _ := d.span()
	milliseconds := func(most time.Duration) time.Duration {
		return time.Duration(1+rng.Int64N(max(most.Milliseconds(), 1))) * time.Millisecond
	}
	if rng.IntN(2) == 0 {
		d.add(Event{At: begin / 2, From: d.group(who), Action: Crash}, Event{At: begin/2 + milliseconds(begin/4), From: d.group(who), Action: Restart})
	}
	d.add(
		Event{At: begin, From: d.group(who), Action: CrashRestoring, Age: milliseconds(begin)},
		Event{At: begin, From: d.except(who), Action: Evict, Whom: member.Letter(member.ID(who))},
	)
	if rng.IntN(2) == 0 {
		off := Event{At: end, From: d.group(who), Arrow: BothWays, To: Group{All: true}, Action: Cut}
		on := off
		on.At, on.Action = end+milliseconds(darkFor), Heal
		d.add(off, on)
	}
	d.add(Event{At: end, From: d.group(who), Action: Restart})
	for range rng.IntN(3) {
		left := max(length-end, time.Millisecond)
		d.add(Event{At: end + time.Duration(rng.Int64N(left.Milliseconds()+1))*time.Millisecond, From: d.group(who), Action: Return})
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// darkFor is how long a member with older data writes at most before it can hear anybody.
const darkFor = 1500 * time.Millisecond

// RandomDeaths draws a map in which some members are gone for good, at different
// times or at one, and the others are well: so few that these can go on without them.
func RandomDeaths(rng *rand.Rand, members int, length time.Duration) Map {
	d := drawer{rng: rng, members: members, length: length}
	order := rng.Perm(members)
	for _, place := range order[:1+rng.IntN(max(members-member.Quorum(members), 1))] {
		at, _, _ := d.span()
		if len(d.drawn) > 0 && rng.IntN(2) == 0 {
			at = d.drawn[0].At
		}
		d.add(Event{At: max(at, metBy), From: d.group(place), Action: pick(rng, Crash, Kill, Pause)})
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// RandomStops draws a map in which one member after the other is stopped as planned, and
// started again, and all is well besides: of fewer than three the other one waits.
func RandomStops(rng *rand.Rand, members int, length time.Duration) Map {
	d := drawer{rng: rng, members: members, length: length}
	if members < 3 {
		return nil
	}
	for at := metBy; at < length-stopFor; {
		who := d.anyone()
		back := at + stopFor + time.Duration(rng.Int64N(stopFor.Milliseconds()))*time.Millisecond
		d.add(Event{At: at, From: who, Action: Stop}, Event{At: back, From: who, Action: Restart})
		at = back + stopFor + time.Duration(rng.Int64N(stopFor.Milliseconds()))*time.Millisecond
	}
	return d.drawn
}

// stopFor is how long a member that is stopped as planned is away at least, and how long
// after it is back the next one is stopped.
const stopFor = 1500 * time.Millisecond

// stops has somebody stopped as planned in half of all draws, once or twice, and mostly
// started again.
func (d *drawer) stops() {
	for range d.rng.IntN(2) * (1 + d.rng.IntN(2)) {
		d.onMember(Event{Action: Stop}, Event{Action: Restart})
	}
}

// metBy is when all members have met.
const metBy = time.Second

// RandomJoins adds to a map that those behind so many members join, each once: at
// any time, and one or the other crashes soon after it asked.
func RandomJoins(rng *rand.Rand, founders, members int, length time.Duration, crashes bool, m Map) Map {
	d := drawer{rng: rng, members: members, length: length, drawn: slices.Clone(m)}
	for place := founders; place < members; place++ {
		begin, _, _ := d.span()
		who := d.group(place)
		d.add(Event{At: begin, From: who, Action: Join})
		if crashes && rng.IntN(3) == 0 {
			begin += time.Duration(rng.Int64N(joinedBy.Milliseconds())) * time.Millisecond
			d.add(Event{At: begin, From: who, Action: pick(rng, Crash, Kill)})
			d.add(Event{At: begin + time.Duration(rng.Int64N(joinedBy.Milliseconds()))*time.Millisecond, From: who, Action: Restart})
		}
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// RandomObservers has some of those who join by a map only read, and some of these
// become members later.
func RandomObservers(rng *rand.Rand, members int, length time.Duration, m Map) Map {
	d := drawer{rng: rng, members: members, length: length, drawn: slices.Clone(m)}
	for i := range m {
		if m[i].Action != Join || rng.IntN(observesIn) != 0 {
			continue
		}
		d.drawn[i].Action = Observe
		if rng.IntN(2) == 0 {
			later, _, _ := d.span()
			d.add(Event{At: max(later, m[i].At), From: m[i].From, Action: Join})
		}
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// observesIn: one in so many of those who join only reads.
const observesIn = 3

// joinedBy is how long after it asked somebody has mostly joined.
const joinedBy = 500 * time.Millisecond

// RandomChanges adds to a map that members are told to let others go, and these to
// come back; that some lose their data, and the others are told so; and, where members
// keep data, that some are stopped as planned.
func RandomChanges(rng *rand.Rand, members int, length time.Duration, crashes bool, m Map) Map {
	d := drawer{rng: rng, members: members, length: length, drawn: slices.Clone(m)}
	for range 1 + rng.IntN(3) {
		d.draw(Changes)
	}
	loses := drawer{rng: rng, members: members, length: length}
	loses.replace(m)
	d.drawn = append(d.drawn, loses.drawn...)
	back := drawer{rng: rng, members: members, length: length}
	back.comeBack(d.drawn)
	d.drawn = append(d.drawn, back.drawn...)
	if crashes {
		d.stops()
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}
