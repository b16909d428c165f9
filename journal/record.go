package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// Version is the version of the format.
const Version = 1

// kind says what a record holds.
type kind byte

const (
	kindHead    kind = 1 // who writes; the first record of a segment
	kindMark    kind = 2 // the place where it stands; the first record of a group
	kindBatch   kind = 3 // a batch as encoded by its origin
	kindBound   kind = 4 // no later time was given out or promised
	kindBase    kind = 5 // what is not kept as batches any more
	kindBinding kind = 6 // who may write at which place
	kindSettled kind = 7 // everything up to this time is held
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
func markBody(offset int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(offset)) }

// putMark writes the mark for an offset over the first bytes of group.
func putMark(group []byte, offset int) { appendRecord(group[:0], kindMark, markBody(offset)) }

// markAt says whether a mark for this very place stands there.
func markAt(p []byte, offset int) bool {
	k, body, _, err := nextRecord(p[offset:])
	return err == nil && k == kindMark && bytes.Equal(body, markBody(offset))
}

// header is the first record of a segment.
type header struct {
	self     member.ID
	members  int
	list     uint64 // hash of the member list
	identity member.Identity
	life     uint64
	segment  uint64
	cluster  string
}

const headerBytesMin = 8 + 2 + 2 + 2 + 2 + 8 + 8 + 8 + 8

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
	return append(p, h.cluster...)
}

func decodeHeader(p []byte) (header, error) {
	if len(p) < len(magic)+2 || string(p[:len(magic)]) != magic {
		return header{}, errors.New("this is no segment of a journal")
	}
	if version := binary.LittleEndian.Uint16(p[8:]); version != Version {
		return header{}, fmt.Errorf("written in version %d of the format, this program reads version %d", version, Version)
	}
	if len(p) < headerBytesMin || len(p) > headerBytesMin+clusterBytesMax {
		return header{}, fmt.Errorf("header of %d bytes", len(p))
	}
	h := header{
		self:     member.ID(binary.LittleEndian.Uint16(p[10:])),
		members:  int(binary.LittleEndian.Uint16(p[12:])),
		list:     binary.LittleEndian.Uint64(p[16:]),
		identity: member.Identity(binary.LittleEndian.Uint64(p[24:])),
		life:     binary.LittleEndian.Uint64(p[32:]),
		segment:  binary.LittleEndian.Uint64(p[40:]),
		cluster:  string(p[headerBytesMin:]),
	}
	if h.identity == 0 || h.life == 0 || h.members == 0 || int(h.self) >= h.members {
		return header{}, fmt.Errorf("header with impossible values: %+v", h)
	}
	return h, nil
}

func appendBound(p []byte, bound clock.Time) []byte {
	return binary.LittleEndian.AppendUint64(p, uint64(bound))
}

func decodeBound(p []byte) (clock.Time, error) {
	if len(p) != 8 {
		return 0, fmt.Errorf("bound of %d bytes", len(p))
	}
	return clock.Time(binary.LittleEndian.Uint64(p)), nil
}

// appendBase writes time, state, and the entries of each stream.
func appendBase(p []byte, base *protocol.Snapshot) []byte {
	p = binary.LittleEndian.AppendUint64(p, uint64(base.Time))
	for _, word := range base.State {
		p = binary.LittleEndian.AppendUint64(p, word)
	}
	for _, have := range base.Have {
		p = binary.LittleEndian.AppendUint64(p, have)
	}
	return p
}

func decodeBase(p []byte, members int) (protocol.Snapshot, error) {
	base := protocol.Snapshot{Have: make([]uint64, members)}
	if len(p) != 8*(1+len(base.State)+members) {
		return base, fmt.Errorf("base of %d bytes for %d members", len(p), members)
	}
	base.Time = clock.Time(binary.LittleEndian.Uint64(p))
	for i := range base.State {
		base.State[i] = binary.LittleEndian.Uint64(p[8*(1+i):])
	}
	for i := range base.Have {
		base.Have[i] = binary.LittleEndian.Uint64(p[8*(1+len(base.State)+i):])
	}
	return base, nil
}

func appendBinding(p []byte, binding member.Binding) []byte {
	for _, identity := range binding {
		p = binary.LittleEndian.AppendUint64(p, uint64(identity))
	}
	return p
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
