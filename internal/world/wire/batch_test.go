package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// put32 and put64 give a change of one field of a header.
func put32(offset int, value uint32) func(p []byte) []byte {
	return func(p []byte) []byte { binary.LittleEndian.PutUint32(p[offset:], value); return p }
}

func put64(offset int, value uint64) func(p []byte) []byte {
	return func(p []byte) []byte { binary.LittleEndian.PutUint64(p[offset:], value); return p }
}

func putByte(offset int, value byte) func(p []byte) []byte {
	return func(p []byte) []byte { p[offset] = value; return p }
}

func TestBrokenBatchesAreRefused(t *testing.T) {
	fixed := sealed(t, []byte("12345678"), []byte("abcdefgh"))
	mixed := sealed(t, []byte("12345678"), []byte("abc"), nil)
	column := BatchHeaderBytes + 11
	for name, c := range map[string]struct {
		of    protocol.Batch
		spoil func(p []byte) []byte
	}{
		"nothing":              {fixed, func([]byte) []byte { return nil }},
		"half a header":        {fixed, func(p []byte) []byte { return p[:BatchHeaderBytes-1] }},
		"half of the payloads": {fixed, func(p []byte) []byte { return p[:len(p)-1] }},
		"half of the column":   {mixed, func(p []byte) []byte { return p[:len(p)-1] }},
		"layout 0":             {fixed, putByte(offsetLayout, 0)},
		"layout 3":             {fixed, putByte(offsetLayout, 3)},
		"reserved byte":        {fixed, putByte(offsetLayout+1, 1)},
		"no entries":           {fixed, put32(offsetCount, 0)},
		"too many entries":     {fixed, put32(offsetCount, BatchEntriesMax+1)},
		"four billion entries": {fixed, put32(offsetCount, 1<<32-1)},
		"one entry more":       {fixed, put32(offsetCount, 3)},
		"one entry less":       {fixed, put32(offsetCount, 1)},
		"four GiB of payloads": {fixed, put32(offsetPayload, 1<<32-1)},
		"fewer payloads":       {fixed, put32(offsetPayload, 8)},
		"four GiB each":        {fixed, put32(offsetSize, 1<<32-1)},
		"size whose product wraps": {fixed, func(p []byte) []byte {
			return put32(offsetSize, 1<<31+4)(put32(offsetPayload, 8)(p))
		}},
		"origin too large":         {fixed, putByte(offsetOrigin+1, member.CountMax>>8)},
		"sequence number 0":        {fixed, put64(offsetSeq, 0)},
		"sequence number wraps":    {fixed, put64(offsetSeq, 1<<64-1)},
		"sequence number too far":  {fixed, put64(offsetSeq, SeqMax)},
		"time 0":                   {fixed, put64(offsetTime, 0)},
		"time infinity":            {fixed, put64(offsetTime, uint64(clock.Infinity))},
		"time beyond infinity":     {fixed, put64(offsetTime, 1<<64-1)},
		"column: fewer lengths":    {mixed, put32(offsetCount, 4)},
		"column: more lengths":     {mixed, put32(offsetCount, 2)},
		"column: too short":        {mixed, put32(offsetSize, 2)},
		"column: four GiB":         {mixed, put32(offsetSize, 1<<32-1)},
		"column: length too long":  {mixed, putByte(column, 9)},
		"column: length too small": {mixed, putByte(column, 7)},
		"column: length unended":   {mixed, putByte(column+2, 0x80)},
		"column: length of 2^64": {mixed, func(p []byte) []byte {
			return put32(offsetSize, 10)(append(p[:column], bytes.Repeat([]byte{0xff}, 10)...))
		}},
	} {
		var b protocol.Batch
		p := c.spoil(bytes.Clone(c.of.Bytes))
		if _, err := DecodeBatch(p, &b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error is %v, batch %+v", name, err, b)
		}
	}
}

func TestLastSequenceNumberIsAccepted(t *testing.T) {
	b := sealed(t, []byte("a"), []byte("b"))
	b.Seq = SeqMax - 1
	Seal(&b)
	if last := decoded(t, b.Bytes); last.Last() != SeqMax {
		t.Fatalf("last entry is %d", last.Last())
	}
}

func TestDecodeBatchForgetsWhatTheBatchWas(t *testing.T) {
	p := sealed(t, []byte("a")).Bytes
	b := protocol.Batch{Count: 9, Prepared: 1, Buffer: protocol.NewPool(1, 1).Get()}
	rest, err := DecodeBatch(append(bytes.Clone(p), "rest"...), &b)
	if err != nil || string(rest) != "rest" {
		t.Fatalf("rest is %q, error %v", rest, err)
	}
	if b.Prepared != nil || b.Buffer != nil || b.Count != 1 || cap(b.Bytes) != len(p) {
		t.Fatalf("batch is %+v", b)
	}
}

// FuzzDecodeBatch: whatever is accepted has as many payloads as entries, and
// built anew from those it is the same batch.
func FuzzDecodeBatch(f *testing.F) {
	f.Add(sealed(f, []byte("12345678"), []byte("abcdefgh")).Bytes)
	f.Add(sealed(f, []byte("12345678"), []byte("abc"), nil).Bytes)
	f.Add(sealed(f, nil, nil).Bytes)
	f.Fuzz(func(t *testing.T, p []byte) {
		var b protocol.Batch
		rest, err := DecodeBatch(p, &b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if len(rest)+b.Size() != len(p) {
			t.Fatalf("batch of %d bytes and rest of %d in %d", b.Size(), len(rest), len(p))
		}
		payloads := payloadsOf(&b)
		if len(payloads) != int(b.Count) || Payloads(&b).Len() != int(b.Count) {
			t.Fatalf("%d payloads of %d entries", len(payloads), b.Count)
		}
		again := rebuilt(t, &b, payloads)
		if !sameBatch(&b, &again) {
			t.Fatalf("batch %+v became %+v", b, again)
		}
	})
}

// rebuilt builds the same batch anew.
func rebuilt(t *testing.T, b *protocol.Batch, payloads [][]byte) protocol.Batch {
	t.Helper()
	builder := NewBuilder(protocol.NewPool(BatchBytesMax, 0), BatchBytesMax)
	for _, payload := range payloads {
		if !builder.Add(payload) {
			t.Fatalf("%d payloads do not fit", len(payloads))
		}
	}
	again := builder.Take()
	again.Origin, again.Identity, again.Seq, again.Time = b.Origin, b.Identity, b.Seq, b.Time
	Seal(&again)
	return decoded(t, again.Bytes)
}

// sameBatch compares all but the lengths of varints, which may be written in
// more bytes than needed.
func sameBatch(a, b *protocol.Batch) bool {
	same := a.Compare(b) == 0 && a.Identity == b.Identity && a.Count == b.Count
	left, right := payloadsOf(a), payloadsOf(b)
	for i := range left {
		same = same && bytes.Equal(left[i], right[i])
	}
	return same
}
