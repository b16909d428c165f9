package wire

import (
	"bytes"
	"errors"
	"testing"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"

	"pgregory.net/rapid"
)

// someFrames makes a frame of each kind.
func someFrames(tb rapid.TB) [][]byte {
	m := &protocol.Message{From: 1, Session: 2, Batches: []protocol.Batch{sealed(tb, []byte("payload"))}}
	return [][]byte{
		AppendFrame(nil, m),
		AppendBeat(nil, &Beat{}),
		AppendHello(nil, &Hello{Cluster: "test", Count: 3, Process: 7, Protocol: "delta", Tick: 1e7, Purpose: ForOffer}),
		AppendWelcome(nil, &Welcome{Refusal: "no"}),
	}
}

func TestFramesComeOutOfAStreamHoweverItIsCut(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		frames := someFrames(t)
		stream, waiting, kinds := bytes.Join(frames, nil), []byte(nil), []Kind(nil)
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "bytes read")
			waiting, stream = append(waiting, stream[:n]...), stream[n:]
			for {
				kind, body, rest, err := CutFrame(waiting, FrameBytesMax)
				if err != nil {
					t.Fatal(err)
				}
				if kind == 0 {
					break
				}
				if want := frames[len(kinds)][FrameHeaderBytes:]; !bytes.Equal(body, want) {
					t.Fatalf("body is %x, should be %x", body, want)
				}
				kinds, waiting = append(kinds, kind), rest
			}
		}
		if want := []Kind{KindMessage, KindBeat, KindHello, KindWelcome}; !equalKinds(kinds, want) || len(waiting) != 0 {
			t.Fatalf("kinds are %v, %d bytes left over", kinds, len(waiting))
		}
	})
}

func equalKinds(a, b []Kind) bool {
	same := len(a) == len(b)
	for i := 0; same && i < len(a); i++ {
		same = a[i] == b[i]
	}
	return same
}

func TestImpossibleFramesAreRefused(t *testing.T) {
	const bytesMax = 100
	for name, p := range map[string][]byte{
		"length 0":           {0, 0, 0, 0, 1},
		"one byte too long":  {bytesMax - 3, 0, 0, 0},
		"four GiB":           {0xff, 0xff, 0xff, 0xff},
		"a line of HTTP":     []byte("GET / HTTP/1.1\r\n"),
		"kind 0":             {1, 0, 0, 0, 0},
		"a kind of no frame": {1, 0, 0, 0, byte(KindSeat) + 1},
	} {
		if _, _, _, err := CutFrame(p, bytesMax); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if n, err := FrameBytes([]byte{bytesMax - 4, 0, 0, 0}, bytesMax); n != bytesMax || err != nil {
		t.Errorf("the longest frame has %d bytes, %v", n, err)
	}
}

func FuzzCutFrame(f *testing.F) {
	for _, frame := range someFrames(f) {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		kind, body, rest, err := CutFrame(p, FrameBytesMax)
		switch {
		case err != nil && !errors.Is(err, ErrMalformed):
			t.Fatal(err)
		case err == nil && kind == 0 && !bytes.Equal(rest, p):
			t.Fatal("a frame that is not complete lost bytes")
		case kind != 0 && FrameHeaderBytes+len(body)+len(rest) != len(p):
			t.Fatalf("%d bytes became %d and %d", len(p), len(body), len(rest))
		}
	})
}
