package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/driver"
)

const (
	// outBufferBytes is the size of the buffers that own batches lie in.
	outBufferBytes = 256 << 10
	// outBuffersKept is how many free buffers are kept for the next batches.
	outBuffersKept = 32
)

// outbox is where own payloads wait for the driver. Any goroutine may put
// payloads in; only the turn takes batches out. Whoever finds no room waits.
type outbox struct {
	late    func()                 // tells that somebody has waited for room for long
	full    func() <-chan struct{} // see Config.Full
	stopped func() bool            // reports whether the disk is full
	wake    func()                 // tells the loop that there is a full batch to take
	leave   func()                 // tells that the open batch is wanted as it is

	mu      sync.Mutex // guards all below
	out     *driver.Outbox
	last    uint64        // own sequence number of the last payload
	life    atomic.Uint64 // how often numbers began anew; only written under mu
	shut    bool          // nothing is taken in yet: nobody knows whether this member may write
	freed   chan struct{} // closed when there is room again; nil: nobody waits
	refusal error         // why nothing is taken in any more
	// suspended says that refusal is for a while.
	suspended bool
	stalled   error // why nothing is taken in for a while
	first     bool  // all must have met before it opens
}

func newOutbox(batchBytesMax, entriesMax int, prepare func(*protocol.Batch) any, wake, leave func()) *outbox {
	pool := protocol.NewPool(outBufferBytes, outBuffersKept)
	return &outbox{wake: wake, leave: leave, shut: true, out: driver.NewOutbox(pool, batchBytesMax, entriesMax, prepare)}
}

// lifeShift is where in the number of a payload its life begins; the rest is its
// sequence number in that.
const lifeShift = 56

// Seq returns the own sequence number in the number that a payload was given.
func Seq(number uint64) uint64 { return number & (1<<lifeShift - 1) }

func (o *outbox) number() uint64 { return o.life.Load()<<lifeShift | o.last }

// isPast reports whether a number is of a life that counts for nothing.
func (o *outbox) isPast(number uint64) bool { return number>>lifeShift != o.life.Load() }

// begin drops what is there, and begins another life: its numbers are none of those that
// were given before. It returns how many entries were dropped so far.
func (o *outbox) begin() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out.Discard()
	o.life.Add(1)
	o.last, o.shut = 0, true
	return o.out.Dropped()
}

// add copies a payload into the open batch, and returns its number. It belongs to the
// life of the number after, unless that is 0: if that life counts for nothing, so does
// the payload, which is not taken in then, and the error is ErrNever.
func (o *outbox) add(ctx context.Context, after uint64, payload []byte) (uint64, error) {
	return o.put(ctx, after, func() driver.Put { return o.out.Add(payload) })
}

// addKeyed is add for a payload with a key.
func (o *outbox) addKeyed(ctx context.Context, key string, payload []byte) (uint64, error) {
	return o.put(ctx, 0, func() driver.Put { return o.out.AddKeyed(key, payload) })
}

// fill lets the caller write payloads side by side into the open batch, and
// returns the number of the last one; after is that of add.
func (o *outbox) fill(ctx context.Context, after uint64, size int, fill func(dst []byte) int) (uint64, error) {
	return o.put(ctx, after, func() driver.Put { return o.out.Fill(size, fill) })
}

// put tries, and waits for room as long as nothing fits.
func (o *outbox) put(ctx context.Context, after uint64, try func() driver.Put) (last uint64, err error) {
	var late *time.Timer
	for {
		last, freed, wanted, err := o.tryPut(after, try)
		if wanted {
			o.leave()
		}
		if err != nil || freed == nil {
			return last, err
		}
		if late == nil && o.late != nil { // one for all that is waited, for much may be freed that others take
			late = time.AfterFunc(patience, o.late)
			defer late.Stop()
		}
		if err := wait(ctx, freed); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrRoom, err)
		}
	}
}

// patience is after how long whoever waits is told of to the log.
const patience = 5 * time.Second

func wait(ctx context.Context, freed <-chan struct{}) error {
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tryPut tries once. It returns a channel to wait for if there is no room, and
// reports whether what was put in is wanted at once.
func (o *outbox) tryPut(after uint64, try func() driver.Put) (last uint64, freed <-chan struct{}, wanted bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal != nil {
		return 0, nil, false, o.refusal
	}
	if after != 0 && o.isPast(after) {
		return 0, nil, false, ErrNever
	}
	if o.stalled != nil {
		return 0, nil, false, o.stalled
	}
	if o.shut || o.stopped != nil && o.stopped() {
		return 0, o.waiting(), false, nil
	}
	put := try()
	o.last += uint64(put.Entries)
	if put.Closed {
		o.wake()
	}
	if put.Done {
		return o.number(), nil, put.Wanted, nil
	}
	return 0, o.waiting(), false, nil
}

func (o *outbox) waiting() <-chan struct{} {
	if o.freed == nil {
		o.freed = make(chan struct{})
	}
	return o.freed
}

// open begins to take in.
func (o *outbox) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		o.shut = false
		o.release()
	}
}

// Next is the driver's source. Whoever waits goes on once half of the room is
// free.
func (o *outbox) Next(partly bool, bytesMax int) (batch protocol.Batch, ok bool) {
	if o.full != nil && o.full() != nil {
		return batch, false // the loop makes a turn when that is over
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	batch, ok = o.out.Next(partly, bytesMax)
	o.shut = o.shut && (o.first || bytesMax <= 0) // there is room: this member may write, as far as it knows
	if o.out.HasRoom() {
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

// refuse takes in nothing more; what is there can still be taken. If cut is
// set, what finds no room is dropped.
func (o *outbox) refuse(why error, cut bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal == nil {
		o.refusal = why
	}
	o.out.End(cut)
	o.release()
}

// stop takes in nothing more; what is there goes out, and more of another life
// may follow. It returns the number of the last payload that was taken, 0 if there is none.
func (o *outbox) stop(why error) (last uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal == nil {
		o.refusal = why
	}
	o.release()
	if o.last == 0 {
		return 0
	}
	return o.number()
}

// stall takes in nothing until resume is called. Whoever waits for room is told.
func (o *outbox) stall(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stalled = why
	o.release()
}

// resume takes in again.
func (o *outbox) resume() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stalled = nil
}

func (o *outbox) stalls() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stalled
}

func (o *outbox) refuses() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refusal
}

// suspend takes in nothing until goOn is called. What is there waits, for it has its
// numbers: nobody else ever gets one of these.
func (o *outbox) suspend(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal == nil {
		o.refusal, o.suspended = why, true
	}
	o.release()
}

// goOn takes in again after suspend, behind so many own entries, or those that were
// taken in if these are more, and reports whether none were in this life.
func (o *outbox) goOn(behind uint64) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.suspended {
		o.refusal, o.suspended = nil, false
	}
	first = o.last == 0
	o.last, o.shut = max(o.last, behind), false
	o.release()
	return first
}

func (o *outbox) isSuspended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.suspended
}

// reopened returns a channel that is closed when anything changes for who waits.
func (o *outbox) reopened() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting()
}

// discard takes in nothing more and drops what is there, and returns how many
// entries were dropped so far.
func (o *outbox) discard() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out.End(true)
	o.out.Discard()
	return o.out.Dropped()
}

// dropped returns how many entries were taken in and dropped.
func (o *outbox) dropped() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Dropped()
}

// Stuck drops what finds no room, if that is wanted.
func (o *outbox) Stuck(bytesMax int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out.Stuck(bytesMax)
}

// Ended reports whether nothing is left to take and nothing will come.
func (o *outbox) Ended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Ended()
}
