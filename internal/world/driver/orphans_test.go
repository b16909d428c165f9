package driver

import (
	"errors"
	"testing"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// seen remembers what was submitted.
type seen struct{ submitted []protocol.Batch }

func (s *seen) Observe(e protocol.Event, _ protocol.Effects) {
	if e.Kind == protocol.Submit {
		s.submitted = append(s.submitted, e.Batch)
	}
}

// TestWhatIsWrittenAgainIsLoadedAndCopied: before anything new, with the next turn, in
// order; and a disk at its limit does not keep it back, for it was accepted.
func TestWhatIsWrittenAgainIsLoadedAndCopied(t *testing.T) {
	inMemory := makeBatch(1, 7)
	orphans := []protocol.Batch{inMemory, {Origin: 1, Seq: 8, Count: 1, Parked: wire.BatchHeaderBytes}}
	w, watch := &world{full: true}, &seen{}
	d := New(Config{
		Reducer: &scripted{effects: []protocol.Effects{{Orphans: orphans}, {}, {}, {}}}, Journal: w, Sender: w, App: w, Observer: watch,
		Prepare: func(b *protocol.Batch) any { return b.Seq },
	})
	if next := end(t, d); !next.Again {
		t.Error("no turn is asked for")
	}
	if next := end(t, d); next.Again || len(watch.submitted) != 2 {
		t.Fatalf("%d batches are submitted, and another turn asked for: %v", len(watch.submitted), next.Again)
	}
	for i, b := range watch.submitted {
		if b.Seq != orphans[i].Seq || b.Parked != 0 || len(b.Bytes) != wire.BatchHeaderBytes || b.Buffer != nil || b.Prepared != b.Seq {
			t.Errorf("submitted is %+v", b)
		}
	}
	if &watch.submitted[0].Bytes[0] == &inMemory.Bytes[0] {
		t.Error("what may still be on its way is written to")
	}
}

func TestWhatCannotBeReadAgainStopsTheMember(t *testing.T) {
	w := &world{unreadable: errors.New("bad sector")}
	d := New(Config{
		Reducer: &scripted{effects: []protocol.Effects{{Orphans: []protocol.Batch{{Origin: 1, Seq: 8, Count: 1, Parked: 50}}}}},
		Journal: w, Sender: w, App: w,
	})
	end(t, d)
	if _, err := d.End(0); !errors.Is(err, w.unreadable) || !errors.Is(d.Err(), w.unreadable) {
		t.Errorf("the error is %v, then %v", err, d.Err())
	}
}
