package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/node"
)

// pauseMin is how long a paced sender pauses at least, so that a high rate
// costs a thousand wake-ups a second and not a million.
const pauseMin = time.Millisecond

// send fills the node's stream with this member's numbers until the send
// phase, the rate or the number of messages ends it, and closes the stream.
func (r *run) send(ctx context.Context) error {
	defer r.node.CloseStream()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.phases.sending, cancel)()
	numbers := r.numbers(ctx)
	if numbers == nil || r.phases.phase() != PhaseSend {
		return nil // it ended before it began
	}
	recovered := r.own.Load()
	fill := func(dst []byte) int {
		own := r.own.Load()
		due := due(r.cfg.Rate, r.phases.paced(), own-recovered)
		if r.cfg.Messages > 0 {
			due = min(due, r.cfg.Messages-own)
		}
		n := numbers.Fill(dst[:min(uint64(len(dst)), due*workload.EntryBytes)])
		r.own.Store(own + uint64(n)/workload.EntryBytes)
		return n
	}
	for r.cfg.Messages == 0 || r.own.Load() < r.cfg.Messages {
		if !pause(ctx, untilDue(r.cfg.Rate, r.phases.paced(), r.own.Load()-recovered)) {
			return nil
		}
		if _, err := r.node.Fill(ctx, workload.EntryBytes, fill); err != nil {
			return unlessEnded(ctx, err)
		}
	}
	return nil
}

// numbers makes this member's stream of numbers, nil if the node has ended.
// Those that an earlier life with the same data has written are not repeated.
func (r *run) numbers(ctx context.Context) *workload.Numbers {
	status, err := r.node.Status(ctx)
	if err == nil {
		numbers := workload.NewNumbers(r.cfg.Seed, int(status.Self))
		own := status.Held[status.Self].Have
		numbers.Skip(own)
		r.own.Store(own)
		return numbers
	}
	return nil
}

// unlessEnded returns the error that ended the sending, but none where that is
// the way in which it ends. That this member only reads is told by the outcome.
func unlessEnded(ctx context.Context, err error) error {
	for _, end := range []error{context.Cause(ctx), node.ErrClosed, node.ErrStreamClosed, node.ErrReader} {
		if end != nil && errors.Is(err, end) {
			return nil
		}
	}
	return fmt.Errorf("job: send: %w", err)
}

// due returns how many entries more the rate allows at a time, after those that
// were written. Who was held up catches up.
func due(rate uint64, now time.Duration, written uint64) uint64 {
	if rate == 0 {
		return math.MaxUint64 / workload.EntryBytes
	}
	hi, lo := bits.Mul64(rate, uint64(now))
	allowed, _ := bits.Div64(hi, lo, uint64(time.Second))
	return max(allowed, written) - written
}

// untilDue returns the time until the next entry is due.
func untilDue(rate uint64, now time.Duration, written uint64) time.Duration {
	if rate == 0 || due(rate, now, written) > 0 {
		return 0
	}
	hi, lo := bits.Mul64(written+1, uint64(time.Second))
	at, _ := bits.Div64(hi, lo, rate)
	return max(time.Duration(at)-now+1, pauseMin)
}

// pause waits and says whether ctx still goes on.
func pause(ctx context.Context, length time.Duration) bool {
	if length == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
