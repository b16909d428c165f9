// Package text is how files begin that people write: peers files, failure
// maps, cases, traces. All of them are UTF-8, with or without the mark that
// some editors put before it, and refuse other encodings by their names.
package text

import (
	"bytes"
	"errors"
	"fmt"
)

// mark is the byte-order mark in UTF-8.
const mark = "\xef\xbb\xbf"

// HeadBytes is how many bytes of a file [Begin] looks at.
const HeadBytes = 4

// ErrEncoding is wrapped by errors about text that is not UTF-8.
var ErrEncoding = errors.New("save it as UTF-8")

// Begin looks at the beginning of a file, or all of it, and returns how many
// bytes of it are a mark to be skipped. The error names another encoding.
func Begin(data []byte) (skip int, err error) {
	if bytes.HasPrefix(data, []byte(mark)) {
		return len(mark), nil
	}
	for _, other := range []struct {
		name    string
		matches bool
	}{
		{"UTF-32", len(data) >= 4 && (string(data[:4]) == "\xff\xfe\x00\x00" || string(data[:4]) == "\x00\x00\xfe\xff")},
		{"UTF-16", bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff"))},
		{"UTF-32", len(data) >= 4 && (string(data[1:4]) == "\x00\x00\x00" || string(data[:3]) == "\x00\x00\x00")},
		{"UTF-16", len(data) >= 4 && (data[1] == 0 && data[3] == 0 || data[0] == 0 && data[2] == 0)},
	} {
		if other.matches {
			return 0, fmt.Errorf("the text is %s: %w", other.name, ErrEncoding)
		}
	}
	return 0, nil
}

// Clean returns a whole text without the mark before it.
func Clean(data []byte) ([]byte, error) {
	skip, err := Begin(data)
	return data[skip:], err
}
