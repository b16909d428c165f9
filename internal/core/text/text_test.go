package text

import (
	"errors"
	"strings"
	"testing"
)

func TestMarkIsSkippedAndOtherEncodingsAreNamed(t *testing.T) {
	for data, want := range map[string]string{
		"":                          "",
		"a":                         "a",
		"abc":                       "abc",
		"\xef\xbb\xbf":              "",
		"\xef\xbb\xbf{}":            "{}",
		"\xef\xbb":                  "\xef\xbb",
		"\xff\xfe{\x00":             "UTF-16",
		"\xff\xfe":                  "UTF-16",
		"\xfe\xff\x00{":             "UTF-16",
		"{\x00\"\x00":               "UTF-16",
		"\x00{\x00\"":               "UTF-16",
		"\xff\xfe\x00\x00{\x00":     "UTF-32",
		"\x00\x00\xfe\xff":          "UTF-32",
		"{\x00\x00\x00\"\x00":       "UTF-32",
		"\x00\x00\x00{\x00\x00\x00": "UTF-32",
	} {
		got, err := Clean([]byte(data))
		switch {
		case strings.HasPrefix(want, "UTF-"):
			if !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want an error that names %s", data, err, want)
			}
		case err != nil || string(got) != want:
			t.Errorf("%q: %q, %v; want %q", data, got, err, want)
		}
	}
}
