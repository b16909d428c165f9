package chatterbox

import "chatterbox/internal/world/wire"

// An Entry is what the log holds. It belongs to the caller, who may keep and
// change it. Payloads that were read together share one allocation of up to 64
// KiB: clone a small payload that is kept for long.
type Entry struct {
	// Position is the entry's place; 0 if it is not settled yet.
	Position Position
	// ID names the entry; ID.Origin is who broadcast it.
	ID ID
	// Key is the key of BroadcastKeyed; "" if the entry was added without one.
	// Entries of different IDs may have the same key.
	Key string
	// Lamport is the logical time of the entry. It orders causes before
	// effects and measures nothing; put a clock's time into the payload.
	Lamport uint64
	// Payload has 1 to MaxPayload bytes.
	Payload []byte
}

// A Batch is a run of entries of one origin with one Lamport time, side by side
// in the order. A Batch and what its methods return are valid until the body of
// the loop ends, and must not be changed: their memory is then used for other
// batches.
type Batch struct {
	// First is the position of its first entry; 0 if it is not settled yet.
	First Position
	// ID names its first entry; the others follow in Seq.
	ID ID
	// Lamport is the logical time of all its entries.
	Lamport uint64
	// Prepared is what Config.Prepare returned for the batch, whole.
	Prepared any

	view *view
}

// view shows the payloads of a batch, but for those that a reader has already.
type view struct {
	payloads wire.PayloadView
	skip     int
	entries  [][]byte // each, once the first one of a batch of mixed sizes was asked for
}

func (v *view) show(payloads wire.PayloadView, skip int) {
	v.payloads, v.skip, v.entries = payloads, skip, v.entries[:0]
}

// Len returns the number of entries, at least 1.
func (b Batch) Len() int { return b.view.payloads.Len() - b.view.skip }

// Last returns the position of the last entry; 0 if the batch is not settled.
func (b Batch) Last() Position {
	if b.First == 0 {
		return 0
	}
	return b.First + Position(b.Len()) - 1
}

// Payload returns the payload of entry i, of 0 to Len()-1.
func (b Batch) Payload(i int) []byte {
	if i < 0 || i >= b.Len() {
		panic("chatterbox: entry out of range")
	}
	v := b.view
	if size, data, ok := v.payloads.Fixed(); ok {
		at := (i + v.skip) * size
		return data[at : at+size : at+size]
	}
	if len(v.entries) == 0 {
		for payload := range v.payloads.All() {
			v.entries = append(v.entries, payload)
		}
	}
	return v.entries[i+v.skip]
}

// Key returns the key of entry i; "" if it has none.
func (b Batch) Key(i int) string { return b.view.payloads.Key(i + b.view.skip) }

// Fixed returns all payloads side by side, and the size that each of them has;
// size 0 and no data if they differ.
func (b Batch) Fixed() (data []byte, size int) {
	size, data, ok := b.view.payloads.Fixed()
	if !ok {
		return nil, 0
	}
	return data[b.view.skip*size:], size
}
