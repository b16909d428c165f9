package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"chatterbox/member"
)

// magic begins every hello and welcome; together with the version after it it
// stays as it is in all versions.
const magic = "chbx"

const (
	// ClusterBytesMax is the longest name of a cluster, in bytes.
	ClusterBytesMax = 64
	// RefusalBytesMax is the longest reason of a refusal, in bytes.
	RefusalBytesMax = 200
)

// Hello is what a member says first to a peer that it dials.
type Hello struct {
	Cluster  string          // name of the cluster, at most ClusterBytesMax
	Members  uint64          // hash of the member list: both must have the same
	From     member.ID       // who dials
	To       member.ID       // who is meant
	Identity member.Identity // the life of From
	Session  uint64          // of the connection; rises with each hello and each life of From
	SendLeft time.Duration   // until From's send phase ends
	// GraceLeft is how long until From's grace phase ends, its deadline.
	GraceLeft time.Duration
}

// Welcome is the answer to a Hello.
type Welcome struct {
	From      member.ID       // who answers
	Identity  member.Identity // the life of From
	Refusal   string          // why the link is refused, for people; empty: it is not
	SendLeft  time.Duration   // as in Hello
	GraceLeft time.Duration
}

// AppendHello appends the frame of a hello. A cluster's name above the limit
// is the caller's mistake and panics.
func AppendHello(dst []byte, h *Hello) []byte {
	if len(h.Cluster) > ClusterBytesMax {
		panic(fmt.Sprintf("wire: cluster name of %d bytes, allowed are %d", len(h.Cluster), ClusterBytesMax))
	}
	dst, start := beginFrame(dst, KindHello)
	dst = append(append(dst, magic...), Version)
	dst = appendText(dst, h.Cluster)
	dst = binary.LittleEndian.AppendUint64(dst, h.Members)
	dst = binary.AppendUvarint(dst, uint64(h.From))
	dst = binary.AppendUvarint(dst, uint64(h.To))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Identity))
	dst = binary.AppendUvarint(dst, h.Session)
	dst = appendLeft(dst, h.SendLeft, h.GraceLeft)
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
		Cluster:   r.text(ClusterBytesMax, "hello: cluster"),
		Members:   r.fixed("hello: member list"),
		From:      r.id("hello: sender"),
		To:        r.id("hello: receiver"),
		Identity:  member.Identity(r.fixed("hello: identity")),
		Session:   r.varint("hello: session"),
		SendLeft:  r.left("hello: send phase"),
		GraceLeft: r.left("hello: grace phase"),
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
	dst = appendText(dst, w.Refusal[:min(len(w.Refusal), RefusalBytesMax)])
	dst = appendLeft(dst, w.SendLeft, w.GraceLeft)
	return endFrame(dst, start, 0)
}

// DecodeWelcome reads the body of a welcome, with errors as DecodeHello.
func DecodeWelcome(body []byte) (Welcome, error) {
	r := reader{rest: body}
	if err := r.greeting(); err != nil {
		return Welcome{}, err
	}
	w := Welcome{
		From:      r.id("welcome: sender"),
		Identity:  member.Identity(r.fixed("welcome: identity")),
		Refusal:   r.text(RefusalBytesMax, "welcome: refusal"),
		SendLeft:  r.left("welcome: send phase"),
		GraceLeft: r.left("welcome: grace phase"),
	}
	return w, r.end("welcome")
}

// greeting reads magic and version.
func (r *reader) greeting() error {
	if len(r.rest) < len(magic)+1 || string(r.rest[:len(magic)]) != magic {
		return malformed("the other side does not speak chatterbox")
	}
	if version := r.rest[len(magic)]; version != Version {
		return fmt.Errorf("wire: the other side speaks version %d, this one %d: run the same release on all members", version, Version)
	}
	r.rest = r.rest[len(magic)+1:]
	return nil
}

// appendLeft writes what is left of the phases; what is over is 0.
func appendLeft(dst []byte, send, grace time.Duration) []byte {
	dst = binary.AppendUvarint(dst, uint64(max(send, 0)))
	return binary.AppendUvarint(dst, uint64(max(grace, 0)))
}

func (r *reader) left(what string) time.Duration {
	return time.Duration(r.atMost(math.MaxInt64, what))
}

func appendText(dst []byte, text string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}
