package failure

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"chatterbox/internal/core/member"
)

// RandomLeaves adds to a map that one or two members leave as planned: they are told to,
// or, where members keep no data, stopped. Mostly they are started again, and with their
// data mostly told to come back.
func RandomLeaves(rng *rand.Rand, members int, length time.Duration, keep bool, m Map) Map {
	d := drawer{rng: rng, members: members, length: length, drawn: slices.Clone(m)}
	for range 1 + rng.IntN(2) {
		begin, end, ends := d.span()
		who, how := d.anyone(), Leave
		if !keep && rng.IntN(2) == 0 {
			how = Stop
		}
		d.add(Event{At: begin, From: who, Action: how})
		if !ends {
			continue
		}
		d.add(Event{At: end, From: who, Action: Restart})
		if keep && rng.IntN(4) > 0 {
			left := max(length-end, time.Millisecond)
			d.add(Event{At: end + time.Duration(rng.Int64N(left.Milliseconds()+1))*time.Millisecond, From: who, Action: Return})
		}
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// RandomForces adds to a map of two members that one of them goes on by force while the
// other one is away, which then comes back. Only one of them ever does: if both did,
// there would be two histories.
func RandomForces(rng *rand.Rand, length time.Duration, crashes bool, m Map) Map {
	d := drawer{rng: rng, members: 2, length: length, drawn: slices.Clone(m)}
	goesOn := rng.IntN(2)
	on, away := d.group(goesOn), d.group(1-goesOn)
	at := time.Duration(rng.Int64N(length.Milliseconds()/2+1)) * time.Millisecond
	leaves, returns := Event{At: at, From: on, Arrow: BothWays, To: away, Action: Cut}, Event{From: on, Arrow: BothWays, To: away, Action: Heal}
	if crashes && rng.IntN(2) == 0 {
		leaves, returns = Event{At: at, From: away, Action: Kill}, Event{From: away, Action: Restart}
	}
	after := func(most time.Duration) time.Duration {
		at += time.Duration(rng.Int64N(most.Milliseconds())) * time.Millisecond
		return at
	}
	at += forgottenAfter
	force := Event{At: after(time.Second), From: on, Action: Force, Whom: away.Names[0]}
	returns.At = after(time.Second)
	back := Event{At: after(time.Second), From: away, Action: Return}
	d.add(leaves, force, returns, back)
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// forgottenAfter is how long a member is heard of after it was heard last.
const forgottenAfter = 2100 * time.Millisecond

// RandomPartings draws a map in which members are cut off from each other, or killed, so
// that no quorum is left, and several sides go on by force, each without the others: then
// all hear each other again, and some are told to come back.
func RandomPartings(rng *rand.Rand, members int, length time.Duration) Map {
	d := drawer{rng: rng, members: members, length: length}
	for _, kind := range d.some([]Kind{Losses, Repeats, Reorders, Delays, Drifts, Crashes, Pauses}) {
		d.draw(kind)
	}
	at := partsFrom
	for {
		at += time.Duration(rng.Int64N(partsFrom.Milliseconds())) * time.Millisecond
		at = d.part(at)
		if at > length-forgottenAfter-2*partsFrom || rng.IntN(2) == 0 {
			break
		}
	}
	slices.SortStableFunc(d.drawn, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.drawn
}

// partsFrom is when members part at the earliest, how long sides take to go on, and how
// long until they meet again, each at most or so.
const partsFrom = 500 * time.Millisecond

// part has sides that are no quorum go on by force, and meet again. It returns when they
// do.
func (d *drawer) part(at time.Duration) time.Duration {
	soon := func() time.Duration { return time.Duration(d.rng.Int64N(partsFrom.Milliseconds())) * time.Millisecond }
	meet := at + forgottenAfter + partsFrom + soon()
	rest := d.rng.Perm(d.members)
	for len(rest) > 0 {
		size := 1 + d.rng.IntN(min(max(member.Quorum(d.members)-1, 1), len(rest)))
		side, others := d.group(rest[:size]...), d.except(rest[:size]...)
		rest = rest[size:]
		if d.rng.IntN(8) == 0 {
			d.add(Event{At: at, From: side, Action: Kill}, Event{At: meet, From: side, Action: Restart})
			continue
		}
		d.add(Event{At: at, From: side, Arrow: BothWays, To: others, Action: Cut}, Event{At: meet, From: side, Arrow: BothWays, To: others, Action: Heal, Only: Cut})
		if d.rng.IntN(8) > 0 {
			d.goOn(at+forgottenAfter, side, soon)
		}
	}
	return meet
}

// goOn has one or two of a side told to go on by force without somebody else, and some of
// it to come back later.
func (d *drawer) goOn(at time.Duration, side Group, soon func() time.Duration) {
	var without []string
	for place := range d.members {
		if name := member.Letter(member.ID(place)); !slices.Contains(side.Names, name) {
			without = append(without, name)
		}
	}
	for range 1 + d.rng.IntN(2) {
		d.add(Event{At: at + soon(), From: Group{Names: []string{pick(d.rng, side.Names...)}}, Action: Force, Whom: pick(d.rng, without...)})
	}
	for _, name := range side.Names {
		if d.rng.IntN(2) == 0 {
			d.add(Event{At: at + 2*partsFrom + soon(), From: Group{Names: []string{name}}, Action: Return})
		}
	}
}
