package failure

import (
	"fmt"
	"slices"

	"chatterbox/internal/core/member"
)

// Present is how the links of a cluster fail at the present. It changes event
// by event, as they happen; a [Schedule] knows all of them beforehand.
type Present struct {
	list  member.List
	links []Link // from each member to each member, by place
}

// NewPresent returns the present of a cluster in which nothing fails.
func NewPresent(list member.List) *Present {
	return &Present{list: list, links: make([]Link, len(list)*len(list))}
}

// Clone returns a copy that changes by itself.
func (p *Present) Clone() *Present {
	return &Present{list: p.list, links: slices.Clone(p.links)}
}

// Link returns how messages from one member to another fail now.
func (p *Present) Link(from, to member.ID) Link { return p.links[int(from)*len(p.list)+int(to)] }

// Happens lets the event happen now, whatever its time says, and tells whom it
// is about: of links, those at both ends. Links change; what happens to members
// is for the caller to know.
func (p *Present) Happens(event *Event) (from, to member.Set, err error) {
	bound, err := event.bind(p.list)
	if err != nil {
		return nil, nil, fmt.Errorf("failure: %w", err)
	}
	if event.Arrow == NoLink {
		return bound.from, nil, nil
	}
	for a := range p.list {
		for b := range p.list {
			if a != b && bound.acts(member.ID(a), member.ID(b)) {
				apply(&p.links[a*len(p.list)+b], event)
			}
		}
	}
	return bound.from, bound.to, nil
}

// acts reports whether the event is about the link.
func (e *boundEvent) acts(from, to member.ID) bool {
	return e.from.Has(from) && e.to.Has(to) || e.Arrow == BothWays && e.to.Has(from) && e.from.Has(to)
}
