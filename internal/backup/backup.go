// Package backup has the settled part of a log where no member runs: it is read
// from members, from folders and from files, compared, written to a file, and
// made into folders that a cluster begins with again.
//
// A [Log] is a settled log that can be read: a [Member] that serves HTTP, a
// [Folder], also beside its running member, or a [File], which [Write] makes. What
// has settled never changes, so all of them are consistent, and [Compare] finds
// the first position at which any two differ. [Restore] makes a member's folder
// of a file; [Mend] puts back what is damaged in one from another log.
//
// It may use the disk and the network, through packages journal and client. Start
// reading at [Log].
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"iter"

	"chatterbox/internal/core/member"
)

// Entry is an entry of a log.
type Entry struct {
	Position uint64
	Origin   member.ID // its place in the list of members
	Seq      uint64
	Time     uint64 // Lamport time
	Key      string
	Payload  []byte
}

// String describes an entry in a few words.
func (e *Entry) String() string {
	const shownMax = 40
	payload := e.Payload[:min(len(e.Payload), shownMax)]
	text := fmt.Sprintf("entry %d of member %d, time %d, %d bytes, %q", e.Seq, e.Origin+1, e.Time, len(e.Payload), payload)
	if e.Key != "" {
		text += fmt.Sprintf(", key %q", e.Key)
	}
	return text
}

// About is what a log is, at the moment when it was asked.
type About struct {
	Name    string   // as the user called it
	Members []string // names, in the order of the list
	Oldest  uint64   // the first position that can be read
	Settled uint64   // the last one
	Have    []uint64 // entries of each member up to there
}

// Log is a settled log that can be read.
type Log interface {
	About() About
	// Entries yields the entries from one position to another one, which are among
	// those that can be read. An entry is valid during the call. An error is the
	// last thing that it yields.
	Entries(ctx context.Context, from, to uint64) iter.Seq2[*Entry, error]
	// Close gives back what is open.
	Close() error
}

// Digest is a fingerprint of entries in their order: SHA-256 over the place of
// the origin, number, time, key and payload of each.
type Digest struct {
	hash hash.Hash
	text []byte
}

// NewDigest returns the digest of no entry.
func NewDigest() *Digest { return &Digest{hash: sha256.New()} }

// Add adds an entry.
func (d *Digest) Add(e *Entry) {
	d.text = binary.AppendUvarint(d.text[:0], uint64(e.Origin))
	d.text = binary.AppendUvarint(d.text, e.Seq)
	d.text = binary.AppendUvarint(d.text, e.Time)
	d.text = binary.AppendUvarint(d.text, uint64(len(e.Key)))
	d.text = append(d.text, e.Key...)
	d.text = binary.AppendUvarint(d.text, uint64(len(e.Payload)))
	d.hash.Write(d.text)    // never fails
	d.hash.Write(e.Payload) // never fails
}

// String returns the digest, hexadecimal.
func (d *Digest) String() string { return hex.EncodeToString(d.hash.Sum(nil)) }

// Verdict is what a comparison comes to.
type Verdict struct {
	From    uint64   `json:"from"`              // the positions that all have,
	To      uint64   `json:"to"`                // below From if there are none
	Digest  string   `json:"digest"`            // of these, as far as they agree
	Differs uint64   `json:"differs,omitempty"` // the first position that differs; 0: none does
	Says    []string `json:"says,omitempty"`
}

// Compare reads logs side by side, and stops at the first difference; then Says
// has what each of them has there.
func Compare(ctx context.Context, logs []Log) (Verdict, error) {
	v := Verdict{To: ^uint64(0)}
	for _, log := range logs {
		about := log.About()
		v.From, v.To = max(v.From, about.Oldest, 1), min(v.To, about.Settled)
	}
	digest := NewDigest()
	defer func() { v.Digest = digest.String() }()
	if v.To < v.From {
		return v, nil
	}
	pull := make([]func() (*Entry, error, bool), len(logs))
	for i, log := range logs {
		next, stop := iter.Pull2(log.Entries(ctx, v.From, v.To))
		defer stop()
		pull[i] = next
	}
	entries := make([]*Entry, len(logs))
	for position := v.From; position <= v.To; position++ {
		for i := range pull {
			e, err, ok := pull[i]()
			switch {
			case err != nil:
				return v, fmt.Errorf("%s: %w", logs[i].About().Name, err)
			case !ok || e.Position != position:
				return v, fmt.Errorf("%s: position %d is missing", logs[i].About().Name, position)
			}
			entries[i] = e
		}
		for i := range entries {
			if !same(entries[0], entries[i]) {
				v.Differs = position
			}
		}
		if v.Differs > 0 {
			for _, e := range entries {
				v.Says = append(v.Says, e.String())
			}
			return v, nil
		}
		digest.Add(entries[0])
	}
	v.Digest = digest.String()
	return v, nil
}

func same(a, b *Entry) bool {
	return a.Position == b.Position && a.Origin == b.Origin && a.Seq == b.Seq && a.Time == b.Time &&
		a.Key == b.Key && string(a.Payload) == string(b.Payload)
}
