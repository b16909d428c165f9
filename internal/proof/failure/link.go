package failure

import "chatterbox/internal/world/fault"

// Link is how one direction between two members fails.
type Link = fault.Link

// apply changes a link by an event's action.
func apply(l *Link, event *Event) {
	switch event.Action {
	case Cut:
		l.Cut = true
	case Drop:
		l.Drop = event.Percent / 100
	case Repeat:
		l.Repeat = event.Percent / 100
	case Reorder:
		l.Reorder = event.Percent / 100
	case Delay:
		l.DelayMin, l.DelayMax = event.DelayMin, event.DelayMax
	case Rate:
		l.BytesPerSecond = event.BytesPerSecond
	case Heal:
		heal(l, event.Only)
	}
}

// heal ends one kind of failure, or all of them if only is 0.
func heal(l *Link, only Action) {
	switch only {
	case Cut:
		l.Cut = false
	case Drop:
		l.Drop = 0
	case Repeat:
		l.Repeat = 0
	case Reorder:
		l.Reorder = 0
	case Delay:
		l.DelayMin, l.DelayMax = 0, 0
	case Rate:
		l.BytesPerSecond = 0
	default:
		*l = Link{}
	}
}
