package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	testBufferBytes = 64 << 10
	testBatchBytes  = 4 << 10
)

func newTestBuilder() *Builder {
	return NewBuilder(protocol.NewPool(testBufferBytes, 4), testBatchBytes)
}

// place puts a batch into a place, seals it and returns it.
func place(b protocol.Batch, seq uint64) protocol.Batch {
	b.Origin, b.Identity, b.Seq, b.Time = 3, 0x1122334455667788, seq, 9
	Seal(&b)
	return b
}

// sealed makes a batch of payloads, which must fit.
func sealed(tb rapid.TB, payloads ...[]byte) protocol.Batch {
	tb.Helper()
	builder := newTestBuilder()
	for _, payload := range payloads {
		if !builder.Add(payload) {
			tb.Fatalf("%d payloads do not fit", len(payloads))
		}
	}
	return place(builder.Take(), 5)
}

// decoded reads a batch that must be well-formed, with nothing after it.
func decoded(tb rapid.TB, p []byte) protocol.Batch {
	tb.Helper()
	var b protocol.Batch
	if rest, err := DecodeBatch(p, &b); err != nil || len(rest) != 0 {
		tb.Fatalf("decode: %v, %d bytes left over", err, len(rest))
	}
	return b
}

// payloadsOf copies the payloads out of a batch.
func payloadsOf(b *protocol.Batch) [][]byte {
	payloads := [][]byte{}
	for payload := range Payloads(b).All() {
		payloads = append(payloads, bytes.Clone(payload))
	}
	return payloads
}

// somePayloads draws payloads of one size or of any.
func somePayloads() *rapid.Generator[[][]byte] {
	return rapid.Custom(func(t *rapid.T) [][]byte {
		size := rapid.IntRange(0, 300)
		if rapid.Bool().Draw(t, "one size") {
			size = rapid.Just(size.Draw(t, "size"))
		}
		payloads := make([][]byte, rapid.IntRange(1, 40).Draw(t, "count"))
		for i := range payloads {
			payloads[i] = bytes.Repeat([]byte{byte(i + 1)}, size.Draw(t, "size"))
		}
		return payloads
	})
}

func TestPayloadsComeBackInBatchesWithinTheLimit(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		payloads := somePayloads().Draw(t, "payloads")
		builder := newTestBuilder()
		var batches []protocol.Batch
		take := func() {
			size := builder.Size()
			b := place(builder.Take(), uint64(len(batches)+1))
			if b.Size() != size || size > testBatchBytes {
				t.Fatalf("batch of %d bytes was announced as %d", b.Size(), size)
			}
			batches = append(batches, b)
		}
		for _, payload := range payloads {
			if !builder.Add(payload) {
				take()
				if !builder.Add(payload) {
					t.Fatal("a payload does not fit into an empty batch")
				}
			}
		}
		take()
		got := [][]byte{}
		for i := range batches {
			b := decoded(t, batches[i].Bytes)
			if b.Count != batches[i].Count || b.Compare(&batches[i]) != 0 || b.Identity != batches[i].Identity {
				t.Fatalf("batch %+v became %+v", batches[i], b)
			}
			got = append(got, payloadsOf(&b)...)
		}
		if diff := cmp.Diff(payloads, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestColumnIsWrittenOnlyWhereSizesDiffer(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		payloads := somePayloads().Filter(func(p [][]byte) bool { return len(p) <= 10 }).Draw(t, "payloads")
		same, column := true, 0
		for _, payload := range payloads {
			same = same && len(payload) == len(payloads[0])
			column += varintBytes(len(payload))
		}
		want := BatchHeaderBytes + len(bytes.Join(payloads, nil))
		if !same {
			want += column
		}
		b := sealed(t, payloads...)
		size, _, fixed := Payloads(&b).Fixed()
		if b.Size() != want || fixed != same || fixed && size != len(payloads[0]) {
			t.Fatalf("batch of %d bytes, should be %d; fixed %v", b.Size(), want, fixed)
		}
	})
}

// writeNumbers fills with rising numbers of 8 bytes, from 1.
func writeNumbers(dst []byte) int {
	for i := 0; i < len(dst); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], uint64(i/8+1))
	}
	return len(dst)
}

func TestFillHandsOutAllOfTheBatch(t *testing.T) {
	builder := newTestBuilder()
	const entries = (testBatchBytes - BatchHeaderBytes) / 8
	if added := builder.Fill(8, writeNumbers); added != entries || builder.Len() != entries {
		t.Fatalf("added %d, should be %d", added, entries)
	}
	if added := builder.Fill(8, func([]byte) int { t.Fatal("a full batch was handed out"); return 0 }); added != 0 {
		t.Fatalf("added %d to a full batch", added)
	}
	b := place(builder.Take(), 1)
	b = decoded(t, b.Bytes)
	size, numbers, fixed := Payloads(&b).Fixed()
	if size != 8 || !fixed || len(numbers) != 8*entries {
		t.Fatalf("size %d, %d bytes", size, len(numbers))
	}
	for i := range entries {
		if got := binary.LittleEndian.Uint64(Payloads(&b).At(i)); got != uint64(i+1) {
			t.Fatalf("entry %d is %d", i, got)
		}
	}
}

func TestFillAndAddMix(t *testing.T) {
	builder := newTestBuilder()
	two := func(dst []byte) int { return copy(dst, "12345678abcdefgh") }
	builder.Fill(8, two)
	builder.Fill(8, func([]byte) int { return 0 })
	builder.Add([]byte("x"))
	builder.Fill(8, two)
	builder.Add(nil)
	b := place(builder.Take(), 1)
	b = decoded(t, b.Bytes)
	want := [][]byte{[]byte("12345678"), []byte("abcdefgh"), []byte("x"), []byte("12345678"), []byte("abcdefgh"), {}}
	if diff := cmp.Diff(want, payloadsOf(&b)); diff != "" {
		t.Fatal(diff)
	}
	for i, payload := range want {
		if got := Payloads(&b).At(i); !bytes.Equal(got, payload) {
			t.Fatalf("payload %d is %q, should be %q", i, got, payload)
		}
	}
}

func TestPayloadAboveTheLimitIsABatchOfItsOwn(t *testing.T) {
	builder := newTestBuilder()
	large := bytes.Repeat([]byte("large"), PayloadBytesMax/5+1)[:PayloadBytesMax]
	if !builder.Add([]byte("before")) || builder.Add(large) {
		t.Fatal("the large payload was added to a batch with others")
	}
	before := builder.Take()
	if !builder.Add(large) || builder.Add([]byte("after")) || builder.Add(nil) {
		t.Fatal("the large payload is not alone")
	}
	b := place(builder.Take(), 1)
	if b.Buffer != nil || before.Buffer == nil {
		t.Fatal("the large payload is in the pool's memory")
	}
	b = decoded(t, b.Bytes)
	if b.Count != 1 || !bytes.Equal(Payloads(&b).At(0), large) || b.Size() != BatchHeaderBytes+PayloadBytesMax {
		t.Fatalf("the large payload came back as %d entries in %d bytes", b.Count, b.Size())
	}
	if !builder.Add([]byte("after")) {
		t.Fatal("the builder does not go on")
	}
}

// TestPayloadAboveTheLimitIsPooled: as long as it fits into a buffer, a batch
// of one large payload lies there like any other.
func TestPayloadAboveTheLimitIsPooled(t *testing.T) {
	builder := newTestBuilder()
	large := bytes.Repeat([]byte("large"), testBatchBytes/5+1)
	if builder.Fill(3, func([]byte) int { return 0 }) != 0 || !builder.Add(large) || builder.Add([]byte("after")) {
		t.Fatal("the large payload is not alone")
	}
	added := builder.Take()
	filled := builder.Fill(len(large), func(dst []byte) int { return copy(dst, large) })
	for _, b := range []protocol.Batch{added, builder.Take()} {
		if b = place(b, 1); filled != 1 || b.Count != 1 || b.Buffer == nil || !bytes.Equal(Payloads(&b).At(0), large) {
			t.Fatalf("filled %d, and got %d entries in %d bytes, pooled: %t", filled, b.Count, b.Size(), b.Buffer != nil)
		}
	}
	if !builder.Add([]byte("after")) || cap(builder.open) < testBatchBytes {
		t.Fatal("the builder does not go on with batches of the usual size")
	}
}

func TestEmptyPayloadsAreLimitedByCount(t *testing.T) {
	builder := newTestBuilder()
	added := 0
	for builder.Add(nil) {
		added++
	}
	if b := place(builder.Take(), 1); added != BatchEntriesMax || b.Size() != BatchHeaderBytes || decoded(t, b.Bytes).Count != BatchEntriesMax {
		t.Fatalf("%d empty payloads in %d bytes", added, b.Size())
	}
}

func TestEmptyBuilderGivesNoBatch(t *testing.T) {
	builder := newTestBuilder()
	builder.Fill(8, func([]byte) int { return 0 })
	if b := builder.Take(); b.Count != 0 || b.Bytes != nil || b.Buffer != nil || builder.Size() != 0 {
		t.Fatalf("batch %+v", b)
	}
}

// TestBuffersGoBackToThePool takes batches over several buffers, releases all,
// and finds each buffer free again.
func TestBuffersGoBackToThePool(t *testing.T) {
	const keep = 3
	pool := protocol.NewPool(2*testBatchBytes, keep)
	builder := NewBuilder(pool, testBatchBytes)
	buffers := map[*protocol.Buffer]bool{}
	var batches []protocol.Batch
	for range 2*keep - 1 { // two batches a buffer, the open one in the last
		builder.Fill(8, writeNumbers)
		batches = append(batches, builder.Take())
		buffers[batches[len(batches)-1].Buffer] = true
	}
	builder.Add([]byte("dropped"))
	builder.Close()
	for _, b := range batches {
		b.Buffer.Release()
	}
	for range keep {
		if buffer := pool.Get(); !buffers[buffer] {
			t.Fatal("a buffer did not come back")
		}
	}
}

func TestBatchesInABufferDoNotTouch(t *testing.T) {
	builder := newTestBuilder()
	builder.Add([]byte("first"))
	first := place(builder.Take(), 1)
	before := bytes.Clone(first.Bytes)
	builder.Fill(8, writeNumbers)
	second := place(builder.Take(), 2)
	if first.Buffer != second.Buffer {
		t.Fatal("the batches are not in one buffer")
	}
	if _ = append(first.Bytes, "beyond"...); !bytes.Equal(first.Bytes, before) || decoded(t, second.Bytes).Seq != 2 {
		t.Fatal("one batch wrote into the other")
	}
}

func TestMistakesOfTheCallerPanic(t *testing.T) {
	pool := protocol.NewPool(testBufferBytes, 1)
	for name, mistake := range map[string]func(){
		"limit without room":      func() { NewBuilder(pool, BatchHeaderBytes) },
		"limit above the buffer":  func() { NewBuilder(pool, testBufferBytes+1) },
		"payload too large":       func() { newTestBuilder().Add(make([]byte, PayloadBytesMax+1)) },
		"fill without a size":     func() { newTestBuilder().Fill(0, writeNumbers) },
		"fill with too much":      func() { newTestBuilder().Fill(PayloadBytesMax+1, writeNumbers) },
		"half a payload filled":   func() { newTestBuilder().Fill(8, func([]byte) int { return 4 }) },
		"more filled than room":   func() { newTestBuilder().Fill(8, func(dst []byte) int { return len(dst) + 8 }) },
		"payload before the view": func() { b := sealed(t, nil); Payloads(&b).At(-1) },
		"payload after the view":  func() { b := sealed(t, nil); Payloads(&b).At(1) },
	} {
		if !panics(mistake) {
			t.Errorf("%s: no panic", name)
		}
	}
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}
