package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"chatterbox"
)

// FuzzLines reads any body as JSON lines. What is taken has a size that a payload
// may have, and is what JSON says, byte for byte.
func FuzzLines(f *testing.F) {
	f.Add([]byte("\"one\"\n\n\"thr\\u00e9\\ne\"\r\n\"last\""))
	f.Add([]byte("\"\\ufffd\"\n\"\xff\"\n{}\n"))
	f.Add([]byte("\"\\ud800\"\n"))
	f.Add(bytes.Repeat([]byte("x"), 1000))
	f.Fuzz(func(t *testing.T, body []byte) {
		in := lineReader{Reader: bufio.NewReaderSize(bytes.NewReader(body), 16)}
		lines := bytes.Count(body, []byte{'\n'}) + 1
		taken := 0
		for more := true; more; {
			payloads, next, err := in.readChunk(nil)
			for _, payload := range payloads {
				if taken++; len(payload) < 1 || len(payload) > chatterbox.MaxPayload {
					t.Fatalf("a payload of %d bytes", len(payload))
				}
				quoted, err := json.Marshal(string(payload))
				if err != nil {
					t.Fatal(err)
				}
				if again, err := payloadOf(quoted); err != nil || !bytes.Equal(again, payload) {
					t.Fatalf("%q became %q, %v", payload, again, err)
				}
			}
			if more = next; err != nil && more {
				t.Fatalf("it goes on after %v", err)
			}
		}
		if taken > lines {
			t.Fatalf("%d payloads in %d lines", taken, lines)
		}
	})
}

// FuzzQuery reads what a reader asks for, in any words.
func FuzzQuery(f *testing.F) {
	f.Add("from=3&limit=7&follow=true&tentative=0", "")
	f.Add("from=18446744073709551615", "17")
	f.Add("from=-1&follow=perhaps&x=%zz", "x")
	f.Fuzz(func(t *testing.T, text, last string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		header := http.Header{}
		header.Set("Last-Event-ID", last)
		if q, err := parseQuery(values, header); err == nil && values.Get("from") == "" && last == "" && q.after != 0 {
			t.Errorf("%q begins behind %d", text, q.after)
		}
	})
}

// FuzzTokens reads any file of tokens: what counts stands in it, and is long
// enough.
func FuzzTokens(f *testing.F) {
	f.Add("write 0123456789abcdef\nread fedcba9876543210\n# remark\n\n0123456789ABCDEF")
	f.Add("admin 0123456789abcdef")
	f.Fuzz(func(t *testing.T, text string) {
		known := tokens{}
		for line := range strings.Lines(text) {
			_ = known.add(line) // one that is wrong adds none
		}
		for sum, need := range known {
			token := ""
			for word := range strings.FieldsSeq(text) {
				if sha256.Sum256([]byte(word)) == sum {
					token = word
				}
			}
			if len(token) < tokenBytesMin || need != mayRead && need != mayWrite {
				t.Fatalf("%q may do %d", token, need)
			}
		}
	})
}
