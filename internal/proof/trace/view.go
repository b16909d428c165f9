package trace

import (
	"fmt"
	"strings"

	"chatterbox/internal/core/member"
)

// View is who belongs to the cluster, as [Install] and [Ends] events of a
// member tell it. The zero value is the view of all that the header names.
type View struct {
	Number uint64     // 0: none was told yet
	Out    member.Set // who was let go, and is not a member again
}

// Tell takes in an event of the member, and reports whether it is about views.
// A view is whole once the next event of the member is about something else.
func (v *View) Tell(e *Event) bool {
	switch e.Kind {
	case Start:
		*v = View{} // it tells again what it goes by
	case Install:
		*v = View{Number: e.Number}
	case Ends:
		v.Out.Add(e.Stream)
	}
	return e.Kind == Install || e.Kind == Ends
}

// Words returns in words who the members are, and who is out.
func (v *View) Words(names []string) string {
	var in, out []string
	for id, name := range names {
		if v.Out.Has(member.ID(id)) {
			out = append(out, name)
		} else {
			in = append(in, name)
		}
	}
	text := fmt.Sprintf("view %d: the members are %s", max(v.Number, 1), some(in))
	switch len(out) {
	case 0:
		return text
	case 1:
		return text + "; " + out[0] + " was evicted"
	}
	return text + "; " + some(out) + " were evicted"
}

// some joins names, the first ones of many.
func some(names []string) string {
	const most = 8
	if more := len(names) - (most - 1); len(names) > most {
		return strings.Join(names[:most-1], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}
