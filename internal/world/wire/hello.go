package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"chatterbox/internal/core/member"
)

// magic begins every hello and welcome; together with the version after it it
// stays as it is in all versions.
const magic = "chbx"

const (
	// ClusterBytesMax is the longest name of a cluster, in bytes.
	ClusterBytesMax = 64
	// ProtocolBytesMax is the longest name of a protocol, in bytes.
	ProtocolBytesMax = 16
	// MetaBytesMax is the longest meta of a member, in bytes.
	MetaBytesMax = 256
	// RefusalBytesMax is the longest reason of a refusal, in bytes.
	RefusalBytesMax = 200
	// RivalBytesMax is the longest description of another process, in bytes.
	RivalBytesMax = 100
)

// Purpose is what a connection is for.
type Purpose uint8

// The purposes of a connection.
const (
	ForMessages Purpose = iota // for the messages of who dials
	ForOffer                   // it is offered, for those of who is meant
	ForReading                 // for asks about the settled log, which are answered on it
	ForJoining                 // for who has no place yet, and asks to be taken in
)

// Hello is what a member says first to a peer that it dials.
type Hello struct {
	Cluster  string          // name of the cluster, at most ClusterBytesMax
	Members  uint64          // hash of the member list: both must have the same
	Count    int             // members in the list, to tell lists apart in words
	From     member.ID       // who dials
	To       member.ID       // who is meant
	Identity member.Identity // the life of From with its data
	Process  uint64          // drawn at each start: a copy of From's data has another one
	Session  uint64          // of the connection; rises with each hello and each life of From
	Protocol string          // how members agree, at most ProtocolBytesMax: both must have the same
	Tick     time.Duration   // pace of From
	Purpose  Purpose         // what the connection is for
	Meta     string          // what From's application tells, at most MetaBytesMax
}

// Welcome is the answer to a Hello.
type Welcome struct {
	From     member.ID       // who answers
	Identity member.Identity // as in Hello
	Process  uint64          // as in Hello
	Session  uint64          // of the connection if it was offered, as in Hello; else 0
	Tick     time.Duration   // as in Hello
	Refusal  string          // why the link is refused, for people; empty: it is not
	Meta     string          // as in Hello
}

// AppendHello appends the frame of a hello. A name above its limit is the
// caller's mistake and panics.
func AppendHello(dst []byte, h *Hello) []byte {
	if len(h.Cluster) > ClusterBytesMax || len(h.Protocol) > ProtocolBytesMax {
		panic(fmt.Sprintf("wire: names of %d and %d bytes, allowed are %d and %d",
			len(h.Cluster), len(h.Protocol), ClusterBytesMax, ProtocolBytesMax))
	}
	dst, start := beginFrame(dst, KindHello)
	dst = append(append(dst, magic...), Version)
	dst = appendText(dst, h.Cluster)
	dst = binary.LittleEndian.AppendUint64(dst, h.Members)
	dst = binary.AppendUvarint(dst, uint64(h.Count))
	dst = binary.AppendUvarint(dst, uint64(h.From))
	dst = binary.AppendUvarint(dst, uint64(h.To))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Identity))
	dst = binary.LittleEndian.AppendUint64(dst, h.Process)
	dst = binary.AppendUvarint(dst, h.Session)
	dst = appendText(dst, h.Protocol)
	dst = binary.AppendUvarint(dst, uint64(max(h.Tick, 0)))
	dst = append(dst, byte(h.Purpose))
	dst = appendMeta(dst, h.Meta)
	return endFrame(dst, start, 0)
}

// DecodeHello reads the body of a hello. A peer of another version is an error
// that says so; other errors wrap ErrMalformed.
func DecodeHello(body []byte) (Hello, error) {
	r := reader{rest: body}
	if err := r.greeting(); err != nil {
		return Hello{}, err
	}
	h := Hello{
		Cluster:  r.text(ClusterBytesMax, "hello: cluster"),
		Members:  r.fixed("hello: member list"),
		Count:    int(r.atMost(member.CountMax, "hello: members")),
		From:     r.id("hello: sender"),
		To:       r.id("hello: receiver"),
		Identity: member.Identity(r.fixed("hello: identity")),
		Process:  r.fixed("hello: process"),
		Session:  r.varint("hello: session"),
		Protocol: r.text(ProtocolBytesMax, "hello: protocol"),
		Tick:     r.left("hello: tick"),
		Purpose:  r.purpose("hello: purpose"),
		Meta:     r.text(MetaBytesMax, "hello: meta"),
	}
	return h, r.end("hello")
}

// AppendWelcome appends the frame of a welcome. A refusal above the limit is
// cut off.
func AppendWelcome(dst []byte, w *Welcome) []byte {
	dst, start := beginFrame(dst, KindWelcome)
	dst = append(append(dst, magic...), Version)
	dst = binary.AppendUvarint(dst, uint64(w.From))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(w.Identity))
	dst = binary.LittleEndian.AppendUint64(dst, w.Process)
	dst = binary.AppendUvarint(dst, w.Session)
	dst = binary.AppendUvarint(dst, uint64(max(w.Tick, 0)))
	dst = appendText(dst, w.Refusal[:min(len(w.Refusal), RefusalBytesMax)])
	dst = appendMeta(dst, w.Meta)
	return endFrame(dst, start, 0)
}

// DecodeWelcome reads the body of a welcome, with errors as DecodeHello.
func DecodeWelcome(body []byte) (Welcome, error) {
	r := reader{rest: body}
	if err := r.greeting(); err != nil {
		return Welcome{}, err
	}
	w := Welcome{
		From:     r.id("welcome: sender"),
		Identity: member.Identity(r.fixed("welcome: identity")),
		Process:  r.fixed("welcome: process"),
		Session:  r.varint("welcome: session"),
		Tick:     r.left("welcome: tick"),
		Refusal:  r.text(RefusalBytesMax, "welcome: refusal"),
		Meta:     r.text(MetaBytesMax, "welcome: meta"),
	}
	return w, r.end("welcome")
}

// greeting reads magic and version.
func (r *reader) greeting() error {
	if len(r.rest) < len(magic)+1 || string(r.rest[:len(magic)]) != magic {
		return malformed("the other side does not speak chatterbox")
	}
	if version := r.rest[len(magic)]; version != Version {
		return fmt.Errorf("the other side speaks version %d, this one %d: run the same release on all members", version, Version)
	}
	r.rest = r.rest[len(magic)+1:]
	return nil
}

// appendMeta writes what an application tells. More than the limit is the
// caller's mistake and panics.
func appendMeta(dst []byte, meta string) []byte {
	if len(meta) > MetaBytesMax {
		panic(fmt.Sprintf("wire: meta of %d bytes, allowed are %d", len(meta), MetaBytesMax))
	}
	return appendText(dst, meta)
}

func (r *reader) left(what string) time.Duration {
	return time.Duration(r.atMost(math.MaxInt64, what))
}

func (r *reader) purpose(what string) Purpose {
	b := Purpose(r.byte(what))
	if b > ForJoining {
		r.fail("%s is %d, allowed are 0 to %d", what, b, ForJoining)
	}
	return b
}

func appendText(dst []byte, text string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}
