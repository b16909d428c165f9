package roster

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// What is here keeps apart what must not meet: members that go by another
// history of the list, and incarnations whose data is older than what they told.

// IsNobodys reports whether nobody here can have sent a message.
func (r *Roster) IsNobodys(m *protocol.Message) bool {
	return !r.Has(m.From) || m.From == r.self || m.Identity == 0
}

// Refuses reports whether nothing of a message may be taken in where members never
// change, whatever this member holds: nobody here can have sent it, or who did goes
// by another history or has old data.
func (r *Roster) Refuses(m *protocol.Message) bool {
	return r.IsNobodys(m) || r.Meet(m) != Same || r.IsLastWord(m)
}

// Meeting is what a message means that was said in some view.
type Meeting uint8

// The meetings.
const (
	Same    Meeting = iota // both go by one view, or one of them by none yet
	Older                  // the sender goes by an older view: it is told the newer one, and nothing else it says is taken
	Newer                  // the sender goes by a newer view: nothing is taken before the view itself
	Foreign                // the sender goes by another history: all of it is about other streams, whoever it is about
)

// Meet returns what a message means by the view that its sender goes by. A member
// that is heard going by this history again does not go by another: what said so
// was a late message of an incarnation that all have forgotten. Whether an older
// view was of this history shows when its member is told the newer one.
func (r *Roster) Meet(m *protocol.Message) Meeting {
	switch tag, own := m.View, r.Tag(); {
	case tag == own:
		r.findings.Drop(protocol.OtherHistory, m.From)
		return Same
	case tag.Number == 0:
		if own.Number > 1 {
			return Older
		}
		return Same
	case own.Number == 0 && tag.Number == 1:
		return Same
	case tag.Number > own.Number:
		return Newer
	case tag.Number < own.Number && (tag.Number > 1 || tag.Lineage == r.view.Roots[0].Lineage):
		return Older
	}
	r.Estrange(m.From)
	return Foreign
}

// Estrange notes that a member goes by another history.
func (r *Roster) Estrange(from member.ID) { r.findings.Add(protocol.OtherHistory, from) }

// Fork notes that the others went on by force without this member, and without some of
// what it may have shown.
func (r *Roster) Fork() { r.findings.Add(protocol.Forked, r.self) }

// IsLastWord reports whether a message is the last word of an incarnation whose
// data is old. The one that counts is meant by it, if it is the same one.
func (r *Roster) IsLastWord(m *protocol.Message) bool {
	if !m.SaysOld() {
		return false
	}
	r.findings.Add(protocol.OldData, m.From)
	return true
}

// IsOutdated reports whether a member says, as the incarnation that counts, that
// nothing up to a time lies beyond so many own entries, of which more are held
// here: its data is old, and all else that it says may be as untrue. Before all
// agreed an observer may be meant, whose place's stream is another's. The
// function reports whether an entry is held that a mark denies.
func (r *Roster) IsOutdated(m *protocol.Message, held func(protocol.StreamMark) bool) bool {
	if !r.Agreed() || !r.Counts(m.From, m.Identity) {
		return false
	}
	for i := range m.Rows {
		row := &m.Rows[i]
		if row.Member != m.From || row.Identity != m.Identity {
			continue
		}
		for _, mark := range row.Marks {
			if mark.Stream == m.From && held(mark) {
				r.findings.Add(protocol.OldData, m.From)
				return true
			}
		}
	}
	return false
}

// IsAnotherStart reports whether a session is of another start with the same
// data than the one that was heard, and not of the first one: that has no data
// that could be old.
func IsAnotherStart(session, heard uint64) bool {
	return session>>32 != heard>>32 && (session>>32 > 1 || heard != 0)
}

// Said is the most that a member can ever have said of itself.
type Said struct {
	Version uint64     // of its row
	Own     clock.Mark // entries that it wrote, and the highest time that it promised or gave out
	Held    func(member.ID) uint64
}

// IsOutdone reports whether a message shows that a peer knows more of this
// incarnation, as one that counts, than it does itself. What is told is durable
// first, so only an older copy of the data, or another process with it, can be the
// reason.
func (r *Roster) IsOutdone(m *protocol.Message, said func() Said) bool {
	for i := range m.Rows {
		row := &m.Rows[i]
		mine := row.Member == r.self && row.Identity == r.identity && !r.observer
		if mine && r.isMore(row, said()) {
			return true
		}
	}
	return false
}

// isMore reports whether a row about this incarnation has more than it ever said.
func (r *Roster) isMore(row *protocol.Row, said Said) bool {
	if row.Version > said.Version {
		return true
	}
	same := r.Shares(row.Binding)
	return slices.ContainsFunc(row.Marks, func(mark protocol.StreamMark) bool {
		switch {
		case mark.Stream == r.self:
			return mark.Have > said.Own.Have || mark.Promise > said.Own.Promise
		case !r.Has(mark.Stream) || !same:
			return false // it may be about another incarnation's stream
		}
		return mark.Have > said.Held(mark.Stream)
	})
}

// Contradicts notes that a batch cannot be of the stream that is held here.
func (r *Roster) Contradicts(b *protocol.Batch) {
	if r.Agreed() {
		r.findings.Add(protocol.TwoContents, b.Origin)
	}
}

// Findings returns what was found out, and what is so at the moment. The
// functions return the hash of the binding that the member at a place showed,
// or 0, and report whether an observer is what was heard there last.
func (r *Roster) Findings(shown func(member.ID) uint64, observed func(member.ID) bool, heardOfAgreement bool) protocol.Findings {
	now := slices.Clone(r.findings)
	unmet := !r.Agreed() && !heardOfAgreement && r.hash != 0
	alone := r.Agreed() && r.observer
	for place := range r.binding {
		id := member.ID(place)
		observes := observed(id)
		if id == r.self {
			observes = r.observer
		}
		if hash := shown(id); unmet && hash != 0 && hash != r.hash {
			now.Add(protocol.OtherBinding, id)
		}
		if unmet && observes {
			now.Add(protocol.NeverMet, id)
		}
		alone = alone && observes
	}
	if alone {
		now.Add(protocol.NoWriter, r.self)
	}
	return now
}
