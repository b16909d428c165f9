package protocol_test

import (
	"testing"

	"chatterbox/internal/core/protocol"
)

// TestAParkedBatchIsComparedByItsChecksum: two batches with the same place are told from
// each other by their content, also where only the journal has that of one of them.
func TestAParkedBatchIsComparedByItsChecksum(t *testing.T) {
	written := protocol.Batch{Origin: 1, Identity: 7, Seq: 3, Time: 9, Count: 1, Bytes: []byte("one")}
	other := written
	other.Bytes = []byte("two")
	parked := written.Park()
	if parked.Bytes != nil || parked.Size() != written.Size() {
		t.Fatalf("parked: %d bytes of %d, and %d of them in memory", parked.Size(), written.Size(), len(parked.Bytes))
	}
	otherParked := other.Park()
	same := [][2]*protocol.Batch{{&written, &written}, {&written, &parked}, {&parked, &written}, {&parked, &parked}}
	for i, pair := range same {
		if !pair[0].Equal(pair[1]) {
			t.Errorf("pair %d of the same content differs", i)
		}
	}
	differing := [][2]*protocol.Batch{{&written, &other}, {&parked, &other}, {&other, &parked}, {&parked, &otherParked}}
	for i, pair := range differing {
		if pair[0].Equal(pair[1]) {
			t.Errorf("pair %d of different content is the same", i)
		}
	}
	if parked.Sum = 0; !parked.Equal(&other) {
		t.Error("a batch of which no checksum was taken is told by its place")
	}
}
