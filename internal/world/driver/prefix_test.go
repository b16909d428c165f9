package driver

import (
	"fmt"
	"slices"
	"testing"

	"chatterbox/internal/core/protocol"
)

// spell is a fold that spells out which batches it was given.
func spell(state []byte, next *protocol.Batch) []byte {
	return fmt.Appendf(state, "%d/%d ", next.Origin, next.Seq)
}

// trimmed returns batches of one entry each of the first member.
func trimmed(seqs ...uint64) (batches []protocol.Batch) {
	for _, seq := range seqs {
		batches = append(batches, protocol.Batch{Seq: seq, Count: 1})
	}
	return batches
}

func snapshotOf(have ...uint64) *protocol.Snapshot { return &protocol.Snapshot{Have: have} }

// TestSnapshotsHaveTheStateOfWhatIsTrimmed by the step that they leave with, too.
func TestSnapshotsHaveTheStateOfWhatIsTrimmed(t *testing.T) {
	p := &Prefix{Fold: spell}
	p.Take(&protocol.Effects{Trim: trimmed(1, 2)})
	own := snapshotOf(4, 0)
	effects := protocol.Effects{
		Base: own, Send: []protocol.Envelope{{Message: &protocol.Message{Snapshot: own}}, {Message: &protocol.Message{}}},
		Trim: trimmed(3, 4),
	}
	p.Take(&effects)
	const all = "0/1 0/2 0/3 0/4 "
	sent := effects.Send[0].Message.Snapshot
	if string(effects.Base.State) != all || string(sent.State) != all || !slices.Equal(sent.Have, own.Have) {
		t.Errorf("base %q, sent %q", effects.Base.State, sent.State)
	}
	if own.State != nil || effects.Send[1].Message.Snapshot != nil {
		t.Error("the reducer's own snapshot was changed, or one came from nowhere")
	}
	p.Take(&protocol.Effects{Trim: trimmed(5)})
	if string(effects.Base.State) != all {
		t.Errorf("a snapshot that has left changes to %q", effects.Base.State)
	}
}

// TestAStateBeginsWithTheSnapshotOfAPeer and what is trimmed in the same step
// comes after it.
func TestAStateBeginsWithTheSnapshotOfAPeer(t *testing.T) {
	p := &Prefix{Fold: spell}
	p.Take(&protocol.Effects{Trim: trimmed(1)})
	reset := &protocol.Snapshot{Have: []uint64{7, 2}, State: []byte("theirs ")}
	effects := protocol.Effects{Reset: reset, Base: snapshotOf(7, 2), Trim: trimmed(8)}
	p.Take(&effects)
	if string(effects.Base.State) != "theirs 0/8 " || string(p.State) != "theirs 0/8 " || string(reset.State) != "theirs " {
		t.Errorf("base %q, state %q, reset %q", effects.Base.State, p.State, reset.State)
	}
}

func TestAStateThatIsTooLargeIsOurMistake(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	p := &Prefix{Fold: func([]byte, *protocol.Batch) []byte { return make([]byte, protocol.StateBytesMax+1) }}
	p.Take(&protocol.Effects{Trim: trimmed(1)})
}
