package failure

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
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
