package wire

// Beat is what members tell one another when there is nothing else to say: the
// sender lives, and this is what its application tells.
type Beat struct {
	Meta  string // as in Hello
	Rival string // where another process in the receiver's name was met, for people; empty: none was
}

// AppendBeat appends the frame of a beat. It does not allocate if dst has the
// room. Of a longer Rival the first RivalBytesMax bytes are written.
func AppendBeat(dst []byte, b *Beat) []byte {
	dst, start := beginFrame(dst, KindBeat)
	dst = appendMeta(dst, b.Meta)
	dst = appendText(dst, b.Rival[:min(len(b.Rival), RivalBytesMax)])
	return endFrame(dst, start, 0)
}

// DecodeBeat reads the body of a beat. Errors wrap ErrMalformed.
func DecodeBeat(body []byte) (Beat, error) {
	r := reader{rest: body}
	b := Beat{Meta: r.text(MetaBytesMax, "beat: meta"), Rival: r.text(RivalBytesMax, "beat: rival")}
	return b, r.end("beat")
}
