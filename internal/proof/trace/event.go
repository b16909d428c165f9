package trace

import (
	"math"
	"strconv"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// BatchEntriesMax is how many entries a batch has at most, and so the largest
// count of an event about a batch.
const BatchEntriesMax = 1 << 17

// slot is the place of a field of an event while its line is read.
type slot uint8

const (
	slotAt slot = iota
	slotWhat
	slotMember
	slotPeer
	slotStream
	slotIdentity
	slotLife
	slotSession
	slotNumber
	slotSeq
	slotCount
	slotTime
	slotHave
	slotPromise
	slotPosition
	slotBytes
	slotHash
	slotState
	slotComplete
	slotNote
	slotEnd // of the last line, which is no event
	slots
)

// slotNamed returns the slot of a field, or slots if there is no such field.
func slotNamed(name []byte) slot {
	for s := slotAt; s < slots; s++ {
		if text := s.String(); len(text) == len(name) && text == string(name) {
			return s
		}
	}
	return slots
}

// String returns the name of the field.
func (s slot) String() string {
	return [...]string{
		"at", "what", "member", "peer", "stream", "identity", "life", "session", "number", "seq", "count", "time",
		"have", "promise", "position", "bytes", "hash", "state", "complete", "note", "end",
	}[s]
}

// field returns the field of kinds that needs the slot, 0 for what every event
// has.
func (s slot) field() Fields {
	return [...]Fields{
		0, 0, 0, HasPeer, HasStream, HasIdentity, HasLife, HasSession, HasNumber, HasSeq, HasCount, HasTime,
		HasMark, HasMark, HasPosition, HasBytes, HasHash, HasState, HasComplete, HasNote, 0,
	}[s]
}

// eventLine is a line of a trace with its fields where they belong.
type eventLine struct {
	values [slots]value
	keys   [slots]int // where the keys stand
}

// split reads all fields of a line. Each stands once.
func (l *eventLine) split(line []byte) error {
	*l = eventLine{}
	scanner := scanner{line: line}
	return scanner.object(func(key, v value) error {
		s := slotNamed(key.raw[1 : len(key.raw)-1])
		switch {
		case s == slots:
			return wrongAt(key.at, "there is no field %s", key.raw)
		case l.values[s].kind != 0:
			return wrongAt(key.at, "the field %s stands twice", key.raw)
		}
		l.values[s], l.keys[s] = v, key.at
		return nil
	})
}

// event makes the event of a line. The trace is one of so many members.
func (l *eventLine) event(e *Event, members int) error {
	what := l.values[slotWhat]
	if what.kind == 0 {
		return wrongAt(0, `"what" is missing`)
	}
	name, err := what.string()
	if err != nil {
		return err
	}
	kind := kindNamed(name)
	if kind == 0 {
		return wrongAt(what.at, "%q is no kind of event", name)
	}
	fields := kind.Fields()
	for s := slotAt; s < slotEnd; s++ {
		has := s < slotPeer || fields&s.field() != 0
		switch given := l.values[s].kind != 0; {
		case has && !given:
			return wrongAt(0, "%s: %q is missing", kind, s)
		case given && !has:
			return wrongAt(l.keys[s], "%s: an event of this kind has no %q", kind, s)
		}
	}
	f := filler{line: l, members: members}
	*e = Event{Kind: kind}
	f.fill(e)
	return f.err
}

// filler decodes the fields that are there, and keeps the first error.
type filler struct {
	line    *eventLine
	members int
	err     error
}

func (f *filler) fill(e *Event) {
	e.At = time.Duration(f.atMost(slotAt, math.MaxInt64))
	e.Member, e.Peer, e.Stream = f.place(slotMember), f.place(slotPeer), f.place(slotStream)
	e.Identity, e.Hash = member.Identity(f.hex(slotIdentity)), f.hex(slotHash)
	e.Life, e.Session, e.Number = f.whole(slotLife), f.whole(slotSession), f.whole(slotNumber)
	e.Seq, e.Count, e.Position = f.whole(slotSeq), f.whole(slotCount), f.whole(slotPosition)
	if e.Kind == Append || e.Kind == Deliver {
		e.Count = f.atMost(slotCount, BatchEntriesMax)
	}
	e.Have, e.Bytes = f.whole(slotHave), f.whole(slotBytes)
	e.Time, e.Promise = f.time(slotTime), f.time(slotPromise)
	if v, ok := f.given(slotComplete); ok {
		e.Complete, f.err = v.boolean()
	}
	if v, ok := f.given(slotNote); ok {
		e.Note, f.err = v.string()
	}
	f.state(e)
}

// given returns the value of a field, and whether there is one to decode.
func (f *filler) given(s slot) (value, bool) {
	v := f.line.values[s]
	return v, f.err == nil && v.kind != 0
}

func (f *filler) whole(s slot) (n uint64) {
	if v, ok := f.given(s); ok {
		n, f.err = v.whole()
	}
	return n
}

func (f *filler) atMost(s slot, most uint64) uint64 {
	n := f.whole(s)
	if n > most {
		f.err = wrongAt(f.line.values[s].at, "%q is %d, possible are at most %d", s, n, most)
		return 0
	}
	return n
}

func (f *filler) hex(s slot) (n uint64) {
	if v, ok := f.given(s); ok {
		n, f.err = v.hex()
	}
	return n
}

// place decodes a member by its place.
func (f *filler) place(s slot) member.ID {
	n := f.whole(s)
	if f.err == nil && n >= uint64(f.members) {
		f.err = wrongAt(f.line.values[s].at, "member %d of %d: places count from 0", n, f.members)
		return 0
	}
	return member.ID(n)
}

// time decodes a Lamport time, a number or "inf".
func (f *filler) time(s slot) clock.Time {
	if v, ok := f.given(s); ok && string(v.raw) == `"inf"` {
		return clock.Infinity
	}
	return clock.Time(f.atMost(s, uint64(clock.Infinity)))
}

func (f *filler) state(e *Event) {
	v, ok := f.given(slotState)
	if !ok {
		return
	}
	words, err := v.strings()
	switch {
	case err != nil:
		f.err = err
		return
	case len(words) != len(e.State):
		f.err = wrongAt(v.at, `"state" has %d words, not %d`, len(words), len(e.State))
		return
	}
	for i, word := range words {
		if e.State[i], err = strconv.ParseUint(word, 16, 64); err != nil {
			f.err = wrongAt(v.at, "the word %q is no hexadecimal number of at most 16 digits", word)
		}
	}
}
