package explore

import (
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/state"
	"chatterbox/internal/world/wire"
)

// mail is a message on its way, as it goes over a link: a frame.
type mail struct {
	from, to member.ID
	frame    []byte
	print    uint64
}

func newMail(from, to member.ID, m *protocol.Message) *mail {
	frame := wire.AppendFrame(nil, m)
	words := state.Words{uint64(from), uint64(to)}
	words.Bytes(frame)
	return &mail{from: from, to: to, frame: frame, print: words.Hash()}
}

// open decodes the message into memory of its own.
func (m *mail) open() protocol.Message {
	_, body, _, err := wire.CutFrame(slices.Clone(m.frame), wire.FrameBytesMax)
	if err != nil {
		panic(err) // members send what they can read
	}
	var message protocol.Message
	if err := wire.DecodeMessage(body, &message); err != nil {
		panic(err)
	}
	return message
}
