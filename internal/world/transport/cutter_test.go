package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// testBatch makes a sealed batch of one payload of size bytes, in memory of
// its own.
func testBatch(origin member.ID, seq uint64, size int) protocol.Batch {
	pool := protocol.NewPool(wire.BatchBytesMax, 1)
	builder := wire.NewBuilder(pool, wire.BatchBytesMax)
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(uint64(i)*7 + seq)
	}
	builder.Add(payload)
	batch := builder.Take()
	batch.Origin, batch.Identity, batch.Seq, batch.Time = origin, 7, seq, 1
	wire.Seal(&batch)
	batch.Bytes, batch.Buffer = bytes.Clone(batch.Bytes), nil
	return batch
}

// drawStream makes the bytes of some frames: messages with batches of all
// sizes, and beats.
func drawStream(rng *rand.Rand, frames, sizeMax int) []byte {
	var stream []byte
	for i := range frames {
		if rng.IntN(3) == 0 {
			stream = wire.AppendBeat(stream, &wire.Beat{Meta: "x"})
			continue
		}
		m := protocol.Message{From: 1, Identity: 7, Number: uint64(i)}
		for range rng.IntN(4) {
			m.Batches = append(m.Batches, testBatch(1, uint64(i)+1, rng.IntN(sizeMax)))
		}
		stream = wire.AppendFrame(stream, &m)
	}
	return stream
}

// cutAll reads a stream in chunks, the sizes of which chunk gives, and gives
// all frames as text and all batches, held. It is what a reader does.
func cutAll(c *cutter, stream []byte, chunk func() int) (frames []string, batches []protocol.Batch, err error) {
	for len(stream) > 0 {
		space := c.space()
		n := copy(space, stream[:min(len(stream), max(1, chunk()))])
		stream = stream[n:]
		c.filled(n)
		for {
			kind, body, err := c.next()
			if err != nil {
				return frames, batches, err
			}
			if kind == 0 {
				break
			}
			frames = append(frames, fmt.Sprintf("%d %x", kind, body))
			var m protocol.Message
			if kind != wire.KindMessage || wire.DecodeMessage(body, &m) != nil {
				continue
			}
			c.hold(m.Batches)
			batches = append(batches, m.Batches...)
		}
	}
	return frames, batches, nil
}

// texts returns the bytes of batches.
func texts(batches []protocol.Batch) []string {
	var all []string
	for i := range batches {
		all = append(all, string(batches[i].Bytes))
	}
	return all
}

// sameCut reads a stream at once and in chunks, and fails if that differs.
func sameCut(t *testing.T, stream []byte, bufferBytes int, seed uint64) {
	t.Helper()
	whole := newCutter(protocol.NewPool(len(stream)+bufferBytesMin, 1), wire.FrameBytesMax)
	defer whole.close()
	wantFrames, wantBatches, wantErr := cutAll(whole, stream, func() int { return len(stream) })
	rng := rand.New(rand.NewPCG(seed, 1))
	chunked := newCutter(protocol.NewPool(bufferBytes, 4), wire.FrameBytesMax)
	defer chunked.close()
	frames, batches, err := cutAll(chunked, stream, func() int { return rng.IntN(1 + 1<<rng.IntN(18)) })
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("error in chunks: %v, at once: %v", err, wantErr)
	}
	if fmt.Sprint(frames) != fmt.Sprint(wantFrames) {
		t.Fatalf("%d frames in chunks, %d at once, or others", len(frames), len(wantFrames))
	}
	// All are still held, so no memory may have been used again.
	if fmt.Sprint(texts(batches)) != fmt.Sprint(texts(wantBatches)) {
		t.Fatal("batches differ while they are held")
	}
	for _, held := range [][]protocol.Batch{batches, wantBatches} {
		for i := range held {
			held[i].Buffer.Release() // panics if a reference was missing
		}
	}
}

func TestCuttingInChunksGivesTheSameMessages(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 0))
		stream := drawStream(rng, 1+rng.IntN(60), 1<<rng.IntN(16))
		sameCut(t, stream, bufferBytesMin<<rng.IntN(4), seed)
	}
}

func FuzzCutter(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(drawStream(rand.New(rand.NewPCG(seed, 0)), 6, 100), seed)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 2, 3}, uint64(1))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		if len(stream) < 4<<10 { // the small buffer has many ends in that
			sameCut(t, stream, 128, seed)
		}
	})
}

func TestLargeFrameTakesMemoryOnlyAsItArrives(t *testing.T) {
	c := newCutter(protocol.NewPool(bufferBytesMin, 4), wire.FrameBytesMax)
	defer c.close()
	claim := binary.LittleEndian.AppendUint32(nil, wire.FrameBytesMax-4)
	claim = append(claim, byte(wire.KindMessage))
	c.filled(copy(c.space(), claim))
	for sent := len(claim); sent < 3*bufferBytesMin; {
		if kind, _, err := c.next(); kind != 0 || err != nil {
			t.Fatalf("kind %d, error %v of a frame that has only begun", kind, err)
		}
		n := len(c.space())
		c.filled(n)
		sent += n
		if limit := max(2*bufferBytesMin, 2*sent); len(c.buffer.Bytes) > limit {
			t.Fatalf("%d bytes of memory after %d bytes came", len(c.buffer.Bytes), sent)
		}
	}
}

func TestFrameAboveTheLimitIsRefusedByItsLength(t *testing.T) {
	c := newCutter(protocol.NewPool(bufferBytesMin, 4), 1000)
	defer c.close()
	c.filled(copy(c.space(), binary.LittleEndian.AppendUint32(nil, 1000)))
	if _, _, err := c.next(); !errors.Is(err, wire.ErrMalformed) {
		t.Fatalf("error %v", err)
	}
}

// TestSparseBatchesDoNotKeepBuffersOfRows sends a small batch among many beats,
// again and again, and holds them all.
func TestSparseBatchesDoNotKeepBuffersOfRows(t *testing.T) {
	const bufferBytes, rounds = 64 << 10, 1000
	c := newCutter(protocol.NewPool(bufferBytes, 4), wire.FrameBytesMax)
	defer c.close()
	message := protocol.Message{From: 1, Identity: 7, Batches: []protocol.Batch{testBatch(1, 1, 100)}}
	stream := wire.AppendFrame(nil, &message)
	for range 100 {
		stream = wire.AppendBeat(stream, &wire.Beat{Meta: "twelve bytes"})
	}
	kept := make(map[*protocol.Buffer]bool)
	for range rounds {
		_, batches, err := cutAll(c, stream, func() int { return len(stream) })
		if err != nil || len(batches) != 1 {
			t.Fatalf("%d batches, error %v", len(batches), err)
		}
		kept[batches[0].Buffer] = true
	}
	needed := rounds*len(message.Batches[0].Bytes)/bufferBytes + 1
	if len(kept) > needed+1 {
		t.Fatalf("%d buffers are kept by batches that fit into %d", len(kept), needed)
	}
}

// TestDenseTrafficIsNotCopied shows that batches alias the memory they were
// read into while they are most of what comes.
func TestDenseTrafficIsNotCopied(t *testing.T) {
	c := newCutter(protocol.NewPool(256<<10, 4), wire.FrameBytesMax)
	defer c.close()
	message := protocol.Message{From: 1, Identity: 7, Batches: []protocol.Batch{testBatch(1, 1, 4000), testBatch(1, 2, 100)}}
	stream := wire.AppendFrame(nil, &message)
	for range 100 {
		_, batches, err := cutAll(c, stream, func() int { return len(stream) })
		if err != nil || len(batches) != 2 {
			t.Fatalf("%d batches, error %v", len(batches), err)
		}
		for i := range batches {
			if batches[i].Buffer != c.buffer {
				t.Fatal("a batch was moved")
			}
			batches[i].Buffer.Release()
		}
	}
}
