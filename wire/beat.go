package wire

import "time"

// Beat is what members tell one another when there is nothing else to say: the
// sender lives, and this is how long its phases still take.
type Beat struct {
	SendLeft  time.Duration // as in Hello
	GraceLeft time.Duration
}

// AppendBeat appends the frame of a beat. It does not allocate if dst has the
// room.
func AppendBeat(dst []byte, b *Beat) []byte {
	dst, start := beginFrame(dst, KindBeat)
	dst = appendLeft(dst, b.SendLeft, b.GraceLeft)
	return endFrame(dst, start, 0)
}

// DecodeBeat reads the body of a beat. Errors wrap ErrMalformed.
func DecodeBeat(body []byte) (Beat, error) {
	r := reader{rest: body}
	b := Beat{SendLeft: r.left("beat: send phase"), GraceLeft: r.left("beat: grace phase")}
	return b, r.end("beat")
}
