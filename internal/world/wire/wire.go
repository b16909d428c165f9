// Package wire turns batches and messages into bytes and back, for disk and
// network alike.
//
// A [Builder] gathers payloads behind a reserved header; [Seal] writes the
// batch's place into that header; [DecodeBatch] checks and aliases the bytes,
// and [Payloads] looks at them. What members exchange are frames, a length, a
// [Kind] and a body: [AppendMessage] and [DecodeMessage], [Hello] and
// [Welcome] for the handshake, and beats. The batches of a message come last
// in its frame and are the very bytes that their origin encoded once, so a
// transport writes a short head and then shared memory.
//
// Bytes that come in may be anything: every length and count is checked
// against what is there and against the limits below, and no decoder allocates
// more than a small multiple of its input. docs/wire.md has the formats.
package wire

import (
	"errors"
	"fmt"
)

// Version is the version of all formats of this package. It is the first thing
// that two members tell each other, and changes when a format does. Version 2
// added process, protocol, tick and purpose to the handshake; version 3 has keyed
// batches, and the meta of a member in place of phases, and
// the fingerprint of the agreed binding in messages; version 4 has views: the
// tag of that of the sender, how the next one is chosen, and who asks for a change;
// and the state in a snapshot is bytes of the application, as many as it has.
const Version = 4

// Limits of what is written and accepted.
const (
	// PayloadBytesMax is the largest payload, in bytes.
	PayloadBytesMax = 1 << 20
	// KeyBytesMax is the longest key of a payload, in bytes.
	KeyBytesMax = 255
	// BatchBytesMax is the largest batch, in bytes: the largest payload alone,
	// with the longest key and the lengths of both.
	BatchBytesMax = BatchHeaderBytes + PayloadBytesMax + KeyBytesMax + 2 + 3
	// BatchEntriesMax is how many entries a batch may have; without it 40
	// bytes could claim four billion empty payloads.
	BatchEntriesMax = 1 << 17
	// FrameBytesMax is the longest frame, in bytes, its length included.
	FrameBytesMax = 4 << 20
	// HandshakeBytesMax is the longest frame that a stranger may send.
	HandshakeBytesMax = 512
	// SeqMax is the largest sequence number of a batch's last entry.
	SeqMax = 1<<62 - 1
)

// ErrMalformed is in the chain of every error about bytes that are not what
// this package writes.
var ErrMalformed = errors.New("malformed bytes")

// malformed makes an error that says what is wrong.
func malformed(format string, args ...any) error {
	return fmt.Errorf("wire: "+format+": %w", append(args, ErrMalformed)...)
}
