package delta

import (
	"fmt"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// What is here goes on by force, when no quorum is left, and finds out whether a member
// that was left out then can still come back to those who went on.

// force has this member, and others that it hears, go on without all others. The error
// says why it does not: most of all if those who are there decide without that.
func (d *Delta) force(c *member.Change) error {
	v := d.roster.View()
	if present, _ := d.present(); present >= v.Quorum() && !d.synod.Forces() {
		return fmt.Errorf("%d of the %d members of view %d are heard, or were a moment ago, and %d decide: it goes without force", present, v.Size(), v.Number, v.Quorum())
	}
	for place := range v.Places {
		p := &v.Places[place]
		if id := member.ID(place); c.Names(p.Identity) && id != d.cfg.Self && !d.isThere(id) {
			return fmt.Errorf("%s is to go on, and is not heard: start it, or name it too", p.Name)
		}
	}
	return d.synod.Ask(*c)
}

// isFork reports whether a view, which comes after that of this member, was forced, or
// one before it was, without something that this member may have shown. What it had when
// it started may all have been shown: what settled is made durable later than it is shown.
// Of two members either one holds all that the other one can have shown.
func (d *Delta) isFork(v *member.View) bool {
	own := d.roster.View()
	forced := v.ForcedAfter(own)
	if forced == nil || len(v.Places) < d.roster.Len() {
		return false
	}
	if settled := max(d.frontier.settled, d.frontier.assured); settled > forced.Clock && settled < clock.Infinity {
		return true
	}
	for j := range d.streams {
		shown := d.deliveredOf(member.ID(j))
		if j < len(d.frontier.restored) && own.Size() > 2 {
			shown = max(shown, d.frontier.restored[j])
		}
		if shown > cutOf(&v.Places[j], own.Number) {
			return true
		}
	}
	return false
}
