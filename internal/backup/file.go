package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"slices"
	"unicode/utf8"

	"chatterbox/internal/core/member"
)

const (
	// Version is the version of the format of files.
	Version = 1

	magic         = "backup"
	lineBytesMax  = 16 << 20
	fileBytesRead = 64 << 10
)

// head is the first line of a file.
type head struct {
	Chatterbox string   `json:"chatterbox"` // "backup"
	Version    int      `json:"version"`
	Members    []string `json:"members"`
	Oldest     uint64   `json:"oldest"`
	Settled    uint64   `json:"settled"`
}

// line is an entry.
type line struct {
	Position uint64  `json:"position"`
	Origin   string  `json:"origin"`
	Seq      uint64  `json:"seq"`
	Time     uint64  `json:"time"`
	Key      string  `json:"key,omitempty"`
	Payload  *string `json:"payload,omitempty"`
	Base64   string  `json:"payload_base64,omitempty"`
}

// tail is the last line: without it a file is not whole.
type tail struct {
	End      bool     `json:"end"`
	Entries  uint64   `json:"entries"`
	Have     []uint64 `json:"have"`
	Digest   string   `json:"digest"`
	Checksum string   `json:"checksum"` // SHA-256 of all bytes before this line
}

// Write writes a log as a backup: a line of JSON that says what it is, one for
// each entry, and one that says that this was all, with the digest, which it
// returns.
func Write(ctx context.Context, out io.Writer, log Log) (digest string, err error) {
	about := log.About()
	buffered := bufio.NewWriterSize(out, fileBytesRead)
	checksum := sha256.New()
	encoder := json.NewEncoder(io.MultiWriter(buffered, checksum))
	encoder.SetEscapeHTML(false)
	first := max(about.Oldest, 1)
	if err := encoder.Encode(head{magic, Version, about.Members, first, about.Settled}); err != nil {
		return "", err
	}
	sum := NewDigest()
	if about.Settled >= first {
		for e, err := range log.Entries(ctx, first, about.Settled) {
			if err != nil {
				return "", fmt.Errorf("%s: %w", about.Name, err)
			}
			sum.Add(e)
			if err := encoder.Encode(lineOf(e, about.Members)); err != nil {
				return "", err
			}
		}
	}
	end := tail{End: true, Entries: about.Settled + 1 - first, Have: about.Have, Digest: sum.String(), Checksum: hex.EncodeToString(checksum.Sum(nil))}
	if err := encoder.Encode(end); err != nil {
		return "", err
	}
	return end.Digest, buffered.Flush()
}

func lineOf(e *Entry, members []string) line {
	l := line{Position: e.Position, Origin: members[e.Origin], Seq: e.Seq, Time: e.Time, Key: e.Key}
	if utf8.Valid(e.Payload) {
		text := string(e.Payload)
		l.Payload = &text
	} else {
		l.Base64 = base64.StdEncoding.EncodeToString(e.Payload)
	}
	return l
}

// File is a backup in a file.
type File struct {
	path   string
	about  About
	digest string
}

// OpenFile reads a file from beginning to end, and refuses it if anything in it
// is not as it was written.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	end, err := f.read(func(*Entry) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", path, err)
	}
	f.about.Have, f.digest = end.Have, end.Digest
	return f, nil
}

// About returns what is in the file.
func (f *File) About() About { return f.about }

// Digest returns the digest of all of it.
func (f *File) Digest() string { return f.digest }

// Close does nothing.
func (f *File) Close() error { return nil }

// Entries reads the file.
func (f *File) Entries(ctx context.Context, from, to uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		more := true
		_, err := f.read(func(e *Entry) bool {
			if ctx.Err() != nil {
				return false
			}
			if e.Position >= from && e.Position <= to {
				more = yield(e, nil)
			}
			return more && e.Position < to
		})
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil && more {
			yield(nil, err)
		}
	}
}

// read visits the entries until visit returns false. If that never happens the
// file was read to its end, and is whole unless there is an error.
func (f *File) read(visit func(*Entry) bool) (end tail, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return end, err
	}
	defer file.Close() //nolint:errcheck // only read
	return f.readFrom(file, visit)
}

func (f *File) readFrom(file io.Reader, visit func(*Entry) bool) (end tail, err error) {
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 0, fileBytesRead), lineBytesMax)
	r := reader{lines: lines, sum: NewDigest(), checksum: sha256.New()}
	if err := r.head(f); err != nil {
		return end, err
	}
	for r.position = f.about.Oldest; r.position <= f.about.Settled; r.position++ {
		e, err := r.entry(f.about.Members)
		if err != nil {
			return end, fmt.Errorf("line %d: %w", r.number, err)
		}
		if !visit(e) {
			return end, nil
		}
	}
	return r.tail(f)
}

// reader reads a file line by line.
type reader struct {
	lines    *bufio.Scanner
	number   int
	position uint64 // that comes next
	sum      *Digest
	checksum hash.Hash // of the lines before the last
}

// next reads a line as JSON that has nothing but what is expected.
func (r *reader) next(into any) error {
	r.number++
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return err
		}
		return errors.New("the file ends here, and it is not whole")
	}
	if _, last := into.(*tail); !last {
		r.checksum.Write(r.lines.Bytes()) // never fails
		r.checksum.Write([]byte{'\n'})
	}
	return strictly(r.lines.Bytes(), into)
}

func (r *reader) head(f *File) error {
	var h head
	if err := r.next(&h); err != nil || h.Chatterbox != magic {
		return errors.Join(errors.New("line 1: this is no backup"), err)
	}
	switch {
	case h.Version != Version:
		return fmt.Errorf("written in version %d of the format, this program reads %d", h.Version, Version)
	case len(h.Members) == 0 || len(h.Members) > member.CountMax || h.Oldest == 0 || h.Settled+1 < h.Oldest:
		return fmt.Errorf("line 1: impossible values: %d members, positions %d to %d", len(h.Members), h.Oldest, h.Settled)
	}
	f.about.Name, f.about.Members, f.about.Oldest, f.about.Settled = f.path, h.Members, h.Oldest, h.Settled
	return nil
}

func (r *reader) entry(members []string) (*Entry, error) {
	var l line
	if err := r.next(&l); err != nil {
		return nil, err
	}
	place := slices.Index(members, l.Origin)
	if place < 0 || l.Position != r.position || l.Seq == 0 {
		return nil, fmt.Errorf("entry %d of %q at position %d, where %d comes", l.Seq, l.Origin, l.Position, r.position)
	}
	e := &Entry{Position: l.Position, Origin: member.ID(place), Seq: l.Seq, Time: l.Time, Key: l.Key}
	var err error
	if l.Payload != nil {
		e.Payload = []byte(*l.Payload)
	} else {
		e.Payload, err = base64.StdEncoding.DecodeString(l.Base64)
	}
	r.sum.Add(e)
	return e, err
}

func (r *reader) tail(f *File) (end tail, err error) {
	if err := r.next(&end); err != nil {
		return end, fmt.Errorf("line %d: %w", r.number, err)
	}
	switch {
	case !end.End || end.Entries != f.about.Settled+1-f.about.Oldest || len(end.Have) != len(f.about.Members):
		err = fmt.Errorf("line %d: the last line does not fit", r.number)
	case total(end.Have) != f.about.Settled:
		err = fmt.Errorf("line %d: members have %v entries, which are not %d", r.number, end.Have, f.about.Settled)
	case end.Checksum != hex.EncodeToString(r.checksum.Sum(nil)):
		err = errors.New("the checksum is not the one that the last line says: the file was changed")
	case end.Digest != r.sum.String():
		err = fmt.Errorf("the digest is %s, and the last line says %s: the file was changed", r.sum, end.Digest)
	case r.lines.Scan():
		err = fmt.Errorf("line %d: there is more behind the last line", r.number+1)
	}
	return end, err
}

func total(counts []uint64) (sum uint64) {
	for _, count := range counts {
		sum += count
	}
	return sum
}

// strictly reads a line that is one JSON value with known fields only.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value")
	}
	return nil
}
