package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"chatterbox/internal/core/protocol"
)

// keyed returns a sealed batch of payloads with keys.
func keyed(t *testing.T, pairs ...string) protocol.Batch {
	t.Helper()
	b := NewBuilder(protocol.NewPool(4<<10, 1), 1<<10)
	for i := 0; i < len(pairs); i += 2 {
		if !b.AddKeyed(pairs[i], []byte(pairs[i+1])) {
			t.Fatalf("no room for %q", pairs[i])
		}
	}
	batch := b.Take()
	batch.Origin, batch.Identity, batch.Seq, batch.Time = 1, 2, 3, 4
	Seal(&batch)
	return batch
}

func TestKeysTravelWithTheirPayloads(t *testing.T) {
	made := keyed(t, "k", "one", strings.Repeat("long", 50), "two", "k", "3")
	var got protocol.Batch
	if _, err := DecodeBatch(made.Bytes, &got); err != nil {
		t.Fatal(err)
	}
	text := ""
	for key, payload := range Payloads(&got).Keyed() {
		text += fmt.Sprintf("%.5s=%s ", key, payload)
	}
	if want := "k=one longl=two k=3 "; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	if at := Payloads(&got).At(1); string(at) != "two" {
		t.Errorf("payload 1 is %q", at)
	}
}

func TestPayloadsWithAndWithoutKeysDoNotShareABatch(t *testing.T) {
	b := NewBuilder(protocol.NewPool(4<<10, 1), 1<<10)
	b.Add([]byte("plain"))
	if b.AddKeyed("k", []byte("keyed")) {
		t.Error("a key in a plain batch")
	}
	b.Take()
	b.AddKeyed("k", []byte("keyed"))
	if b.Add([]byte("plain")) || b.Fill(5, func([]byte) int { return 5 }) != 0 {
		t.Error("a payload without a key in a keyed batch")
	}
}

func TestLargestPayloadTakesTheLongestKey(t *testing.T) {
	b := NewBuilder(protocol.NewPool(4<<10, 1), 1<<10)
	if !b.AddKeyed(strings.Repeat("k", KeyBytesMax), make([]byte, PayloadBytesMax)) {
		t.Fatal("no room")
	}
	batch := b.Take()
	batch.Seq, batch.Time = 1, 1
	Seal(&batch)
	var got protocol.Batch
	if _, err := DecodeBatch(batch.Bytes, &got); err != nil || len(batch.Bytes) != BatchBytesMax {
		t.Errorf("%d bytes of %d: %v", len(batch.Bytes), BatchBytesMax, err)
	}
}

func TestBrokenKeysAreRefused(t *testing.T) {
	made := keyed(t, "key", "payload")
	for name, length := range map[string]byte{"empty": 0, "as long as the entry": 10, "longer": 11} {
		broken := bytes.Clone(made.Bytes)
		broken[BatchHeaderBytes] = length
		var got protocol.Batch
		if _, err := DecodeBatch(broken, &got); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
