package chatterbox

import (
	"context"
	"fmt"
	"sync"

	"chatterbox/protocol"
	"chatterbox/wire"
)

const (
	// readyBatchesMax is how many closed batches wait for the loop. It is
	// enough to keep the loop busy while whoever fills them does not run.
	readyBatchesMax = 4
	// outBufferBytes is the size of the buffers that own batches lie in.
	outBufferBytes = 256 << 10
	// outBuffersKept is how many free buffers are kept for the next batches.
	outBuffersKept = 32
)

// outbox is where own payloads wait for the loop: the open batch, and closed
// ones. Any goroutine may put payloads in; only the loop takes batches out.
// When both are full, whoever has more waits: that is the back-pressure.
type outbox struct {
	summarize  func(*protocol.Batch) error
	wake       func() // tells the loop that there is a full batch to take
	leave      func() // tells that the open batch is wanted as it is
	entriesMax int    // of a batch; 0: as many as fit

	mu      sync.Mutex // guards all below
	builder *wire.Builder
	full    bool             // the open batch has no room for what comes next
	ready   []protocol.Batch // closed, oldest first
	eager   bool             // the loop wants the open batch as soon as it has an entry
	freed   chan struct{}    // closed when there is room again; nil: nobody waits
	refusal error            // why nothing is taken in any more
	cutting bool             // what finds no room is dropped
}

func newOutbox(batchBytesMax, entriesMax int, summarize func(*protocol.Batch) error, wake, leave func()) *outbox {
	pool := protocol.NewPool(outBufferBytes, outBuffersKept)
	return &outbox{
		summarize: summarize, wake: wake, leave: leave, entriesMax: entriesMax,
		builder: wire.NewBuilder(pool, batchBytesMax),
		ready:   make([]protocol.Batch, 0, readyBatchesMax),
	}
}

// add copies a payload into the open batch.
func (o *outbox) add(ctx context.Context, payload []byte) error {
	return o.put(ctx, func() bool { return o.builder.Add(payload) })
}

// fill lets the caller write payloads side by side into the open batch.
func (o *outbox) fill(ctx context.Context, size int, fill func(dst []byte) int) error {
	return o.put(ctx, func() bool {
		none := false
		added := o.builder.Fill(size, func(dst []byte) int {
			if o.entriesMax > 0 {
				dst = dst[:min(len(dst), (o.entriesMax-o.builder.Len())*size)]
			}
			n := fill(dst)
			none = n == 0
			return n
		})
		return added > 0 || none
	})
}

// put tries, and waits for room as long as nothing fits.
func (o *outbox) put(ctx context.Context, try func() bool) error {
	for {
		freed, wanted, err := o.tryPut(try)
		if wanted {
			o.leave()
		}
		if err != nil || freed == nil {
			return err
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return fmt.Errorf("chatterbox: no room for more entries: %w", context.Cause(ctx))
		}
	}
}

// tryPut tries with the open batch, and if that is full with a new one. It
// gives a channel to wait for if there is no room, and says whether what was
// put in is wanted at once.
func (o *outbox) tryPut(try func() bool) (freed <-chan struct{}, wanted bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.refusal == nil {
		if !o.full {
			if done := try(); done {
				return nil, o.added(), nil
			}
			o.full = true
		}
		if !o.shift() {
			return o.waiting(), false, nil
		}
	}
	return nil, false, o.refusal
}

// added closes the open batch if it has all the entries that it may have, and
// says whether the loop waits for entries.
func (o *outbox) added() (wanted bool) {
	if o.builder.Len() == o.entriesMax && o.entriesMax > 0 {
		o.full = true
		o.shift()
	}
	wanted, o.eager = o.eager, false
	return wanted
}

// shift moves the full open batch to those that are ready, and says whether
// there was room for it. It is summarized now, while it is warm.
func (o *outbox) shift() bool {
	if len(o.ready) == readyBatchesMax {
		return false
	}
	if batch, ok := o.closeBatch(); ok {
		o.ready = append(o.ready, batch)
		o.wake()
	}
	return true
}

// closeBatch ends the open batch. An application that cannot summarize what it
// broadcast itself has made a mistake: it is refused from then on.
func (o *outbox) closeBatch() (protocol.Batch, bool) {
	batch := o.builder.Take()
	o.full = false
	if o.summarize == nil {
		return batch, true
	}
	if err := o.summarize(&batch); err != nil {
		batch.Buffer.Release()
		o.refusal = fmt.Errorf("chatterbox: own entries were dropped: %w", err)
		return batch, false
	}
	return batch, true
}

func (o *outbox) waiting() <-chan struct{} {
	if o.freed == nil {
		o.freed = make(chan struct{})
	}
	return o.freed
}

// next gives the oldest batch. The open one is given if it is full, or if
// partly filled ones are wanted; in that case and if there is none, the loop
// will be woken by the next entry. Whoever waits goes on once half of the
// room is free.
func (o *outbox) next(partly bool) (batch protocol.Batch, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.ready) > 0:
		batch, ok = o.ready[0], true
		o.ready = o.ready[:copy(o.ready, o.ready[1:])]
	case o.full || partly && o.builder.Len() > 0:
		batch, ok = o.closeBatch()
	}
	o.eager = !ok && partly
	if len(o.ready) <= readyBatchesMax/2 {
		o.release()
	}
	return batch, ok
}

// release lets those that wait for room try again.
func (o *outbox) release() {
	if o.freed != nil {
		close(o.freed)
		o.freed = nil
	}
}

// refuse takes in nothing more; what is there can still be taken.
func (o *outbox) refuse(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal == nil {
		o.refusal = why
	}
	o.release()
}

// cut takes in nothing more, and lets what finds no room be dropped.
func (o *outbox) cut(why error) {
	o.refuse(why)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cutting = true
}

// dropIfCut drops what is there if that is wanted.
func (o *outbox) dropIfCut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.cutting {
		return
	}
	for i := range o.ready {
		o.ready[i].Buffer.Release()
	}
	clear(o.ready)
	o.ready = o.ready[:0]
	if o.builder.Len() > 0 {
		batch := o.builder.Take()
		batch.Buffer.Release()
	}
}

// isEmpty says that nothing is left to take and nothing will come.
func (o *outbox) isEmpty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refusal != nil && len(o.ready) == 0 && o.builder.Len() == 0
}
