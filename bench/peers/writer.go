package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chatterbox/internal/job/bench"
	"chatterbox/internal/proof/workload"
)

// system brings the messages of all members into one order.
type system interface {
	// Publish puts messages in, which it may keep. It need not wait until they
	// have their place.
	Publish(ctx context.Context, messages [][]byte) error
	// Close ends this member's part.
	Close() error
}

// opening starts this member's part of a system. Once it returns, all that is
// published goes to deliver, in order, by one goroutine.
type opening func(ctx context.Context, listener net.Listener, load bench.Load, w *writer) (system, error)

// tuning is how a writer feeds a system when it is to be saturated.
type tuning struct {
	entries    int // in a message
	burst      int // messages given to Publish at once
	window     int // own messages that may be on their way
	publishers int // goroutines that publish
}

const (
	entryBytes     = 8
	originBits     = 6 // of an entry that tells when and by whom it was sent
	sampleEvery    = 64
	patienceOfEnds = 10 * time.Second
	gcPercent      = 400 // these systems allocate each message
)

// writer is the application of one member: it publishes numbers, and takes in
// those of all in the order in which they are delivered.
type writer struct {
	load    bench.Load
	tuning  tuning
	times   *bench.Times
	besides func() (cpu float64, rss uint64) // set by systems that run a server

	entries  atomic.Uint64
	own      atomic.Uint64
	messages uint64 // delivered; the delivering goroutine's
	sum      uint64 // of all numbers delivered; likewise

	mu      sync.Mutex // guards what is below
	waiting int        // own messages on their way
	room    *sync.Cond
	failed  error
}

// measure returns the measurement of a system that is fed in a certain way.
func measure(open opening, t tuning) bench.Measure {
	return func(ctx context.Context, listener net.Listener, load bench.Load, barrier bench.Barrier) (result bench.Result, err error) {
		debug.SetGCPercent(gcPercent)
		times, err := bench.CreateTimes(load)
		if err != nil {
			return result, err
		}
		w := &writer{load: load, tuning: t, times: times}
		w.room = sync.NewCond(&w.mu)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		part, err := open(ctx, listener, load, w)
		if err != nil {
			return result, err
		}
		if err := barrier(); err != nil {
			return result, errors.Join(err, part.Close())
		}
		var publishers sync.WaitGroup
		feeding, stop := context.WithCancel(ctx)
		defer stop()
		w.feed(feeding, part, &publishers)
		result, err = bench.Window(ctx, load, bench.Gauge{Counts: w.counts, Besides: w.besides}, barrier)
		stop()
		w.wake()
		publishers.Wait()
		w.drain()
		if barrierErr := barrier(); barrierErr != nil { // others may still need this part
			err = errors.Join(err, barrierErr)
		}
		return result, errors.Join(err, w.failed, part.Close(), times.Close())
	}
}

func (w *writer) counts() bench.Counts {
	return bench.Counts{Entries: w.entries.Load(), Own: w.own.Load()}
}

// feed starts what publishes until ctx ends.
func (w *writer) feed(ctx context.Context, part system, publishers *sync.WaitGroup) {
	if w.load.Rate > 0 {
		publishers.Go(func() { w.fail(ctx, w.publishPaced(ctx, part)) })
		return
	}
	for number := range w.tuning.publishers {
		publishers.Go(func() { w.fail(ctx, w.publish(ctx, part, number)) })
	}
}

// fail keeps the first error of a publisher, and stops the others.
func (w *writer) fail(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && ctx.Err() == nil && w.failed == nil {
		w.failed = err
	}
	w.room.Broadcast()
}

// publish keeps the window full.
func (w *writer) publish(ctx context.Context, part system, number int) error {
	numbers := workload.NewNumbers(uint64(number), w.load.Self)
	size := w.tuning.entries * entryBytes
	for w.enter(ctx, w.tuning.burst) {
		slab := make([]byte, w.tuning.burst*size)
		numbers.Fill(slab)
		messages := make([][]byte, w.tuning.burst)
		for i := range messages {
			messages[i] = slab[i*size : (i+1)*size : (i+1)*size]
			w.stamp(messages[i])
		}
		if err := part.Publish(ctx, messages); err != nil {
			return err
		}
	}
	return nil
}

// publishPaced publishes one entry at a time at this member's part of the rate.
func (w *writer) publishPaced(ctx context.Context, part system) error {
	members := len(w.load.Addrs)
	every := time.Duration(float64(time.Second) * float64(members) / w.load.Rate)
	next := time.Now().Add(every * time.Duration(w.load.Self) / time.Duration(members))
	for {
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return nil
		}
		next = next.Add(every)
		if !w.enter(ctx, 1) {
			return nil
		}
		message := make([]byte, entryBytes)
		w.stamp(message)
		if err := part.Publish(ctx, [][]byte{message}); err != nil {
			return err
		}
	}
}

// enter waits until so many more messages fit into the window.
func (w *writer) enter(ctx context.Context, messages int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.waiting > 0 && w.waiting+messages > w.tuning.window && ctx.Err() == nil && w.failed == nil {
		w.room.Wait()
	}
	if ctx.Err() != nil || w.failed != nil {
		return false
	}
	w.waiting += messages
	return true
}

func (w *writer) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room.Broadcast()
}

// drain waits until what was published is delivered, or for too long.
func (w *writer) drain() {
	timer := time.AfterFunc(patienceOfEnds, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting = 0
		w.room.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.waiting > 0 && w.failed == nil {
		w.room.Wait()
	}
}

// stamp makes the first entry tell when it was sent, and by whom.
func (w *writer) stamp(message []byte) {
	now := uint64(time.Now().UnixNano())
	binary.LittleEndian.PutUint64(message, now>>originBits<<originBits|uint64(w.load.Self))
}

// deliver takes the next message in: every number of it is looked at.
func (w *writer) deliver(message []byte) {
	first := binary.LittleEndian.Uint64(message)
	for rest := message; len(rest) >= entryBytes; rest = rest[entryBytes:] {
		w.sum += binary.LittleEndian.Uint64(rest)
	}
	if w.tuning.entries > 1 || w.load.Rate > 0 || w.messages%sampleEvery == 0 {
		w.times.Add(int64(first>>originBits<<originBits), time.Now().UnixNano())
	}
	w.messages++
	entries := uint64(len(message) / entryBytes)
	w.entries.Add(entries)
	if first&(1<<originBits-1) == uint64(w.load.Self) {
		w.own.Add(entries)
		w.leave()
	}
}

// leave makes room for an own message.
func (w *writer) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
	if w.waiting <= 0 || w.waiting+w.tuning.burst <= w.tuning.window {
		w.room.Broadcast()
	}
}
