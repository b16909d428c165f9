package chatterbox

import (
	"fmt"
	"strconv"
	"strings"
)

// A Position is the place of a settled entry: 1 for the first one, then
// without gaps, the same at every member and for ever.
//
// As an argument it is the last entry that the caller has, and 0 if there is
// none: an application keeps one number, the position up to which its state
// includes the log, and passes it to Entries, Snapshot and Compact unchanged.
type Position uint64

// An ID names an entry from when it is accepted, for ever. IDs can be
// compared, and be keys of maps. The zero ID names nothing.
type ID struct {
	// Origin is the name of the member that accepted the entry.
	Origin string
	// Life counts how often the origin began without its data, from 1.
	Life uint64
	// Seq counts the entries of the origin that are in the order, from 1 without
	// gaps: a life goes on where the one before it ended there.
	Seq uint64
}

// String returns "a/7" for entry 7 of a's first life and "a~2/7" for that of
// its second one; "" for the zero ID.
func (id ID) String() string {
	switch {
	case id == ID{}:
		return ""
	case id.Life == 1:
		return id.Origin + "/" + strconv.FormatUint(id.Seq, 10)
	}
	return fmt.Sprintf("%s~%d/%d", id.Origin, id.Life, id.Seq)
}

// MarshalText returns the bytes of String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses what String returns.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// ParseID parses what ID.String returns.
func ParseID(text string) (ID, error) {
	if text == "" {
		return ID{}, nil
	}
	slash := strings.LastIndexByte(text, '/')
	if slash < 1 {
		return ID{}, badID(text)
	}
	id := ID{Origin: text[:slash], Life: 1}
	var err error
	if id.Seq, err = parseCount(text[slash+1:]); err != nil {
		return ID{}, badID(text)
	}
	if origin, life, ok := strings.Cut(id.Origin, "~"); ok {
		id.Origin = origin
		if id.Life, err = parseCount(life); err != nil || id.Life == 1 || origin == "" {
			return ID{}, badID(text)
		}
	}
	return id, nil
}

// parseCount parses a number from 1 in the one way in which it is written.
func parseCount(text string) (uint64, error) {
	count, err := strconv.ParseUint(text, 10, 64)
	if err == nil && strconv.FormatUint(count, 10) != text || count == 0 {
		err = strconv.ErrSyntax
	}
	return count, err
}

func badID(text string) error {
	return fmt.Errorf("chatterbox: %q is no ID: write it as a/7, or a~2/7 for a's second life", text)
}
