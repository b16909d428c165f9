package wire

import (
	"encoding/binary"

	"chatterbox/internal/core/member"
)

// Join asks a member to have somebody taken in, who has no place yet.
type Join struct {
	Identity member.Identity // of the life that begins
	Name     string
	Address  string // host:port, where members are to dial it
	Observes bool   // it is only to read
}

// Seat is the answer to a Join: who has a place by now, or why nobody gets one.
type Seat struct {
	// Refusal says why, for people; empty: the rest is there. Final says that to ask
	// again is of no use before somebody has changed something.
	Refusal string
	Final   bool

	Founders member.List  // the list that the cluster began with
	View     *member.View // that has the newcomer
}

const (
	// SeatBytesMax is the longest frame of a Seat, in bytes: of a large cluster its
	// list and its view.
	SeatBytesMax = 4 << 20
	// joinTextBytesMax is the longest text of a Join or a list, in bytes.
	joinTextBytesMax = 264
	// founderBytesMin is less than a member of a list has: three texts and a port.
	founderBytesMin = 4
)

// AppendJoin appends the frame of a join.
func AppendJoin(dst []byte, j *Join) []byte {
	dst, start := beginFrame(dst, KindJoin)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(j.Identity))
	dst = appendText(appendText(dst, j.Name), j.Address)
	if j.Observes {
		dst = append(dst, joinObserves)
	}
	return endFrame(dst, start, 0)
}

// joinObserves stands at the end of the join of who is only to read.
const joinObserves = 1

// DecodeJoin reads the body of a join. Errors wrap ErrMalformed.
func DecodeJoin(body []byte) (Join, error) {
	r := reader{rest: body}
	j := Join{
		Identity: member.Identity(r.fixed("join: identity")),
		Name:     r.text(joinTextBytesMax, "join: name"), Address: r.text(joinTextBytesMax, "join: address"),
	}
	if r.err == nil && j.Identity == 0 {
		r.fail("join: no identity")
	}
	if r.err == nil && len(r.rest) > 0 {
		bits := r.byte("join: bits")
		if j.Observes = bits == joinObserves; !j.Observes {
			r.fail("join: bits %d", bits)
		}
	}
	return j, r.end("join")
}

// Bits of a seat.
const seatFinal = 1

// AppendSeat appends the frame of a seat. A refusal above the limit is cut off.
func AppendSeat(dst []byte, s *Seat) []byte {
	dst, start := beginFrame(dst, KindSeat)
	bits := byte(0)
	if s.Final {
		bits = seatFinal
	}
	dst = append(dst, bits)
	if dst = appendText(dst, s.Refusal[:min(len(s.Refusal), RefusalBytesMax)]); s.Refusal != "" {
		return endFrame(dst, start, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.Founders)))
	for _, m := range s.Founders {
		dst = appendText(appendText(dst, m.Name), m.Host)
		dst = appendText(binary.AppendUvarint(dst, uint64(m.Port)), m.Key)
	}
	return endFrame(member.AppendView(dst, s.View), start, 0)
}

// DecodeSeat reads the body of a seat. Errors wrap ErrMalformed.
func DecodeSeat(body []byte) (Seat, error) {
	r := reader{rest: body}
	bits := r.byte("seat: bits")
	s := Seat{Final: bits == seatFinal, Refusal: r.text(RefusalBytesMax, "seat: refusal")}
	switch {
	case r.err != nil:
	case bits > seatFinal, s.Final && s.Refusal == "":
		r.fail("seat: bits %d", bits)
	case s.Refusal == "":
		for range r.count(member.CountMax, founderBytesMin, "seat: founders") {
			s.Founders = append(s.Founders, member.Member{
				Name: r.text(joinTextBytesMax, "founder: name"), Host: r.text(joinTextBytesMax, "founder: host"),
				Port: int(r.atMost(portMax, "founder: port")), Key: r.text(joinTextBytesMax, "founder: key"),
			})
		}
		s.View = r.view("seat")
		if r.err == nil && (len(s.Founders) == 0 || len(s.Founders) > len(s.View.Places)) {
			r.fail("seat: %d founders in a view of %d places", len(s.Founders), len(s.View.Places))
		}
	}
	return s, r.end("seat")
}

const portMax = 65535
