package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestPartsComeBack(t *testing.T) {
	for _, ask := range []Ask{{At: 1 << 40, Offset: 7}, {At: 1 << 40, Offset: 7, Stream: 3}} {
		if kind, body, _, err := CutFrame(AppendAsk(nil, &ask), HandshakeBytesMax); kind != KindAsk || err != nil {
			t.Fatalf("kind %d, %v", kind, err)
		} else if got, err := DecodeAsk(body); err != nil || got != ask {
			t.Errorf("%+v became %+v, %v", ask, got, err)
		}
	}
	for _, stream := range []byte{0, 0xff} { // none, which is left out, and too many
		if _, err := DecodeAsk([]byte{1, 0, stream, 0xff, 0x7f}[:3]); !errors.Is(err, ErrMalformed) {
			t.Errorf("stream %d: %v", stream, err)
		}
	}
	part := Part{At: 9, Size: 1 << 20, Offset: 1<<20 - PartBytesMax, Bytes: bytes.Repeat([]byte{5}, PartBytesMax)}
	if kind, body, _, err := CutFrame(AppendPart(nil, &part), FrameBytesMax); kind != KindPart || err != nil {
		t.Fatalf("kind %d, %v", kind, err)
	} else if got, err := DecodePart(body); err != nil || got.At != 9 || got.Offset != part.Offset || !bytes.Equal(got.Bytes, part.Bytes) {
		t.Errorf("part %d of %d came back with %d bytes, %v", got.Offset, got.Size, len(got.Bytes), err)
	}
}

func TestPartsBeyondTheirSnapshotAreRefused(t *testing.T) {
	for name, p := range map[string]Part{
		"longer":    {At: 1, Size: 3, Bytes: []byte("four")},
		"behind it": {At: 1, Size: 3, Offset: 4},
	} {
		if _, err := DecodePart(AppendPart(nil, &p)[FrameHeaderBytes:]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeAsk(nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty ask: %v", err)
	}
}

func FuzzDecodePart(f *testing.F) {
	f.Add(AppendPart(nil, &Part{At: 1, Size: 10, Offset: 2, Bytes: []byte("some")})[FrameHeaderBytes:])
	f.Add(AppendPart(nil, &Part{At: 1, Size: 10, Offset: 10, Bytes: []byte("sum.")})[FrameHeaderBytes:])
	f.Add(AppendAsk(nil, &Ask{At: 1, Offset: 2})[FrameHeaderBytes:])
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := DecodePart(body)
		isSum := p.Offset == p.Size && len(p.Bytes) == PartSumBytes
		if err == nil && p.Offset+uint64(len(p.Bytes)) > p.Size && !isSum {
			t.Fatalf("%+v", p)
		}
		if a, err := DecodeAsk(body); err == nil {
			if again, err := DecodeAsk(AppendAsk(nil, &a)[FrameHeaderBytes:]); err != nil || again != a {
				t.Fatalf("%+v became %+v, %v", a, again, err)
			}
		}
	})
}

func FuzzDecodeBeat(f *testing.F) {
	f.Add(AppendBeat(nil, &Beat{Meta: "meta", Rival: "10.0.0.1:3000"})[FrameHeaderBytes:])
	f.Add(AppendBeat(nil, &Beat{})[FrameHeaderBytes:])
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := DecodeBeat(body)
		if err != nil {
			return
		}
		if again, err := DecodeBeat(AppendBeat(nil, &b)[FrameHeaderBytes:]); err != nil || again != b {
			t.Fatalf("%+v became %+v, %v", b, again, err)
		}
	})
}
