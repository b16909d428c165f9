package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Version is the version of the format that is written. Segments of version 1
// are read too: their heads tell nothing of the segment before; and those of
// version 2, which have no records of views.
const Version = 3

// kind says what a record holds.
type kind byte

const (
	kindHead    kind = 1  // who writes; the first record of a segment
	kindMark    kind = 2  // the place where it stands; the first record of a group
	kindBatch   kind = 3  // a batch as encoded by its origin
	kindBound   kind = 4  // no later time was given out or promised
	kindOldBase kind = 5  // a base as in versions 1 and 2
	kindBinding kind = 6  // who may write at which place
	kindSettled kind = 7  // everything up to this time is held
	kindAgreed  kind = 8  // who may write at which place, as all members showed it
	kindFormer  kind = 9  // how long the segment before is
	kindHeld    kind = 10 // how much of each stream was held when the segment was begun
	kindAnchor  kind = 11 // how far the newest segment was synced; only in the anchor
	kindView    kind = 12 // who belongs to the cluster, from there on
	kindVote    kind = 13 // what was promised and accepted of the view after that
	kindBase    kind = 14 // what is not kept as batches any more
)

const (
	// recordHeaderBytes come before the body of each record: its length and
	// kind in 4 bytes, and a checksum in 4.
	recordHeaderBytes = 8
	// recordBytesMax is the largest body, in bytes: 3 bytes hold its length.
	recordBytesMax  = 1<<24 - 1
	markRecordBytes = recordHeaderBytes + 8
)

// magic begins every segment's header.
const magic = "chatlog\n"

// errTorn says that there is no whole record.
var errTorn = errors.New("no whole record")

// checksum is CRC-32C, for which processors have an instruction.
func checksum(head, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, head), table, body)
}

// appendRecord adds a record to p. A larger body than recordBytesMax is a
// mistake of ours, for batches are far smaller.
func appendRecord(p []byte, k kind, body []byte) []byte {
	if len(body) > recordBytesMax {
		panic(fmt.Sprintf("journal: record of %d bytes", len(body)))
	}
	start := len(p)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(body))|uint32(k)<<24)
	p = binary.LittleEndian.AppendUint32(p, checksum(p[start:start+4], body))
	return append(p, body...)
}

// nextRecord reads the record that p begins with. Its body aliases p.
func nextRecord(p []byte) (k kind, body, rest []byte, err error) {
	if len(p) < recordHeaderBytes {
		return 0, nil, nil, errTorn
	}
	word := binary.LittleEndian.Uint32(p)
	k, length := kind(word>>24), int(word&recordBytesMax)
	if k == 0 || length > len(p)-recordHeaderBytes {
		return 0, nil, nil, errTorn
	}
	body, rest = p[recordHeaderBytes:recordHeaderBytes+length], p[recordHeaderBytes+length:]
	if checksum(p[:4], body) != binary.LittleEndian.Uint32(p[4:]) {
		return 0, nil, nil, errTorn
	}
	return k, body, rest, nil
}

// markBody is what the mark at an offset in a segment holds: that offset.
func markBody[T int | int64](offset T) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(offset))
}

// putMark writes the mark for an offset over the first bytes of group.
func putMark(group []byte, offset int64) { appendRecord(group[:0], kindMark, markBody(offset)) }

// markAt reports whether a mark for this very place stands there.
func markAt(p []byte, offset int) bool {
	k, body, _, err := nextRecord(p[offset:])
	return err == nil && k == kindMark && bytes.Equal(body, markBody(offset))
}

// header is the first record of a segment.
type header struct {
	version  int // 0 is the present one
	self     member.ID
	members  int
	list     uint64 // hash of the member list
	identity member.Identity
	life     uint64
	segment  uint64
	head     uint64 // bytes of the whole head, this record included; version 1: 0
	begun    uint64 // when it was begun, in milliseconds since 1970; 0: not told
	cluster  string
}

const (
	headerBytesMin1 = 8 + 2 + 2 + 2 + 2 + 8 + 8 + 8 + 8
	headerBytesMin  = headerBytesMin1 + 16
)

func appendHeader(p []byte, h header) []byte {
	p = append(p, magic...)
	p = binary.LittleEndian.AppendUint16(p, Version)
	p = binary.LittleEndian.AppendUint16(p, uint16(h.self))
	p = binary.LittleEndian.AppendUint16(p, uint16(h.members))
	p = append(p, 0, 0)
	p = binary.LittleEndian.AppendUint64(p, h.list)
	p = binary.LittleEndian.AppendUint64(p, uint64(h.identity))
	p = binary.LittleEndian.AppendUint64(p, h.life)
	p = binary.LittleEndian.AppendUint64(p, h.segment)
	p = binary.LittleEndian.AppendUint64(p, h.head)
	p = binary.LittleEndian.AppendUint64(p, h.begun)
	return append(p, h.cluster...)
}

func decodeHeader(p []byte) (header, error) {
	if len(p) < len(magic)+2 || string(p[:len(magic)]) != magic {
		return header{}, errors.New("this is no segment of a journal")
	}
	version, least := int(binary.LittleEndian.Uint16(p[8:])), headerBytesMin
	switch version {
	case 1:
		least = headerBytesMin1
	case 2, Version:
	default:
		return header{}, fmt.Errorf("written in version %d of the format, this program reads versions 1 to %d", version, Version)
	}
	if len(p) < least || len(p) > least+clusterBytesMax {
		return header{}, fmt.Errorf("header of %d bytes", len(p))
	}
	h := header{
		version:  version,
		self:     member.ID(binary.LittleEndian.Uint16(p[10:])),
		members:  int(binary.LittleEndian.Uint16(p[12:])),
		list:     binary.LittleEndian.Uint64(p[16:]),
		identity: member.Identity(binary.LittleEndian.Uint64(p[24:])),
		life:     binary.LittleEndian.Uint64(p[32:]),
		segment:  binary.LittleEndian.Uint64(p[40:]),
		cluster:  string(p[least:]),
	}
	if version > 1 {
		h.head = binary.LittleEndian.Uint64(p[48:])
		h.begun = binary.LittleEndian.Uint64(p[56:])
	}
	if h.identity == 0 || h.life == 0 || h.members == 0 || h.self >= member.CountMax {
		return header{}, fmt.Errorf("header with impossible values: %+v", h)
	}
	return h, nil
}

// appendNumber writes what a record of one number holds: a time or a length.
func appendNumber[T ~uint64](p []byte, number T) []byte {
	return binary.LittleEndian.AppendUint64(p, uint64(number))
}

func decodeNumber[T ~uint64](p []byte) (T, error) {
	if len(p) != 8 {
		return 0, fmt.Errorf("number of %d bytes", len(p))
	}
	return T(binary.LittleEndian.Uint64(p)), nil
}

// appendBase writes time, the application's state, and the entries of each
// stream.
func appendBase(p []byte, base *protocol.Snapshot) []byte {
	p = binary.LittleEndian.AppendUint64(p, uint64(base.Time))
	p = binary.LittleEndian.AppendUint16(p, uint16(len(base.State)))
	p = append(p, base.State...)
	for _, have := range base.Have {
		p = binary.LittleEndian.AppendUint64(p, have)
	}
	return p
}

// formerStateBytes is how many bytes of state a base had in versions 1 and 2, which
// did not say it.
const formerStateBytes = 48

// decodeBase reads a base of as many streams as there were then: the founders',
// and of places that came later.
func decodeBase(p []byte, k kind, founders int) (protocol.Snapshot, error) {
	var base protocol.Snapshot
	at, state := 8, formerStateBytes
	if k == kindBase && len(p) >= 10 {
		at, state = 10, int(binary.LittleEndian.Uint16(p[8:]))
	}
	rest := len(p) - at - state
	places := rest / 8
	if rest < 0 || rest%8 != 0 || state > protocol.StateBytesMax || places < founders || places > member.CountMax {
		return base, fmt.Errorf("base of %d bytes for %d members", len(p), founders)
	}
	base.Time = clock.Time(binary.LittleEndian.Uint64(p))
	base.State = bytes.Clone(p[at : at+state])
	base.Have = make([]uint64, places)
	for i := range base.Have {
		base.Have[i] = binary.LittleEndian.Uint64(p[at+state+8*i:])
	}
	return base, nil
}

func appendBinding(p []byte, binding member.Binding) []byte {
	for _, identity := range binding {
		p = binary.LittleEndian.AppendUint64(p, uint64(identity))
	}
	return p
}

// decodeView reads a record that is one view.
func decodeView(p []byte) (*member.View, error) {
	v, rest, err := member.DecodeView(p)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after a view", len(rest))
	}
	return v, err
}

func decodeBinding(p []byte, members int) (member.Binding, error) {
	if len(p) != 8*members {
		return nil, fmt.Errorf("binding of %d bytes for %d members", len(p), members)
	}
	binding := make(member.Binding, members)
	for i := range binding {
		binding[i] = member.Identity(binary.LittleEndian.Uint64(p[8*i:]))
	}
	return binding, nil
}

// held is how much of a stream was kept, and which life of its origin wrote it.
type held struct {
	identity member.Identity
	last     uint64 // sequence number of the last entry; 0: nothing was kept
}

// longer returns what is held of so many places at least.
func longer(all []held, places int) []held {
	if more := places - len(all); more > 0 {
		return append(all, make([]held, more)...)
	}
	return all
}

func appendHeld(p []byte, all []held) []byte {
	for _, h := range all {
		p = binary.LittleEndian.AppendUint64(p, uint64(h.identity))
		p = binary.LittleEndian.AppendUint64(p, h.last)
	}
	return p
}

func decodeHeld(p []byte, founders int) ([]held, error) {
	places := len(p) / 16
	if len(p)%16 != 0 || places < founders || places > member.CountMax {
		return nil, fmt.Errorf("what is held in %d bytes for %d members", len(p), founders)
	}
	all := make([]held, places)
	for i := range all {
		all[i].identity = member.Identity(binary.LittleEndian.Uint64(p[16*i:]))
		all[i].last = binary.LittleEndian.Uint64(p[16*i+8:])
	}
	return all, nil
}
