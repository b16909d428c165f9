package wire

import (
	"bytes"
	"testing"

	"chatterbox/protocol"
)

func TestBatchOfNumbersComesBack(t *testing.T) {
	b := NewBuilder(protocol.NewPool(1<<18, 4), 16<<10)
	added := b.Fill(8, func(dst []byte) int {
		for i := range dst {
			dst[i] = byte(i)
		}
		return len(dst)
	})
	batch := b.Take()
	batch.Origin, batch.Identity, batch.Seq, batch.Time = 3, 77, 5, 9
	Seal(&batch)
	var got protocol.Batch
	rest, err := DecodeBatch(batch.Bytes, &got)
	if err != nil || len(rest) != 0 {
		t.Fatal(err, len(rest))
	}
	if got.Count != uint32(added) || got.Origin != 3 || got.Identity != 77 || got.Seq != 5 || got.Time != 9 {
		t.Fatalf("got %+v", got)
	}
	size, payloads, ok := Payloads(&got).Fixed()
	if !ok || size != 8 || !bytes.Equal(payloads, batch.Bytes[BatchHeaderBytes:]) {
		t.Fatal(size, ok)
	}
}
