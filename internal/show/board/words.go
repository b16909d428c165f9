package board

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/term"
)

// words says in sentences what is the matter with a cluster: who is down, who
// does not hear whom, whom settling waits for, each with since when.
type words struct {
	names member.List
	style term.Style
	began time.Time
	down  []downtime    // of each member
	deaf  [][]time.Time // for each member and peer, since when it does not hear it; zero: it does
	stuck []time.Time   // since when nothing settles at each member; zero: it does
}

// downtime is why a member does nothing; the zero value says that it does.
type downtime struct {
	why   string
	since time.Time
}

// startUp is how long members get to find each other before somebody is missed.
const startUp = time.Second

func newWords(names member.List, style term.Style, began time.Time) *words {
	w := &words{
		names: names, style: style, began: began,
		down: make([]downtime, len(names)), deaf: make([][]time.Time, len(names)), stuck: make([]time.Time, len(names)),
	}
	for i := range w.deaf {
		w.deaf[i] = make([]time.Time, len(names))
	}
	return w
}

// happens takes in a line of the map that has come true.
func (w *words) happens(event failure.Event, at time.Time) {
	who, _, err := failure.NewPresent(w.names).Happens(&event)
	if err != nil || event.Arrow != failure.NoLink {
		return
	}
	for id := range w.names {
		if who.Has(member.ID(id)) {
			w.down[id] = w.down[id].after(event.Action, at)
		}
	}
}

// after returns what a member does after something happened to it.
func (d downtime) after(action failure.Action, at time.Time) downtime {
	switch action {
	case failure.Crash, failure.CrashLosingData:
		return downtime{"is down", at}
	case failure.Pause:
		if d.why == "" {
			return downtime{"stands still", at}
		}
	case failure.Resume:
		if d.why == "stands still" {
			return downtime{}
		}
	case failure.Restart, failure.Start:
		return downtime{}
	}
	return d
}

// observe takes in how far a member is at a time.
func (w *words) observe(id member.ID, row *boardRow, at time.Time) {
	for peer, heard := range row.progress.Heard {
		switch {
		case heard || peer == int(id):
			w.deaf[id][peer] = time.Time{}
		case w.deaf[id][peer].IsZero():
			w.deaf[id][peer] = at
		}
	}
	switch {
	case len(row.progress.Awaits) == 0:
		w.stuck[id] = time.Time{}
	case w.stuck[id].IsZero():
		w.stuck[id] = at
	}
}

// lines returns what is the matter at a time; all is well if nothing is.
func (w *words) lines(rows []boardRow, at time.Time) []string {
	var lines []string
	for id := range w.names {
		if d := w.down[id]; d.why != "" {
			lines = append(lines, w.style.Warn(fmt.Sprintf("%s %s since %s", w.names[id].Name, d.why, term.Tenths(at.Sub(d.since)))))
		}
	}
	if at.Sub(w.began) >= startUp {
		lines = append(lines, w.hearing(rows, at)...)
		lines = append(lines, w.settling(rows, at)...)
	}
	if len(lines) == 0 && allReport(rows) {
		lines = append(lines, w.style.Good("all hear all, and everything settles"))
	}
	return lines
}

// allReport reports whether something is known of every member.
func allReport(rows []boardRow) bool {
	return !slices.ContainsFunc(rows, func(r boardRow) bool { return r.progress.Phase == "" })
}

// hearing returns who does not hear whom. Who is down was said already.
func (w *words) hearing(rows []boardRow, at time.Time) []string {
	var groups []group
	for id := range w.names {
		if w.down[id].why != "" || rows[id].progress.Phase == "" {
			continue
		}
		unheard, since := w.unheard(id)
		if len(unheard) > 0 {
			groups = gather(groups, id, unheard, since)
		}
	}
	var lines []string
	for i, g := range groups {
		mutual := slices.IndexFunc(groups, func(other group) bool { return slices.Equal(other.who, g.whom) && slices.Equal(other.whom, g.who) })
		if mutual >= 0 && mutual < i {
			continue // said from the other side
		}
		text := fmt.Sprintf("%s %s nothing of %s", w.list(g.who), verb(len(g.who), "hears", "hear"), w.list(g.whom))
		switch up := w.up(); {
		case len(g.who) == 1 && len(g.whom) >= up-1:
			text = w.list(g.who) + " hears nobody"
		case mutual >= 0:
			text = fmt.Sprintf("%s and %s do not hear each other", w.list(g.who), w.list(g.whom))
		}
		lines = append(lines, w.style.Warn(text+" since "+term.Tenths(at.Sub(g.since))))
	}
	return lines
}

// up counts the members that are not down.
func (w *words) up() (count int) {
	for _, d := range w.down {
		if d.why == "" {
			count++
		}
	}
	return count
}

// unheard returns the peers that a member should hear and does not, and since
// when it misses the last one of them.
func (w *words) unheard(id int) (peers []int, since time.Time) {
	for peer, at := range w.deaf[id] {
		if !at.IsZero() && w.down[peer].why == "" {
			peers = append(peers, peer)
			if at.After(since) {
				since = at
			}
		}
	}
	return peers, since
}

// settling returns whom settling waits for.
func (w *words) settling(rows []boardRow, at time.Time) []string {
	var groups []group
	waiting, all := 0, 0
	for id := range rows {
		p := &rows[id].progress
		if w.down[id].why != "" || p.Phase == "" {
			continue
		}
		all++
		if len(p.Awaits) > 0 && p.Settled < p.Count {
			waiting++
			groups = gather(groups, id, p.Awaits, w.stuck[id])
		}
	}
	var lines []string
	for _, g := range groups {
		where := ""
		if len(groups) > 1 || waiting < all {
			where = " at " + w.list(g.who)
		}
		lines = append(lines, w.style.Warn(fmt.Sprintf("settling%s waits for %s since %s", where, w.list(g.whom), term.Tenths(at.Sub(g.since)))))
	}
	return lines
}

// group is members of whom the same can be said.
type group struct {
	who, whom []int
	since     time.Time // the latest of them
}

// gather puts a member into the group of whom the same can be said.
func gather(groups []group, who int, whom []int, since time.Time) []group {
	for i := range groups {
		if g := &groups[i]; slices.Equal(g.whom, whom) {
			g.who = append(g.who, who)
			if since.After(g.since) {
				g.since = since
			}
			return groups
		}
	}
	return append(groups, group{[]int{who}, whom, since})
}

// list names members.
func (w *words) list(places []int) string {
	return term.Names(places, func(place int) string { return w.names[place].Name })
}

func verb(count int, one, many string) string {
	if count == 1 {
		return one
	}
	return many
}
