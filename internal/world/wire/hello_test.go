package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"

	"pgregory.net/rapid"
)

func (d draws) left() time.Duration {
	return time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(d.T, "left"))
}

func (d draws) text(bytesMax int) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, bytesMax).Draw(d.T, "text"))
}

func TestHandshakeComesBackWithinTheLimit(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		d := draws{t}
		hello := Hello{
			Cluster: d.text(ClusterBytesMax), Members: d.any(), From: d.id(), To: d.id(),
			Identity: member.Identity(d.any()), Session: d.any(), Meta: d.text(MetaBytesMax),
			Count: rapid.IntRange(0, member.CountMax).Draw(t, "count"), Process: d.any(), Tick: d.left(),
			Protocol: d.text(ProtocolBytesMax), Purpose: Purpose(rapid.IntRange(0, int(ForReading)).Draw(t, "purpose")),
		}
		kind, body, _, err := CutFrame(AppendHello(nil, &hello), HandshakeBytesMax)
		if got, decodeErr := DecodeHello(body); kind != KindHello || err != nil || decodeErr != nil || got != hello {
			t.Fatalf("%+v became %+v: %v, %v", hello, got, err, decodeErr)
		}
		welcome := Welcome{
			From: d.id(), Identity: member.Identity(d.any()), Refusal: d.text(RefusalBytesMax),
			Process: d.any(), Session: d.any(), Tick: d.left(), Meta: d.text(MetaBytesMax),
		}
		kind, body, _, err = CutFrame(AppendWelcome(nil, &welcome), HandshakeBytesMax)
		if got, decodeErr := DecodeWelcome(body); kind != KindWelcome || err != nil || decodeErr != nil || got != welcome {
			t.Fatalf("%+v became %+v: %v, %v", welcome, got, err, decodeErr)
		}
		beat := Beat{Meta: d.text(MetaBytesMax), Rival: d.text(RivalBytesMax)}
		kind, body, _, err = CutFrame(AppendBeat(nil, &beat), HandshakeBytesMax)
		if got, decodeErr := DecodeBeat(body); kind != KindBeat || err != nil || decodeErr != nil || got != beat {
			t.Fatalf("%+v became %+v: %v, %v", beat, got, err, decodeErr)
		}
	})
}

// handshakes decodes a body as each of the small frames.
func handshakes(body []byte) map[string]error {
	_, hello := DecodeHello(body)
	_, welcome := DecodeWelcome(body)
	_, beat := DecodeBeat(body)
	return map[string]error{"hello": hello, "welcome": welcome, "beat": beat}
}

func TestCutOffAndLongHandshakesAreRefused(t *testing.T) {
	for name, frame := range map[string][]byte{
		"hello":   AppendHello(nil, &Hello{Cluster: "test", Meta: "idle"}),
		"welcome": AppendWelcome(nil, &Welcome{Refusal: "because", Meta: "idle"}),
		"beat":    AppendBeat(nil, &Beat{Meta: "idle", Rival: "dials from 127.0.0.1:9"}),
	} {
		body := frame[FrameHeaderBytes:]
		for length := range body {
			if err := handshakes(body[:length])[name]; !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, %d of %d bytes: error is %v", name, length, len(body), err)
			}
		}
		if err := handshakes(append(body, 0))[name]; !errors.Is(err, ErrMalformed) {
			t.Errorf("%s, a byte too many: error is %v", name, err)
		}
	}
}

func TestAnotherVersionIsToldApartFromGarbage(t *testing.T) {
	body := AppendHello(nil, &Hello{})[FrameHeaderBytes:]
	body[len(magic)] = Version + 1
	_, err := DecodeHello(body)
	if err == nil || errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), fmt.Sprintf("speaks version %d, this one %d", Version+1, Version)) {
		t.Fatalf("error is %v", err)
	}
	if _, err := DecodeHello([]byte("GET / HTTP/1.1\r\n")); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "does not speak chatterbox") {
		t.Fatalf("error is %v", err)
	}
}

func TestWhatIsTooLongForAHandshake(t *testing.T) {
	if !panics(func() { AppendHello(nil, &Hello{Cluster: strings.Repeat("x", ClusterBytesMax+1)}) }) {
		t.Error("a long cluster name does not panic")
	}
	if !panics(func() { AppendHello(nil, &Hello{Protocol: strings.Repeat("x", ProtocolBytesMax+1)}) }) {
		t.Error("a long name of a protocol does not panic")
	}
	frame := AppendWelcome(nil, &Welcome{Refusal: strings.Repeat("x", RefusalBytesMax+1)})
	if w, err := DecodeWelcome(frame[FrameHeaderBytes:]); err != nil || len(w.Refusal) != RefusalBytesMax {
		t.Errorf("refusal of %d bytes, %v", len(w.Refusal), err)
	}
	long := bytes.Replace(AppendHello(nil, &Hello{})[FrameHeaderBytes:], []byte{Version, 0}, []byte{Version, ClusterBytesMax + 1}, 1)
	if _, err := DecodeHello(append(long, make([]byte, 100)...)); !errors.Is(err, ErrMalformed) {
		t.Errorf("error is %v", err)
	}
}

func FuzzDecodeHandshake(f *testing.F) {
	for _, frame := range someFrames(f) {
		f.Add(frame[FrameHeaderBytes:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := DecodeHello(body); err == nil {
			if again, err := DecodeHello(AppendHello(nil, &h)[FrameHeaderBytes:]); err != nil || again != h {
				t.Fatalf("%+v became %+v, %v", h, again, err)
			}
		}
		if w, err := DecodeWelcome(body); err == nil {
			if again, err := DecodeWelcome(AppendWelcome(nil, &w)[FrameHeaderBytes:]); err != nil || again != w {
				t.Fatalf("%+v became %+v, %v", w, again, err)
			}
		}
		if b, err := DecodeBeat(body); err == nil {
			if again, err := DecodeBeat(AppendBeat(nil, &b)[FrameHeaderBytes:]); err != nil || again != b {
				t.Fatalf("%+v became %+v, %v", b, again, err)
			}
		}
	})
}
