package backup

import (
	"fmt"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// Letters returns the names of members that have none: a, b, c and so on.
func Letters(members int) []string {
	names := make([]string, members)
	for i := range names {
		names[i] = member.Letter(member.ID(i))
	}
	return names
}

// batcher makes the batches of entries again: those of one origin and one time
// that follow one another were one. A batch is encoded the same whoever does it.
type batcher struct {
	builder    *wire.Builder
	identities member.Binding // who wrote them
	first      Entry          // of the open batch; Position 0: there is none
	last       Entry
}

func newBatcher(identities member.Binding) *batcher {
	return &batcher{
		builder:    wire.NewBuilder(protocol.NewPool(wire.BatchBytesMax, 1), wire.BatchBytesMax),
		identities: identities,
	}
}

// add takes the next entry, and returns the batch that it does not belong to, if
// it ends one.
func (b *batcher) add(e *Entry) (ended protocol.Batch, err error) {
	if len(e.Payload) < 1 || len(e.Payload) > wire.PayloadBytesMax || len(e.Key) > wire.KeyBytesMax {
		return ended, fmt.Errorf("position %d has a payload of %d bytes and a key of %d: that cannot be", e.Position, len(e.Payload), len(e.Key))
	}
	follows := b.first.Position > 0 && e.Origin == b.last.Origin && e.Time == b.last.Time && e.Seq == b.last.Seq+1
	if !follows || !b.put(e) {
		if ended = b.take(); !b.put(e) {
			return ended, fmt.Errorf("position %d does not fit into a batch", e.Position)
		}
		b.first = *e
	}
	b.last = *e
	return ended, nil
}

func (b *batcher) put(e *Entry) bool {
	if e.Key != "" {
		return b.builder.AddKeyed(e.Key, e.Payload)
	}
	return b.builder.Add(e.Payload)
}

// take returns the open batch; its Count is 0 if there is none.
func (b *batcher) take() protocol.Batch {
	batch := b.builder.Take()
	if batch.Count == 0 {
		return batch
	}
	batch.Origin, batch.Identity = b.first.Origin, b.identities[b.first.Origin]
	batch.Seq, batch.Time = b.first.Seq, clock.Time(b.first.Time)
	wire.Seal(&batch)
	batch.Bytes = slices.Clone(batch.Bytes) // the builder's buffers have room for the largest batch
	batch.Buffer.Release()
	batch.Buffer, b.first = nil, Entry{}
	return batch
}
