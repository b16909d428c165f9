package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"chatterbox/internal/core/member"
)

// joinFrames returns what is said when somebody joins.
func joinFrames() (joins []Join, seats []Seat) {
	list := member.List{{Name: "a", Host: "10.0.0.1", Port: 3000}, {Name: "b", Host: "::1", Port: 65535, Key: "k"}}
	view := member.Founding(list, member.Binding{7, 9})
	return []Join{{Identity: 5, Name: "c", Address: "10.0.0.3:3000"}, {Identity: 1}, {Identity: 7, Name: "o", Address: "h:1", Observes: true}},
		[]Seat{{Founders: list, View: view}, {Refusal: "not now"}, {Refusal: "never", Final: true}}
}

func TestWhoJoinsIsReadAsItWasWritten(t *testing.T) {
	joins, seats := joinFrames()
	for _, join := range joins {
		kind, body, _, err := CutFrame(AppendJoin(nil, &join), FrameBytesMax)
		if again, wrong := DecodeJoin(body); kind != KindJoin || err != nil || wrong != nil || again != join {
			t.Errorf("%+v became %+v, %v, %v", join, again, err, wrong)
		}
	}
	for _, seat := range seats {
		kind, body, _, err := CutFrame(AppendSeat(nil, &seat), SeatBytesMax)
		if again, wrong := DecodeSeat(body); kind != KindSeat || err != nil || wrong != nil || !reflect.DeepEqual(again, seat) {
			t.Errorf("%+v became %+v, %v, %v", seat, again, err, wrong)
		}
	}
	long := Seat{Refusal: strings.Repeat("x", RefusalBytesMax+1)}
	if seat, err := DecodeSeat(AppendSeat(nil, &long)[FrameHeaderBytes:]); err != nil || len(seat.Refusal) != RefusalBytesMax {
		t.Errorf("a long refusal became %d bytes, %v", len(seat.Refusal), err)
	}
	for _, body := range [][]byte{{}, {2, 0}, {1, 0}, {0, 0}, {0, 0, 0}} {
		if _, err := DecodeSeat(body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: error is %v", body, err)
		}
	}
	if _, err := DecodeJoin(AppendJoin(nil, &Join{})[FrameHeaderBytes:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("without identity the error is %v", err)
	}
}

func FuzzDecodeJoin(f *testing.F) {
	joins, seats := joinFrames()
	for i := range joins {
		f.Add(AppendJoin(nil, &joins[i])[FrameHeaderBytes:])
	}
	for i := range seats {
		f.Add(AppendSeat(nil, &seats[i])[FrameHeaderBytes:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if join, err := DecodeJoin(body); err == nil {
			if again, err := DecodeJoin(AppendJoin(nil, &join)[FrameHeaderBytes:]); err != nil || again != join {
				t.Fatalf("%+v became %+v, %v", join, again, err)
			}
		}
		if seat, err := DecodeSeat(body); err == nil {
			if again, err := DecodeSeat(AppendSeat(nil, &seat)[FrameHeaderBytes:]); err != nil || !reflect.DeepEqual(again, seat) {
				t.Fatalf("%+v became %+v, %v", seat, again, err)
			}
		}
	})
}
