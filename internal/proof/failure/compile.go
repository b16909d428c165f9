package failure

import (
	"encoding/binary"

	"chatterbox/internal/core/member"
)

// links has the table of each link. Members that no event tells apart share a
// class, and links with the same events share a table, so that a thousand
// members with few failures take little memory.
type links struct {
	class   []int32 // of each member
	classes int
	pairs   []int32 // by class of the sender and class of the receiver: the table
	tables  []table
}

func (l *links) table(from, to member.ID) *table {
	return &l.tables[l.pairs[int(l.class[from])*l.classes+int(l.class[to])]]
}

// bits is a set of events, by place in the map.
type bits []uint64

func newBits(events int) bits { return make(bits, (events+63)/64) }

func (b bits) set(event int) { b[event/64] |= 1 << (event % 64) }

func (b bits) has(event int) bool { return b[event/64]&(1<<(event%64)) != 0 }

// appendKey appends what is equal for equal sets only.
func (b bits) appendKey(key []byte) []byte {
	for _, word := range b {
		key = binary.LittleEndian.AppendUint64(key, word)
	}
	return key
}

// sides tells on which side of which link events a class of members is.
type sides struct{ from, to bits }

func compileLinks(events []boundEvent, moments []moment, members int) links {
	var l links
	var classes []sides
	l.class, classes = classesOf(events, members)
	l.classes = len(classes)
	l.pairs = make([]int32, len(classes)*len(classes))
	both := newBits(len(events))
	for i := range events {
		if events[i].Arrow == BothWays {
			both.set(i)
		}
	}
	known := map[string]int32{} // set of events to its table
	acting := newBits(len(events))
	var key []byte
	for a := range classes {
		for b := range classes {
			for i := range acting {
				acting[i] = classes[a].from[i]&classes[b].to[i] | both[i]&classes[a].to[i]&classes[b].from[i]
			}
			key = acting.appendKey(key[:0])
			place, ok := known[string(key)]
			if !ok {
				place = int32(len(l.tables))
				known[string(key)] = place
				l.tables = append(l.tables, compileTable(events, moments, acting))
			}
			l.pairs[a*len(classes)+b] = place
		}
	}
	return l
}

// classesOf returns the class of each member, and the sides of each class.
func classesOf(events []boundEvent, members int) (class []int32, classes []sides) {
	class = make([]int32, members)
	known := map[string]int32{}
	for id := range class {
		s := sides{from: newBits(len(events)), to: newBits(len(events))}
		for i, e := range events {
			if e.Arrow == NoLink {
				continue
			}
			if e.from.Has(member.ID(id)) {
				s.from.set(i)
			}
			if e.to.Has(member.ID(id)) {
				s.to.set(i)
			}
		}
		key := string(s.to.appendKey(s.from.appendKey(nil)))
		place, ok := known[key]
		if !ok {
			place = int32(len(classes))
			known[key] = place
			classes = append(classes, s)
		}
		class[id] = place
	}
	return class, classes
}

// compileTable lets the events that act on a link happen one after the other.
func compileTable(events []boundEvent, moments []moment, acting bits) table {
	t := table{reliable: true}
	var now Link
	for _, m := range moments {
		if !acting.has(m.event) {
			continue
		}
		apply(&now, events[m.event].Event)
		t.set(m.at, now)
		t.reliable = t.reliable && now.Drop == 0 && now.Repeat == 0 && now.Reorder == 0
	}
	return t
}
