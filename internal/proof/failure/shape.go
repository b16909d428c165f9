package failure

import "time"

// links draws the links of a failure: all, those of a member, or one.
func (d *drawer) links() Event {
	a, b := d.two()
	switch d.rng.IntN(4) {
	case 0:
		return Event{From: d.except(), Arrow: OneWay, To: d.except()}
	case 1:
		return Event{From: d.group(a), Arrow: BothWays, To: d.except()}
	case 2:
		return Event{From: d.group(a), Arrow: BothWays, To: d.group(b)}
	default:
		return d.oneWay()
	}
}

// oneWay draws one direction: of a link, or all to or from a member.
func (d *drawer) oneWay() Event {
	a, b := d.two()
	switch d.rng.IntN(4) {
	case 0:
		return Event{From: d.group(a), Arrow: OneWay, To: d.except()}
	case 1:
		return Event{From: d.except(), Arrow: OneWay, To: d.group(a)}
	default:
		return Event{From: d.group(a), Arrow: OneWay, To: d.group(b)}
	}
}

// partition lets a partition come, and mostly heal.
func (d *drawer) partition() {
	begin, end, ends := d.span()
	for _, cut := range d.shape() {
		cut.At, cut.Action = begin, Cut
		d.add(cut)
	}
	if ends {
		d.add(Event{At: end, From: d.except(), Arrow: BothWays, To: d.except(), Action: Heal, Only: Cut})
	}
}

// flap lets the same partition come and go, about equally long. It ends healed.
func (d *drawer) flap() {
	begin, end, _ := d.span()
	half := max(pick[time.Duration](d.rng, 50, 200, 500)*time.Millisecond, d.length/1000)
	cut := d.halves()
	cut.At, cut.Every, cut.Until = begin, 2*half, end
	cut.Action = Cut
	heal := cut
	heal.At, heal.Until = begin+half, end+half
	heal.Action, heal.Only = Heal, Cut
	d.add(cut, heal)
}

// shape draws the links that a partition cuts.
func (d *drawer) shape() []Event {
	order := d.rng.Perm(d.members)
	shapes := 7
	if d.members < 4 {
		shapes = 3 // the others come to the same, or to nothing
	}
	switch d.rng.IntN(shapes) {
	case 0: // one isolated
		return []Event{{From: d.group(order[0]), Arrow: BothWays, To: d.except()}}
	case 1:
		return []Event{d.halves()}
	case 2:
		return d.anyLinks()
	case 3: // a bridge: only order[0] sees both sides
		middle := (d.members + 1) / 2
		return []Event{{From: d.group(order[1:middle]...), Arrow: BothWays, To: d.group(order[middle:]...)}}
	case 4: // a star: all see order[0] only
		return []Event{{From: d.except(order[0]), Arrow: BothWays, To: d.except(order[0])}}
	case 5:
		return d.ring(order)
	default:
		return d.majorityRing(order)
	}
}

// halves splits the members into two groups of any size.
func (d *drawer) halves() Event {
	order := d.rng.Perm(d.members)
	size := 1 + d.rng.IntN(d.members/2)
	return Event{From: d.group(order[:size]...), Arrow: BothWays, To: d.except(order[:size]...)}
}

// ring lets each member see its two neighbours in the order only.
func (d *drawer) ring(order []int) []Event {
	var cuts []Event
	for i, place := range order {
		before, after := order[(i+d.members-1)%d.members], order[(i+1)%d.members]
		cuts = append(cuts, Event{From: d.group(place), Arrow: OneWay, To: d.except(before, after)})
	}
	return cuts
}

// majorityRing lets each member hear a majority only, each another one: those
// that follow it in the order.
func (d *drawer) majorityRing(order []int) []Event {
	majority := d.members/2 + 1
	twice := append(order, order...)
	var cuts []Event
	for i, place := range order {
		cuts = append(cuts, Event{From: d.except(twice[i : i+majority]...), Arrow: OneWay, To: d.group(place)})
	}
	return cuts
}

// anyLinks draws as many links as there are members.
func (d *drawer) anyLinks() []Event {
	var cuts []Event
	for range d.members {
		a, b := d.two()
		cuts = append(cuts, Event{From: d.group(a), Arrow: pick(d.rng, OneWay, BothWays), To: d.group(b)})
	}
	return cuts
}
