package chatterbox

import (
	"context"
	"fmt"
	"sync"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/journal"
	"chatterbox/internal/world/wire"
)

const (
	// keysMax is how many of its own last keys a member remembers.
	keysMax = 1 << 16
	// recallBytesMax is how much a start reads again for them, in bytes.
	recallBytesMax = 64 << 20
)

// keys are the keys of this member's own entries.
type keys struct {
	mu      sync.Mutex               // guards all below
	known   map[string]uint64        // sequence numbers
	order   []keyed                  // of known, a ring
	next    int                      // where in order the next one goes
	pending map[string]chan struct{} // being put in; closed afterwards
}

// keyed is an own entry with a key.
type keyed struct {
	key string
	seq uint64
}

// BroadcastKeyed is Broadcast for callers that may try again: if this member
// accepted an entry with the same key before, it returns its ID and adds
// nothing, whatever the payload; calls at the same time share one entry. If that
// entry is still in doubt it is waited for. It
// remembers its own last 65,536 keys; across restarts those among its last
// 65,536 entries, as far as these are in the folder and have 64 MiB at most. Keys of other members are not compared: a caller that
// tried at two members makes two entries, and readers drop the later one by
// Entry.Key, in the order.
func (n *Node) BroadcastKeyed(ctx context.Context, key string, payload []byte) (ID, error) {
	if len(key) < 1 || len(key) > MaxKey {
		return ID{}, fmt.Errorf("%w: a key has 1 to %d bytes, not %d", ErrPayload, MaxKey, len(key))
	}
	for {
		seq, known, pending := n.keys.claim(key)
		if known {
			return n.acceptedKeyed(ctx, key, seq)
		}
		if pending == nil {
			break
		}
		if err := n.await(ctx, pending, func() string { return "another call puts in the same key" }); err != nil {
			return ID{}, err
		}
	}
	seq, err := n.inner.BroadcastKeyed(ctx, key, payload)
	n.keys.settle(key, seq)
	if err != nil {
		return ID{}, n.refused(err)
	}
	return n.acceptedKeyed(ctx, key, seq)
}

// acceptedKeyed waits for the entry that has a key. One that never got into the
// log has none.
func (n *Node) acceptedKeyed(ctx context.Context, key string, seq uint64) (ID, error) {
	id, err := n.accepted(ctx, seq)
	if err != nil && id == (ID{}) {
		n.keys.forget(key, seq)
	}
	return id, err
}

// claim finds a key. If it is neither known nor pending it is the caller's to
// put in, who calls settle.
func (k *keys) claim(key string) (seq uint64, known bool, pending <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if seq, known = k.known[key]; known {
		return seq, true, nil
	}
	if waiting := k.pending[key]; waiting != nil {
		return 0, false, waiting
	}
	if k.pending == nil {
		k.pending = map[string]chan struct{}{}
	}
	k.pending[key] = make(chan struct{})
	return 0, false, nil
}

// settle ends a claim; seq 0 means that the key was not put in.
func (k *keys) settle(key string, seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.pending[key])
	delete(k.pending, key)
	if seq > 0 {
		k.remember(key, seq)
	}
}

// forget forgets what was remembered of a key, unless it was put in anew since.
func (k *keys) forget(key string, seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(keyed{key, seq})
}

func (k *keys) drop(one keyed) {
	if k.known[one.key] == one.seq {
		delete(k.known, one.key)
	}
}

func (k *keys) remember(key string, seq uint64) {
	if k.known == nil {
		k.known = map[string]uint64{}
	}
	if _, known := k.known[key]; known {
		return
	}
	k.known[key] = seq
	if len(k.order) < keysMax {
		k.order = append(k.order, keyed{key, seq})
		return
	}
	k.drop(k.order[k.next])
	k.order[k.next] = keyed{key, seq}
	k.next = (k.next + 1) % keysMax
}

// recallKeys remembers the keys of what had settled before this start. What had
// not is learned like anything new.
func (n *Node) recallKeys(archive *journal.Archive) {
	err := archive.Latest(n.self, keysMax, recallBytesMax, func(b *protocol.Batch) {
		if wire.IsKeyed(b) {
			n.keys.learnBatch(b)
		}
	})
	if err != nil {
		n.log.Warn("not all keys of earlier entries can be read: who tries again may make a second entry", "error", err)
	}
}

// learn remembers the keys of own batches, which may be of before a restart.
func (k *keys) learn(self member.ID, batches []protocol.Batch) {
	for i := range batches {
		if b := &batches[i]; b.Origin == self && wire.IsKeyed(b) {
			k.learnBatch(b)
		}
	}
}

func (k *keys) learnBatch(b *protocol.Batch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seq := b.Seq
	for key := range wire.Payloads(b).Keyed() {
		k.remember(string(key), seq)
		seq++
	}
}
